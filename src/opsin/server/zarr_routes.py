"""Zarr routes: the open images as plain OME-Zarr, `/zarr/TOKEN/NAME.zarr/…`, for other programs.

`access` has checked the token in the path. Scripts of any site that know it may read, since
viewers in a browser come from elsewhere; there is nothing here but reading.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from html import escape
from typing import TypeVar
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from opsin.errors import NotFound, OpsinError, Unreachable, UsageError
from opsin.images.write.codec import Stored
from opsin.server.answer import PIECE, Answer, answer, tag_of
from opsin.server.room import Room
from opsin.server.session import Session
from opsin.server.shelf import Offer
from opsin.server.zarr_image import Piece

READS = 4
"""Chunks of one image that are read at once. Views come first, but what has begun goes on."""
ANSWERS = 64 << 20
"""Bytes of chunks in memory at once, those included that are being sent."""
LONGEST = 60.0
"""Seconds until a chunk that does not come is given up."""
STUCK = 30.0
"""Seconds after which a client that takes nothing is given up."""

JSON, BYTES, HTML = "application/json", "application/octet-stream", "text/html; charset=utf-8"
FOR_ALL = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Allow-Private-Network": "true",
    "Access-Control-Max-Age": "600",
    "Content-Length": "0",
}
RETRY = {"Retry-After": "5"}

T = TypeVar("T")


class Gone(Exception):
    """Whoever asked has closed the connection."""


class ZarrApp:
    """ASGI application for everything below `/zarr/TOKEN/`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._reads: dict[int, asyncio.Semaphore] = {}
        self._answers = Room(ANSWERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["method"] == "OPTIONS":
            await _send(send, Answer(204, PREFLIGHT, memoryview(b"")))
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, _failure(405, "Images are only read here.", {"Allow": "GET, HEAD"}))
            return
        with suppress(Gone):  # nobody is there to be told
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        head, headers = scope["method"] == "HEAD", Headers(scope=scope)
        async with AsyncExitStack() as place:
            try:
                async with asyncio.timeout(LONGEST):
                    found = self._body(Request(scope), place)
                    body, kind, tag = await _unless_gone(found, receive)
                sent = answer(body, tag, kind, headers)
            except TimeoutError:
                sent = _failure(503, f"It did not come within {LONGEST:.0f} s.", RETRY)
            except OpsinError as error:
                sent = self._failed(error)
            except asyncio.CancelledError:
                sent = _failure(503, "The server is stopping.")
            await _send(send, sent, head=head)

    async def _body(self, request: Request, place: AsyncExitStack) -> tuple[Stored, str, str]:
        """The content of an answer, its type and its tag; the place that it takes in memory."""
        address = _address(request.scope)
        if address == "":
            page = self._index(request).encode()
            return page, HTML, tag_of(page)
        found = await self._session.offered(address)
        if found is None:
            raise NotFound("There is no image of that name here.")
        offer, key = found
        piece = offer.zarr.piece(key)
        if piece is None:
            document = await self._document(offer, key)
            return document, JSON, tag_of(document)
        # An image whose source hangs must not keep others from being read.
        async with self._reads.setdefault(offer.number, asyncio.Semaphore(READS)):
            # As it is read, and as it is sent.
            room = 2 * offer.zarr.chunk_bytes(piece.level)
            await place.enter_async_context(self._answers.take(room))
            body, tag = await self._chunk(offer, piece)
            return body, BYTES, tag

    async def _document(self, offer: Offer, key: str) -> bytes:
        layers = await self._session.shown(offer)
        documents = offer.zarr.documents(layers, tuple(offer.labels))
        if key not in documents:
            raise NotFound(f"There is nothing at {key or 'the top'} of {offer.image.name}.")
        try:
            return json.dumps(documents[key], allow_nan=False).encode()
        except ValueError:
            raise UsageError(
                f"{offer.image.name} has a scale or translation that is not finite."
            ) from None

    async def _chunk(self, offer: Offer, piece: Piece) -> tuple[Stored, str]:
        def encoded() -> tuple[Stored, str]:
            body = offer.zarr.encode(piece.level, box)
            return body, tag_of(body)

        box = await self._session.loader.read(
            offer.number, piece.level, piece.start, piece.stop, last=True
        )
        return await asyncio.to_thread(encoded)

    def _failed(self, error: OpsinError) -> Answer:
        text = str(error)
        for name, folder in self._session.library.roots.folders.items():
            text = text.replace(f"{folder}/", f"{name}/")  # where it lies here is nobody's business
        if isinstance(error, NotFound | UsageError):
            return _failure(404, text)
        if isinstance(error, Unreachable):
            return _failure(503, text, RETRY)
        return _failure(502, text)

    def _index(self, request: Request) -> str:
        base = str(request.url.replace(query="")).rstrip("/")
        lines = [
            f'<li><a href="{escape(quote(name))}/zarr.json">{escape(name)}</a> '
            f"<code>{escape(base)}/{escape(quote(name))}</code>"
            for name in self._session.shelf.offers
        ]
        lines += [
            f"<li>{escape(name)}: {escape(why)}"
            for name, why in self._session.shelf.refused.items()
        ]
        lines += [
            f"<li><code>{escape(base)}/{escape(quote(name))}/…/FILE.zarr</code>: what lies below"
            for name in self._session.library.roots.folders
        ]
        title = "<!doctype html><meta charset='utf-8'><title>Opsin: OME-Zarr</title>"
        return f"{title}<h1>OME-Zarr</h1><ul>{''.join(lines)}</ul>"


def _address(scope: Scope) -> str:
    """What stands behind the token: decoded once, so that `%2F` is a slash like any other."""
    path: str = scope["path"]
    return path.split("/", 3)[3] if path.count("/") > 2 else ""


async def _unless_gone(work: Awaitable[T], receive: Receive) -> T:
    """The result of `work`, which is cancelled when the client goes away.

    Raises:
        Gone: it did.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Gone
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _failure(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    body = json.dumps({"error": text}).encode()
    always = {"Content-Type": JSON, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    return Answer(status, always | (headers or {}), memoryview(body))


async def _send(send: Send, found: Answer, *, head: bool = False) -> None:
    """Send an answer, a piece at a time."""
    headers = [
        (name.lower().encode(), value.encode("latin-1"))
        for name, value in (FOR_ALL | found.headers).items()
    ]
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    body = found.body[:0] if head else found.body
    for start in range(0, max(len(body), 1), PIECE):
        more = start + PIECE < len(body)
        async with asyncio.timeout(STUCK):
            piece = bytes(body[start : start + PIECE])
            await send({"type": "http.response.body", "body": piece, "more_body": more})
