"""Lazy source: an array that others see, and read in parts, without getting the whole.

    image = lazy(zarr.open("huge.zarr"))        # send this: the other side gets a LazyArray
    register_arrays()     # or let all arrays of zarr, dask and h5py travel so

The parts are read here, in a thread of the peer. Blocks of the array's own chunks are kept for a
while, within a bound of bytes.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from opsin.rpc.arrays import Array, dtype_name
from opsin.rpc.codec import Lazy, register_lazy
from opsin.rpc.objects import by_reference
from opsin.rpc.progress import progress
from opsin.rpc.regions import Region, blocks_of, check_regions, shape_of, slices_of, split
from opsin.rpc.shared_arrays import empty

CACHE = 2**27
"""Bytes of blocks that a process keeps by default, of all its lazy arrays together."""
SMALLEST_BLOCK = 2**20
"""Bytes: smaller chunks are read several at a time."""
STEP = 2**25
"""Bytes read between two looks at whether the caller still waits."""

ARRAYS = ("zarr.core.array.Array", "dask.array.core.Array", "h5py._hl.dataset.Dataset")
"""Classes that have a shape, a dtype and slices. They are named, because nobody may need them."""

Read: TypeAlias = Callable[[tuple[slice, ...]], Any]
"""Reads a part of an array: gets a slice for each axis, with steps of 1 or more."""


def lazy(array: Any, *, cache: BlockCache | None = None) -> Any:
    """What to send instead of an array, so that it stays here and is read in parts.

    Sent back, it comes home as `array`. The same array gives the same again.

    Args:
        array: anything with `shape`, `dtype` and slices that NumPy understands: of zarr, h5py,
            dask (which computes here; its graph stays) or NumPy. `chunks`, if it has some, say
            which blocks are read together, and kept. It must not change while others read it.
        cache: where blocks are kept; by default one of this process, of 128 MiB. Arrays without
            chunks are never kept.
    """
    if hasattr(type(array), "_opsin_lazy"):  # it is one already, of ours or of somebody else
        return array
    source = _sources.get(id(array))
    if source is None or source.array is not array:
        source = LazySource(array.__getitem__, array.shape, array.dtype, _chunks(array), cache)
        source.array = array
        _sources[id(array)] = source
    return source


def register_arrays() -> None:
    """Let arrays of these classes travel by reference. Idempotent."""
    for name in ARRAYS:
        register_lazy(name, lazy)


def _chunks(array: Any) -> tuple[int, ...] | None:
    """Chunks that are all equal, but perhaps at the end; of irregular ones the largest."""
    chunks = getattr(array, "chunks", None)
    if not isinstance(chunks, tuple) or len(chunks) != len(array.shape):
        return None
    sides = [max(side, default=1) if isinstance(side, tuple) else side for side in chunks]
    return tuple(max(1, int(side)) for side in sides)


class BlockCache:
    """Blocks that were read, the least used of which go first. May be used from any thread.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int = CACHE) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[int, ...], Array] = OrderedDict()
        self._bytes = 0
        self._gone: deque[int] = deque()  # appended to by finalizers, anywhere
        self._last = 0

    @property
    def bytes(self) -> int:
        """What the blocks take."""
        self._settle()
        return self._bytes

    def admit(self, source: LazySource) -> int:
        """A number for the blocks of `source`, which leave with it."""
        with self._lock:
            self._last += 1
            number = self._last
        weakref.finalize(source, self._forget, number).atexit = False
        return number

    def get(self, key: tuple[int, ...]) -> Array | None:
        with self._lock:
            block = self._blocks.get(key)
            if block is not None:
                self._blocks.move_to_end(key)
        self._settle()
        return block

    def put(self, key: tuple[int, ...], block: Array) -> None:
        with self._lock:
            old = self._blocks.pop(key, None)
            self._bytes += block.nbytes - (0 if old is None else old.nbytes)
            self._blocks[key] = block
            while self._bytes > self.limit:
                _, oldest = self._blocks.popitem(last=False)
                self._bytes -= oldest.nbytes
        self._settle()

    def _forget(self, number: int) -> None:
        """A finalizer: comes at any moment, also while this very thread is at work here."""
        self._gone.append(number)
        self._settle()

    def _settle(self) -> None:
        while self._gone and self._lock.acquire(blocking=False):
            try:
                gone = {self._gone.popleft() for _ in range(len(self._gone))}
                for key in [key for key in self._blocks if key[0] in gone]:
                    self._bytes -= self._blocks.pop(key).nbytes
            finally:
                self._lock.release()


_default_cache = BlockCache()


@by_reference
class LazySource:
    """Serves the parts of one array to other sides: they call `read`.

    Args:
        read: reads a part. Called from several threads at once.
        chunks: the blocks that are read together, and kept; None: what is asked for is read.
        cache: where blocks are kept; by default that of this process.

    Raises:
        TypeError: arrays of this dtype cannot be sent.
    """

    def __init__(
        self,
        read: Read,
        shape: Sequence[int],
        dtype: Any,
        chunks: Sequence[int] | None = None,
        cache: BlockCache | None = None,
    ) -> None:
        self.shape = tuple(map(int, shape))
        self.dtype = np.dtype(dtype).newbyteorder("=")
        dtype_name(self.dtype)
        self._itemsize: int = self.dtype.itemsize
        self.chunks = None if chunks is None else tuple(map(int, chunks))
        self.array: Any = None
        """What this is where it comes home, if not itself."""
        self._read = read
        self._cache = _default_cache if cache is None else cache
        self._number = self._cache.admit(self)
        self._blocks = None if chunks is None else self._block(chunks)

    def _opsin_lazy(self) -> Lazy:
        return Lazy(self, self.dtype, self.shape, self.chunks)

    def read(self, regions: list[list[list[int]]]) -> list[Array]:
        """The content of these regions, each `[start, stop, step]` for each axis.

        Raises:
            ProtocolError: there are no such regions, or they are too large for one call.
        """
        wanted = check_regions(regions, self.shape, self._itemsize)
        total = sum(map(self._size, wanted))
        found, done = [], 0
        for region in wanted:
            out = empty(shape_of(region), self.dtype)
            for part in self._fill(out, region):
                done += part
                progress(done, total)
            found.append(out)
        return found

    def _fill(self, out: Array, region: Region) -> Iterator[int]:
        """Read a region into `out`; yields after each piece how many bytes it had."""
        if not out.size:
            return
        if self._blocks is None or self._reach(region, self._blocks) > self._cache.limit // 2:
            most = STEP // self._itemsize
            for place, piece in split(region, most, self.chunks):
                out[place] = self._part(slices_of(piece), shape_of(piece))
                yield self._size(piece)
            return
        for box in blocks_of(region, self._blocks):
            for blocks, content in self._contents(box, self._blocks):
                origin = [n * side for n, side in zip(blocks, self._blocks, strict=True)]
                yield _copy(out, region, content, origin)

    def _contents(
        self, box: Region, sides: tuple[int, ...]
    ) -> Iterator[tuple[tuple[int, ...], Array]]:
        """The content of a box of blocks, in pieces: the first block of each, and what it holds."""
        first = tuple(start for start, _, _ in box)
        numbers = list(np.ndindex(*shape_of(box)))
        keys = [(self._number, *map(sum, zip(first, number, strict=True))) for number in numbers]
        if len(keys) == 1 and (block := self._cache.get(keys[0])) is not None:
            yield first, block
            return
        area = [
            slice(a * side, min(b * side, whole))
            for (a, b, _), side, whole in zip(box, sides, self.shape, strict=True)
        ]
        shape = tuple(one.stop - one.start for one in area)
        size = math.prod(shape) * self._itemsize
        if len(keys) > 1 and (size > STEP or any(self._cache.get(key) is not None for key in keys)):
            for half in _halves(box):
                yield from self._contents(half, sides)
            return
        content = self._part(tuple(area), shape)
        for key, number in zip(keys, numbers, strict=True):
            block = content[
                tuple(
                    slice(n * side, (n + 1) * side) for n, side in zip(number, sides, strict=True)
                )
            ]
            self._cache.put(key, block if len(keys) == 1 and content.base is None else block.copy())
        yield first, content

    def _part(self, index: tuple[slice, ...], shape: tuple[int, ...]) -> Array:
        part = np.asarray(self._read(index), self.dtype)
        if part.shape != shape:
            raise ValueError(f"A lazy array gave {part.shape} where {shape} was asked for.")
        return part

    def _block(self, chunks: Sequence[int]) -> tuple[int, ...] | None:
        """Whole chunks that are worth to be read at once; None: they are too large to be kept."""
        sides = [min(side, max(1, whole)) for side, whole in zip(chunks, self.shape, strict=True)]
        for axis in reversed(range(len(sides))):
            size = math.prod(sides) * self._itemsize
            together = max(
                1, min(SMALLEST_BLOCK // max(1, size), -(-self.shape[axis] // sides[axis]))
            )
            sides[axis] *= together
        size = math.prod(sides) * self._itemsize
        return tuple(sides) if size <= self._cache.limit // 4 else None

    def _reach(self, region: Region, sides: tuple[int, ...]) -> int:
        """Bytes of the blocks that a region needs."""
        counts = [
            min(len(range(*part)), -(-part[1] // side) - part[0] // side)
            for part, side in zip(region, sides, strict=True)
        ]
        return math.prod(counts) * math.prod(sides) * self._itemsize

    def _size(self, region: Region) -> int:
        return math.prod(shape_of(region)) * self._itemsize


def _halves(box: Region) -> tuple[Region, Region]:
    counts = shape_of(box)
    axis = counts.index(max(counts))
    start, stop, _ = box[axis]
    middle = (start + stop) // 2
    head, tail = box[:axis], box[axis + 1 :]
    return (*head, (start, middle, 1), *tail), (*head, (middle, stop, 1), *tail)


def _copy(out: Array, region: Region, content: Array, origin: Sequence[int]) -> int:
    """Copy to `out` what of a region lies in `content`, which begins at `origin`; returns bytes."""
    to, here = [], []
    for (start, stop, step), first, side in zip(region, origin, content.shape, strict=True):
        a = max(0, -(-(first - start) // step))
        b = max(a, -(-(min(first + side, stop) - start) // step))
        to.append(slice(a, b))
        begin = start + a * step - first
        here.append(slice(begin, begin + (b - a) * step, step))
    part = content[tuple(here)]
    out[tuple(to)] = part
    return int(part.nbytes)


_sources: weakref.WeakValueDictionary[int, LazySource] = weakref.WeakValueDictionary()
register_lazy(LazySource, LazySource._opsin_lazy)
