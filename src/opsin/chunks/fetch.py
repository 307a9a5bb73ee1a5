"""Fetch: brings one chunk, from wherever it is, and can be given up on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from opsin.chunks.disk_cache import DiskCache, chunk_name
from opsin.chunks.threads import Threads, Ticket
from opsin.errors import OpsinError
from opsin.images.source import Array, Direct, Encoded, Index, Source

Arrived: TypeAlias = "Callable[[Array | None, int, BaseException | None], None]"
"""Called once, on the loop, with the chunk (read-only) and its stored bytes, or with an error.

The error is a `CancelledError` if the chunk was given up.
"""


class Fetch:
    """One chunk on its way. `give_up` drops or aborts it, unless it is being decoded already."""

    __slots__ = ("_arrived", "_task", "_ticket", "asked_at", "decoding", "waited")

    def __init__(self, arrived: Arrived) -> None:
        self._arrived: Arrived | None = arrived
        self._task: asyncio.Task[None] | None = None
        self._ticket: Ticket | None = None
        self.decoding = False
        self.asked_at: float | None = None
        """When its source was asked, by the loop's clock; None: it had not to be waited for."""
        self.waited: float | None = None
        """Seconds from then until its source had answered."""

    def give_up(self) -> None:
        """Stop as soon as that is possible; `arrived` is told then."""
        if self._ticket is not None:
            if self._ticket.cancel():
                loop = asyncio.get_running_loop()
                loop.call_soon(self.end, None, 0, asyncio.CancelledError())
        elif self._task is not None and not self.decoding:
            self._task.cancel()

    def end(self, array: Array | None, count: int, error: BaseException | None) -> None:
        """Tell, once."""
        arrived, self._arrived = self._arrived, None
        if arrived is not None:
            arrived(array, count, error)


class Fetcher:
    """Brings chunks, as many at a time as it is asked for.

    Args:
        threads: how many chunks are read from this computer or decoded at a time.
        executor: where that is done instead; it may be of other processes or computers (a Dask
            client's), if the sources can be pickled.
        disk_cache: where what comes over a network is kept; not closed here.
        computing: how many chunks of images that are formulas are computed at a time; by default
            as many as are read.
    """

    def __init__(
        self,
        threads: int,
        executor: Executor | None = None,
        disk_cache: DiskCache | None = None,
        computing: int | None = None,
    ) -> None:
        self._threads = Threads(threads, "opsin-chunk")
        self._computing = Threads(computing, "opsin-formula") if computing else self._threads
        self._executor = executor
        self._disk_cache = disk_cache
        self._identities: dict[tuple[int, int], asyncio.Task[str | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._direct: dict[tuple[int, int], tuple[Source, Direct | None]] = {}

    def start(self, source: Source, level: int, index: Index, arrived: Arrived) -> Fetch:
        """Set out for a chunk. `arrived` is called later, never at once."""
        fetch = Fetch(arrived)
        direct = self._direct_of(source, level)
        if direct is not None and self._executor is None:
            threads = self._computing if source.provenance == "computed" else self._threads
            fetch._ticket = threads.submit(
                partial(_read, direct, index), partial(_end_direct, fetch)
            )
            return fetch
        if direct is None:
            fetch.asked_at = asyncio.get_running_loop().time()
        task = asyncio.ensure_future(self._bring(fetch, source, level, index, direct))
        fetch._task = task
        self._tasks.add(task)
        # Not `finally` in the task: one that is cancelled before it began never gets there.
        task.add_done_callback(partial(self._ended, fetch))
        return fetch

    async def close(self) -> None:
        """Abort what is on its way, and wait for it. Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for asked in self._identities.values():
            asked.cancel()
        await asyncio.gather(*self._identities.values(), return_exceptions=True)
        self._identities.clear()
        await self._threads.close()
        await self._computing.close()
        self._direct.clear()

    def _direct_of(self, source: Source, level: int) -> Direct | None:
        key = (id(source), level)
        known = self._direct.get(key)
        if known is None or known[0] is not source:
            known = self._direct[key] = (source, source.direct(level))
        return known[1]

    async def _bring(
        self, fetch: Fetch, source: Source, level: int, index: Index, direct: Direct | None
    ) -> None:
        if direct is not None:
            array, count = await self._decoded(fetch, partial(_read_of, source, level, index))
        else:
            array, count = await self._far(fetch, source, level, index)
        fetch.end(array, count, None)

    async def _far(
        self, fetch: Fetch, source: Source, level: int, index: Index
    ) -> tuple[Array, int]:
        """A chunk that has to be waited for, and how many bytes of it came from the source."""
        cache, name = self._disk_cache, await self._name(source, level, index)
        kept = await cache.get(name) if cache is not None and name is not None else None
        if kept is not None:
            with suppress(OpsinError):  # what was kept may be no chunk: then it is fetched
                return await self._decoded(fetch, partial(_decode, source, level, index, kept)), 0
            fetch.decoding = False
        loop = asyncio.get_running_loop()
        fetch.asked_at = loop.time()
        encoded = await source.fetch(level, index)
        fetch.waited = loop.time() - fetch.asked_at
        array = await self._decoded(fetch, partial(_decode, source, level, index, encoded))
        if cache is not None and name is not None and isinstance(encoded, bytes):
            cache.put(name, encoded)  # now, when it is known to be a chunk
        return array, _size(encoded)

    async def _name(self, source: Source, level: int, index: Index) -> str | None:
        """The name of a chunk in the disk cache, if it can be there."""
        if self._disk_cache is None or source.provenance != "network":
            return None
        key = (id(source), level)
        if key not in self._identities:
            self._identities[key] = asyncio.ensure_future(_identity(source, level))
        identity = await asyncio.shield(self._identities[key])
        return None if identity is None else chunk_name(identity, level, index)

    async def _decoded(self, fetch: Fetch, work: Callable[[], Any]) -> Any:
        fetch.decoding = True
        if self._executor is None:
            return await self._threads.run(work)
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _ended(self, fetch: Fetch, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            fetch.end(None, 0, asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            fetch.end(None, 0, error)


async def _identity(source: Source, level: int) -> str | None:
    try:
        return await source.identity(level)
    except OpsinError:
        return None


def _end_direct(fetch: Fetch, result: Any, error: BaseException | None) -> None:
    array, count = (None, 0) if error is not None else result
    fetch.end(array, count, error)


def _read(direct: Direct, index: Index) -> tuple[Array, int]:
    array, count = direct(index)
    return _kept(array), count


def _read_of(source: Source, level: int, index: Index) -> tuple[Array, int]:
    direct = source.direct(level)
    assert direct is not None
    return _read(direct, index)


def _decode(source: Source, level: int, index: Index, encoded: Encoded | None) -> Array:
    return _kept(source.decode(level, index, encoded))


def _size(encoded: Encoded | None) -> int:
    if encoded is None:
        return 0
    return encoded.nbytes if isinstance(encoded, np.ndarray) else len(encoded)


def _kept(array: Array) -> Array:
    """An array that can be kept: read-only, and not a small view that holds a large buffer."""
    base = array.base
    if isinstance(base, np.ndarray) and base.nbytes > array.nbytes:
        array = array.copy()
    array.flags.writeable = False
    return array
