"""Pyramid: coarser levels out of finer ones, 2×2 pixels at a time.

* **Images** are averaged. Integers are exact, rounded half to even, as in `reduction.Mean`: half up
  would make every level brighter by 1/8 on average, which adds up over a dozen levels. Floats are
  summed in float64.
* **Labels** (and booleans) take the most frequent value; among equally frequent ones the smallest
  that is not 0, so that thin objects last.
* **Odd sizes**: the last row or column of a level stands alone and is repeated, so the coarse pixel
  is the mean or mode of the pixels that exist. Its centre is where it would be if they all did.
* **Place**: level k has scale `2^k · s0` and translation `t0 + (2^k − 1) / 2 · s0`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from opsin.images.image import Image, Level
from opsin.images.source import Array, Index


def halve(block: Array, plane: tuple[int, int], labels: bool) -> Array:
    """`block` at half the resolution along the two axes `plane`: sizes are halved, rounded up."""
    for axis in plane:
        if block.shape[axis] % 2:
            last = block.take([-1], axis)
            block = np.concatenate([block, last], axis)
    if labels or block.dtype == np.bool_:
        return _mode(block, plane)
    if block.dtype.kind == "f":
        # Scaled first, so that the sum of huge numbers stays finite.
        wide = block.astype(np.float64) * 0.25
        return _sum(wide, plane).astype(block.dtype)
    if block.dtype.itemsize == 8:
        # The sum of four does not fit into 64 bits: quotients and remainders apart.
        quotient, rest = _sum(block >> 2, plane), _sum(block & 3, plane)
        return quotient + _rounded_quarter(rest, odd=quotient & 1)
    wide_type = np.dtype(f"{block.dtype.kind}{2 * block.dtype.itemsize}")
    return _rounded_quarter(_sum(block.astype(wide_type), plane)).astype(block.dtype)


def _sum(block: Array, plane: tuple[int, int]) -> Array:
    for axis in plane:
        block = _every_other(block, axis, 0) + _every_other(block, axis, 1)
    return block


def _every_other(block: Array, axis: int, first: int) -> Array:
    return block[(slice(None),) * axis + (slice(first, None, 2),)]


def _rounded_quarter(total: Array, odd: Array | int = 0) -> Array:
    """A quarter of `total`, half to even; `odd` is 1 where what it is added to is odd."""
    quarter: Array = (total + 1 + (((total >> 2) + odd) & 1)) >> 2
    return quarter


def _mode(block: Array, plane: tuple[int, int]) -> Array:
    first, second = plane
    a, b, c, d = (
        np.ascontiguousarray(_every_other(_every_other(block, first, i), second, j))
        for i in (0, 1)
        for j in (0, 1)
    )
    same = (a == b) & (c == d) & (a == c)
    if same.all():
        return a
    unsigned = np.dtype(f"u{block.dtype.itemsize}")
    values = [v.view(unsigned) for v in (a, b, c, d)]
    best = values[0]
    votes = _votes(best, values)
    for value in values[1:]:
        count = _votes(value, values)
        # 0 - 1 wraps round to the largest number: zero loses against every label.
        better = (count > votes) | ((count == votes) & (value - 1 < best - 1))
        best = np.where(better, value, best)
        votes = np.maximum(votes, count)
    return best.view(block.dtype)


def _votes(value: Array, values: list[Array]) -> Array:
    votes: Array = np.zeros(value.shape, np.uint8)
    for other in values:
        votes += value == other
    return votes


def pyramid_levels(
    image: Image, plane: tuple[int, int], chunks: tuple[int, ...], count: int | None
) -> tuple[Level, ...]:
    """Geometry of `count` levels over the finest one of `image`.

    By default as many as it takes until one fits into a chunk.
    """
    finest = image.levels[0]
    levels = [Level(finest.shape, chunks, finest.scale, finest.translation)]
    while len(levels) < (count or 64):
        shape = levels[-1].shape
        if count is None and all(shape[axis] <= chunks[axis] for axis in plane):
            break
        factor = 2 ** len(levels)
        levels.append(
            Level(
                tuple(-(-n // 2) if axis in plane else n for axis, n in enumerate(shape)),
                chunks,
                tuple(s * factor if a in plane else s for a, s in enumerate(finest.scale)),
                tuple(
                    t + (factor - 1) / 2 * s if axis in plane else t
                    for axis, (t, s) in enumerate(
                        zip(finest.translation, finest.scale, strict=True)
                    )
                ),
            )
        )
    return tuple(levels)


@dataclass(slots=True)
class _Parent:
    """A coarse chunk that waits for the rest of the finer chunks it is made from."""

    block: Array
    missing: int


class Pyramid:
    """Takes the chunks of the finest level in any order; writes those of all levels, once each.

    A chunk is given to `write(level, index, block)` as soon as it is complete, on the thread that
    completed it. In Z order only a few chunks per level wait in memory.
    """

    def __init__(
        self,
        levels: tuple[Level, ...],
        plane: tuple[int, int],
        labels: bool,
        write: Callable[[int, Index, Array], None],
    ) -> None:
        self._levels = levels
        self._plane = plane
        self._labels = labels
        self._write = write
        self._lock = threading.Lock()
        self._parents: dict[tuple[int, Index], _Parent] = {}

    def place(self, index: Index, block: Array, level: int = 0) -> int:
        """Take one chunk, clipped to its level. Returns the number of chunks that it completed."""
        written = 0
        while True:
            self._write(level, index, block)
            written += 1
            level += 1
            if level == len(self._levels):
                return written
            half = halve(block, self._plane, self._labels)
            parent = self._join(level, index, half)
            if parent is None:
                return written
            index, block = parent

    def _join(self, level: int, child: Index, half: Array) -> tuple[Index, Array] | None:
        """Put a halved chunk into its parent; the parent, if it is now complete."""
        geometry, finer = self._levels[level], self._levels[level - 1]
        index = tuple(n // 2 if axis in self._plane else n for axis, n in enumerate(child))
        corner = tuple(
            slice(n % 2 * (geometry.chunks[axis] // 2), None)
            if axis in self._plane
            else slice(None)
            for axis, n in enumerate(child)
        )
        with self._lock:
            parent = self._parents.get((level, index))
            if parent is None:
                children = 1
                for axis in self._plane:
                    children *= min(2, finer.grid[axis] - 2 * index[axis])
                parent = _Parent(np.empty(geometry.chunk_shape(index), half.dtype), children)
                self._parents[level, index] = parent
        target = parent.block[corner]
        target[tuple(slice(0, n) for n in half.shape)] = half
        with self._lock:
            parent.missing -= 1
            if parent.missing:
                return None
            del self._parents[level, index]
        return index, parent.block
