"""Launch: bind, tell the user where, open their browser, serve until stopped."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from opsin.errors import UsageError
from opsin.images.draft import is_alive
from opsin.server.app import make_app
from opsin.server.session import Session

REDIRECT_SECONDS = 60
"""How long the file that sends the browser to the server is kept."""


def bind(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes a free one.

    Raises:
        UsageError: the port is taken or not allowed.
    """
    # asyncio turns Nagle's algorithm off (40 ms per answer) only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
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
) -> None:
    """Serve a session until Ctrl-C, SIGTERM or SIGHUP (the terminal is closed).

    Args:
        listener: from `bind`; it is closed at the end.
        token: what a browser needs to be let in.
        browser: open the user's browser on it.
        announce: is given the address, token included.
    """
    port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}/?token={token}"
    config = uvicorn.Config(
        make_app(session, token=token, port=port),
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
