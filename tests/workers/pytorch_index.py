"""An index of builds of PyTorch, in place of the real one: a proxy that uv talks to.

The wheels are empty. All that is not asked of that index goes on to where it is meant for.
"""

from __future__ import annotations

import datetime
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.workers.test_package_sources import wheel

HOST = "download.pytorch.org"
VERSION = "2.9.0"
SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


def certificate(folder: Path) -> Path:
    """A certificate of that host that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@contextmanager
def pytorch_index(folder: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """The address of the proxy, the certificate to trust, and the paths that were asked for."""
    trusted = certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(trusted)
    known = ssl.get_default_verify_paths()
    for path in (os.environ.get("SSL_CERT_FILE"), known.cafile, SYSTEM):
        if path and Path(path).is_file():  # what this computer trusts is trusted too
            trusted.write_bytes(trusted.read_bytes() + Path(path).read_bytes())
            break
    asked: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            target = _head(connection).split()[1].decode()
            if target.partition(":")[0] != HOST:
                host, _, port = target.partition(":")
                with socket.create_connection((host, int(port))) as other:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    back = threading.Thread(target=_pass_on, args=(other, connection), daemon=True)
                    back.start()
                    _pass_on(connection, other)
                    back.join()
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with tls.wrap_socket(connection, server_side=True) as spoken:
                while head := _head(spoken):
                    path = head.split()[1].decode()
                    asked.append(path)
                    body, kind = _page(folder, path)
                    status = "404 Not Found" if body is None else "200 OK"
                    body = body or b""
                    spoken.sendall(
                        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n".encode()
                        + (b"" if head.startswith(b"HEAD") else body)
                    )

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", trusted, asked


def _page(folder: Path, path: str) -> tuple[bytes | None, str]:
    """`/whl/BUILD/torch/`, and the wheel of that build."""
    parts = path.partition("?")[0].strip("/").split("/")
    if len(parts) < 3 or parts[2] != "torch":
        return None, "text/plain"
    file = _wheel(folder / parts[1], f"{VERSION}+{parts[1]}")
    if len(parts) == 3:
        return f'<a href="/{parts[0]}/{parts[1]}/torch/{file.name}">torch</a>'.encode(), "text/html"
    return file.read_bytes(), "application/octet-stream"


_making = threading.Lock()


def _wheel(folder: Path, version: str) -> Path:
    """Made once, so that it always has the same hash."""
    with _making:
        return next(folder.glob("*.whl"), None) or wheel(folder, "torch", version)


def _head(connection: socket.socket) -> bytes:
    """The first lines of a request; nothing: there is none any more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        head += byte
    return head


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
