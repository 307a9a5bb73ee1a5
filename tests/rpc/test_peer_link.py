from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import pytest

from opsin.errors import ConnectionLost, UsageError
from opsin.rpc.frames import Frame
from opsin.rpc.messages import Call, Piece, decode_message
from opsin.rpc.peer import Peer
from opsin.rpc.transports.memory import MemoryTransport, pair
from tests.rpc.joined import settled, two_peers
from tests.rpc.running import run, until
from tests.rpc.services import Service

MIB = 2**20


def test_a_lost_link_fails_what_is_pending_and_cancels_what_runs() -> None:
    async def main() -> None:
        service = Service()
        one, other = pair()
        server, client = Peer(one, service), Peer(other)
        root = await client.root()
        calls = [asyncio.ensure_future(root.wait()) for _ in range(5)]
        stream = aiter(root.numbers(10**6))
        assert await anext(stream) == 0
        await service.started.wait()
        counter = await root.counter()
        await one.close()
        for call in calls:
            with pytest.raises(ConnectionLost, match="gone"):
                await call
        with pytest.raises(ConnectionLost):
            async for _ in stream:
                pass
        with pytest.raises(ConnectionLost):
            await counter.add()
        await asyncio.gather(server.until_ended(), client.until_ended())
        await until(lambda: service.log.count("cancelled") == 5)
        assert len(server.values.objects) == 0
        await asyncio.gather(server.close(), client.close())
        await client.close()

    run(main())


def test_closing_says_why() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (server, client):
            root = await client.root()
            task = asyncio.create_task(root.wait())
            await asyncio.sleep(0.01)
            await server.close("It is late.")
            with pytest.raises(ConnectionLost, match="It is late"):
                await task
            with pytest.raises(ConnectionLost):
                await client.root()

    run(main())


def test_a_peer_that_breaks_the_protocol_is_told_so() -> None:
    async def main() -> None:
        one, other = pair()
        async with Peer(one, Service()) as peer:
            await other.receive()
            await other.send(Frame(b"\x91\x00"))
            await other.send(Frame(b"\x92\x00\x01"))
            with pytest.raises(ConnectionLost, match="broke the protocol"):
                await peer.root()
            assert b"begins with a hello" in bytes((await other.receive()).header)

    run(main())


def test_a_silent_link_with_a_heartbeat_is_lost() -> None:
    async def main() -> None:
        one, _ = pair()
        async with Peer(one, heartbeat=0.01) as peer:
            with pytest.raises(ConnectionLost, match="does not answer"):
                await peer.root()
        one, other = pair()
        async with Peer(one, Service()), Peer(other, heartbeat=0.01) as client:
            await asyncio.sleep(0.1)
            assert not client.is_over

    run(main())


def test_a_peer_without_a_hello_is_not_waited_for() -> None:
    async def main() -> None:
        one, _ = pair()
        with patch("opsin.rpc.link.HELLO_PATIENCE", 0.01):
            async with Peer(one) as peer:
                with pytest.raises(ConnectionLost, match="no hello"):
                    await peer.root()

    run(main())


def test_a_small_call_waits_for_a_few_pieces_at_most() -> None:
    """Counted in frames, because time depends on the machine."""

    class Counting(MemoryTransport):
        frames: list[Any]

        def send_now(self, frame: Frame) -> bool:
            sent = super().send_now(frame)  # which `send` calls too
            if sent:
                self.frames.append(decode_message(frame.header))
            return sent

    async def main() -> None:
        one, other = Counting(), Counting()
        one._other, other._other = other, one
        one.frames, other.frames = [], []
        async with Peer(one, Service()) as server, Peer(other) as client:
            root = await client.root()
            transfer = asyncio.create_task(root.size(b"x" * (64 * MIB)))
            to_go_out, to_return = [], []
            while not transfer.done():
                before = len(other.frames)
                assert await root.echo(1) == 1
                sent = other.frames[before:]
                small = next(k for k, m in enumerate(sent) if type(m) is Call)
                to_go_out.append(sum(type(m) is Piece for m in sent[:small]))
                to_return.append(sum(type(m) is Piece for m in sent))
            assert await transfer == 64 * MIB
            assert len(to_return) > 5
            assert max(to_go_out) <= 1
            assert max(to_return) <= 20, "what fills the link, while the answer comes back"
            await settled(server, client)

    run(main())


def test_a_remote_of_another_thread_says_so() -> None:
    async def main() -> None:
        async with two_peers(Service()) as (_, client):
            root = await client.root()
            with pytest.raises(UsageError, match="event loop of its peer"):
                await asyncio.to_thread(asyncio.run, call(root))

    async def call(root: Any) -> None:
        await root.echo(1)

    run(main())


class Direct(MemoryTransport):
    """One that says at once what has come, as a transport over a socket can."""

    ready: Any = None

    def listen(self, ready: Any) -> None:
        self.ready = ready

    def receive_now(self) -> Frame | None:
        self._other._writable.set()
        return self._frames.popleft() if self._frames else None

    def send_now(self, frame: Frame) -> bool:
        sent = super().send_now(frame)
        ready = getattr(self._other, "ready", None)
        if sent and ready is not None:
            asyncio.get_running_loop().call_soon(ready)
        return sent


def test_a_transport_that_says_at_once_what_has_come() -> None:
    async def main() -> None:
        one, other = Direct(), Direct()
        one._other, other._other = other, one
        service = Service()
        async with Peer(one, service) as server, Peer(other) as client:
            root = await client.root()
            found = await asyncio.gather(*(root.echo(i) for i in range(300)))
            assert found == list(range(300))
            assert await root.size(b"x" * (20 * MIB)) == 20 * MIB
            assert [n async for n in root.numbers(50)] == list(range(50))
            with pytest.raises(ValueError, match="no"):
                await root.fail(ValueError("no"))
            await settled(server, client)
            call = asyncio.ensure_future(root.wait())
            await service.started.wait()
            await other.send(Frame(b"\x92\x00\x01"))
            with pytest.raises(ConnectionLost, match="A hello comes once"):
                await call

    run(main())
