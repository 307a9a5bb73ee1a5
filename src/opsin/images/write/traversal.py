"""Traversal: the order in which the chunks of the finest level are made, box by box. Pure.

A box is a piece of the image of whole chunks, and (as far as they fit) of whole chunks of the
original, so that each of these is read once. Boxes follow each other in Z order along the axes that
are halved, shard by shard, which keeps what waits in a pyramid and in shards small.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from opsin.images.source import Index
from opsin.images.write.layout import Layout

GROWN = 32 << 20
"""Bytes up to which a box is made larger than it has to be."""
LARGEST = 64 << 20
"""Bytes above which a box does not cover whole chunks of the original, unless one of them has half
as many: these are read several times then."""


@dataclass(frozen=True, slots=True)
class Box:
    """Chunks from `start` up to but without `stop`, as indices in the finest level's grid."""

    start: Index
    stop: Index

    def chunks(self) -> Iterator[Index]:
        """The indices of its chunks."""
        ranges = (range(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return itertools.product(*ranges)


def boxes(layout: Layout) -> Iterator[Box]:
    """Boxes that cover the finest level."""
    grid = layout.levels[0].grid
    size = _box_size(layout)
    shard = layout.files if layout.shards is not None else size
    for outer in z_order(_counts(grid, shard), layout.halved):
        start = [i * n for i, n in zip(outer, shard, strict=True)]
        stop = [min(a + n, whole) for a, n, whole in zip(start, shard, grid, strict=True)]
        inside = [b - a for a, b in zip(start, stop, strict=True)]
        for inner in z_order(_counts(inside, size), layout.halved):
            first = tuple(a + i * n for a, i, n in zip(start, inner, size, strict=True))
            yield Box(
                first, tuple(min(a + n, b) for a, n, b in zip(first, size, stop, strict=True))
            )


def _box_size(layout: Layout) -> tuple[int, ...]:
    """Chunks of a box along each axis; powers of two along those that are halved."""
    level, original = layout.levels[0], layout.original
    limits = layout.files if layout.shards is not None else level.grid
    size = []
    for axis, (own, theirs) in enumerate(zip(level.chunks, original.chunks, strict=True)):
        count = -(-theirs // own)
        if axis in layout.halved:
            count = 1 << (count - 1).bit_length()
        size.append(min(count, limits[axis]))
    item = layout.image.dtype.itemsize
    chunk = math.prod(level.chunks) * item
    most = max(LARGEST, 2 * math.prod(original.chunks) * item)
    while math.prod(size) * chunk > most and max(size) > 1:
        axis = size.index(max(size))
        size[axis] = (size[axis] + 1) // 2
    grows = True
    while grows:
        grows = False
        for axis in reversed(layout.halved):
            if size[axis] < limits[axis] and 2 * math.prod(size) * chunk <= GROWN:
                size[axis] = min(2 * size[axis], limits[axis])
                grows = True
    return tuple(size)


def _counts(whole: Sequence[int], part: Sequence[int]) -> list[int]:
    return [-(-n // size) for n, size in zip(whole, part, strict=True)]


def z_order(counts: Sequence[int], axes: Collection[int]) -> Iterator[Index]:
    """The indices of a grid: all in Z order along `axes`, for each position along the others."""
    others = [range(1) if axis in axes else range(n) for axis, n in enumerate(counts)]
    side = 1 << (max((counts[axis] for axis in axes), default=1) - 1).bit_length()
    for outer in itertools.product(*others):
        yield from _cube(tuple(outer), side, counts, tuple(axes))


def _cube(start: Index, side: int, counts: Sequence[int], axes: tuple[int, ...]) -> Iterator[Index]:
    if any(start[axis] >= counts[axis] for axis in axes):
        return
    if side == 1:
        yield start
        return
    half = side // 2
    for corner in itertools.product((0, half), repeat=len(axes)):
        moved = list(start)
        for axis, shift in zip(axes, corner, strict=True):
            moved[axis] += shift
        yield from _cube(tuple(moved), half, counts, axes)
