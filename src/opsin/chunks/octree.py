"""Octree: the bricks of all levels of a volume as one tree, whatever the levels' ratios. Pure.

Its roots are the bricks of the base, the level with the fewest voxels. The children of a brick are
those bricks of the next finer level whose middle lies in it; bricks at the far edges take those
that lie beyond. So every brick has one parent, and along each axis children are neighbours.

The *region* of a brick is what it stands for: the region of a brick is divided among its children
where their bricks meet, and the roots divide all of the layer. With levels that halve exactly,
regions are where the bricks lie. With others (levels that are strided, that round their size, that
do not halve) they reach a little beyond, where voxels of neighbours are drawn. In any case the
regions of a cut of the tree fill the layer, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from opsin.chunks.volume_brick import SIDE
from opsin.images.image import Level
from opsin.images.layer import Layer

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROUNDING = 1e-7
"""Bricks: borders of two levels that are nearer to each other are the same."""


@dataclass(frozen=True, slots=True)
class Octree:
    """Geometry of the levels of one layer along three axes, from level 0 to the base.

    Arrays have one row per level and three columns, if nothing else is said.
    """

    shape: Ints
    """Voxels."""
    scale: Floats
    """World units per voxel."""
    edge: Floats
    """World position of the outer edge of the first voxel."""
    bricks: Ints
    """Number of bricks."""
    counts: Ints
    """The same, with one column per level."""
    reach: Floats
    """How far a region may lie beyond its brick, in world units, plus one voxel."""
    steps: Floats
    """Of shape (4, 3, levels), for the step from a level to the next finer one. Brick P begins at
    offset + ratio · P in bricks of the finer level, less half a brick; then their number; then the
    last P."""
    halves: bool
    """Whether each brick has two children along each axis, or one at the far edge, that lie in it;
    so regions are where bricks are, inside of the layer."""
    low: Floats
    """World position of the layer's low corner; of shape (3,)."""
    high: Floats
    """That of its high one."""

    @property
    def base(self) -> int:
        """The level of the roots."""
        return len(self.shape) - 1

    def root_regions(self, first: Ints, stop: Ints) -> tuple[Floats, Floats]:
        """World corners of the regions of blocks of roots, of shape (n, 3).

        Args:
            first: places of the first root of each block along each axis.
            stop: those behind the last.
        """
        side = self.scale[self.base] * SIDE
        low = (self.edge[self.base] + side * first).clip(self.low, self.high)
        high = (self.edge[self.base] + side * stop).clip(self.low, self.high)
        low = np.where(first == 0, self.low, low)
        high = np.where(stop == self.bricks[self.base], self.high, high)
        return low, high

    def children(self, level: Ints, places: Ints) -> tuple[Ints, Ints]:
        """First and last-plus-one place of the children of bricks, along each axis.

        Args:
            level: of the bricks, of shape (n,); none is 0.
            places: of shape (3, n), as the results are.
        """
        if self.halves:
            first = 2 * places
            return first, np.minimum(first + 2, self.counts.take(level - 1, axis=1))
        offset, ratio, most, last = self.steps.take(level, axis=-1)
        begin = offset + ratio * places
        stop = np.where(places == last, most, np.minimum(np.ceil(begin + ratio), most))
        start = np.where(places == 0, 0, np.maximum(np.ceil(begin), 0))
        return start.astype(np.int64), np.maximum(stop, start).astype(np.int64)


def octree(layer: Layer, displayed: Sequence[str]) -> Octree:
    """The tree of a layer, whose axes the displayed ones are among."""
    return _octree(layer.image.levels, tuple(layer.image.axis(name) for name in displayed))


@lru_cache(maxsize=64)
def _octree(levels: tuple[Level, ...], where: tuple[int, ...]) -> Octree:
    """The tree of levels along some of their axes; kept, since a view asks for it all the time."""
    shape = np.array([[level.shape[i] for i in where] for level in levels], np.int64)
    base = min(reversed(range(len(levels))), key=lambda k: np.prod(shape[k], dtype=float))
    shape = shape[: base + 1]
    scale = np.array([[level.scale[i] for i in where] for level in levels[: base + 1]])
    first = np.array([[level.translation[i] for i in where] for level in levels[: base + 1]])
    edge = first - scale / 2
    bricks = -(-shape // SIDE)
    # Row k is for the step from level k + 1 to k.
    side = scale * SIDE
    ratio = side[1:] / side[:-1]
    offset = (edge[1:] - edge[:-1]) / side[:-1]
    steps = np.array([offset - (0.5 + ROUNDING), ratio, bricks[:-1], bricks[1:] - 1])
    steps = np.ascontiguousarray(steps.transpose(0, 2, 1))
    return Octree(
        shape=shape,
        scale=scale,
        edge=edge,
        bricks=bricks,
        counts=np.ascontiguousarray(bricks.T),
        reach=_overhangs(side, ratio, offset, bricks) + scale,
        steps=np.insert(steps, 0, 0, axis=-1),
        halves=bool(
            (np.abs(ratio - 2) * bricks[1:] < ROUNDING).all()
            and (np.abs(offset) < ROUNDING).all()
            and (bricks[1:] == -(-bricks[:-1] // 2)).all()
        ),
        low=edge[0],
        high=edge[0] + scale[0] * shape[0],
    )


def _overhangs(side: Floats, ratio: Floats, offset: Floats, bricks: Ints) -> Floats:
    """How far the borders of regions lie from those of bricks at most, in world units."""
    overhang = np.zeros_like(side)
    for level in reversed(range(len(side) - 1)):
        # In bricks of this level, brick P of the next coarser one begins at offset + ratio · P.
        first = offset[level] - np.round(offset[level])
        last = first + (ratio[level] - np.round(ratio[level])) * bricks[level + 1]
        off = np.maximum(np.abs(first), np.abs(last))
        off = np.where(off < ROUNDING, 0, np.minimum(off, 0.5))
        overhang[level] = overhang[level + 1] + off * side[level]
    return overhang
