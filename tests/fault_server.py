"""A real HTTP server on loopback for a folder, which can be told to misbehave in every way."""

from __future__ import annotations

import http.server
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote

NEVER = "$^"
PIECE = 1 << 16


@dataclass
class Site:
    """What the server serves, how it misbehaves, and what it was asked for.

    Faults are by path, given as a regular expression.
    """

    root: Path
    url: str = ""
    status: dict[str, int] = field(default_factory=dict)
    """What is answered with an error status."""
    failures: dict[str, int] = field(default_factory=dict)
    """What is answered with 503 so many times, and then properly."""
    slow: str = NEVER
    """What is sent a piece at a time, 20 ms apart."""
    cut: str = NEVER
    """Of what half is sent, then the connection is closed."""
    reset: str = NEVER
    """What gets no answer, but a reset connection."""
    wrong: str = NEVER
    """What arrives with other bytes than are there."""
    hang: str = NEVER
    """What gets no answer until `go` is set."""
    delay: float = 0.0
    """Seconds before each answer."""
    query: str = ""
    """What an address must have behind its path, such as a signature; else it is refused."""
    ranges: bool = True
    dated: bool = True
    """Whether answers say when the file was written."""
    go: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of each GET."""
    times: list[tuple[str, float]] = field(default_factory=list)
    """Path of each GET, and when it came."""
    aborted: threading.Event = field(default_factory=threading.Event)
    """Set when a client went away in the middle of an answer."""
    sent: int = 0
    """Bytes of bodies."""

    def asked(self, pattern: str) -> list[str]:
        """The paths that match, as often as they were asked for."""
        return [path for path, _ in self.requests if re.search(pattern, path)]

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        place, _, query = handler.path.partition("?")
        path = unquote(place).lstrip("/")
        span = handler.headers.get("Range")
        if handler.command == "GET":
            self.requests.append((path, span))
            self.times.append((path, time.monotonic()))
        if self.delay:
            time.sleep(self.delay)
        if re.search(self.hang, path):
            self.go.wait(30)
        if re.search(self.reset, path):
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RD)
            return None
        if query != self.query:
            return self._send(handler, 403, b"not signed")
        for pattern, status in self.status.items():
            if re.search(pattern, path):
                return self._send(handler, status, b"sorry")
        for pattern, left in self.failures.items():
            if left and re.search(pattern, path):
                self.failures[pattern] -= 1
                return self._send(handler, 503, b"later")
        file = self.root / path
        if not file.is_file():
            return self._send(handler, 404, b"not here")
        data = file.read_bytes()
        if re.search(self.wrong, path):
            data = bytes(byte ^ 0x55 for byte in data)
        if span is None or not self.ranges:
            return self._send(handler, 200, data, path)
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", span)
        assert found is not None
        start = int(found[1]) if found[1] else max(0, len(data) - int(found[2]))
        stop = min(len(data), int(found[2]) + 1) if found[1] and found[2] else len(data)
        if start >= len(data):
            return self._send(handler, 416, b"")
        total = f"bytes {start}-{stop - 1}/{len(data)}"
        return self._send(handler, 206, data[start:stop], path, total)

    def _send(
        self,
        handler: http.server.BaseHTTPRequestHandler,
        status: int,
        data: bytes,
        path: str = "",
        content_range: str | None = None,
    ) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        if content_range is not None:
            handler.send_header("Content-Range", content_range)
        if path and self.dated:
            written = (self.root / path).stat().st_mtime
            handler.send_header("Last-Modified", formatdate(written, usegmt=True))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        if path and re.search(self.cut, path):
            handler.wfile.write(data[: len(data) // 2])
            handler.close_connection = True
        elif path and re.search(self.slow, path):
            for start in range(0, len(data), PIECE):
                handler.wfile.write(data[start : start + PIECE])
                self.sent += len(data[start : start + PIECE])
                time.sleep(0.02)
        else:
            handler.wfile.write(data)
            self.sent += len(data)


@contextmanager
def serving(root: Path) -> Iterator[Site]:
    """A server of a folder."""
    site = Site(root)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                site.answer(self)
            except OSError:
                site.aborted.set()
                self.close_connection = True

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128  # with fewer, a crowd of connections waits for a second

    with Server(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            site.go.set()
            server.shutdown()
            thread.join()
