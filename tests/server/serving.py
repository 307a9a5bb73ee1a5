"""A server in a thread of this process, for images that only a test has."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import uvicorn

from opsin.images.image import Image
from opsin.images.write.codec import CodecName
from opsin.server.access import reading_token
from opsin.server.app import make_app
from opsin.server.launch import bind
from opsin.server.roots import Roots
from opsin.server.session import Session

TOKEN = "a-token-for-tests-0123456789"


@dataclass(frozen=True)
class Serving:
    """Where a server is, and what it holds. The session belongs to the server's thread."""

    origin: str
    session: Session

    @property
    def zarr(self) -> str:
        """What the addresses of OME-Zarrs begin with."""
        return f"{self.origin}/zarr/{reading_token(TOKEN)}"

    def get(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        """Ask for what lies at a path below `zarr`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"{self.zarr}/{quote(path, safe='/%')}"
        return httpx.request(method, address, headers=named, timeout=30)


@contextmanager
def serving(
    groups: Sequence[Sequence[Image]] = (),
    *,
    memory: int = 1 << 26,
    roots: Sequence[Path] = (),
    codec: CodecName = "none",
    no_plugins: str | None = "No plugins in this test.",
) -> Iterator[Serving]:
    """Serve images until the end, then close them."""
    listener = bind(0)
    port = listener.getsockname()[1]
    session = Session(groups, memory, roots=Roots(roots), codec=codec, no_plugins=no_plugins)
    config = uvicorn.Config(
        make_app(session, token=TOKEN, port=port),
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        yield Serving(f"http://127.0.0.1:{port}", session)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
    assert not thread.is_alive(), "the server did not stop"
