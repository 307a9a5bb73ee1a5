"""Computed: the source of a synthetic image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from opsin.images.image import Level
from opsin.images.source import Array, Direct, Encoded, Index, Source
from opsin.images.synthetic.generator import AXES, Block, Generator
from opsin.images.synthetic.hash import chained

_POSITIONS = 1 << 16
"""Bytes that the positions of a chunk's rows and columns take, and other small things."""


@dataclass(frozen=True, slots=True)
class Computed(Source):
    """Chunks that are computed when they are decoded; there is nothing to fetch.

    The chunk is a function of its level and index: any thread, process and computer makes the same.
    """

    generator: Generator
    axes: str
    levels: Sequence[Level]
    dtype: np.dtype[np.generic]

    @property
    def provenance(self) -> Literal["computed"]:
        return "computed"

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        return None

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        geometry = self.levels[level]
        starts = (i * chunk for i, chunk in zip(index, geometry.chunks, strict=True))
        block = Block(
            level,
            dict(zip(self.axes, starts, strict=True)),
            dict(zip(self.axes, geometry.chunk_shape(index), strict=True)),
            dict(zip(self.axes, self.levels[0].shape, strict=True)),
        )
        values = self.generator.formula().compute(block)
        order = [AXES.index(axis) for axis in self.axes]
        order += [place for place in range(len(AXES)) if place not in order]
        values = values.transpose(order).reshape(geometry.chunk_shape(index))
        if self.generator.kind == "labels":
            return np.ascontiguousarray(within(values, self.dtype))
        return np.ascontiguousarray(scaled(values, self.dtype))

    def direct(self, level: int) -> Direct | None:
        return lambda index: (self.decode(level, index, None), 0)

    def transient_bytes(self, level: int, index: Index) -> int:
        pixels = math.prod(self.levels[level].chunk_shape(index))
        ready = self.generator.kind == "labels" and self.dtype.itemsize == 8
        return _POSITIONS + (0 if ready else pixels * self.generator.scratch)

    def close(self) -> None:
        pass


def largest(dtype: np.dtype[np.generic]) -> float:
    """What the value 1 becomes in this type."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype.name).max)


def scaled(values: Array, dtype: np.dtype[np.generic]) -> Array:
    """Values between 0 and 1 (float32, which is overwritten) in an image's type.

    For integers they are multiplied by the largest one and rounded, half up.
    """
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    if dtype.itemsize > 2:  # float32 does not hold them
        values = values.astype(np.float64)
    values *= largest(dtype)
    values += 0.5
    return values.astype(dtype)  # which cuts off


def within(ids: Array, dtype: np.dtype[np.generic]) -> Array:
    """Ids (uint64, which are overwritten) in the type of the labels.

    One that is too large becomes a hash of it, from 1 on: it stays the same everywhere, but others
    may share it.
    """
    most = np.uint64(np.iinfo(dtype.name).max)
    if dtype.itemsize < 8:
        large = ids > most
        ids[large] = chained(np.zeros(1, np.uint64), ids[large]) % most + np.uint64(1)
    return ids.astype(dtype, copy=False)
