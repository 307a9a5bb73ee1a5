"""Store server: an OME-Zarr of any size over HTTP, slowly, with a log of who asked for what when.

Its chunks are made as they are asked for. It also serves the page that looks at them, and takes
that page's report.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
from harness.sim.link import Conditions
from harness.sim.paths import Shape

from opsin.images.source import Index

PIECE = 16 * 1024
LONGEST_HEAD = 64 * 1024
IMAGE = "/image.zarr/"


@dataclass(slots=True)
class Asked:
    """One request for a chunk; times in milliseconds since the epoch."""

    level: int
    index: Index
    began: float
    ended: float = 0.0
    complete: bool = False


class StoreServer:
    """Serves files, an image and a tour on a port of its own.

    Args:
        folders: folders of files by the start of their addresses.
        pages: contents by address.
    """

    def __init__(
        self,
        shape: Shape,
        conditions: Conditions,
        folders: Mapping[str, Path],
        pages: Mapping[str, bytes],
    ) -> None:
        self.log: list[Asked] = []
        self.reported: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._conditions = conditions
        self._folders = folders
        self._pages = dict(pages)
        self._itemsize = np.dtype(shape.dtype).itemsize
        self._chunks: list[int] = []
        self._pages.update(_metadata(shape, self._chunks))
        self._line_free = 0.0
        self._began = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen on loopback; the address, without a slash at its end."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def answer(self, method: str, path: str, body: bytes, reply: _Connection) -> None:
        """Answer one request."""
        path = path.partition("?")[0]
        if method == "POST":
            self.reported.set_result(json.loads(body))
            reply.send(200, b"")
        elif path == "/began":  # answered when the first chunk was asked for
            await self._began.wait()
            reply.send(200, str(self.log[0].began).encode(), "text/plain")
        elif path in self._pages:
            name = "index.html" if path.endswith("/") else path
            kind = mimetypes.guess_type(name)[0] or "application/json"
            reply.send(200, self._pages[path], kind)
        elif path.startswith(IMAGE):
            await self._answer_chunk(path.removeprefix(IMAGE), reply)
        else:
            self._answer_file(path, reply)

    async def _answer_chunk(self, name: str, reply: _Connection) -> None:
        parts = name.split("/")
        if not all(part.isdigit() for part in parts) or len(parts) < 3:
            reply.send(404, b"")
            return
        asked = Asked(int(parts[0]), tuple(map(int, parts[1:])), time.time() * 1000)
        self.log.append(asked)
        self._began.set()
        size = self._chunks[asked.level]
        try:
            await asyncio.sleep(self._conditions.latency)
            reply.head(200, size, "application/octet-stream")
            shade = 40 * asked.level + 30 * (sum(asked.index) % 2) + 20
            piece = bytes([0, shade] if self._itemsize == 2 else [shade]) * (
                PIECE // self._itemsize
            )
            for start in range(0, size, PIECE):
                count = min(PIECE, size - start)
                await self._turn(count)
                reply.write(piece[:count])
            asked.complete = True
        finally:
            asked.ended = time.time() * 1000

    async def _turn(self, size: int) -> None:
        """Wait until the line, which all answers share, has taken so much."""
        now = time.monotonic()
        self._line_free = max(now, self._line_free) + size / self._conditions.bandwidth
        await asyncio.sleep(self._line_free - now)

    def _answer_file(self, path: str, reply: _Connection) -> None:
        for start, folder in self._folders.items():
            file = (folder / path.removeprefix(start)).resolve()
            if path.startswith(start) and file.is_file() and folder.resolve() in file.parents:
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                reply.send(200, file.read_bytes(), kind)
                return
        reply.send(404, b"")


class _Connection(asyncio.Protocol):
    """One connection of a browser: a request, its answer, the next request."""

    def __init__(self, server: StoreServer) -> None:
        self._server = server
        self._received = b""
        self._answering: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answering is not None:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._next()

    def _next(self) -> None:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if self._answering is not None or not found:
            return
        if len(head) > LONGEST_HEAD:
            self._close()
            return
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)
        }
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        body, self._received = rest[:length], rest[length:]
        method, path, _ = line.split(" ")
        task = asyncio.ensure_future(self._server.answer(method, path, body, self))
        self._answering = task
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answering = None
        if task.cancelled() or task.exception() is not None:
            self._close()
        else:
            self._next()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def head(self, status: int, size: int, kind: str) -> None:
        """Begin an answer of `size` bytes."""
        self.write(
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not Found'}\r\n"
            f"Content-Length: {size}\r\nContent-Type: {kind}\r\n"
            "Cache-Control: no-store\r\n\r\n".encode()
        )

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def send(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        """A whole answer."""
        self.head(status, len(body), kind)
        self.write(body)


def _metadata(shape: Shape, chunk_bytes: list[int]) -> dict[str, bytes]:
    """The metadata of an OME-Zarr 0.4; adds the bytes of a chunk of each level to `chunk_bytes`."""
    dtype = np.dtype(shape.dtype)
    datasets: list[Any] = []
    found: dict[str, Any] = {f"{IMAGE}.zgroup": {"zarr_format": 2}}
    for level in range(shape.levels):
        factors = [2**level if name in "yx" else 1 for name in shape.axes]
        size = [max(1, ceil(n / by)) for n, by in zip(shape.size, factors, strict=True)]
        chunks = [min(chunk, n) for chunk, n in zip(shape.chunks, size, strict=True)]
        chunk_bytes.append(prod(chunks) * dtype.itemsize)
        found[f"{IMAGE}{level}/.zarray"] = {
            "zarr_format": 2,
            "shape": size,
            "chunks": chunks,
            "dtype": dtype.str,
            "compressor": None,
            "filters": None,
            "fill_value": 0,
            "order": "C",
            "dimension_separator": "/",
        }
        place = [
            {"type": "scale", "scale": list(map(float, factors))},
            {"type": "translation", "translation": [(by - 1) / 2 for by in factors]},
        ]
        datasets.append({"path": str(level), "coordinateTransformations": place})
    axes = [{"name": name, "type": "space"} for name in shape.axes]
    multiscale = {"version": "0.4", "axes": axes, "datasets": datasets}
    found[f"{IMAGE}.zattrs"] = {"multiscales": [multiscale]}
    return {path: json.dumps(content).encode() for path, content in found.items()}
