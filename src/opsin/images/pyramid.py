"""Pyramid: coarser levels out of finer ones, chunk by chunk, each as soon as it is complete.

Which axes a level halves is given step by step: step k leads from level k to level k + 1, each of
which halves pixels as `opsin.images.halving` says. An axis that has been halved n times has the
scale `2^n · s0` and the translation `t0 + (2^n − 1) / 2 · s0`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from opsin.images.halving import halve
from opsin.images.image import Image, Level
from opsin.images.source import Array, Index

LEVELS_LIMIT = 64
CUBIC = 2**0.5
"""Times the pixel size along y and x up to which pixels that are not halved along z are further
from cubes than pixels that are."""

Steps = tuple[tuple[int, ...], ...]
"""The axes that are halved, from level to level."""


def pyramid_levels(
    image: Image, axes: Sequence[int], chunks: tuple[int, ...], count: int | None
) -> tuple[tuple[Level, ...], Steps]:
    """Geometry of `count` levels over the finest one of `image`, and the steps between them.

    By default as many as it takes until one fits into a chunk along `axes`. Along the last two of
    these every step halves. Along the others, which is z, it does once pixels are about as large
    there: at most √2 times as large, so that pixels come as near to cubes as they can, and stay.
    (A size in another unit says nothing: then every step halves it.) What is one pixel is left.
    """
    finest = image.levels[0]
    plane = axes[-2:]
    levels = [Level(finest.shape, chunks, finest.scale, finest.translation)]
    halved = [0] * len(chunks)
    steps: list[tuple[int, ...]] = []
    while len(levels) < (count or LEVELS_LIMIT):
        last = levels[-1]
        if count is None and all(last.shape[axis] <= chunks[axis] for axis in axes):
            break
        width = (last.scale[plane[0]] * last.scale[plane[1]]) ** 0.5
        units = {image.axes[axis].unit for axis in plane}
        step = tuple(
            axis
            for axis in axes
            if axis in plane
            or (
                last.shape[axis] > 1
                and (last.scale[axis] <= CUBIC * width or units != {image.axes[axis].unit})
            )
        )
        for axis in step:
            halved[axis] += 1
        levels.append(
            Level(
                tuple(-(-n // 2) if axis in step else n for axis, n in enumerate(last.shape)),
                chunks,
                tuple(s * 2**n for s, n in zip(finest.scale, halved, strict=True)),
                tuple(
                    t + (2**n - 1) / 2 * s
                    for t, s, n in zip(finest.translation, finest.scale, halved, strict=True)
                ),
            )
        )
        steps.append(step)
    return tuple(levels), tuple(steps)


class Spares:
    """Memory of whole chunks that is used again, for new pages cost more than what is done there.

    It is as much as was in use at once; those who drop it instead of giving it back do no harm.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
        self._shape = shape
        self._dtype = dtype
        self._free: list[Array] = []

    def take(self, shape: tuple[int, ...]) -> Array:
        """An array of any content."""
        if shape == self._shape and self._free:
            try:
                return self._free.pop()
            except IndexError:  # another thread was faster
                pass
        return np.empty(shape, self._dtype)

    def give(self, array: Array) -> None:
        """Take back an array that `take` gave and that nobody uses any more."""
        if array.shape == self._shape:
            self._free.append(array)


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
        steps: Steps,
        labels: bool,
        write: Callable[[int, Index, Array], None],
        spares: Spares,
    ) -> None:
        self._levels = levels
        self._steps = steps
        self._labels = labels
        self._write = write
        self._spares = spares
        self._lock = threading.Lock()
        self._parents: dict[tuple[int, Index], _Parent] = {}

    def place(
        self,
        index: Index,
        block: Array,
        level: int = 0,
        *,
        spare: bool = False,
        written: bool = False,
    ) -> int:
        """Take one chunk, clipped to its level. Returns the number of chunks that it completed.

        Args:
            index: of the chunk.
            block: its pixels.
            level: of the chunk.
            spare: the block is one of the spares, and goes back to them.
            written: the chunk was written before, and is taken for the sake of coarser ones.
        """
        count = 0
        while True:
            if not written:
                self._write(level, index, block)
                count += 1
            parent = self._join(level, index, block) if level < len(self._steps) else None
            if spare:
                self._spares.give(block)
            if parent is None:
                return count
            level, spare, written = level + 1, True, False
            index, block = parent

    def _join(self, level: int, child: Index, block: Array) -> tuple[Index, Array] | None:
        """Put a chunk, halved, into its parent; the parent, if it is now complete."""
        step, finer, geometry = self._steps[level], self._levels[level], self._levels[level + 1]
        index = tuple(n >> 1 if axis in step else n for axis, n in enumerate(child))
        key = (level + 1, index)
        with self._lock:
            parent = self._parents.get(key)
            if parent is None:
                children = 1
                for axis in step:
                    children *= min(2, finer.grid[axis] - 2 * index[axis])
                parent = _Parent(self._spares.take(geometry.chunk_shape(index)), children)
                self._parents[key] = parent
        place = []
        for axis, (n, size, chunk) in enumerate(
            zip(child, block.shape, geometry.chunks, strict=True)
        ):
            first = (n & 1) * (chunk >> 1) if axis in step else 0
            place.append(slice(first, first + ((size + 1) >> 1 if axis in step else size)))
        halve(block, step, self._labels, parent.block[tuple(place)])
        with self._lock:
            parent.missing -= 1
            if parent.missing:
                return None
            del self._parents[key]
        return index, parent.block
