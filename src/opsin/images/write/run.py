"""Run: one image being written: chunks are read, put together, halved and encoded, all at once.

A thread (or, from afar, the event loop) takes a chunk of the original; a thread goes on with it: it
fills the chunks of a box, and writes what is complete, up through all levels.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np

from opsin.images.pyramid import Pyramid, Spares
from opsin.images.source import Array, Direct, Encoded, Index
from opsin.images.store import LocalStore
from opsin.images.waiting import on_thread
from opsin.images.write.files import Files
from opsin.images.write.layout import Layout
from opsin.images.write.work import Kept, Piece, Work
from opsin.images.zarr.array import open_array

FETCHES = {"disk": 8, "network": 8, "memory": 2, "computed": 2}
"""Chunks of the original that are on their way at once, at most. From afar many, since each takes
its time; what is made while it is asked for is one in the making, and one being written."""
IN_FLIGHT = 48 << 20
"""Bytes that these take, at most, unless it is only one."""

Count = Callable[[int], None]
"""Called with the number of chunks that were just written, from any thread."""


class Run:
    """Writes one image.

    Args:
        layout: what is written.
        files: where it is written.
        threads: how many work at once.
        done: per level, whether each chunk is written already; booleans in the shape of its grid.
        count: is told what is written.
    """

    def __init__(
        self,
        layout: Layout,
        files: Files,
        threads: int,
        done: tuple[Array, ...] | None,
        count: Count,
    ) -> None:
        self._layout = layout
        self._files = files
        self._threads = threads
        self._done = done
        self._count = count
        self._source = layout.image.source
        dtype = layout.image.dtype
        spares = Spares(layout.levels[0].chunks, dtype)
        labels = layout.image.kind == "labels"
        self._pyramid = Pyramid(layout.levels, layout.steps, labels, files.write, spares)
        self._work = Work(layout, spares, None if done is None else done[0])
        self._kept = Kept()
        order = layout.order
        self._turned = order != tuple(range(len(order)))
        self._original_axes = [order.index(axis) for axis in range(len(order))]
        pixels = math.prod(layout.original.chunks) * dtype.itemsize
        self._weight = pixels + self._source.transient_bytes(0, (0,) * len(order))

    async def run(self) -> None:
        """Write what is not done, unless an error or a cancellation stops it.

        When this returns or raises, no thread works on anything.
        """
        with ThreadPoolExecutor(self._threads, thread_name_prefix="opsin-write") as pool:
            try:
                if self._done is not None:
                    await self._restore(pool, self._done)
                most = max(1, IN_FLIGHT // max(self._weight, 1))
                if self._source.direct(0) is not None:
                    await self._run_direct(pool, min(most, self._threads))
                else:
                    await self._run_fetched(pool, min(most, FETCHES[self._source.provenance]))
            finally:
                self._work.stop()

    async def _run_direct(self, pool: ThreadPoolExecutor, threads: int) -> None:
        """On threads, none of which waits for the event loop between two chunks."""
        direct = self._source.direct(0)
        assert direct is not None

        def work() -> None:
            try:
                while (piece := self._work.take()) is not None:
                    pixels = self._kept.take(piece.index)
                    if pixels is None:
                        pixels = self._turn(direct(self._original_index(piece.index))[0])
                    self._place(piece, pixels)
            except BaseException:
                self._work.stop()
                raise

        works = [asyncio.get_running_loop().run_in_executor(pool, work) for _ in range(threads)]
        try:
            await asyncio.wait(works)
        finally:
            self._work.stop()
            while not all(one.done() for one in works):
                with suppress(asyncio.CancelledError):
                    await asyncio.wait(works)
            # Looked at, also where a cancellation is on its way.
            failures = [error for one in works if (error := one.exception()) is not None]
        if failures:
            raise failures[0]

    async def _run_fetched(self, pool: ThreadPoolExecutor, at_once: int) -> None:
        """Several chunks on their way at once, while threads work on those that have come."""
        room = asyncio.Event()

        async def work() -> None:
            while True:
                room.clear()
                try:
                    piece = self._work.take(wait=False)
                except BlockingIOError:
                    await room.wait()
                    continue
                if piece is None:
                    room.set()
                    return
                pixels = self._kept.take(piece.index)
                if pixels is not None:
                    await on_thread(pool, self._place, piece, pixels)
                else:
                    index = self._original_index(piece.index)
                    encoded = await self._source.fetch(0, index)
                    await on_thread(pool, self._decode, piece, index, encoded)
                    del encoded
                del pixels
                room.set()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def _decode(self, piece: Piece, index: Index, encoded: Encoded | None) -> None:
        self._place(piece, self._turn(self._source.decode(0, index, encoded)))

    def _place(self, piece: Piece, pixels: Array) -> None:
        """Put a chunk of the original to where it belongs, and write what is complete then."""
        if piece.shared:
            self._kept.add(piece.index, pixels)
        for index, block, spare in piece.filling.place(piece.index, pixels):
            self._count(self._pyramid.place(index, block, spare=spare))
        self._work.placed(piece)

    def _turn(self, pixels: Array) -> Array:
        return pixels.transpose(self._layout.order) if self._turned else pixels

    def _original_index(self, index: Index) -> Index:
        return tuple(index[axis] for axis in self._original_axes) if self._turned else index

    async def _restore(self, pool: ThreadPoolExecutor, done: tuple[Array, ...]) -> None:
        """Put finished chunks of unfinished ones back to where they wait for the others."""
        store = LocalStore(self._files.folder)
        try:
            for level, step in enumerate(self._layout.steps):
                finished = done[level + 1]
                for axis, size in enumerate(done[level].shape):
                    if axis in step:
                        finished = finished.repeat(2, axis).take(range(size), axis)
                waiting = np.argwhere(done[level] & ~finished)
                if not len(waiting):
                    continue
                array = await open_array(store, str(level))
                read = None if array is None else array.direct()
                assert read is not None
                await on_thread(pool, self._put_back, level, waiting, read)
        finally:
            store.close()

    def _put_back(self, level: int, waiting: Array, read: Direct) -> None:
        for place in waiting.tolist():
            index = tuple(place)
            self._count(self._pyramid.place(index, read(index)[0], level, written=True))


def chunks_done(layout: Layout, files: tuple[Array, ...]) -> tuple[Array, ...]:
    """Which chunks are written, by which files are: per level booleans in the shape of its grid.

    A file counts only if all finer ones that it is made from do.
    """
    found: list[Array] = []
    for number, (level, known) in enumerate(zip(layout.levels, files, strict=True)):
        if number:
            made = found[-1]
            for axis in layout.steps[number - 1]:
                made = np.logical_and.reduceat(made, range(0, made.shape[axis], 2), axis)
            for axis, per in enumerate(layout.files):
                made = np.logical_and.reduceat(made, range(0, made.shape[axis], per), axis)
            known = known & made
        for axis, (per, size) in enumerate(zip(layout.files, level.grid, strict=True)):
            known = known.repeat(per, axis).take(range(size), axis)
        found.append(known)
    return tuple(found)
