"""WebSockets: `connect` and `serve`, for other computers and for what lives in a browser.

A frame is one binary message: prefix, header, payload.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opsin.errors import ConnectionLost, ProtocolError, UsageError
from opsin.rpc.frames import LARGEST_HEADER, LARGEST_PAYLOAD, PREFIX, Frame, decode_prefix
from opsin.rpc.frames import encode_prefix as _encode_prefix

if TYPE_CHECKING:
    from websockets.asyncio.connection import Connection
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

LARGEST_MESSAGE = PREFIX.size + LARGEST_HEADER + LARGEST_PAYLOAD
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEARTBEAT = 20.0
"""Seconds between two pings of the RPC; those of WebSockets are switched off."""

Handler = Callable[["WebSocketTransport"], Awaitable[None]]


def encode_message(frame: Frame) -> bytes:
    """A frame as a message.

    Raises:
        ProtocolError: the frame breaks a limit, or has descriptors.
    """
    if frame.descriptors:
        raise ProtocolError("Descriptors cannot travel over a WebSocket.")
    return b"".join((_encode_prefix(frame), frame.header, frame.payload))


def decode_message(message: bytes | str) -> Frame:
    """The frame of a message.

    Raises:
        ProtocolError: the message is not a frame.
    """
    if isinstance(message, str) or len(message) < PREFIX.size:
        raise ProtocolError("A message is not a frame: it is text, or too short.")
    header, payload, descriptors = decode_prefix(message[: PREFIX.size])
    start = PREFIX.size + header
    if descriptors or len(message) != start + payload:
        raise ProtocolError("A message is not as long as its prefix says.")
    return Frame(message[PREFIX.size : start], memoryview(message)[start:])


class WebSocketTransport:
    """One end of a link over a WebSocket, which it owns."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def send(self, frame: Frame) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._connection.send(encode_message(frame))
        except ConnectionClosed:
            raise ConnectionLost("The other side of the link is gone.") from None

    async def receive(self) -> Frame:
        from websockets.exceptions import ConnectionClosed

        try:
            message = await self._connection.recv()
        except ConnectionClosed:
            raise EOFError from None
        return decode_message(message)

    async def close(self) -> None:
        await self._connection.close()


async def connect(address: str) -> WebSocketTransport:
    """A link to the server at `ws://…` or `wss://…`.

    Raises:
        ConnectionLost: nobody listens there, or it is no WebSocket.
        UsageError: this is no address.
    """
    from websockets.asyncio.client import connect as connect_socket
    from websockets.exceptions import InvalidURI, WebSocketException

    options = _options()
    if urlsplit(address).hostname in LOOPBACK:
        options["proxy"] = None
    try:
        connection = await connect_socket(address, **options)
    except InvalidURI:
        raise UsageError(f"{address} is not the address of a WebSocket.") from None
    except (OSError, TimeoutError, EOFError, WebSocketException) as error:
        raise ConnectionLost(f"There is no link to {address}: {error}") from None
    return WebSocketTransport(connection)


class WebSocketServer:
    """Listens until it is closed."""

    def __init__(self, server: Server, scheme: str, host: str) -> None:
        self._server = server
        port = next(iter(server.sockets)).getsockname()[1]
        host = f"[{host}]" if ":" in host else host
        self.address = f"{scheme}://{host}:{port}"

    async def close(self) -> None:
        """Close every link, and listen no more. Idempotent."""
        self._server.close()
        await self._server.wait_closed()


async def serve(
    address: str, handler: Handler, origins: Sequence[str | None] = (None,)
) -> WebSocketServer:
    """Listen at `ws://host:port` (port 0: any free one), and run `handler` for every link.

    Args:
        origins: web pages that may connect; None is everything that is not a web page.

    Raises:
        UsageError: nobody can listen there.
    """
    from websockets.asyncio.server import serve as serve_sockets

    parts = urlsplit(address)
    host = parts.hostname or LOOPBACK[0]

    def check_host(connection: ServerConnection, request: Request) -> Response | None:
        """A page that had its name point to this computer still says its own name here."""
        asked = urlsplit(f"//{request.headers.get('Host', '')}").hostname
        if asked == host or (host in LOOPBACK and asked in LOOPBACK):
            return None
        return connection.respond(HTTPStatus.FORBIDDEN, "This is not the host's name.\n")

    async def handle(connection: ServerConnection) -> None:
        await handler(WebSocketTransport(connection))

    try:
        server = await serve_sockets(
            handle,
            host,
            parts.port or 0,
            origins=list(origins),  # type: ignore[arg-type] # an Origin is a str
            process_request=check_host,
            **_options(),
        )
    except OSError as error:
        raise UsageError(f"Nobody can listen at {address}: {error.strerror}.") from None
    return WebSocketServer(server, parts.scheme, host)


def _options() -> dict[str, Any]:
    return {
        "compression": None,
        "max_size": LARGEST_MESSAGE,
        "max_queue": 4,
        "ping_interval": None,
        "close_timeout": 1,
    }
