"""A peer that lies, in real frames over a real socket; one that has no room: errors, no harm."""

from __future__ import annotations

import array
import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import Raw
from msgspec.msgpack import Ext, encode

from opsin.errors import ConnectionLost, ProtocolError
from opsin.rpc import codec, messages, segment, shared_arrays, unpacker
from opsin.rpc.frames import Frame, encode_prefix
from opsin.rpc.messages import Call, Drain, Hello, Item, More, Piece, Progress, Release, Result
from opsin.rpc.objects import ObjectTable
from opsin.rpc.peer import Peer
from opsin.rpc.pool import Pool
from opsin.rpc.segment import Segment
from opsin.rpc.shared_arrays import SharedArrays, available
from opsin.rpc.transports.assembly import Assembly
from opsin.rpc.transports.unix_stream import UnixTransport
from tests.rpc.children import child
from tests.rpc.process import nothing_leaks, room_for
from tests.rpc.running import run
from tests.rpc.services import Service

pytestmark = pytest.mark.skipif(not available(), reason="no shared arrays here")

SIZE = 2**17
Patch = pytest.MonkeyPatch


class Liar:
    """The other end of a peer's socket: says what it is told to."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.say(Hello(1, ("descriptors",)))

    def say(self, message: messages.Message, payload: bytes = b"", *descriptors: int) -> None:
        header = messages.encode_message(message)
        data = encode_prefix(Frame(header, payload, descriptors)) + header + payload
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        self._socket.sendmsg([data], [rights] if descriptors else [])


@asynccontextmanager
async def lied_to() -> AsyncIterator[tuple[Peer, Liar]]:
    ours, theirs = socket.socketpair()
    with theirs:
        async with Peer(UnixTransport(ours), Service(), segments=SharedArrays(Pool())) as peer:
            liar = Liar(theirs)
            await peer.root()
            yield peer, liar


def shared(**lies: Any) -> Raw:
    """What says that an array lies in a segment."""
    says = {"dtype": "uint8", "shape": [SIZE], "strides": [1], "offset": 0}
    says |= {"segment": 1, "size": SIZE, "k": 0} | lies
    return Raw(encode(Ext(codec.SHARED_ARRAY, encode(list(says.values())))))


def ext(code: int, *data: Any) -> Raw:
    return Raw(encode(Ext(code, encode(data[0] if len(data) == 1 else list(data)))))


# ------------------------------------------------------------------------------ lies in values

VALUES: dict[str, Raw] = {
    "size": shared(size=2 * SIZE, shape=[2 * SIZE]),
    "size and nothing else": shared(size=SIZE // 2, shape=[10]),
    "shape": shared(shape=[SIZE + 1]),
    "shape that overflows": shared(shape=[2**40, 2**40]),
    "negative shape": shared(shape=[-1]),
    "offset": shared(offset=1),
    "negative offset": shared(offset=-1),
    "strides": shared(strides=[2]),
    "strides that overlap": shared(shape=[SIZE, SIZE], strides=[0, 1]),
    "strides backwards": shared(strides=[-1]),
    "too few strides": shared(strides=[]),
    "dtype": shared(dtype="float64"),
    "unknown dtype": shared(dtype="uint12"),
    "dtype of objects": shared(dtype="object"),
    "number of a descriptor": shared(k=1),
    "segment that is here already": shared(segment=77, k=None),
    "buffer": ext(codec.BUFFERED_ARRAY, "uint8", [3], 0),
    "bytes in a buffer": ext(codec.BUFFERED_BYTES, 3),
    "array here": ext(codec.ARRAY, "uint8", [9], b"12345678"),
    "home": ext(codec.YOURS, 12345),
    "object": ext(codec.OBJECT, 0, 1, "root"),
    "kind of an object": ext(codec.OBJECT, 5, 9, "x"),
    "lazy array": ext(codec.LAZY, 5, "uint8", [-4], None),
    "lazy array of objects": ext(codec.LAZY, 5, "object", [4], None),
    "extension": ext(99, 1),
}


async def believe(value: Raw) -> None:
    """A result, an item and an argument that lie fail their call; the next call works."""
    async with lied_to() as (peer, liar):
        memory = Segment.make(SIZE)
        service = await peer.root()
        call = asyncio.ensure_future(service.anything())
        await asyncio.sleep(0)
        liar.say(Result(1, value), b"", memory.descriptor)
        with pytest.raises(ProtocolError):
            await call
        stream = service.stream().__aiter__()
        task = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        liar.say(Item(2, value), b"", memory.descriptor)
        with pytest.raises(ProtocolError):
            await task
        args = Raw(b"\x91" + bytes(value))
        liar.say(Call(1, 0, "note", args, Raw(b"\x80")), b"", memory.descriptor)
        honest = asyncio.ensure_future(service.anything())
        await asyncio.sleep(0)
        liar.say(Result(3, shared(segment=2)), b"", memory.descriptor)
        assert (await honest).shape == (SIZE,)
        assert not peer.is_over
        assert not peer.values.objects.root.log, "what was called with a lie did not run"
        memory.close()


@pytest.mark.parametrize("lie", VALUES)
def test_a_value_that_lies_fails_its_call_and_the_session_goes_on(lie: str) -> None:
    with nothing_leaks():
        run(believe(VALUES[lie]))


def unchecked(*_: Any) -> Any:
    """Believes everything; of a dtype, that it is bytes."""
    return np.dtype(np.uint8)


UNPROTECTED: dict[str, list[tuple[Any, str]]] = {
    "size": [(segment, "check")],
    "size and nothing else": [(segment, "check")],
    "strides that overlap": [(shared_arrays, "check_layout"), (unpacker, "check_layout")],
    "offset": [(shared_arrays, "check_layout"), (unpacker, "check_layout")],
    "lazy array": [(unpacker, "check_shape")],
    "home": [(ObjectTable, "get")],
    "dtype": [(shared_arrays, "check_layout"), (unpacker, "check_layout")],
    "unknown dtype": [(shared_arrays, "dtype_of"), (unpacker, "dtype_of")],
}


@pytest.mark.parametrize("lie", UNPROTECTED)
def test_that_needs_its_protection(lie: str, monkeypatch: Patch) -> None:
    with monkeypatch.context() as patched:
        for where, name in UNPROTECTED[lie]:
            patched.setattr(where, name, unchecked)
        with pytest.raises((Exception, pytest.fail.Exception)):
            run(believe(VALUES[lie]), 5)


def test_what_is_no_segment_is_not_taken_for_one(tmp_path: Path) -> None:
    """A file could be cut short while it is read, a pipe could block, and so on."""
    plain = tmp_path / "plain"
    plain.write_bytes(bytes(SIZE))

    async def work(descriptor: int) -> None:
        async with lied_to() as (peer, liar):
            call = asyncio.ensure_future((await peer.root()).anything())
            await asyncio.sleep(0)
            liar.say(Result(1, shared()), b"", descriptor)
            with pytest.raises(ProtocolError):
                await call
            assert not peer.is_over

    unsealed = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
    os.ftruncate(unsealed, SIZE)
    read, write = os.pipe()
    file = os.open(plain, os.O_RDONLY)
    try:
        with nothing_leaks():
            for descriptor in (unsealed, read, file):
                run(work(descriptor))
    finally:
        for descriptor in (unsealed, read, write, file):
            os.close(descriptor)


def believe_in_memory_that_goes(_: socket.socket, protected: bool) -> None:
    """What a child process does, which it may not survive."""
    if not protected:
        segment.check = unchecked  # type: ignore[assignment]

    async def work() -> None:
        async with lied_to() as (peer, liar):
            call = asyncio.ensure_future((await peer.root()).anything())
            await asyncio.sleep(0)
            descriptor = os.memfd_create("x", os.MFD_ALLOW_SEALING)
            os.ftruncate(descriptor, SIZE)
            liar.say(Result(1, shared()), b"", descriptor)
            with pytest.raises(ProtocolError):
                got = await call
                os.ftruncate(descriptor, 0)
                got.sum()

    run(work())


@pytest.mark.parametrize("protected", [True, False])
def test_memory_cannot_be_taken_away_from_who_reads_it(protected: bool) -> None:
    with child(believe_in_memory_that_goes, protected) as (process, ours), ours:
        process.join(30)
        assert process.exitcode == (0 if protected else -signal.SIGBUS)


# ------------------------------------------------------------------------------ lies about numbers

NUMBERS: dict[str, messages.Message] = {
    "an answer to no call": Result(99, Raw(b"\xc0")),
    "an item of no call": Item(99, Raw(b"\xc0")),
    "an item of what is no stream": Item(1, Raw(b"\xc0")),
    "progress of no call": Progress(99),
    "more of no call": More(99, 1),
    "a release of an object that was not sent": Release(((7, 1),)),
    "a release of the root": Release(((0, 1),)),
    "a lease that is not out": Release((), (9,)),
    "a drain of no buffer": Drain(9, 1),
    "a piece of no buffer": Piece(9, False),
    "a cancel of no call": messages.Cancel(99),
    "a second hello": Hello(1),
}


async def count_on(number: messages.Message) -> None:
    """A number that lies ends the session."""
    async with lied_to() as (peer, liar):
        call = asyncio.ensure_future((await peer.root()).anything())
        await asyncio.sleep(0)
        liar.say(number)
        with pytest.raises(ConnectionLost, match="broke the protocol"):
            await call
        await peer.until_ended()


@pytest.mark.parametrize("lie", NUMBERS)
def test_a_number_that_lies_ends_the_session_with_its_reason(lie: str) -> None:
    with nothing_leaks():
        run(count_on(NUMBERS[lie]))


@pytest.mark.parametrize(
    ("lie", "where", "name"),
    [
        ("a release of an object that was not sent", ObjectTable, "release"),
        ("a lease that is not out", SharedArrays, "ended"),
    ],
)
def test_ids_need_their_protection(lie: str, where: Any, name: str, monkeypatch: Patch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(where, name, unchecked)
        with pytest.raises(TimeoutError):  # the session goes on as if nothing was
            run(count_on(NUMBERS[lie]), 1)


# ------------------------------------------------------------------------------ no room


def live_without_room(connected: socket.socket, protected: bool) -> None:
    """What a child process does that may open no more descriptors for a while."""
    if not protected:
        received = Assembly.received
        Assembly.received = lambda self, count, descriptors=(), cut=False: received(  # type: ignore[method-assign]
            self, count, descriptors
        )

    async def work() -> None:
        pool = Pool()
        async with Peer(UnixTransport(connected), segments=SharedArrays(pool)) as peer:
            service = await peer.root()
            with room_for(0):
                # What goes does so by copy, what comes is refused, and the link lives.
                assert await service.size(np.ones(SIZE, np.uint8)) == SIZE
                for _ in range(3):
                    with pytest.raises(ProtocolError, match="no free descriptors"):
                        await service.array(SIZE)
                assert await service.echo("still here") == "still here"
                assert await service.echo(bytes(SIZE)) == bytes(SIZE)
            assert (await service.array(SIZE)).shape == (SIZE,)
            assert pool._count <= 1

    run(work())


class Giver(Service):
    async def array(self, size: int) -> Any:
        return np.ones(size, np.uint8)


@pytest.mark.parametrize("protected", [True, False])
def test_a_process_without_descriptors_goes_on(protected: bool) -> None:
    async def work(process: BaseProcess, ours: socket.socket) -> None:
        pool = Pool()
        shared = SharedArrays(pool)
        async with Peer(UnixTransport(ours), Giver(), segments=shared) as peer:
            await peer.until_ended()
            await asyncio.to_thread(process.join, 10)
            assert (process.exitcode == 0) == protected
            assert not protected or shared.lent == 0

    with nothing_leaks(), child(live_without_room, protected) as (process, ours):
        run(work(process, ours))


@pytest.mark.parametrize("protected", [True, False])
def test_without_shared_memory_arrays_go_by_buffer(protected: bool, monkeypatch: Patch) -> None:
    """No room in memory files (tests/rpc/test_pool.py fills a real file system)."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def share(self: SharedArrays, array: Any) -> Any:
        return self._as_it_is(array) or self._copy(array)

    async def work() -> None:
        ours, theirs = socket.socketpair()
        async with (
            Peer(UnixTransport(ours), Service(), segments=SharedArrays(Pool())) as one,
            Peer(UnixTransport(theirs), Service(), segments=SharedArrays(Pool())) as other,
        ):
            sent = np.arange(200_000)
            assert (await (await one.root()).echo(sent) == sent).all()
            assert (await (await other.root()).echo(sent) == sent).all()

    with nothing_leaks(), monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        patched.setattr(os, "pwrite", full)
        if protected:
            run(work())
            return
        patched.setattr(SharedArrays, "share", share)
        with pytest.raises(OSError, match="No space left"):
            run(work())
