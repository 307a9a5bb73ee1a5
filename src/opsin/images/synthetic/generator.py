"""Generator: a formula that pixels are computed from, and the part of an image it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from opsin.images.image import Kind
from opsin.images.source import Array

AXES = "tczyx"
"""Names of the axes that an image may have, in the order in which a generator computes them."""

SPACE = "zyx"
"""The axes that levels halve."""


@dataclass(frozen=True, slots=True)
class Generator:
    """What is known of a formula without computing anything.

    A level halves the axes in space: its pixel i stands for the 2^l pixels of level 0 from i · 2^l
    on, along each. An image is evaluated in their middle (`translation` is (2^l - 1) / 2); of
    labels the first of them is taken (`translation` is 0), so that coarse levels hold the ids of
    level 0, where they truly lie.
    """

    name: str
    axes: str
    """By default."""
    dtype: str
    """By default."""
    plane: int
    """Size along y and x of an image without z, by default."""
    volume: int
    """Size along z, y and x of an image with z, by default."""
    kind: Kind = "image"
    colour: bool = False
    """Whether the channels can be the red, green and blue of one picture."""
    compiled: bool = True
    """Whether it needs numba."""
    scratch: int = 16
    """Bytes per pixel that computing needs at most, beside the chunk. (Ids of 64 bits: none.)"""

    def formula(self) -> Formula:
        """The code, which is imported when the first chunk is computed."""
        module = importlib.import_module(f"opsin.images.synthetic.{self.name}")
        return cast(Formula, module)


class Formula(Protocol):
    """What the module of a generator offers."""

    def compute(self, block: Block) -> Array:
        """The pixels of a block, of axes t, c, z, y, x.

        float32 between 0 and 1 for an image, uint64 for labels. A pixel's value depends on its
        place and the level alone, not on the block.
        """


@dataclass(frozen=True, slots=True)
class Block:
    """A box of pixels of one level; without an axis it has one pixel there."""

    level: int
    start: Mapping[str, int]
    """First pixel, in pixels of the level, along the axes that the image has."""
    count: Mapping[str, int]
    """Pixels along these axes."""
    size: Mapping[str, int]
    """Pixels of level 0 along these axes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along t, c, z, y and x."""
        return tuple(self.count.get(axis, 1) for axis in AXES)

    @property
    def depth(self) -> int:
        """How often the level can be halved: 10 for one of 513 to 1024 pixels (longest side)."""
        longest = max(self.size[axis] for axis in SPACE if axis in self.size)
        return max(0, (longest - 1).bit_length() - self.level)

    def first(self, axis: str) -> npt.NDArray[np.int64]:
        """The first of the pixels of level 0 that each pixel stands for; 0 without the axis."""
        if axis not in self.start:
            return np.zeros(1, np.int64)
        indices = np.arange(self.start[axis], self.start[axis] + self.count[axis], dtype=np.int64)
        return indices << self.level if axis in SPACE else indices

    def centred(self, axis: str, middle: float, extent: float, sizes: str) -> Array:
        """Where the formula is evaluated along an axis in space: float64.

        Args:
            axis: which; without it, the result is `middle`.
            middle: where the middle of the image lies.
            extent: the length that the shortest side of the image along the axes `sizes` has.

        The middle of pixel i of level 0 lies at `middle + (i + 1/2 - size / 2) · step`. The bracket
        is exact; if the size is a power of two and `extent` has few binary digits, so is all of it.
        """
        if axis not in self.size:
            return np.array([middle])
        places = self.first(axis) + ((1 << self.level) - self.size[axis]) / 2
        return middle + places * self.step(extent, sizes) / (1 << self.level)

    def step(self, extent: float, sizes: str) -> float:
        """Distance of two pixels of the level, if the shortest side has this extent."""
        shortest = min(self.size[axis] for axis in sizes if axis in self.size)
        return extent * (1 << self.level) / shortest

    def turns(self, axis: str) -> npt.NDArray[np.float64]:
        """How far each pixel lies along t or c: 0 for the first, towards 1; 0 without the axis."""
        return self.first(axis) / self.size.get(axis, 1)
