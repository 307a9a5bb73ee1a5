"""DaskArray: chunks that a Dask graph computes, one block at a time.

What a block needs of the graph is found for some neighbours together, and kept: looking through
the whole graph for every block would cost more than many blocks do. Blocks are computed on threads
of their own, with Dask's synchronous scheduler, or by the workers of a `distributed.Client`.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np

from opsin.errors import OpsinError, ReadError
from opsin.images.chunked_array import ChunkedArray, checked, closed
from opsin.images.image import Level, chunk_origin, copy_overlap
from opsin.images.source import Array, Encoded, Index, Provenance, contiguous
from opsin.images.waiting import on_thread

GROUP = 64
"""Blocks whose tasks are looked up together."""
GROUPS_KEPT = 16
LAYERS_LIMIT = 500
"""A graph of more layers (one of many `delayed` pieces) is taken apart once and for all."""
POLL = 0.1
"""Seconds between looks at whether a block that others compute is still wanted."""

Tasks: TypeAlias = Mapping[Any, Any]
"""A low-level graph: what is computed, by key."""


class _Abandoned(Exception):
    """Nobody wants the block any more."""


def grid_of(array: Any) -> tuple[int, ...]:
    """The chunk shape of a Dask array: that of its blocks, or of the largest if they differ."""
    return tuple(max(sizes) for sizes in array.chunks)


class DaskArray(ChunkedArray):
    """The chunks of a Dask array.

    A chunk is one block where all blocks are alike (but the last ones); else it is put together
    from the blocks that it touches, which are then computed more than once. (`rechunk` helps.)
    """

    def __init__(
        self,
        array: Any,
        level: Level,
        dtype: np.dtype[np.generic],
        executor: Executor,
        client: Any = None,
    ) -> None:
        self._array = array
        self._level = level
        self._dtype = dtype
        self._executor = executor
        self._client = client
        self._closed = threading.Event()
        self._edges = [np.cumsum((0, *sizes)).tolist() for sizes in array.chunks]
        side = max(1, round(GROUP ** (1 / max(1, sum(len(s) > 1 for s in array.chunks)))))
        self._side = side
        self._looking = threading.Lock()
        self._groups: OrderedDict[Index, Tasks] = OrderedDict()
        self._flat: Tasks | None = None

    @property
    def provenance(self) -> Provenance:
        return "computed"

    async def fetch(self, index: Index) -> Encoded | None:
        """The chunk; cancelling stops before the next task of the graph."""
        if self._closed.is_set():
            raise closed()
        stop = threading.Event()
        work = asyncio.ensure_future(on_thread(self._executor, self._compute, index, stop))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            work.cancel()
            with suppress(asyncio.CancelledError, OpsinError):
                await work
            raise

    def decode(self, index: Index, encoded: Encoded | None) -> Array:
        return contiguous(np.asarray(encoded))

    def transient_bytes(self, index: Index) -> int:
        """A guess: inputs and results of the last steps. What a graph needs, nobody knows."""
        size = self._dtype.itemsize
        for length in self._level.chunk_shape(index):
            size *= length
        return 2 * size

    def close(self) -> None:
        self._closed.set()
        with self._looking:
            self._groups.clear()
            self._flat = None

    def _compute(self, index: Index, stop: threading.Event) -> Array:
        blocks = self._blocks(index)
        shape, origin = self._level.chunk_shape(index), chunk_origin(self._level, index)
        parts = []
        try:
            for block in blocks:
                sizes = tuple(s[b] for s, b in zip(self._array.chunks, block, strict=True))
                parts.append(checked(self._block(block, stop), sizes, self._dtype, index))
        except _Abandoned:
            raise closed() from None
        except OpsinError:
            raise
        except Exception as error:
            raise ReadError(
                f"Chunk {index} of the Dask array cannot be computed "
                f"({type(error).__name__}: {error})."
            ) from error
        if len(blocks) == 1 and parts[0].shape == shape:
            return parts[0]
        out = np.empty(shape, self._dtype)
        for block, part in zip(blocks, parts, strict=True):
            copy_overlap(out, origin, part, [e[b] for e, b in zip(self._edges, block, strict=True)])
        return out

    def _blocks(self, index: Index) -> list[Index]:
        """The blocks that a chunk touches."""
        ranges = []
        for edges, start, size in zip(
            self._edges,
            chunk_origin(self._level, index),
            self._level.chunk_shape(index),
            strict=True,
        ):
            first = int(np.searchsorted(edges, start, "right")) - 1
            last = int(np.searchsorted(edges, start + size, "left"))
            ranges.append(range(first, last))
        return list(itertools.product(*ranges))

    def _block(self, block: Index, stop: threading.Event) -> Array:
        tasks = self._tasks(tuple(b // self._side for b in block))
        key = (self._array.name, *block)

        def go_on() -> None:
            if stop.is_set() or self._closed.is_set():
                raise _Abandoned

        go_on()
        compute = _compute_here if self._client is None else self._compute_there
        return np.asarray(compute(_needed(tasks, key), key, go_on))

    def _compute_there(self, tasks: Tasks, key: Any, go_on: Callable[[], None]) -> Any:
        """On the workers of the client. Nobody waits for a block that is given up."""
        future = self._client.get(tasks, key, sync=False)
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        try:
            while not done.wait(POLL):
                go_on()
        except _Abandoned:
            future.cancel()
            raise
        return future.result()

    def _tasks(self, group: Index) -> Tasks:
        """What is needed for the blocks of a group, optimised as Dask does."""
        with self._looking:
            if self._closed.is_set():
                raise closed()
            found = self._groups.get(group)
            if found is None:
                found = self._looked_up(group)
                self._groups[group] = found
                while len(self._groups) > GROUPS_KEPT:
                    self._groups.popitem(last=False)
            self._groups.move_to_end(group)
            return found

    def _looked_up(self, group: Index) -> Tasks:
        ranges = (
            range(g * self._side, min((g + 1) * self._side, len(sizes)))
            for g, sizes in zip(group, self._array.chunks, strict=True)
        )
        keys = [(self._array.name, *block) for block in itertools.product(*ranges)]
        graph = self._array.__dask_graph__()
        if len(getattr(graph, "layers", ())) > LAYERS_LIMIT:
            if self._flat is None:
                self._flat = dict(graph)
            graph = _needed(self._flat, *keys)
        return dict(self._array.__dask_optimize__(graph, keys))


def _needed(tasks: Tasks, *keys: Any) -> Tasks:
    """The part of a graph that some keys need. Costs as much as it finds."""
    from dask.core import get_dependencies

    found: dict[Any, Any] = {}
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found[key] = tasks[key]
            known = getattr(tasks[key], "dependencies", None)
            waiting.extend(get_dependencies(tasks, key) if known is None else known)
    return found


def _compute_here(tasks: Tasks, key: Any, go_on: Callable[[], None]) -> Any:
    """On this thread, asking before every task whether to go on."""
    from dask.local import get_sync

    before = (None, None, lambda *_: go_on(), None, None)
    return get_sync(tasks, key, callbacks=[before])
