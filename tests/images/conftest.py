"""A real HTTP server on loopback for a folder, which can be told to misbehave."""

from __future__ import annotations

import http.server
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest


@dataclass
class Site:
    """What the server serves, how it misbehaves, and what it was asked for."""

    root: Path
    url: str = ""
    status: dict[str, int] = field(default_factory=dict)
    """Paths (a regular expression) that are answered with an error status."""
    slow: str = "$^"
    """Paths (a regular expression) that are sent a piece at a time, 20 ms apart."""
    cut: str = "$^"
    """Paths (a regular expression) of which half is sent, then the connection is closed."""
    query: str = ""
    """What an address must have behind its path, such as a signature; else it is refused."""
    ranges: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of each."""
    aborted: threading.Event = field(default_factory=threading.Event)
    """Set when a client went away in the middle of an answer."""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        place, _, query = handler.path.partition("?")
        path = unquote(place).lstrip("/")
        span = handler.headers.get("Range")
        self.requests.append((path, span))
        if query != self.query:
            return self._send(handler, 403, b"not signed")
        for pattern, status in self.status.items():
            if re.search(pattern, path):
                return self._send(handler, status, b"sorry")
        file = self.root / path
        if not file.is_file():
            return self._send(handler, 404, b"not here")
        data = file.read_bytes()
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
        handler.end_headers()
        if path and re.search(self.cut, path):
            handler.wfile.write(data[: len(data) // 2])
            handler.close_connection = True
        elif path and re.search(self.slow, path):
            for start in range(0, len(data), 1 << 16):
                handler.wfile.write(data[start : start + (1 << 16)])
                time.sleep(0.02)
        else:
            handler.wfile.write(data)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server of `tmp_path / "site"`."""
    site = Site(tmp_path / "site")
    site.root.mkdir()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                site.answer(self)
            except OSError:
                site.aborted.set()
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128  # with fewer, a crowd of connections waits for a second

    with Server(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield site
        server.shutdown()
        thread.join()
