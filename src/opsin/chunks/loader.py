"""Loader: brings wanted chunks into the cache, most urgent first, and drops what is not wanted.

One loader serves all views of a process, on one event loop. Each view has a `Client`, which says
what it wants; the loader merges the wants, fetches a bounded number of chunks at a time, decodes
them on a pool and tells the clients. A chunk that nobody wants any more is dropped while it is
queued, aborted while it is fetched, and kept for later once it is being decoded.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np

from opsin.chunks.brick import ChunkKey
from opsin.chunks.cache import Cache
from opsin.chunks.queue import Queue
from opsin.errors import BudgetExceeded, OpsinError, ReadError, Unreachable
from opsin.images.image import Image, chunk_origin, copy_overlap
from opsin.images.source import Array, Index

RETRY_DELAYS = (0.2, 0.8, 2.4)
"""Seconds before each further attempt at a chunk whose source was unreachable."""

FETCHES = 12
"""Chunks on their way at once."""


@dataclass(slots=True)
class _Job:
    """A chunk on its way, and the bytes set aside for it."""

    key: ChunkKey
    reserved: int
    abortable: bool = True
    task: asyncio.Task[None] | None = None


class Client:
    """One view's wants. `on_change` is called on the loop when a wanted chunk came or failed."""

    def __init__(self, loader: Loader, on_change: Callable[[ChunkKey], None]) -> None:
        self._loader = loader
        self._on_change = on_change
        self.groups: tuple[tuple[ChunkKey, ...], ...] = ()
        self.wants: frozenset[ChunkKey] = frozenset()

    def want(self, groups: Iterable[Iterable[ChunkKey]]) -> None:
        """Replace what this client wants, most urgent first, in groups that are used together.

        Clients take turns by groups, never inside one: with little memory one group after the
        other becomes complete, where single turns would leave all of them incomplete for ever.
        """
        self.groups = tuple(map(tuple, groups))
        self.wants = frozenset(key for group in self.groups for key in group)
        self._loader.wants_changed()

    def notify(self, key: ChunkKey) -> None:
        """Tell this client that a chunk came or failed."""
        self._on_change(key)

    def close(self) -> None:
        """Want nothing any more."""
        self.groups, self.wants = (), frozenset()
        self._loader.forget(self)


class Loader:
    """Chunks of many images for many clients under one budget of bytes.

    Args:
        budget: bytes of decoded chunks, kept or on their way, that are never exceeded.
        executor: where chunks are decoded; by default a pool with a thread per core.
        fetches: chunks on their way at once.
    """

    def __init__(
        self, budget: int, *, executor: Executor | None = None, fetches: int = FETCHES
    ) -> None:
        self.cache: Cache[ChunkKey] = Cache(budget)
        self.bytes_read = 0
        self.images: list[Image] = []
        self._executor = executor or ThreadPoolExecutor(
            os.cpu_count() or 2, thread_name_prefix="opsin-decode"
        )
        self._owns_executor = executor is None
        self._fetches = fetches
        self._clients: list[Client] = []
        self._jobs: dict[ChunkKey, _Job] = {}
        self._failed: dict[ChunkKey, OpsinError] = {}
        self._tries: dict[ChunkKey, int] = {}
        self._resting: dict[ChunkKey, asyncio.TimerHandle] = {}
        self._ranks: dict[ChunkKey, int] = {}
        self._queue = Queue()
        self._displaced = 0
        self._closed = False

    # What clients call

    def add(self, image: Image) -> int:
        """Make an image loadable; its number is the first part of its chunk keys."""
        self.images.append(image)
        return len(self.images) - 1

    def client(self, on_change: Callable[[ChunkKey], None]) -> Client:
        """A new client that wants nothing yet."""
        client = Client(self, on_change)
        self._clients.append(client)
        return client

    def get(self, key: ChunkKey) -> Array | None:
        """A chunk that is here (read-only), or None."""
        return self.cache.get(key)

    def failure(self, key: ChunkKey) -> OpsinError | None:
        """Why a chunk could not be loaded, or None."""
        return self._failed.get(key)

    def retry(self) -> None:
        """Forget failures, so that what is wanted is tried again."""
        self._failed.clear()
        self._tries.clear()
        self._queue.rewind()
        self._pump()

    def room_for(self, keys: Iterable[ChunkKey]) -> None:
        """Check that these chunks can be in memory together.

        Raises:
            BudgetExceeded: they cannot, whatever else is let go of.
        """
        size = transient = 0
        name = ""
        for key in keys:
            image = self.images[key.image]
            name = image.name
            size += image.chunk_bytes(key.level, key.grid)
            transient = max(transient, image.source.transient_bytes(key.level, key.grid))
        if size + transient > self.cache.budget:
            raise BudgetExceeded(
                f"A view of {name} needs chunks of {(size + transient) / 2**20:.0f} MiB at once, "
                f"more than the memory budget of {self.cache.budget / 2**20:.0f} MiB: start with "
                "a larger --memory."
            )

    @property
    def in_flight(self) -> int:
        """Bytes set aside for chunks that are on their way."""
        return self.cache.reserved

    async def read(self, image: int, level: int, start: Index, stop: Index) -> Array:
        """A box of one level, through the cache; axes in the image's order.

        Raises:
            ReadError: a chunk of it could not be read.
            BudgetExceeded: a single chunk is larger than the budget.
        """
        geometry = self.images[image].levels[level]
        out = np.empty([b - a for a, b in zip(start, stop, strict=True)], self.images[image].dtype)
        missing = {ChunkKey(image, level, index) for index in geometry.chunks_in(start, stop)}
        changed = asyncio.Event()
        client = self.client(lambda _key: changed.set())
        try:
            while missing:
                changed.clear()
                for key in sorted(missing):
                    if (error := self._failed.get(key)) is not None:
                        raise bare(error)
                    if (chunk := self.cache.get(key)) is not None:
                        copy_overlap(out, start, chunk, chunk_origin(geometry, key.grid))
                        missing.discard(key)
                client.want([key] for key in sorted(missing))
                if missing and not any(k in self.cache or k in self._failed for k in missing):
                    await changed.wait()
        finally:
            client.close()
        return out

    async def close(self) -> None:
        """Abort what is on its way and let go of all chunks and images. Idempotent."""
        self._closed = True
        self._clients.clear()
        self._ranks = {}
        for timer in self._resting.values():
            timer.cancel()
        self._resting.clear()
        jobs = [job.task for job in self._jobs.values() if job.task is not None]
        for task in jobs:
            task.cancel()
        for task in jobs:
            with suppress(asyncio.CancelledError):
                await task
        if self._owns_executor:
            self._executor.shutdown(wait=True)
        self.cache.clear()
        for image in self.images:
            image.close()
        self.images.clear()

    # How it works

    def forget(self, client: Client) -> None:
        """A client is gone."""
        if client in self._clients:
            self._clients.remove(client)
            self.wants_changed()

    def wants_changed(self) -> None:
        """A client changed its mind: put all wants in one order and act on it."""
        if self._closed:
            return
        order = dict.fromkeys(_in_turns([client.groups for client in self._clients]))
        self._ranks = {key: rank for rank, key in enumerate(order)}
        self._queue = Queue(order)
        self.cache.want(self._ranks)
        for key, job in self._jobs.items():
            if job.task is not None and job.abortable and key not in self._ranks:
                job.task.cancel()
        for key in [key for key in self._resting if key not in self._ranks]:
            self._resting.pop(key).cancel()
        self._tries = {key: n for key, n in self._tries.items() if key in self._ranks}
        self._pump()

    def _pump(self) -> None:
        """Start as many wanted chunks as there are places and room for, most urgent first."""
        if self.cache.displaced != self._displaced:
            self._displaced = self.cache.displaced
            self._queue.rewind()
        while not self._closed and len(self._jobs) < self._fetches:
            # With several images none may take all places: one may hang, or be slow.
            share = self._fetches if len(self._queue) == 1 else max(1, self._fetches // 2)
            busy = Counter(key.image for key in self._jobs)
            full = {image for image, count in busy.items() if count >= share}
            key = self._queue.first(self._is_due, full)
            if key is None or not self._start(key):
                return

    def _is_due(self, key: ChunkKey) -> bool:
        known = (self._jobs, self._failed, self._resting, self.cache)
        return not any(key in place for place in known)

    def _start(self, key: ChunkKey) -> bool:
        """Set out to load a chunk, or fail it; False if there is no room for it now."""
        image = self.images[key.image]
        size = image.chunk_bytes(key.level, key.grid)
        transient = image.source.transient_bytes(key.level, key.grid)
        try:
            self.room_for([key])
        except BudgetExceeded as error:
            self._failed[key] = bare(error)
            asyncio.get_running_loop().call_soon(self._tell, key)
            return True
        if not self.cache.reserve(size + transient, self._ranks[key]):
            return False
        job = self._jobs[key] = _Job(key, size + transient)
        job.task = asyncio.create_task(self._load(job, size))
        # Not `finally` in the task: one that is cancelled before it began never gets there.
        job.task.add_done_callback(partial(self._done, job))
        return True

    async def _load(self, job: _Job, size: int) -> None:
        key = job.key
        try:
            array = await self._fetch_and_decode(job)
            self.cache.release(job.reserved - size)
            job.reserved = size
            base = key.level == len(self.images[key.image].levels) - 1
            self.cache.commit(key, array, size, base=base)
            job.reserved = 0
        except Unreachable as error:
            self._rest(key, error)
        except OpsinError as error:
            self._failed[key] = bare(error)
        except Exception as error:  # a decoder's bug must not stop the other chunks
            self._failed[key] = ReadError(f"{type(error).__name__}: {error}")

    def _rest(self, key: ChunkKey, error: Unreachable) -> None:
        """Try again later, without holding a place or memory meanwhile; at last, fail."""
        tried = self._tries.get(key, 0)
        if tried >= len(RETRY_DELAYS):
            self._failed[key] = bare(error)
            return
        self._tries[key] = tried + 1
        loop = asyncio.get_running_loop()
        self._resting[key] = loop.call_later(RETRY_DELAYS[tried], self._rested, key)

    def _rested(self, key: ChunkKey) -> None:
        self._resting.pop(key, None)
        self._queue.rewind()
        self._pump()

    def _done(self, job: _Job, _task: asyncio.Task[None]) -> None:
        self.cache.release(job.reserved)
        del self._jobs[job.key]
        done = job.key in self.cache or job.key in self._failed
        if not done and job.key in self._ranks:
            self._queue.rewind()  # it was aborted, and then wanted again
        self._pump()
        if done:
            self._tries.pop(job.key, None)
            self._tell(job.key)

    async def _fetch_and_decode(self, job: _Job) -> Array:
        key = job.key
        source = self.images[key.image].source
        encoded = await source.fetch(key.level, key.grid)
        if encoded is not None:
            self.bytes_read += encoded.nbytes if isinstance(encoded, np.ndarray) else len(encoded)
        job.abortable = False
        try:
            loop = asyncio.get_running_loop()
            array = await loop.run_in_executor(
                self._executor, source.decode, key.level, key.grid, encoded
            )
        finally:
            job.abortable = True
        return _kept(array)

    def _tell(self, key: ChunkKey) -> None:
        for client in list(self._clients):
            if key in client.wants:
                client.notify(key)


def bare(error: OpsinError) -> OpsinError:
    """The same error without its traceback, whose frames hold on to the bytes of a chunk."""
    return type(error)(*error.args)


def _kept(array: Array) -> Array:
    """An array that can be kept: read-only, and not a small view that holds a large buffer."""
    base = array.base
    if isinstance(base, np.ndarray) and base.nbytes > array.nbytes:
        array = array.copy()
    array.flags.writeable = False
    return array


def _in_turns(clients: Sequence[Sequence[Sequence[ChunkKey]]]) -> Iterable[ChunkKey]:
    """The first groups of all clients, then their second ones, and so on."""
    longest = max(map(len, clients), default=0)
    for place in range(longest):
        for groups in clients:
            if place < len(groups):
                yield from groups[place]
