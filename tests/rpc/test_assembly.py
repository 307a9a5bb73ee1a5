"""Reads of a real socket become frames, each with its own descriptors."""

from __future__ import annotations

import array
import os
import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import ProtocolError
from opsin.rpc.frames import PREFIX, Frame, encode_prefix
from opsin.rpc.transports.assembly import READ_AHEAD, Assembly, close_all
from opsin.rpc.transports.unix_stream import ROOM, _descriptors
from tests.rpc.process import nothing_leaks


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def numbered(number: int) -> int:
    """A descriptor that can be told from others."""
    made = os.memfd_create("numbered")
    os.write(made, str(number).encode())
    return made


def number_of(descriptor: int) -> int:
    return int(os.pread(descriptor, 20, 0))


def push(ours: socket.socket, data: bytes, descriptors: Sequence[int] = ()) -> int:
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    return ours.sendmsg([data], ancillary if descriptors else [])


def pull(theirs: socket.socket, assembly: Assembly, most: int = 2**30) -> int:
    """One read of at most so many bytes."""
    space = []
    for part in assembly.space():
        space.append(part[:most])
        most -= len(space[-1])
    space = [part for part in space if part]
    if not space:
        return 0
    try:
        count, ancillary, flags, _ = theirs.recvmsg_into(space, ROOM)
    except BlockingIOError:
        return 0
    assembly.received(count, _descriptors(ancillary), bool(flags & socket.MSG_CTRUNC))
    return count


def whole(frame: Frame) -> bytes:
    return encode_prefix(frame) + frame.header + frame.payload


lengths = st.one_of(st.integers(0, 40), st.sampled_from([READ_AHEAD - 12, READ_AHEAD, 150_000]))
frames = st.lists(
    st.tuples(st.integers(1, 40) | st.just(90_000), lengths, st.integers(0, 3)), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(frames, st.integers(0, 2**32), st.sampled_from([1, 13, 1000, 2**20]))
def check_some_frames(shapes: list[tuple[int, int, int]], seed: int, grain: int) -> None:
    chance = random.Random(seed)
    with pair() as (ours, theirs):
        assembly = Assembly()
        sent: list[tuple[bytes, bytes, list[int]]] = []
        got: list[tuple[bytes, bytes, list[int]]] = []
        queue: list[tuple[bytes, list[int]]] = []  # what one sendmsg sends
        for number, (header, payload, count) in enumerate(shapes):
            numbers = [number * 10 + k for k in range(count)]
            frame = Frame(
                chance.randbytes(header), chance.randbytes(payload), tuple(map(numbered, numbers))
            )
            sent.append((bytes(frame.header), bytes(frame.payload), numbers))
            data, descriptors = whole(frame), list(frame.descriptors)
            grains = max(grain, len(data) // 50)
            if queue and not descriptors and chance.random() < 0.5:
                data, descriptors = queue[-1][0] + data, queue.pop()[1]
            while data:
                cut = chance.randint(1, grains)
                queue.append((data[:cut], descriptors))
                data, descriptors = data[cut:], []
        reads = max(grain, sum(len(data) for data, _ in queue) // 300)
        while queue or len(got) < len(sent):
            if queue and chance.random() < 0.6:
                data, descriptors = queue.pop(0)
                with suppress(BlockingIOError):
                    data = data[push(ours, data, descriptors) :]
                    close_all(tuple(descriptors))
                    descriptors = []
                if data:
                    queue.insert(0, (data, descriptors))
            stuck = not pull(theirs, assembly, chance.randint(1, 3 * reads))
            if chance.random() < 0.5 or stuck:
                while (found := assembly.next()) is not None:
                    numbers = [number_of(one) for one in found.descriptors]
                    got.append((bytes(found.header), bytes(found.payload), numbers))
                    close_all(found.descriptors)
        assert got == sent
        assert assembly.between_frames
        assembly.close()


def test_every_frame_gets_its_own_descriptors() -> None:
    """However writes and reads are cut: at every byte, in the middle of prefixes, across frames."""
    with nothing_leaks():
        check_some_frames()


def prefix(header: int, payload: int = 0, descriptors: int = 0) -> bytes:
    return PREFIX.pack(header, payload, descriptors, 0)


TINY = prefix(1) + b"x"
ODD = {
    "in the middle of a frame": [(prefix(9) + b"x", 0), (b"y", 1)],
    "in the middle of a long frame": [(prefix(9, 2**17) + b"x" * 70_000, 0), (b"y", 2)],
    "in the middle of a prefix": [(prefix(9)[:3], 0), (prefix(9)[3:] + b"x" * 9, 1), (TINY, 0)],
    "for a frame that has none": [(TINY, 1), (TINY, 0)],
    "too few": [(prefix(1, 0, 2) + b"x", 1)],
    "too many": [(prefix(1, 0, 1) + b"x", 2)],
    "none": [(prefix(1, 0, 1) + b"x", 0)],
    "with the second byte": [(prefix(1, 0, 1)[:1], 0), (prefix(1, 0, 1)[1:] + b"x", 1)],
    "with every byte": [(prefix(9, 0, 1)[k : k + 1], 1) for k in range(12)],
    "for the second of two that say so": [((prefix(1, 0, 1) + b"x") * 2, 1)],
}


def follow(assembly: Assembly, writes: Sequence[tuple[bytes, int]]) -> None:
    """Send that, read it, one write at a time, and take every frame."""
    with pair() as (ours, theirs):
        for data, count in writes:
            descriptors = tuple(map(numbered, range(count)))
            push(ours, data, descriptors)
            close_all(descriptors)
            while pull(theirs, assembly):
                while (frame := assembly.next()) is not None:
                    close_all(frame.descriptors)


@pytest.mark.parametrize("case", ODD)
def test_descriptors_where_none_belong_are_an_error(case: str) -> None:
    with nothing_leaks():
        assembly = Assembly()
        with pytest.raises(ProtocolError) as first:
            follow(assembly, ODD[case])
        with pytest.raises(ProtocolError) as second:
            assembly.next()
        assert first.value is second.value


@pytest.mark.parametrize("case", ODD)
def test_that_needs_its_protection(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matching, the same writes are taken for frames, or descriptors are left over."""

    def guess(assembly: Assembly, began: int, count: int) -> tuple[int, ...]:
        assert began >= 0
        got = [one for batch in assembly._batches for one in batch.descriptors]
        assembly._batches.clear()
        close_all(tuple(got[count:]))
        return tuple(got[:count])

    monkeypatch.setattr(Assembly, "_match", guess)
    monkeypatch.setattr(Assembly, "_check_batches", lambda self, most: None)
    assembly = Assembly()
    follow(assembly, ODD[case])
    assembly.close()


def test_a_frame_whose_descriptors_were_cut_off_comes_without_any() -> None:
    with nothing_leaks():
        assembly = Assembly()
        some = tuple(map(numbered, range(2)))
        data = prefix(2, 3, 3) + b"abcde" + TINY
        assembly.space()[0][: len(data)] = data
        assembly.received(len(data), some, cut=True)
        assert assembly.next() == Frame(b"ab", b"cde")
        assert assembly.next() == Frame(b"x")


@pytest.mark.parametrize("begun", range(14))
def test_closing_closes_what_nobody_took(begun: int) -> None:
    with nothing_leaks(), pair() as (ours, theirs):
        assembly = Assembly()
        one = numbered(1)
        push(ours, (prefix(1, 2, 1) + b"xy")[: begun + 1], [one])
        os.close(one)
        assert pull(theirs, assembly)
        assert assembly.next() is None
        del assembly


def test_nothing_is_allocated_for_an_impossible_frame() -> None:
    assembly = Assembly()
    data = PREFIX.pack(2**31, 2**31, 0, 0)
    assembly.space()[0][: len(data)] = data
    assembly.received(len(data))
    with pytest.raises(ProtocolError, match="header has 1 to"):
        assembly.next()
