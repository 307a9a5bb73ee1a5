"""A web of this computer: a registry of npm with real packages, and whatever else lies at paths."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

WEB = Path(__file__).parents[2] / "web"


class Web:
    """What it answers, by path, and what it was asked for."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.pages: dict[str, tuple[int, str, bytes]] = {}
        self.asked: list[str] = []

    def put(
        self, path: str, content: bytes | str, kind: str = "text/plain", status: int = 200
    ) -> str:
        """Have something lie at a path; gives its address."""
        self.pages[path] = status, kind, content.encode() if isinstance(content, str) else content
        return self.address + path

    def publish(self, name: str, tarballs: dict[str, bytes], latest: str, **dist: Any) -> None:
        """Have a package be in the registry, in the versions whose tarballs are given."""
        versions = {}
        for version, tarball in tarballs.items():
            path = f"/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
            digest = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
            where = {"tarball": self.put(path, tarball), "integrity": f"sha512-{digest}"}
            versions[version] = {"name": name, "version": version, "dist": where | dist}
        about = {"name": name, "versions": versions, "dist-tags": {"latest": latest}}
        self.put(f"/{name}", json.dumps(about), "application/json")


@contextmanager
def web() -> Iterator[Web]:
    """One that runs while the block does."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(self.path)
            site.asked.append(path)
            status, kind, content = site.pages.get(path, (404, "text/plain", b"nothing here"))
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", content.decode())
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    site = Web(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def packed(name: str, folder: Path) -> tuple[str, bytes]:
    """A package that the web app is built with, as npm packs it: its version, and the tarball."""
    source = WEB / "node_modules" / name
    tool = Path(sys.executable).parent / "npm"
    done = subprocess.run(
        [tool, "pack", "--ignore-scripts", "--json", "--pack-destination", folder, source],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    (about,) = json.loads(done.stdout)
    return about["version"], (
        folder / about["filename"].replace("@", "").replace("/", "-")
    ).read_bytes()
