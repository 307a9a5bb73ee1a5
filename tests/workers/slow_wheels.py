"""A page of one wheel, in place of an index: it lets its reader wait, or does not have the file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.workers.test_package_sources import wheel

NAME, VERSION = "opsin-slow-trial", "1.0"


@dataclass
class SlowWheels:
    """What the page does.

    Attributes:
        address: of the page.
        asked: is set when the wheel has been asked for.
        is_there: whether it is; otherwise, 404.
        let_go: until this is set, whoever asks for it waits.
    """

    address: str
    asked: threading.Event = field(default_factory=threading.Event)
    is_there: bool = True
    let_go: threading.Event = field(default_factory=threading.Event)


@contextmanager
def slow_wheels(folder: Path) -> Iterator[SlowWheels]:
    """The page, in this process."""
    file = wheel(folder, NAME.replace("-", "_"), VERSION)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<a href="/{file.name}">{file.name}</a>'.encode()
            if self.path.endswith(".whl"):
                slow.asked.set()
                slow.let_go.wait()
                if not slow.is_there:
                    with suppress(OSError):
                        self.send_error(404)
                    return
                body = file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if self.path == "/" else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            with suppress(OSError):  # who asked is gone
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    slow = SlowWheels(f"http://127.0.0.1:{server.server_port}/")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield slow
    finally:
        slow.let_go.set()
        server.shutdown()
        server.server_close()
