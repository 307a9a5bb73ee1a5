"""Pyramid: an image that is nothing but geometry, its chunks at the other end of a link."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from harness.sim.link import Link

from opsin.images.image import Axis, Image, Level
from opsin.images.source import Array, Encoded, Index, Provenance, Source

AxisType = Literal["space", "time"]


class FarSource(Source):
    """Uncompressed chunks of zeros that come over a link."""

    provenance: Provenance = "network"

    def __init__(self, levels: tuple[Level, ...], dtype: np.dtype[np.generic], link: Link) -> None:
        self._levels = levels
        self._zero = np.zeros(1, dtype)
        self._link = link

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        """The chunk, once it came over the link."""
        array = self._chunk(level, index)
        await self._link.get((level, index), stored_bytes(self._levels[level], array.itemsize))
        return array

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        """The chunk; it takes no memory, but says that it does."""
        return self._chunk(level, index)

    def transient_bytes(self, level: int, index: Index) -> int:
        return 0

    def close(self) -> None:
        pass

    def _chunk(self, level: int, index: Index) -> Array:
        return np.broadcast_to(self._zero, self._levels[level].chunk_shape(index))


def stored_bytes(level: Level, itemsize: int) -> int:
    """Bytes of a chunk in its store: those at the end of a level are stored whole, as in zarr."""
    return math.prod(level.chunks) * itemsize


def pyramid(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    link: Link,
    *,
    axes: str = "yx",
    levels: int = 1,
    dtype: str = "uint16",
) -> Image:
    """An image of which each level has half the rows and columns of the one before.

    Args:
        shape, chunks: of the finest level; chunks have the same shape at every level.
        axes: one letter each, in array order; `t` is time, all others are space.
    """
    geometry = tuple(
        _level(shape, chunks, [2**k if name in "yx" else 1 for name in axes]) for k in range(levels)
    )
    return Image(
        name="pyramid",
        axes=tuple(Axis(name, "time" if name == "t" else "space") for name in axes),
        levels=geometry,
        dtype=np.dtype(dtype),
        source=FarSource(geometry, np.dtype(dtype), link),
    )


def _level(shape: tuple[int, ...], chunks: tuple[int, ...], factors: list[int]) -> Level:
    sizes = tuple(max(1, math.ceil(size / by)) for size, by in zip(shape, factors, strict=True))
    return Level(
        shape=sizes,
        chunks=tuple(min(chunk, size) for chunk, size in zip(chunks, sizes, strict=True)),
        scale=tuple(map(float, factors)),
        translation=tuple((by - 1) / 2 for by in factors),
    )
