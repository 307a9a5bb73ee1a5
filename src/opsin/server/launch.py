"""Launch: bind, tell the user where, open their browser, serve until stopped."""

from __future__ import annotations

import errno
import ipaddress
import itertools
import os
import re
import secrets
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import uvicorn

from opsin.errors import UsageError
from opsin.images.draft import is_alive
from opsin.server.access import host_token, reading_token
from opsin.server.app import make_app
from opsin.server.embedded_host import SCRIPT
from opsin.server.session import Session

HERE = "127.0.0.1"
MOST_SAID = 10
"""Images whose addresses are printed, at most."""
REDIRECT_SECONDS = 60
"""How long the file that sends the browser to the server is kept."""


def bind(port: int, host: str = HERE) -> socket.socket:
    """A listening socket on an address of this computer; port 0 takes a free one.

    Raises:
        UsageError: the port is taken or not allowed, or the address is none of this computer.
    """
    try:
        (family, *_), *_ = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UsageError(f"{host} is no address of this computer: leave --host out.") from None
    # asyncio turns Nagle's algorithm off (40 ms per answer) only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"{host} is no address of this computer: leave --host out.") from None
        reason = error.strerror if isinstance(error, OSError) else "ports go up to 65535"
        raise UsageError(
            f"Port {port} cannot be used ({reason}): choose another with --port, or leave it out."
        ) from None
    return listener


def make_token() -> str:
    """A token for one start: that of `OPSIN_TOKEN`, or a fresh one.

    Raises:
        UsageError: the one given is too short to be safe, or would not survive in an address.
    """
    given = os.environ.get("OPSIN_TOKEN")
    if not given:
        return secrets.token_urlsafe(24)
    if not re.fullmatch(r"[A-Za-z0-9._~-]{16,512}", given):
        raise UsageError(
            "OPSIN_TOKEN needs 16 or more letters, digits or . _ ~ - and nothing else."
        )
    return given


def serve(
    session: Session,
    listener: socket.socket,
    *,
    token: str,
    browser: bool = True,
    announce: Callable[[str], None] = print,
    host: str = HERE,
    embedders: Collection[str] = (),
) -> None:
    """Serve a session until Ctrl-C, SIGTERM or SIGHUP (the terminal is closed).

    Args:
        session: what is shown.
        listener: from `bind`; it is closed at the end.
        token: what a browser needs to be let in.
        browser: open the user's browser on it.
        announce: is given the addresses, tokens included, line by line.
        host: what `bind` was given.
        embedders: origins of pages of others that may run plugins in themselves.
    """
    port = listener.getsockname()[1]
    called = _called(host)
    origin = f"http://{f'[{called}]' if ':' in called else called}:{port}"
    address = f"{origin}/?token={token}"
    names = None if is_loopback(host) else {called, socket.gethostname(), socket.getfqdn()}
    config = uvicorn.Config(
        make_app(session, token=token, port=port, names=names, embedders=embedders),
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=2**21,
        timeout_graceful_shutdown=1,
        lifespan="on",
    )
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        """Take a signal that comes before uvicorn listens, or that it passes on at its end."""
        server.should_exit = True

    redirect: Path | None = None
    before = {number: signal.signal(number, stop) for number in _stopping()}
    try:
        announce(address)
        for line in _zarr_addresses(session, f"{origin}/zarr/{reading_token(token)}/"):
            announce(line)
        if embedders:
            announce(f"For pages of {', '.join(embedders)}, to run plugins in themselves:")
            announce(f"  {origin}/host/{host_token(token)}/{SCRIPT}")
        if browser:
            with suppress(OSError):
                redirect = _redirect_file(address)
            if redirect is None or not _open(redirect):
                announce("No browser could be opened here: open the address above in one.")
            if redirect is not None:
                timer = threading.Timer(REDIRECT_SECONDS, _remove, (redirect,))
                timer.daemon = True
                timer.start()
        server.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if redirect is not None:
            _remove(redirect)
            with suppress(OSError):  # others may have theirs in it
                redirect.parent.rmdir()
        listener.close()


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach a server at this address."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(place[0])).is_loopback for *_, place in found)


def _called(host: str) -> str:
    """What others call this computer, if the server listens to all of them, else the address."""
    try:
        everywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host
    if not everywhere:
        return host
    full = socket.getfqdn()
    return socket.gethostname() if full.startswith("localhost") else full


def _zarr_addresses(session: Session, base: str) -> Iterator[str]:
    """Where other programs find the images, one line each; all of them are at `base`."""
    offers = session.shelf.offers
    if offers:
        yield "As OME-Zarr, for other programs:"
    for name in itertools.islice(offers, MOST_SAID):
        yield f"  {base}{quote(name)}"
    if len(offers) > MOST_SAID:
        yield f"  and {len(offers) - MOST_SAID} more, which are listed at {base}"
    for name, why in itertools.islice(session.shelf.refused.items(), MOST_SAID):
        yield f"  not {name}: {why}"
    for name, folder in session.library.roots.folders.items():
        yield f"What lies below {folder}, as OME-Zarr or in the page:"
        yield f"  {base}{quote(name)}/FILE.zarr"
        yield f"  {base.partition('/zarr/')[0]}/?open={quote(name)}/FILE"


def _stopping() -> tuple[signal.Signals, ...]:
    """The signals that end a server; not the hang-up if `nohup` said that it does not count."""
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is None or signal.getsignal(hangup) == signal.SIG_IGN:
        return (signal.SIGINT, signal.SIGTERM)
    return (signal.SIGINT, signal.SIGTERM, hangup)


def _redirect_file(address: str) -> Path:
    """A page that only this user can read and that leads to the server: no command line sees it.

    What earlier starts left behind (they were killed) is removed.

    Raises:
        OSError: it cannot be written.
    """
    folder = _private_folder()
    for stale in folder.glob("open-*.html"):
        with suppress(ValueError):
            if not is_alive(int(stale.stem.removeprefix("open-"))):
                _remove(stale)
    path = folder / f"open-{os.getpid()}.html"
    _remove(path)
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={address}">'
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(page)
    return path


def _private_folder() -> Path:
    """A folder of this user alone: the usual one, or a fresh one where its place is taken."""
    folder = Path(tempfile.gettempdir()) / f"opsin-{os.getuid() if os.name == 'posix' else 'user'}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="opsin-"))
    if os.name == "posix" and (about.st_uid != os.getuid() or about.st_mode & 0o077):
        return Path(tempfile.mkdtemp(prefix="opsin-"))
    return folder


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _open(page: Path) -> bool:
    """Open a page in the user's browser, where there is a screen."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    try:
        return screen and webbrowser.open(page.as_uri())
    except webbrowser.Error:
        return False
