"""Store: where the bytes of an image live, by key. A local folder or an HTTP(S) address."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import stat
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from weakref import WeakKeyDictionary

from opsin.errors import Corrupt, ReadError, Unreachable
from opsin.images.text import shown
from opsin.images.waiting import on_thread

if TYPE_CHECKING:
    from obstore.store import HTTPStore

LOCAL_THREADS = 8
"""Enough to keep a network file system busy; threads start only as they are needed."""
HTTP_REQUESTS = 32
"""Requests of one store in flight at once; more wait their turn."""


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

    def read(self, key: str, *, limit: int) -> bytes | None:
        """`get` on the thread that calls it."""
        self._threads(key)
        return _read_file(
            self._path(key), lambda fd, size: _read(fd, 0, _bounded(size, limit, key))
        )

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

    def _threads(self, key: str) -> ThreadPoolExecutor:
        if self._pool is None:
            raise ReadError(f"{self.where} was closed while {shown(key)} was asked for.")
        return self._pool

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root


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


def _bounded(size: int, limit: int, key: str) -> int:
    if size > limit:
        raise Corrupt(f"{shown(key)} has {size} bytes, more than the {limit} it can need.")
    return size


class HttpStore:
    """Paths below an HTTP(S) URL, without query or fragment.

    Raises:
        ReadError: it is no valid URL.
    """

    def __init__(self, url: str, *, _store: HTTPStore | None = None) -> None:
        self._url = url.rstrip("/")
        self._store: HTTPStore | None = _store or _connect(self._url)
        # A semaphore belongs to one event loop, a store to none.
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    @property
    def where(self) -> str:
        return self._url

    @property
    def provenance(self) -> Literal["network"]:
        return "network"

    async def get(self, key: str, *, limit: int) -> bytes | None:
        import obstore

        async def read(store: HTTPStore) -> bytes:
            result = await obstore.get_async(store, key)
            _bounded(result.meta["size"], limit, f"{self._url}/{key}")
            return bytes(await result.bytes_async())

        return await self._request(key, read)

    async def get_range(
        self, key: str, *, start: int = 0, length: int | None = None, suffix: int | None = None
    ) -> bytes | None:
        import obstore

        if suffix == 0 or length == 0:
            return b""

        async def read(store: HTTPStore) -> bytes:
            if suffix is not None:
                result = await obstore.get_async(store, key, options={"range": {"suffix": suffix}})
            elif length is None:
                result = await obstore.get_async(store, key, options={"range": {"offset": start}})
            else:
                result = await obstore.get_async(
                    store, key, options={"range": (start, start + length)}
                )
            return bytes(await result.bytes_async())

        return await self._request(key, read)

    def reopen(self) -> HttpStore:
        return HttpStore(self._url, _store=self._store)

    def close(self) -> None:
        self._store = None

    async def _request(
        self, key: str, read: Callable[[HTTPStore], Awaitable[bytes]]
    ) -> bytes | None:
        from obstore.exceptions import BaseError, NotSupportedError

        store = self._store
        url = f"{self._url}/{key}" if key else self._url
        if store is None:
            raise ReadError(f"{self._url} was closed while {key} was asked for.")
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(HTTP_REQUESTS))
        try:
            async with turn:
                return await read(store)
        except FileNotFoundError:
            return None
        except NotSupportedError as error:
            raise ReadError(
                f"The server of {url} does not answer requests for a part of a file, "
                "which reading this image needs."
            ) from error
        except BaseError as error:
            if "status code: 416" in str(error):  # a range that begins behind the end
                return b""
            raise _explained(url, str(error)) from error


def _connect(url: str) -> HTTPStore:
    from obstore.store import HTTPStore

    try:
        return HTTPStore(
            url,
            client_options={
                "allow_http": True,
                "connect_timeout": timedelta(seconds=5),
                "read_timeout": timedelta(seconds=15),
                "timeout": timedelta(seconds=60),
                "pool_max_idle_per_host": str(HTTP_REQUESTS),
            },
            # One retry hides a connection that the server closed while idle. Whoever waits for
            # the chunk knows whether it is still wanted, and does the other retries.
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=1)},
        )
    except ValueError as error:
        raise ReadError(f"{url} is no valid address ({error}).") from None


def _explained(url: str, message: str) -> ReadError:
    """The error for a failed request, with its status, and whether a retry may help."""
    if found := re.search(r"non-2xx status code: (\d{3})([^:\n]*)", message):
        status = f"{found[1]}{found[2]}".strip()
        if found[1][0] == "5" or found[1] in ("408", "425", "429"):
            return Unreachable(f"{url} answered {status}.")
        return ReadError(f"{url} answered {status}.")
    if "Content-Length" in message:
        return ReadError(f"{url} cannot be read: its server does not say how long the answer is.")
    reason = message.split("\n")[0].rsplit(" - ", 1)[-1].rsplit("error: ", 1)[-1].strip()
    return Unreachable(f"{url} did not answer ({reason}).")
