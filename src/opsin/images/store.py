"""Store: where the bytes of an image live, by key; and the store of a local folder."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol

from opsin.errors import Corrupt, ReadError, Unreachable
from opsin.images.text import shown
from opsin.images.waiting import on_thread

LOCAL_THREADS = 8
"""Enough to keep a network file system busy; threads start only as they are needed."""
NAMES_LIMIT = 100_000
"""Names that listing a folder gives at most: those of one level of an array, perhaps."""


class Store(Protocol):
    """Bytes by key (`/`-separated, no leading slash).

    Reads may be awaited from any event loop. Cancelling one gives up its turn or aborts the
    request; a local read that has begun is awaited, so that nothing reads on behind it.
    """

    @property
    def where(self) -> str:
        """The folder or URL, for messages."""

    @property
    def provenance(self) -> Literal["disk", "network"]:
        """What reading costs."""

    async def get(self, key: str, *, limit: int) -> bytes | None:
        """All bytes at `key`; None where there is nothing.

        Raises:
            Corrupt: there are more than `limit` bytes (none of which were read).
            Unreachable: the source did not answer or failed in a way that may pass.
            ReadError: the source refused.
        """

    async def get_range(
        self, key: str, *, start: int = 0, length: int | None = None, suffix: int | None = None
    ) -> bytes | None:
        """`length` bytes from `start`, or the last `suffix` bytes; None where there is nothing.

        Fewer come back where the value ends earlier. Raises as `get` does.
        """

    async def names(self, key: str) -> tuple[str, ...] | None:
        """The names directly below a key, folders with `/`; None where the store cannot list.

        Raises as `get` does.
        """

    async def stamp(self, key: str) -> str | None:
        """A text that changes when the value at `key` is written anew; None if that is unknown.

        Raises as `get` does.
        """

    def reopen(self) -> Store:
        """The same place again, to be closed on its own."""

    def close(self) -> None:
        """Let go of threads and connections. Idempotent; reads after it raise `ReadError`."""


class LocalStore:
    """Files below a folder, read by a bounded pool of threads."""

    def __init__(self, root: str | Path) -> None:
        self._root = str(root)
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(
            LOCAL_THREADS, thread_name_prefix="opsin-store"
        )

    @property
    def where(self) -> str:
        return shown(self._root)

    @property
    def provenance(self) -> Literal["disk"]:
        return "disk"

    async def get(self, key: str, *, limit: int) -> bytes | None:
        return await on_thread(self._threads(key), self.read, key, limit=limit)

    async def get_range(
        self, key: str, *, start: int = 0, length: int | None = None, suffix: int | None = None
    ) -> bytes | None:
        pool = self._threads(key)
        return await on_thread(
            pool, self.read_range, key, start=start, length=length, suffix=suffix
        )

    async def names(self, key: str) -> tuple[str, ...]:
        return await on_thread(self._threads(key), _names, self._path(key))

    async def stamp(self, key: str) -> str | None:
        def read() -> str | None:
            try:
                state = Path(self._path(key)).stat()
            except OSError:
                return None
            return f"{state.st_size} {state.st_mtime_ns}"

        return await on_thread(self._threads(key), read)

    def read(self, key: str, *, limit: int) -> bytes | None:
        """`get` on the thread that calls it."""
        self._threads(key)
        return _read_file(self._path(key), lambda fd, size: _read(fd, 0, bounded(size, limit, key)))

    def read_range(
        self, key: str, *, start: int = 0, length: int | None = None, suffix: int | None = None
    ) -> bytes | None:
        """`get_range` on the thread that calls it."""
        self._threads(key)

        def read(fd: int, size: int) -> bytes:
            first = max(0, size - suffix) if suffix is not None else start
            count = size - first if length is None else min(length, size - first)
            return _read(fd, first, max(0, count))

        return _read_file(self._path(key), read)

    def reopen(self) -> LocalStore:
        return LocalStore(self._root)

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def __reduce__(self) -> tuple[type[LocalStore], tuple[str]]:
        """The same folder, as another process sees it."""
        return LocalStore, (self._root,)

    def _threads(self, key: str) -> ThreadPoolExecutor:
        if self._pool is None:
            raise ReadError(f"{self.where} was closed while {shown(key)} was asked for.")
        return self._pool

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root


def _names(path: str) -> tuple[str, ...]:
    try:
        with os.scandir(path) as entries:
            found = itertools.islice(entries, NAMES_LIMIT)
            return tuple(sorted(f"{one.name}/" if one.is_dir() else one.name for one in found))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise ReadError(f"{shown(path)} cannot be listed: {error.strerror}.") from error


def _read_file(path: str, read: Callable[[int, int], bytes]) -> bytes | None:
    try:
        # O_NONBLOCK: opening a pipe must not wait for its writer; files do not mind.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise Corrupt(f"{shown(path)} is not a file.")
            return read(fd, status.st_size)
        finally:
            os.close(fd)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise ReadError(f"{shown(path)} may not be read: check its permissions.") from None
    except OSError as error:
        passing = {errno.EIO, errno.ETIMEDOUT, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
        kind = Unreachable if error.errno in passing | {errno.ESTALE} else ReadError
        raise kind(f"{shown(path)} cannot be read: {error.strerror}.") from error


def _read(fd: int, start: int, count: int) -> bytes:
    if not count:
        return b""
    data = os.pread(fd, count, start)
    if len(data) == count:
        return data
    pieces = [data]  # a signal, or a read beyond what the kernel returns at once (2 GiB)
    got = len(data)
    while got < count and (data := os.pread(fd, count - got, start + got)):
        pieces.append(data)
        got += len(data)
    return b"".join(pieces)


def bounded(size: int, limit: int, key: str) -> int:
    """`size`, which is that of the value at `key`; raises `Corrupt` if it is over the limit."""
    if size > limit:
        raise Corrupt(f"{shown(key)} has {size} bytes, more than the {limit} it can need.")
    return size
