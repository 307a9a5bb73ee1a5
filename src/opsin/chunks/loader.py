"""Loader: brings wanted chunks into the cache, most urgent first, and drops what is not wanted.

One loader serves all views of a process, on one event loop. Each view has a `Client`, which says
what it wants; the loader merges the wants, fetches a bounded number of chunks at a time, decodes
them on a pool and tells the clients. A chunk that nobody wants any more is dropped while it is
queued, aborted while it is fetched, and kept for later once it is being decoded.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np

from opsin.chunks.brick import ChunkKey
from opsin.chunks.cache import Cache
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
        self.wants: dict[ChunkKey, None] = {}

    def want(self, keys: Iterable[ChunkKey]) -> None:
        """Replace what this client wants, most urgent first."""
        self.wants = dict.fromkeys(keys)
        self._loader.wants_changed()

    def notify(self, key: ChunkKey) -> None:
        """Tell this client that a chunk came or failed."""
        self._on_change(key)

    def close(self) -> None:
        """Want nothing any more."""
        self.wants = {}
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
        self._order: list[ChunkKey] = []
        self._ranks: dict[ChunkKey, int] = {}
        self._cursor = 0  # everything before it in the order is here, on its way, or has failed
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
        self._cursor = 0
        self._pump()

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
                        raise error
                    if (chunk := self.cache.get(key)) is not None:
                        copy_overlap(out, start, chunk, chunk_origin(geometry, key.grid))
                        missing.discard(key)
                client.want(sorted(missing))
                if missing and not any(k in self.cache or k in self._failed for k in missing):
                    await changed.wait()
        finally:
            client.close()
        return out

    async def close(self) -> None:
        """Abort what is on its way and let go of all chunks and images. Idempotent."""
        self._closed = True
        self._clients.clear()
        self._order, self._ranks = [], {}
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
        self._order = list(dict.fromkeys(_interleave([tuple(c.wants) for c in self._clients])))
        self._ranks = {key: rank for rank, key in enumerate(self._order)}
        self._cursor = 0
        self.cache.want(self._ranks)
        for key, job in self._jobs.items():
            if job.task is not None and job.abortable and key not in self._ranks:
                job.task.cancel()
        self._pump()

    def _pump(self) -> None:
        """Start as many wanted chunks as there are places and room for, most urgent first."""
        if self.cache.displaced != self._displaced:
            self._displaced = self.cache.displaced
            self._cursor = 0
        while not self._closed and self._cursor < len(self._order):
            if len(self._jobs) >= self._fetches:
                return
            key = self._order[self._cursor]
            settled = key in self._jobs or key in self._failed or key in self.cache
            if not settled and not self._start(key):
                return
            self._cursor += 1

    def _start(self, key: ChunkKey) -> bool:
        """Set out to load a chunk, or fail it; False if there is no room for it now."""
        image = self.images[key.image]
        size = image.chunk_bytes(key.level, key.grid)
        transient = image.source.transient_bytes(key.level, key.grid)
        if size + transient > self.cache.budget:
            self._fail(key, _too_large(image, size + transient, self.cache.budget))
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
            array = await self._attempts(job)
        except OpsinError as error:
            self._failed[key] = error
        except Exception as error:  # a decoder's bug must not stop the other chunks
            self._failed[key] = ReadError(f"{type(error).__name__}: {error}")
        else:
            self.cache.release(job.reserved - size)
            job.reserved = size
            base = key.level == len(self.images[key.image].levels) - 1
            self.cache.commit(key, array, size, base=base)
            job.reserved = 0

    def _done(self, job: _Job, _task: asyncio.Task[None]) -> None:
        self.cache.release(job.reserved)
        del self._jobs[job.key]
        done = job.key in self.cache or job.key in self._failed
        if not done and job.key in self._ranks:
            self._cursor = 0  # it was aborted, and then wanted again
        self._pump()
        if done:
            self._tell(job.key)

    async def _attempts(self, job: _Job) -> Array:
        delays = iter(RETRY_DELAYS)
        while True:
            try:
                return await self._attempt(job)
            except Unreachable:
                delay = next(delays, None)
                if delay is None:
                    raise
                await asyncio.sleep(delay)

    async def _attempt(self, job: _Job) -> Array:
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

    def _fail(self, key: ChunkKey, error: OpsinError) -> None:
        self._failed[key] = error
        asyncio.get_running_loop().call_soon(self._tell, key)

    def _tell(self, key: ChunkKey) -> None:
        for client in list(self._clients):
            if key in client.wants:
                client.notify(key)


def _too_large(image: Image, size: int, budget: int) -> OpsinError:
    return BudgetExceeded(
        f"One chunk of {image.name} needs {size / 2**20:.0f} MiB, more than the memory budget of "
        f"{budget / 2**20:.0f} MiB: start with a larger --memory."
    )


def _kept(array: Array) -> Array:
    """An array that can be kept: read-only, and not a small view that holds a large buffer."""
    base = array.base
    if isinstance(base, np.ndarray) and base.nbytes > array.nbytes:
        array = array.copy()
    array.flags.writeable = False
    return array


def _interleave(wants: Sequence[Sequence[ChunkKey]]) -> Iterable[ChunkKey]:
    """Fair turns: the first wants of all clients, then their second ones, and so on."""
    longest = max(map(len, wants), default=0)
    for place in range(longest):
        for keys in wants:
            if place < len(keys):
                yield keys[place]
