"""A pyramid of any size with known values, whose source can be slow, fail and be watched."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Literal

import numpy as np

from opsin.errors import Corrupt, Unreachable
from opsin.images.image import Axis, Image, Level
from opsin.images.source import Array, Encoded, Index, Provenance, Source

SPACE = {"z", "y", "x"}


def values(level: int, start: tuple[int, ...], stop: tuple[int, ...], dtype: str) -> Array:
    """What a box of a level holds: a hash of the pixel position and the level."""
    total = np.full([b - a for a, b in zip(start, stop, strict=True)], level * 977, np.uint64)
    for axis, (a, b) in enumerate(zip(start, stop, strict=True)):
        along = np.arange(a, b, dtype=np.uint64) * np.uint64(2654435761 + 40503 * axis)
        total = total + along.reshape([-1 if i == axis else 1 for i in range(len(start))])
    return (total % np.uint64(251)).astype(dtype)


class PyramidSource(Source):
    """Chunks computed by `values`, after a delay; counts what was asked of it."""

    def __init__(
        self,
        levels: tuple[Level, ...],
        dtype: str,
        delay: float = 0.0,
        provenance: Provenance = "disk",
    ) -> None:
        self._provenance = provenance
        self.levels = levels
        self.dtype = dtype
        self.delay = delay
        self.gate: asyncio.Event | None = None
        self.started: Counter[tuple[int, Index]] = Counter()
        self.finished: Counter[tuple[int, Index]] = Counter()
        self.cancelled: Counter[tuple[int, Index]] = Counter()
        self.unreachable: Counter[tuple[int, Index]] = Counter()
        self.corrupt: set[tuple[int, Index]] = set()
        self.closed = False

    @property
    def provenance(self) -> Provenance:
        return self._provenance

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        key = (level, index)
        self.started[key] += 1
        try:
            if self.gate is not None:
                await self.gate.wait()
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled[key] += 1
            raise
        if self.unreachable[key]:
            self.unreachable[key] -= 1
            raise Unreachable(f"chunk {index} of level {level} did not answer")
        self.finished[key] += 1
        return b"encoded"

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        if (level, index) in self.corrupt:
            raise Corrupt(f"chunk {index} of level {level} is corrupt")
        geometry = self.levels[level]
        start = tuple(i * c for i, c in zip(index, geometry.chunks, strict=True))
        shape = geometry.chunk_shape(index)
        stop = tuple(a + n for a, n in zip(start, shape, strict=True))
        return values(level, start, stop, self.dtype)

    def transient_bytes(self, level: int, index: Index) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


def pyramid(
    shape: tuple[int, ...],
    *,
    axes: str = "yx",
    chunk: int = 256,
    levels: int = 1,
    dtype: str = "uint16",
    kind: Literal["image", "labels"] = "image",
    rgb: bool = False,
    delay: float = 0.0,
    scale: float = 1.0,
    provenance: Provenance = "disk",
) -> tuple[Image, PyramidSource]:
    """An image of `levels` levels, each half the one before along y and x."""
    geometry: list[Level] = []
    for k in range(levels):
        factor = [2**k if name in "yx" else 1 for name in axes]
        sizes = tuple(max(1, -(-n // f)) for n, f in zip(shape, factor, strict=True))
        chunks = tuple(
            min(n, chunk) if name in "yx" or (rgb and name == "c") else 1
            for n, name in zip(sizes, axes, strict=True)
        )
        geometry.append(
            Level(
                sizes,
                chunks,
                tuple(scale * f for f in factor),
                tuple(scale * (f - 1) / 2 for f in factor),
            )
        )
    source = PyramidSource(tuple(geometry), dtype, delay, provenance)
    types = {"t": "time", "c": "channel"}
    image = Image(
        name="pyramid",
        axes=tuple(
            Axis(name, "space" if name in SPACE else types.get(name, "other"))  # type: ignore[arg-type]
            for name in axes
        ),
        levels=tuple(geometry),
        dtype=np.dtype(dtype),
        source=source,
        kind=kind,
        rgb=rgb,
    )
    return image, source
