"""Shard indexes: where each chunk lies in its shard, read once and kept."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from opsin.images.source import Array, Index

MISSING = 2**64 - 1
KEPT_BYTES = 8 << 20
"""Indexes kept per array: half a million chunks."""


@dataclass(slots=True)
class _Reading:
    task: asyncio.Task[Array | None]
    waiting: int = 0


class ShardIndexes:
    """A bounded cache of the shard indexes of one array, safe under many threads and event loops.

    Tasks of one loop that need the same index wait for one read of it. It is cancelled when the
    last of them is.
    """

    def __init__(
        self,
        read: Callable[[Index], Awaitable[Array | None]],
        index_size: int,
        per_shard: tuple[int, ...],
    ) -> None:
        self._read = read
        self._per_shard = per_shard
        self._kept: OrderedDict[Index, Array | None] = OrderedDict()
        self._limit = max(1, KEPT_BYTES // index_size)
        self._lock = threading.Lock()
        self._reading: dict[tuple[asyncio.AbstractEventLoop, Index], _Reading] = {}

    def locate(self, index: Index) -> tuple[Index, int]:
        """The shard of a chunk, and the chunk's place in that shard's index."""
        place = 0
        for i, n in zip(index, self._per_shard, strict=True):
            place = place * n + i % n
        return tuple(i // n for i, n in zip(index, self._per_shard, strict=True)), place

    async def span(self, shard: Index, place: int) -> tuple[int, int] | None:
        """First byte and length of a chunk in its shard; None if it is not stored."""
        known, index = self._look(shard)
        return _span(index if known else await self._index(shard), place)

    def span_now(
        self, shard: Index, place: int, read: Callable[[Index], Array | None]
    ) -> tuple[int, int] | None:
        """The same on the thread that calls it, with a `read` that does not have to be awaited."""
        known, index = self._look(shard)
        return _span(index if known else self._put(shard, read(shard)), place)

    def _look(self, shard: Index) -> tuple[bool, Array | None]:
        """Whether the index of a shard is kept, and the index."""
        with self._lock:
            if shard not in self._kept:
                return False, None
            self._kept.move_to_end(shard)
            return True, self._kept[shard]

    async def _index(self, shard: Index) -> Array | None:
        # Only tasks of this loop touch entries of this loop, so no lock is held across an await.
        key = (asyncio.get_running_loop(), shard)
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = _Reading(asyncio.create_task(self._keep(shard)))
            reading.task.add_done_callback(lambda task: self._done(key, task))
        reading.waiting += 1
        try:
            return await asyncio.shield(reading.task)
        finally:
            reading.waiting -= 1
            if not reading.waiting and not reading.task.done():
                # A task that comes now starts a read of its own, not one that is being cancelled.
                del self._reading[key]
                reading.task.cancel()

    def _done(
        self, key: tuple[asyncio.AbstractEventLoop, Index], task: asyncio.Task[Array | None]
    ) -> None:
        if key in self._reading and self._reading[key].task is task:
            del self._reading[key]
        if not task.cancelled():
            task.exception()  # seen, also when nobody waits any more

    async def _keep(self, shard: Index) -> Array | None:
        return self._put(shard, await self._read(shard))

    def _put(self, shard: Index, index: Array | None) -> Array | None:
        with self._lock:
            self._kept[shard] = index
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return index


def _span(index: Array | None, place: int) -> tuple[int, int] | None:
    if index is None:
        return None
    start, length = index[place].tolist()
    return None if start == length == MISSING else (start, length)
