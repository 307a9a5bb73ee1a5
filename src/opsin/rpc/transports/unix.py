"""Unix sockets by path: `connect` and `serve`, between processes of one user on one computer.

A socket lies in a folder that only its user may enter, and both sides ask the kernel who the other
one is. What travels, and how, is `unix_stream`'s.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from opsin.errors import ConnectionLost, UsageError
from opsin.rpc.shared_arrays import SharedArrays, available
from opsin.rpc.transports.unix_stream import UnixTransport

log = logging.getLogger("opsin")

LONGEST_PATH = 103
"""Bytes, on macOS; Linux takes four more."""
BACKLOG = 128
PATIENCE = 5.0
"""Seconds that `connect` waits for a server that does not accept."""
PAUSE = 0.1
"""Seconds without accepting, when this process has no descriptors left."""

NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Handler = Callable[[UnixTransport], Awaitable[None]]


async def connect(path: str | os.PathLike[str]) -> UnixTransport:
    """A link to the server whose socket is there.

    Raises:
        ConnectionLost: nobody listens there, or another user does.
        UsageError: the path is too long for a socket.
    """
    address = _address(path)
    deadline = asyncio.get_running_loop().time() + PATIENCE
    connected = _new_socket()
    try:
        while True:
            try:
                connected.connect(address)
                break
            except BlockingIOError:  # its queue of new connections is full
                if asyncio.get_running_loop().time() > deadline:
                    raise ConnectionLost(f"The server at {address} does not answer.") from None
                await asyncio.sleep(0.01)
            except OSError as error:
                raise ConnectionLost(f"No server listens at {address}: {error.strerror}.") from None
        if not _same_user(connected):
            raise ConnectionLost(f"The server at {address} belongs to another user.")
        return UnixTransport(connected)
    except BaseException:
        connected.close()
        raise


async def serve(path: str | os.PathLike[str], handler: Handler) -> Server:
    """Listen at that path, and run `handler` for every link; the link is closed when it returns.

    The folder is made if need be. The socket of a server that is dead is replaced.

    Raises:
        UsageError: other users can enter the folder, or something else is at the path.
    """
    place = Path(_address(path))
    return Server(_listen(place), place, handler)


def segments() -> SharedArrays | None:
    """What a new link shares arrays with; None where that cannot be done."""
    return SharedArrays() if available() else None


class Server:
    """Listens on a socket, which it owns, until it is closed."""

    def __init__(self, listener: socket.socket, path: Path, handler: Handler) -> None:
        self.path = path
        self._listener = listener
        self._identity = _identity(path)
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(listener, self._accept)

    async def close(self) -> None:
        """Take the socket away, cancel the handlers and wait for them. Idempotent."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            if self._pause is not None:
                self._pause.cancel()
            if _identity(self.path) == self._identity:  # not that of a server after us
                self.path.unlink(missing_ok=True)
            self._listener.close()
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self) -> None:
        try:
            connected, _ = self._listener.accept()
            if not _same_user(connected):
                log.warning("Another user tried to connect to %s.", self.path)
                connected.close()
                return
            transport = UnixTransport(connected)
        except OSError as error:
            if error.errno in NO_ROOM:  # it stays readable: do not spin
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(PAUSE, self._resume)
            return  # otherwise it is gone again
        task = self._loop.create_task(self._handle(transport))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before it has begun runs no `finally`.
        task.add_done_callback(lambda _: transport.close_now())

    def _resume(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    async def _handle(self, transport: UnixTransport) -> None:
        try:
            await self._handler(transport)
        except (ConnectionLost, EOFError):
            pass  # what a link comes to
        except Exception:
            log.exception("A link at %s failed.", self.path)


def _new_socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


def _listen(path: Path) -> socket.socket:
    """A listening socket at a place where there was none, or a dead one."""
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise UsageError(
            f"The folder {folder} is open to other users: a socket needs one of mode 0700."
        )
    lock = os.open(folder, os.O_RDONLY)
    listener = _new_socket()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two servers that start at once, one replaces
        _remove_dead(path)
        listener.bind(os.fspath(path))
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(lock)
    return listener


def _remove_dead(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise UsageError(f"{path} is there already, and is not a socket.")
    with _new_socket() as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # it has more to do than it can
    raise UsageError(f"Another server listens at {path} already.")


def _same_user(connected: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # macOS: the folder has to do
    size = struct.calcsize("iII")
    peer = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    user: int = struct.unpack("iII", peer)[1]
    return user == os.geteuid()


def _address(path: str | os.PathLike[str]) -> str:
    address = os.fspath(path)
    if len(os.fsencode(address)) > LONGEST_PATH:
        raise UsageError(f"The path of a socket has at most {LONGEST_PATH} bytes: {address}.")
    return address


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = path.lstat()
        return status.st_dev, status.st_ino
    return None
