"""Loader: brings wanted chunks into the cache, most urgent first, and drops what is not wanted.

One loader serves all views of a process, on one event loop. Each view has a `Client`, which says
what it wants; the loader merges the wants, fetches a bounded number of chunks at a time, decodes
them on a pool and tells the clients. A chunk that nobody wants any more is dropped while it is
queued, aborted while it is fetched, and kept for later once it is being decoded.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import numpy as np

from opsin.chunks.brick import ChunkKey
from opsin.chunks.cache import Cache
from opsin.chunks.disk_cache import DiskCache
from opsin.chunks.fetch import Fetch, Fetcher
from opsin.chunks.journal import End, Entry, Journal
from opsin.chunks.queue import Queue
from opsin.chunks.window import Pace, Window
from opsin.errors import BudgetExceeded, OpsinError, ReadError, Unreachable
from opsin.images.image import Image, chunk_origin, copy_overlap
from opsin.images.points import Points
from opsin.images.source import Array, Index

RETRY_DELAYS = (0.2, 0.8, 2.4)
"""Seconds before each further attempt at a chunk whose source was unreachable."""

FAR = 5
"""Times as many chunks may be waited for as are read or decoded, where a link bears it."""
FETCHES = 12
"""Chunks on their way at once."""


@dataclass(slots=True)
class _Job:
    """A chunk on its way, and the bytes set aside for it."""

    key: ChunkKey
    size: int
    """Bytes of the chunk itself."""
    reserved: int
    place: int = 1
    """How many of its image were waited for when it was asked for, itself included."""
    began: float = 0.0
    """By the loop's clock."""
    fetch: Fetch | None = None


class Client:
    """One view's wants. `on_change` is called on the loop when a wanted chunk came or failed.

    What a client that is `last` wants comes after all that others do.
    """

    def __init__(
        self, loader: Loader, on_change: Callable[[ChunkKey], None], *, last: bool = False
    ) -> None:
        self._loader = loader
        self._on_change = on_change
        self.last = last
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
        executor: where chunks are decoded, instead of on threads of this process.
        fetches: chunks on their way at once.
        disk_cache: where chunks that come over a network are kept; closed with the loader.
        computing: chunks of formulas that are computed at once, where the processors are needed for
            something else too; by default as many as are on their way.
    """

    def __init__(
        self,
        budget: int,
        *,
        executor: Executor | None = None,
        fetches: int = FETCHES,
        disk_cache: DiskCache | None = None,
        computing: int | None = None,
    ) -> None:
        self.cache: Cache[ChunkKey] = Cache(budget, owner=attrgetter("image"))
        self.bytes_read = 0
        self.journal = Journal()
        self.images: dict[int, Image | Points] = {}
        self._owned: list[Image | Points] = []
        self._removed: set[int] = set()
        # As many as chunks on their way: reads that hang must not keep others from being decoded.
        self._fetcher = Fetcher(fetches, executor, disk_cache, computing)
        self._disk_cache = disk_cache
        self._fetches = fetches
        self._clients: list[Client] = []
        self._jobs: dict[ChunkKey, _Job] = {}
        self._failed: dict[ChunkKey, OpsinError] = {}
        self._tries: dict[ChunkKey, int] = {}
        self._resting: dict[ChunkKey, asyncio.TimerHandle] = {}
        self._ranks: dict[ChunkKey, int] = {}
        self._queue = Queue()
        self._windows: list[Window] = []
        self._bases: list[set[int]] = []
        self._displaced = 0
        self._pumping = False
        self._closed = False

    # What clients call

    def add(self, image: Image | Points, bases: Collection[int] = (), *, lent: bool = False) -> int:
        """Make an image, or points, loadable; its number is the first part of its chunk keys.

        Args:
            image: which.
            bases: levels whose chunks stay longest, beside the last one.
            lent: somebody else closes it; else `close` does.
        """
        number = len(self._windows)
        self.images[number] = image
        if not lent:
            self._owned.append(image)
        self._bases.append({len(image.levels) - 1, *bases})
        self._windows.append(Window(FAR * self._fetches))
        return number

    def remove(self, number: int) -> None:
        """Let go of an image that was lent, and of its chunks, as soon as nobody wants them.

        Its number is not given to another one.
        """
        self._removed.add(number)
        self._let_go_of_removed()

    def _let_go_of_removed(self) -> None:
        """Forget images that were removed, once nothing of them is wanted or on its way."""
        for number in list(self._removed):
            self.cache.forget(number)
            if not any(key.image == number for key in itertools.chain(self._jobs, self._ranks)):
                self._removed.discard(number)
                self.images.pop(number, None)
                self._failed = {k: error for k, error in self._failed.items() if k.image != number}

    def client(self, on_change: Callable[[ChunkKey], None], *, last: bool = False) -> Client:
        """A new client that wants nothing yet; if it is `last`, others' wants come first."""
        client = Client(self, on_change, last=last)
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
        together = list(keys)
        size = transient = 0
        for key in together:
            image = self.images[key.image]
            size += image.chunk_bytes(key.level, key.grid)
            transient = max(transient, image.source.transient_bytes(key.level, key.grid))
        if size + transient > self.cache.budget:
            raise self._too_large(together, size + transient)

    def pace(self, images: Iterable[int]) -> Pace:
        """How fast the chunks of these images come: as those of the slowest one."""
        windows = [self._windows[number] for number in images]
        return Pace(
            max((window.delay for window in windows), default=0.0),
            min((window.bandwidth for window in windows), default=math.inf),
        )

    @property
    def in_flight(self) -> int:
        """Bytes set aside for chunks that are on their way."""
        return self.cache.reserved

    @property
    def requests(self) -> int:
        """Chunks that are on their way."""
        return len(self._jobs)

    @property
    def waiting(self) -> int:
        """Wanted chunks that are neither here nor on their way, and have not failed."""
        return sum(self._is_due(key) or key in self._resting for key in self._ranks)

    @property
    def failures(self) -> int:
        """Chunks that could not be loaded."""
        return len(self._failed)

    async def read(
        self, image: int, level: int, start: Index, stop: Index, *, last: bool = False
    ) -> Array:
        """A box of one level, through the cache; axes in the image's order.

        What was unreachable before is tried anew.

        Args:
            image: its number.
            level: 0 is the finest.
            start: first pixel along each axis.
            stop: last pixel along each axis, plus one.
            last: all that views want comes first.

        Raises:
            ReadError: a chunk of it could not be read.
            BudgetExceeded: a single chunk is larger than the budget.
        """
        pixels = self.images[image]
        assert isinstance(pixels, Image), "points are no array"
        geometry = pixels.levels[level]
        out = np.empty([b - a for a, b in zip(start, stop, strict=True)], pixels.dtype)
        missing = {ChunkKey(image, level, index) for index in geometry.chunks_in(start, stop)}
        for key in missing:
            if isinstance(self._failed.get(key), Unreachable):
                del self._failed[key]
        changed = asyncio.Event()
        client = self.client(lambda _key: changed.set(), last=last)
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
        for job in self._jobs.values():
            if job.fetch is not None:
                job.fetch.give_up()
        await self._fetcher.close()
        if self._disk_cache is not None:
            await asyncio.to_thread(self._disk_cache.close)
        self.cache.clear()
        for image in self._owned:
            image.close()
        self._owned.clear()
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
        first, last = (
            _in_turns([client.groups for client in self._clients if client.last is late])
            for late in (False, True)
        )
        order = dict.fromkeys(itertools.chain(first, last))
        self._ranks = {key: rank for rank, key in enumerate(order)}
        self._queue = Queue(order)
        self.cache.want(self._ranks)
        for key, job in self._jobs.items():
            if job.fetch is not None and key not in self._ranks:
                job.fetch.give_up()
        for key in [key for key in self._resting if key not in self._ranks]:
            self._resting.pop(key).cancel()
        self._tries = {key: n for key, n in self._tries.items() if key in self._ranks}
        if self._removed:
            self._let_go_of_removed()
        self._pump()

    def _too_large(self, keys: Sequence[ChunkKey], size: int) -> BudgetExceeded:
        return BudgetExceeded(
            f"A view of {self.images[keys[-1].image].name} needs chunks of {size / 2**20:.0f} MiB "
            f"at once, more than the memory budget of {self.cache.budget / 2**20:.0f} MiB: start "
            "with a larger --memory."
        )

    def _pump(self) -> None:
        """Start as many wanted chunks as there are places and room for, most urgent first."""
        self._pumping = False
        if self.cache.displaced != self._displaced:
            self._displaced = self.cache.displaced
            self._queue.rewind()
        while not self._closed:
            # With several images none may take all places: one may hang, or be slow. And where
            # some that are slow have taken all of them, any other still gets one.
            waits = Counter(key.image for key, job in self._jobs.items() if self._waits(job))
            busy = Counter(key.image for key, job in self._jobs.items() if not self._waits(job))
            crowded = busy.total() >= self._fetches
            # Where chunks are waited for, no more than their link bears.
            full = {n for n, count in waits.items() if count >= self._windows[n].size}
            if crowded or len(self._queue) > 1:
                most = 1 if crowded else max(1, self._fetches // 2)
                full |= {n for n, count in busy.items() if count >= most}
            key = self._queue.first(self._is_due, full)
            if key is None or not self._start(key):
                return

    def _waits(self, job: _Job) -> bool:
        """Whether a job is one of a source that has to be waited for, and has not answered."""
        return job.fetch is not None and job.fetch.asked_at is not None and not job.fetch.decoding

    def _watch(self, job: _Job, error: BaseException | None) -> None:
        """Learn from how long a source took."""
        fetch = job.fetch
        if fetch is None or fetch.asked_at is None:
            return
        window, now = self._windows[job.key.image], asyncio.get_running_loop().time()
        if fetch.waited is not None:
            window.answered(fetch.waited, job.size, fetch.asked_at + fetch.waited, job.place)
        elif isinstance(error, asyncio.CancelledError):
            window.gave_up(now - fetch.asked_at)

    def _note(self, job: _Job, count: int, error: BaseException | None) -> None:
        """Write into the journal how a job has ended."""
        end: End = "came"
        if error is not None:
            end = "given up" if isinstance(error, asyncio.CancelledError) else "failed"
        provenance = self.images[job.key.image].source.provenance
        if provenance == "network" and end == "came" and job.fetch and job.fetch.waited is None:
            provenance = "disk"  # the disk cache had it
        ended = asyncio.get_running_loop().time()
        self.journal.add(Entry(job.key, job.began, ended, count, provenance, end))

    def _is_due(self, key: ChunkKey) -> bool:
        return not (
            key in self._jobs or key in self._failed or key in self._resting or key in self.cache
        )

    def _start(self, key: ChunkKey) -> bool:
        """Set out to load a chunk, or fail it; False if there is no room for it now."""
        image = self.images[key.image]
        size = image.chunk_bytes(key.level, key.grid)
        transient = image.source.transient_bytes(key.level, key.grid)
        if size + transient > self.cache.budget:
            self._failed[key] = self._too_large([key], size + transient)
            asyncio.get_running_loop().call_soon(self._tell, key)
            return True
        if not self.cache.reserve(size + transient, self._ranks[key]):
            return False
        place = 1 + sum(self._waits(j) for k, j in self._jobs.items() if k.image == key.image)
        began = asyncio.get_running_loop().time()
        job = self._jobs[key] = _Job(key, size, size + transient, place, began)
        job.fetch = self._fetcher.start(image.source, key.level, key.grid, partial(self._end, job))
        return True

    def _end(self, job: _Job, array: Array | None, count: int, error: BaseException | None) -> None:
        """A job has brought its chunk, has failed or was given up."""
        key = job.key
        self.bytes_read += count
        del self._jobs[key]
        self._watch(job, error)
        self._note(job, count, error)
        if array is not None and array.nbytes > job.size:
            error = ValueError(f"it has {array.nbytes} bytes, not {job.size}")
        if array is not None and error is None:
            self.cache.release(job.reserved - job.size)
            base = key.level in self._bases[key.image]
            self.cache.commit(key, array, job.size, base=base)
        else:
            self.cache.release(job.reserved)
            if isinstance(error, Unreachable):
                self._rest(key, error)
            elif isinstance(error, OpsinError):
                self._failed[key] = bare(error)
            elif not isinstance(error, asyncio.CancelledError):
                # A decoder's bug must not stop the other chunks.
                self._failed[key] = ReadError(f"{type(error).__name__}: {error}")
        if self._removed:
            self._let_go_of_removed()
        done = key in self.cache or key in self._failed
        if not done and key in self._ranks:
            self._queue.rewind()  # it was aborted, and then wanted again
        if not self._pumping and not self._closed:  # once for all that come together
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)
        if done:
            self._tries.pop(key, None)
            self._tell(key)

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

    def _tell(self, key: ChunkKey) -> None:
        for client in list(self._clients):
            if key in client.wants:
                client.notify(key)


def bare(error: OpsinError) -> OpsinError:
    """The same error without its traceback, whose frames hold on to the bytes of a chunk."""
    return type(error)(*error.args)


def _in_turns(clients: Sequence[Sequence[Sequence[ChunkKey]]]) -> Iterable[ChunkKey]:
    """The first groups of all clients, then their second ones, and so on."""
    longest = max(map(len, clients), default=0)
    for place in range(longest):
        for groups in clients:
            if place < len(groups):
                yield from groups[place]
