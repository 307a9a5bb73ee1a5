"""The Unix transport over real sockets, and who may connect."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from opsin.errors import ConnectionLost, ProtocolError, UsageError
from opsin.rpc.frames import Frame, encode_prefix
from opsin.rpc.transports import unix
from opsin.rpc.transports.assembly import Assembly, close_all
from opsin.rpc.transports.unix import connect, serve
from opsin.rpc.transports.unix_stream import UnixTransport
from tests.rpc.process import nothing_leaks, room_for

Run = Callable[[Awaitable[None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a loop of each kind; nothing may leak, nothing may hang."""
    factory: Any = None
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop

    def runs(work: Awaitable[None]) -> None:
        async def within() -> None:
            async with asyncio.timeout(20):
                await work

        with asyncio.Runner(loop_factory=factory) as runner:  # what libuv opens once and keeps
            runner.run(asyncio.sleep(0))
        with nothing_leaks(), asyncio.Runner(loop_factory=factory) as runner:
            runner.run(within())

    return runs


@asynccontextmanager
async def link() -> AsyncIterator[tuple[UnixTransport, UnixTransport]]:
    ours, theirs = map(UnixTransport, socket.socketpair())
    try:
        yield ours, theirs
    finally:
        await ours.close()
        await theirs.close()


@contextmanager
def memory_file(content: bytes = b"here") -> Iterator[int]:
    made = os.memfd_create("test")
    os.write(made, content)
    yield made
    os.close(made)


def plain(frame: Frame) -> tuple[bytes, bytes]:
    return bytes(frame.header), bytes(frame.payload)


def test_frames_of_all_sizes_arrive_whole_and_in_order(run: Run) -> None:
    chance = random.Random(3)
    frames = [
        Frame(chance.randbytes(header), chance.randbytes(payload))
        for header in (1, 100, 65_523, 65_524, 65_536, 2**20)
        for payload in (0, 1, 65_000, 2**18, 2**20)
    ]
    chance.shuffle(frames)

    async def work() -> None:
        async with link() as (ours, theirs):

            async def send() -> None:
                for frame in frames:
                    await ours.send(frame)

            sending = asyncio.create_task(send())
            for frame in frames:
                assert plain(await theirs.receive()) == plain(frame)
            await sending

    run(work())


def test_descriptors_come_with_their_frame(run: Run) -> None:
    async def work() -> None:
        async with link() as (ours, theirs):

            async def send() -> None:
                for number in range(60):
                    with memory_file(b"%d" % number) as some:
                        payload = bytes(number * 5000)
                        await ours.send(Frame(b"h", payload, (some,) * (number % 17)))

            sending = asyncio.create_task(send())
            for number in range(60):
                frame = await theirs.receive()
                assert len(frame.descriptors) == number % 17
                for descriptor in frame.descriptors:
                    assert os.pread(descriptor, 9, 0) == b"%d" % number
                    assert not os.get_inheritable(descriptor)
                close_all(frame.descriptors)
            await sending

    run(work())


def test_a_sender_waits_for_a_slow_receiver(run: Run) -> None:
    async def work() -> None:
        async with link() as (ours, theirs):
            frame, sent = Frame(b"h", bytes(2**16)), 0

            async def send() -> None:
                nonlocal sent
                for _ in range(200):
                    await ours.send(frame)
                    sent += 1

            sending = asyncio.create_task(send())
            await theirs.receive()
            await asyncio.sleep(0.1)
            assert sent < 30
            for _ in range(199):
                await theirs.receive()
            await sending

    run(work())


def test_cancelled_sends_and_receives_lose_nothing(run: Run) -> None:
    async def work() -> None:
        async with link() as (ours, theirs):
            sent, chance = [], random.Random(5)
            with memory_file() as some:
                for number in range(40):
                    frame = Frame(b"%d" % number, bytes(chance.choice([0, 90_000, 2**20])), (some,))
                    sending = asyncio.create_task(ours.send(frame))
                    receiving = asyncio.create_task(theirs.receive())
                    await asyncio.wait([sending], timeout=chance.random() * 2e-3)
                    for task in (sending, receiving):
                        task.cancel()
                    done = await asyncio.gather(sending, receiving, return_exceptions=True)
                    sent.append((number, done[0] is None))
                    if isinstance(got := done[1], Frame):
                        sent = _check(got, sent)
                await_last = asyncio.create_task(ours.send(Frame(b"40")))
                sent.append((40, True))
                while sent:
                    sent = _check(await theirs.receive(), sent)
                await await_last

    run(work())


def _check(frame: Frame, sent: list[tuple[int, bool]]) -> list[tuple[int, bool]]:
    """The frames still to come. What was sent in full comes; what was cancelled may or may not."""
    number = int(bytes(frame.header))
    assert len(frame.descriptors) == (number < 40)
    close_all(frame.descriptors)
    missing = [other for other, whole in sent if other < number and whole]
    assert not missing
    assert number in [other for other, _ in sent]
    return [one for one in sent if one[0] > number]


def test_the_end_wakes_both_sides(run: Run) -> None:
    async def work() -> None:
        async with link() as (ours, theirs):
            receiving = asyncio.create_task(ours.receive())
            their_receiving = asyncio.create_task(theirs.receive())
            await asyncio.sleep(0.01)
            await theirs.close()
            await theirs.close()
            for waiting in (receiving, their_receiving):
                with pytest.raises(EOFError):
                    await waiting
            for transport in (ours, theirs):
                with pytest.raises(ConnectionLost):
                    await transport.send(Frame(b"h"))
                with pytest.raises(EOFError):
                    await transport.receive()
        async with link() as (ours, theirs):
            sending = asyncio.create_task(ours.send(Frame(b"h", bytes(2**20))))
            await asyncio.sleep(0.01)
            await theirs.close()
            with pytest.raises(ConnectionLost):
                await sending
        async with link() as (ours, theirs):
            sending = asyncio.create_task(ours.send(Frame(b"h", bytes(2**20))))
            await asyncio.sleep(0.01)
            await ours.close()
            with pytest.raises(ConnectionLost):
                await sending
            with pytest.raises(EOFError, match="middle"):
                await theirs.receive()

    run(work())


def test_what_was_sent_before_the_end_is_received(run: Run) -> None:
    async def work() -> None:
        async with link() as (ours, theirs):
            with memory_file() as some:
                await theirs.send(Frame(b"unread"))
                await ours.send(Frame(b"h", b"p", (some,)))
            await ours.close()  # with something unread: they see ECONNRESET
            frame = await theirs.receive()
            close_all(frame.descriptors)
            assert len(frame.descriptors) == 1
            with pytest.raises(EOFError):
                await theirs.receive()

    run(work())


def test_unread_descriptors_are_closed_with_the_link(run: Run) -> None:
    async def work() -> None:
        async with link() as (ours, theirs):
            with memory_file() as some:
                for _ in range(20):
                    await ours.send(Frame(b"h", b"", (some, some)))
            frame = await theirs.receive()
            close_all(frame.descriptors)
            await asyncio.sleep(0.01)  # it reads ahead

    run(work())


async def _send_three() -> list[Frame]:
    """Three frames with three descriptors each; when the second comes there is room for one."""
    async with link() as (ours, theirs):
        got = []
        with memory_file() as some, ExitStack() as later:
            for number in range(3):
                with room_for(1 if number == 1 else 30):
                    await ours.send(Frame(b"h%d" % number, b"payload", (some,) * 3))
                    got.append(await theirs.receive())
                    later.callback(close_all, got[-1].descriptors)
        return got


def test_a_frame_comes_without_descriptors_where_there_is_no_room(run: Run) -> None:
    async def work() -> None:
        got = await _send_three()
        assert [len(frame.descriptors) for frame in got] == [3, 0, 3]
        assert [bytes(frame.header) for frame in got] == [b"h0", b"h1", b"h2"]
        assert {bytes(frame.payload) for frame in got} == {b"payload"}

    run(work())


def test_that_needs_its_protection(monkeypatch: pytest.MonkeyPatch) -> None:
    received = Assembly.received

    def unaware(self: Assembly, count: int, descriptors: tuple[int, ...], cut: bool) -> None:
        received(self, count, descriptors, False)

    monkeypatch.setattr(Assembly, "received", unaware)
    with pytest.raises(ProtocolError):
        asyncio.run(_send_three())


TOO_MANY = """
import asyncio, errno, os, resource, socket
from opsin.rpc.frames import Frame
from opsin.rpc.transports.unix_stream import UnixTransport

async def main():
    ours, theirs = map(UnixTransport, socket.socketpair())
    ours._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    sent = 0
    try:
        while True:
            await ours.send(Frame(b"h", b"", (0,) * 16))
            sent += 1
    except OSError as error:
        assert error.errno == errno.ETOOMANYREFS, error
    await ours.send(Frame(b"by buffer", b"payload"))
    for _ in range(sent):
        frame = await theirs.receive()
        for one in frame.descriptors:
            os.close(one)
    assert (await theirs.receive()).payload == b"payload"
    await ours.send(Frame(b"h", b"", (0,)))
    assert len((await theirs.receive()).descriptors) == 1

if os.geteuid() == 0:  # who may do everything has no such limit
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of Linux")
def test_too_many_descriptors_on_their_way_do_not_end_the_link() -> None:
    subprocess.run([sys.executable, "-c", TOO_MANY], check=True, timeout=20)


# ----------------------------------------------------------------------------------- by path


async def echo(transport: UnixTransport) -> None:
    while True:
        await transport.send(await transport.receive())


async def ask(path: Path) -> None:
    transport = await connect(path)
    await transport.send(Frame(b"question"))
    assert plain(await transport.receive()) == (b"question", b"")
    await transport.close()


def test_a_server_answers_and_cleans_up(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "private" / "socket"
        server = await serve(path, echo)
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o777 == 0o600
        await asyncio.gather(*(ask(path) for _ in range(30)))
        open_link = await connect(path)
        await open_link.send(Frame(b"h"))
        await open_link.receive()
        late = await connect(path)  # its handler has not even begun
        await server.close()
        await server.close()
        assert not path.exists()
        for transport in (open_link, late):
            with pytest.raises(EOFError):
                await transport.receive()
            await transport.close()
        with pytest.raises(ConnectionLost, match="No server listens"):
            await connect(path)

    run(work())


def test_a_dead_servers_socket_is_replaced_and_a_living_ones_is_not(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        path = tmp_path / "socket"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(os.fspath(path))
        server = await serve(path, echo)
        with pytest.raises(UsageError, match="Another server"):
            await serve(path, echo)
        await ask(path)
        await server.close()
        path.write_text("precious")
        with pytest.raises(UsageError, match="not a socket"):
            await serve(path, echo)
        assert path.read_text() == "precious"
        path.unlink()
        # The one that is closed late must not take away its successor's.
        first = await serve(path, echo)
        path.unlink()
        second = await serve(path, echo)
        await first.close()
        await ask(path)
        await second.close()

    run(work())


def test_places_that_are_open_to_others_or_too_long_are_refused(run: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    async def work() -> None:
        with pytest.raises(UsageError, match="open to other users"):
            await serve(tmp_path / "socket", echo)
        with pytest.raises(UsageError, match="at most 103 bytes"):
            await serve(tmp_path / ("x" * 104), echo)

    run(work())
    assert not list(tmp_path.iterdir())


def test_other_users_are_turned_away(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        server = await serve(tmp_path / "socket", echo)
        us, asked = os.geteuid(), 0

        def they_then_we() -> int:
            nonlocal asked
            asked += 1
            return us if asked == 1 else us + 1

        with monkeypatch.context() as patched:
            patched.setattr(unix.os, "geteuid", they_then_we)  # type: ignore[attr-defined]
            transport = await connect(tmp_path / "socket")
            with pytest.raises(EOFError):
                await transport.receive()
            await transport.close()
            with pytest.raises(ConnectionLost, match="another user"):
                await connect(tmp_path / "socket")
        await ask(tmp_path / "socket")
        await server.close()

    run(work())


def test_a_server_without_descriptors_left_goes_on_later(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        server = await serve(tmp_path / "socket", echo)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as raw:
            raw.setblocking(False)
            raw.connect(os.fspath(tmp_path / "socket"))
            question = encode_prefix(Frame(b"?")) + b"?"
            with room_for(0):
                raw.send(question)
                await asyncio.sleep(2 * unix.PAUSE)
                with pytest.raises(BlockingIOError):
                    raw.recv(1)
            assert await loop.sock_recv(raw, 100) == question
        await server.close()

    run(work())


def test_a_failing_handler_ends_only_its_own_link(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async def moody(transport: UnixTransport) -> None:
            if bytes((await transport.receive()).header) == b"fail":
                raise RuntimeError("as asked")
            await transport.send(Frame(b"fine"))

        server = await serve(tmp_path / "socket", moody)
        for header in (b"fail", b"succeed", b"fail"):
            transport = await connect(tmp_path / "socket")
            await transport.send(Frame(header))
            if header == b"succeed":
                assert (await transport.receive()).header == b"fine"
            with pytest.raises(EOFError):
                await transport.receive()
            await transport.close()
        await server.close()

    run(work())
    assert caplog.text.count("RuntimeError: as asked") == 2


def test_a_busy_sender_lets_others_run(run: Run) -> None:
    async def work() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with link() as (ours, theirs):
            running = asyncio.create_task(other())
            for _ in range(200):  # the kernel takes them all at once
                await ours.send(Frame(b"h"))
            running.cancel()
            assert turns >= 3
            await theirs.receive()

    run(work())
