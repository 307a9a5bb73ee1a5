from __future__ import annotations

import asyncio
from typing import Any

import pytest
import websockets.asyncio.client
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus

from opsin.errors import ConnectionLost, ProtocolError, UsageError
from opsin.rpc.frames import LARGEST_HEADER, LARGEST_PAYLOAD, Frame
from opsin.rpc.transports import websocket
from opsin.rpc.transports.websocket import WebSocketTransport, decode_message, encode_message


@given(st.binary(min_size=1, max_size=50), st.binary(max_size=50))
def test_frames_make_the_round_trip(header: bytes, payload: bytes) -> None:
    assert decode_message(encode_message(Frame(header, payload))) == Frame(header, payload)


@given(st.binary(max_size=60))
def test_whatever_comes_is_a_frame_or_refused(message: bytes) -> None:
    try:
        frame = decode_message(message)
    except ProtocolError:
        return
    assert encode_message(frame) == message


@pytest.mark.parametrize("message", ["text", b"", encode_message(Frame(b"a", b"b")) + b"c"])
def test_what_is_no_frame_is_refused(message: Any) -> None:
    with pytest.raises(ProtocolError):
        decode_message(message)


def test_descriptors_cannot_travel() -> None:
    with pytest.raises(ProtocolError, match="Descriptors"):
        encode_message(Frame(b"a", b"", (1,)))


def test_frames_of_any_size_travel_both_ways_until_the_end() -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def echo(transport: WebSocketTransport) -> None:
            try:
                while True:
                    await transport.send(await transport.receive())
            except EOFError:
                ended.set()

        server = await websocket.serve("ws://127.0.0.1:0", echo)
        link = await websocket.connect(server.address)
        for frame in (
            Frame(b"a"),
            Frame(b"h" * LARGEST_HEADER, b"p" * LARGEST_PAYLOAD),
            Frame(b"b", memoryview(b"payload")),
        ):
            await link.send(frame)
            back = await link.receive()
            assert (back.header, bytes(back.payload)) == (frame.header, bytes(frame.payload))
        await link.close()
        await link.close()
        async with asyncio.timeout(5):
            await ended.wait()
        with pytest.raises(EOFError):
            await link.receive()
        with pytest.raises(ConnectionLost):
            await link.send(Frame(b"a"))
        await server.close()
        with pytest.raises(ConnectionLost, match="no link"):
            await websocket.connect(server.address)

    asyncio.run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"additional_headers": {"Host": "evil.example"}},
    ],
    ids=["page", "other port", "rebound name"],
)
def test_pages_and_other_names_are_refused_at_the_upgrade(options: Any) -> None:
    async def main() -> None:
        async def handler(_: WebSocketTransport) -> None:
            pytest.fail("it got in")

        server = await websocket.serve("ws://127.0.0.1:0", handler)
        if "additional_headers" in options:
            await expect_forbidden_by_hand(server.address)
        else:
            with pytest.raises(InvalidStatus, match="403"):
                await websockets.asyncio.client.connect(server.address, proxy=None, **options)
        await server.close()

    asyncio.run(main())


async def expect_forbidden_by_hand(address: str) -> None:
    port = int(address.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b"403" in await reader.readline()
    writer.close()


def test_a_page_that_is_named_may_connect() -> None:
    async def main() -> None:
        async def handler(transport: WebSocketTransport) -> None:
            await transport.send(Frame(b"hello"))

        server = await websocket.serve("ws://localhost:0", handler, origins=["http://here:1"])
        async with websockets.asyncio.client.connect(
            server.address, proxy=None, origin=websockets.Origin("http://here:1")
        ) as link:
            assert await link.recv() == encode_message(Frame(b"hello"))
        await server.close()

    asyncio.run(main())


def test_addresses_that_are_none_say_so() -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="not the address"):
            await websocket.connect("http://127.0.0.1")
        with pytest.raises(ConnectionLost):
            await websocket.connect("ws://127.0.0.1:1")

        async def handler(_: WebSocketTransport) -> None: ...

        server = await websocket.serve("ws://127.0.0.1:0", handler)
        with pytest.raises(UsageError, match="Nobody can listen"):
            await websocket.serve(server.address, handler)
        await server.close()

    asyncio.run(main())
