"""Derived levels: coarser levels that a file lacks, computed from its coarsest when asked for.

Images are averaged over blocks of 2^k × 2^k pixels of the coarsest stored level (of 2^k along other
axes too, for views of volumes), at the far edges over the pixels that exist: exact for integers and
rounded half to even, as `pyramid` rounds, but once, from the stored level
(`opsin.images.reduction.Mean`). Of labels and booleans the pixel near the middle of the block
stands for it (`Pick`), so no label is invented. Either way `translation` is where the result lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from opsin.errors import ReadError
from opsin.images.image import Image, Level, chunk_origin
from opsin.images.reduction import Mean, Pick, Reduction, picked, sum_dtype
from opsin.images.source import Array, Direct, Encoded, Index, Provenance, Source
from opsin.images.waiting import on_thread

LARGEST = 1024
"""A coarsest level of at most so many pixels along y and x is quick to load, and a start."""

SMALLEST_CHUNK = 512
"""Chunks are not made smaller than a brick of the display."""

LARGEST_CHUNK = 1 << 20
"""Voxels of a chunk of a volume, if those of the stored level allow."""

MOST_CHUNKS = 1 << 22
"""Stored chunks that one of a derived level may be computed from: hours. What needs more is never
seen, and more likely a header that says too much."""


def with_derived_levels(
    image: Image,
    largest: int = LARGEST,
    axes: Sequence[str] = ("y", "x"),
    smallest_chunk: int = SMALLEST_CHUNK,
) -> Image:
    """The image with computed levels behind its stored ones, until one fits into `largest`².

    Every level has half the pixels of the one before along `axes`, rounded up, and all along
    others. An image that lacks one of these axes, or with a small level, is returned as it is.
    The returned image owns `image`: closing it closes both.
    """
    names = image.axis_names
    if not all(name in names for name in axes):
        return image
    halved = tuple(names.index(name) for name in axes)
    stored = image.levels[-1]
    pick = image.kind == "labels" or image.dtype.kind == "b"
    levels: list[Level] = []
    smallest = stored
    while any(smallest.shape[axis] > largest for axis in halved):
        smallest = _level(stored, halved, len(levels) + 1, pick, smallest_chunk)
        levels.append(smallest)
    if not levels:
        return image
    source = _Derived(image.source, image.dtype, image.levels, tuple(levels), halved, pick)
    return replace(image, levels=(*image.levels, *levels), source=source)


def stored_levels(image: Image) -> int:
    """How many of an image's levels are stored; those behind them are computed.

    A source of which some levels are computed says so itself, by `stored_levels`.
    """
    source, count = image.source, len(image.levels)
    while isinstance(source, _Derived):
        count, source = len(source.stored), source.base
    return int(getattr(source, "stored_levels", count))


def _level(
    stored: Level, halved: tuple[int, ...], k: int, pick: bool, smallest_chunk: int
) -> Level:
    """Geometry of the k-th derived level."""
    shape, chunks = list(stored.shape), list(stored.chunks)
    scale, translation = list(stored.scale), list(stored.translation)
    for axis in halved:
        shape[axis] = -(-stored.shape[axis] >> k)
        # Not below base chunk >> k, so that every base chunk is read about once per level.
        chunks[axis] = min(shape[axis], max(smallest_chunk, stored.chunks[axis] >> k))
        scale[axis] = stored.scale[axis] * 2**k
        centre = picked(k) if pick else (2**k - 1) / 2
        translation[axis] = stored.translation[axis] + centre * stored.scale[axis]
    if len(halved) > 2:  # chunks of planes would become thick, and need much memory
        first = halved[0]
        thin = LARGEST_CHUNK // (math.prod(chunks) // chunks[first])
        chunks[first] = min(chunks[first], max(stored.chunks[first] >> k, thin, 1))
    return Level(tuple(shape), tuple(chunks), tuple(scale), tuple(translation))


@dataclass(frozen=True, slots=True)
class _Derived(Source):
    """Stored chunks as they are, and chunks of derived levels, reduced while they are fetched."""

    base: Source
    dtype: np.dtype[np.generic]
    stored: tuple[Level, ...]
    levels: tuple[Level, ...]
    halved: tuple[int, ...]
    pick: bool

    @property
    def provenance(self) -> Provenance:
        """Where the stored chunks are."""
        return self.base.provenance

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        """The stored bytes, or the finished chunk of a derived level.

        Base chunks are fetched and reduced one after the other: one at a time is in memory, and
        cancelling stops before the next, once the running one has let go of its memory.

        Raises:
            ReadError: it would be computed from more than `MOST_CHUNKS`.
        """
        if level < len(self.stored):
            return await self.base.fetch(level, index)
        k = level - len(self.stored) + 1
        coarsest, geometry = self.stored[-1], self.levels[k - 1]
        number = len(self.stored) - 1
        start = [i * chunk for i, chunk in zip(index, geometry.chunks, strict=True)]
        shape = geometry.chunk_shape(index)
        fine_start, fine_stop = list(start), [a + n for a, n in zip(start, shape, strict=True)]
        for axis in self.halved:
            fine_start[axis] <<= k
            fine_stop[axis] = min(fine_stop[axis] << k, coarsest.shape[axis])
        count = coarsest.chunks_between(fine_start, fine_stop)
        if count > MOST_CHUNKS:
            raise ReadError(
                f"The file lacks this level, and one chunk of it would be computed from {count:,}: "
                "look at a part, or give the image levels with `opsin write`."
            )
        kind = Pick if self.pick else Mean
        reduction = kind(self.dtype, coarsest.shape, self.halved, k, tuple(start), shape)
        for base_index in coarsest.chunks_in(fine_start, fine_stop):
            encoded = await self.base.fetch(number, base_index)
            await on_thread(None, self._add, reduction, number, base_index, encoded)
            del encoded
        return await on_thread(None, reduction.finish)

    def codec(self, level: int) -> str:
        """Of stored levels only."""
        return self.base.codec(level) if level < len(self.stored) else ""

    def direct(self, level: int) -> Direct | None:
        """Of a stored level that of the base; a derived chunk takes long, and can be cancelled."""
        return self.base.direct(level) if level < len(self.stored) else None

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        """The chunk: already computed, for a derived level."""
        if level < len(self.stored):
            return self.base.decode(level, index, encoded)
        assert isinstance(encoded, np.ndarray)
        return encoded

    def transient_bytes(self, level: int, index: Index) -> int:
        """For a derived level: a base chunk being decoded and reduced, and the sums."""
        if level < len(self.stored):
            return self.base.transient_bytes(level, index)
        k = level - len(self.stored) + 1
        coarsest = self.stored[-1]
        pixels = math.prod(coarsest.chunks)
        item = self.dtype.itemsize
        first = tuple(0 for _ in coarsest.chunks)
        base = pixels * item + self.base.transient_bytes(len(self.stored) - 1, first)
        if self.pick:
            return base
        # Summing halves a base chunk again and again; the sums of the chunk itself stay, and
        # dividing them needs as much again, twice for integers of 64 bits.
        wide = sum_dtype(self.dtype, k * len(self.halved)).itemsize
        pieces = (pixels // 2 + pixels // 4) * wide
        halves = 2 if item == 8 and self.dtype.kind != "f" else 1
        own = math.prod(self.levels[k - 1].chunk_shape(index)) * wide * halves
        if halves == 2:
            pieces += pixels * item
        return max(base + pieces, own) + own

    async def identity(self, level: int) -> str | None:
        """Of a stored level that of the base."""
        return await self.base.identity(level) if level < len(self.stored) else None

    def close(self) -> None:
        """Close the base."""
        self.base.close()

    def _add(
        self, reduction: Reduction, number: int, index: Index, encoded: Encoded | None
    ) -> None:
        origin = chunk_origin(self.stored[-1], index)
        reduction.add(self.base.decode(number, index, encoded), origin)
