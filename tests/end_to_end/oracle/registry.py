"""Registry: all of the web that imjoy-core sees: what ImJoy has on npm, and the files of the cases.

A real server with TLS, to which the browser takes every name: requests of workers pass by whatever
answers for a page.
"""

from __future__ import annotations

import mimetypes
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.end_to_end.oracle.cases import HERE
from tests.peers.npm import installed

SITE = "https://cases.test"
"""Where the files of the cases, and the page of imjoy-core, lie for it."""
CDN = "cdn.jsdelivr.net"
LIBRARY = "lib.imjoy.io"


class Registry:
    """What lies at an address.

    Attributes:
        refused: addresses at which there is nothing.
    """

    def __init__(self) -> None:
        self.refused: list[str] = []
        folder = installed("imjoy")
        self._modules = folder / "node_modules"
        self._worker = _with_rpc(HERE / "site/worker.js", folder)

    def file(self, address: str) -> Path | None:
        """The file at an address; None: there is none."""
        path = self._path(address)
        if path is None or not path.is_file():
            self.refused.append(address)
            return None
        return path

    def _path(self, address: str) -> Path | None:
        parts = urlsplit(address)
        path = parts.path.lstrip("/")
        core = self._modules / "imjoy-core/dist"
        if address.startswith(f"{SITE}/"):
            if path == "imjoy-core.js":
                return core / path
            if path == self._worker.name:
                return self._worker
            own = HERE / path
            return own if "/" not in path and own.is_file() else HERE / "site" / path
        if parts.hostname == LIBRARY:
            return core / path
        if parts.hostname == CDN and path.startswith("npm/"):
            package, _, rest = path.removeprefix("npm/").partition("/")
            name, _, version = package.partition("@")
            about = self._modules / name / "package.json"
            if about.is_file() and f'"version": "{version}"' in about.read_text():
                return self._modules / name / rest
        return None


def site_files() -> dict[str, Path]:
    """What lies at the site of the cases, by its name."""
    registry = Registry()
    names = [path.name for path in (HERE / "site").iterdir()]
    found = {name: registry.file(f"{SITE}/{name}") for name in names}
    return {name: path for name, path in found.items() if path is not None}


def _with_rpc(script: Path, folder: Path) -> Path:
    """A script with imjoy-rpc before it: what answers for a page is not asked by its workers."""
    library = folder / "node_modules/imjoy-rpc/dist/imjoy-rpc.min.js"
    made = folder / script.name
    before = b"globalThis.window = globalThis;\n"  # which it takes for granted
    made.write_bytes(before + library.read_bytes() + b"\n" + script.read_bytes())
    return made


@contextmanager
def served(registry: Registry, folder: Path) -> Iterator[int]:
    """Serve it with TLS while the block lasts; gives the port. `folder` gets the certificate."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = registry.file(f"https://{self.headers['Host']}{self.path}")
            content = b"" if path is None else path.read_bytes()
            self.send_response(404 if path is None else 200)
            if path is not None:
                self.send_header("Content-Type", kind_of(path))
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kind_of(path: Path) -> str:
    """The type of a file's content."""
    kinds = {".mjs": "text/javascript", ".js": "text/javascript"}
    return kinds.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    written = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "certificate.pem"
    path.write_bytes(written + certificate.public_bytes(serialization.Encoding.PEM))
    return path
