from __future__ import annotations

import asyncio
import os

import pytest

from opsin.errors import ConnectionLost, ProtocolError
from opsin.rpc.frames import LARGEST_PAYLOAD, Frame
from opsin.rpc.transports.memory import pair


def test_frames_arrive_in_order_by_value() -> None:
    async def main() -> None:
        one, other = pair()
        payload = bytearray(b"before")
        await one.send(Frame(b"a", memoryview(payload)))
        payload[:] = b"after!"
        await one.send(Frame(b"b"))
        assert await other.receive() == Frame(b"a", b"before")
        assert await other.receive() == Frame(b"b")

    asyncio.run(main())


def test_a_sender_waits_for_room() -> None:
    async def main() -> None:
        one, other = pair(room=2)
        await one.send(Frame(b"1"))
        await one.send(Frame(b"2"))
        third = asyncio.create_task(one.send(Frame(b"3")))
        await asyncio.sleep(0.01)
        assert not third.done()
        await other.receive()
        await third

    asyncio.run(main())


def test_what_was_sent_before_the_end_arrives() -> None:
    async def main() -> None:
        one, other = pair()
        await one.send(Frame(b"last"))
        await one.close()
        assert await other.receive() == Frame(b"last")
        with pytest.raises(EOFError):
            await other.receive()
        with pytest.raises(ConnectionLost):
            await other.send(Frame(b"x"))
        with pytest.raises(EOFError):
            await one.receive()
        await one.close()

    asyncio.run(main())


def test_closing_wakes_who_waits() -> None:
    async def main() -> None:
        one, other = pair(room=1)
        await one.send(Frame(b"1"))
        sending = asyncio.create_task(one.send(Frame(b"2")))
        receiving = asyncio.create_task(one.receive())
        await asyncio.sleep(0)
        await other.close()
        with pytest.raises(ConnectionLost):
            await sending
        with pytest.raises(EOFError):
            await receiving

    asyncio.run(main())


def test_limits_are_those_of_every_link() -> None:
    async def main() -> None:
        one, _ = pair()
        with pytest.raises(ProtocolError):
            await one.send(Frame(b""))
        with pytest.raises(ProtocolError):
            await one.send(Frame(b"x", bytes(LARGEST_PAYLOAD + 1)))

    asyncio.run(main())


def test_descriptors_are_duplicated_and_closed() -> None:
    async def main() -> None:
        one, other = pair()
        reader, writer = os.pipe()
        try:
            await one.send(Frame(b"a", b"", (writer,)))
            (copy,) = (await other.receive()).descriptors
            assert copy != writer
            os.write(copy, b"x")
            os.close(copy)
            assert os.read(reader, 1) == b"x"
            await one.send(Frame(b"b", b"", (writer,)))
            await other.close()
        finally:
            os.close(writer)
        assert os.read(reader, 1) == b"", "no copy is open"
        os.close(reader)

    asyncio.run(main())
