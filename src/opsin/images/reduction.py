"""Reduction: one piece of a coarse level, made from pieces of a fine one that come one by one."""

from __future__ import annotations

import itertools
import math
from typing import Protocol

import numpy as np

from opsin.images.source import Array


class Reduction(Protocol):
    """One piece of a level whose pixels are blocks of a finer one, 2^k pixels along some axes."""

    def add(self, fine: Array, origin: tuple[int, ...]) -> None:
        """Take in a piece of the finer level whose first pixel is `origin`; each pixel once."""

    def finish(self) -> Array:
        """The piece, once all of the finer level that it covers has been added."""


class Mean:
    """Average of every block; at the far edges, of the pixels that exist.

    Integers of up to 64 bits are summed exactly and rounded half to even, as `pyramid` rounds:
    half up would make the image brighter. Floats are summed in float64 and NaN stays NaN.
    """

    def __init__(
        self,
        dtype: np.dtype[np.generic],
        fine_shape: tuple[int, ...],
        axes: tuple[int, ...],
        k: int,
        start: tuple[int, ...],
        shape: tuple[int, ...],
    ) -> None:
        """The piece of `shape` from `start` of a level that halves these axes k times."""
        self._dtype = dtype
        self._fine_shape = fine_shape
        self._axes = axes
        self._k = k
        self._start = start
        self._shape = shape
        self._sum = np.zeros(shape, sum_dtype(dtype, k * len(axes)))
        # 64-bit integers do not fit any sum: their upper halves are summed on their own.
        self._high = (
            np.zeros(shape, np.int64) if dtype.kind in "ui" and dtype.itemsize == 8 else None
        )

    def add(self, fine: Array, origin: tuple[int, ...]) -> None:
        """Sum up the blocks, along one axis after the other."""
        inside = [slice(None)] * fine.ndim
        target = [slice(None)] * fine.ndim
        for axis, (first, size) in enumerate(zip(origin, fine.shape, strict=True)):
            shift = self._k if axis in self._axes else 0
            low = max(first, self._start[axis] << shift)
            high = min(first + size, (self._start[axis] + self._shape[axis]) << shift)
            if high <= low:
                return
            inside[axis] = slice(low - first, high - first)
            blocks = (low >> shift, ((high - 1) >> shift) + 1)
            target[axis] = slice(blocks[0] - self._start[axis], blocks[1] - self._start[axis])
        part = fine[tuple(inside)]
        first_pixels = [o + s.start for o, s in zip(origin, inside, strict=True)]
        if self._high is None:
            self._sum[tuple(target)] += self._sums(part, first_pixels, self._sum.dtype)
        else:
            self._high[tuple(target)] += self._sums(part >> 32, first_pixels, self._high.dtype)
            low_half = part & part.dtype.type(0xFFFFFFFF)
            self._sum[tuple(target)] += self._sums(low_half, first_pixels, self._sum.dtype)

    def finish(self) -> Array:
        """Divide the sums by the numbers of pixels, which differ in the last blocks only."""
        for parts in itertools.product(*map(self._parts, self._axes)):
            where = [slice(None)] * len(self._shape)
            for axis, (part, _) in zip(self._axes, parts, strict=True):
                where[axis] = part
            self._divide(tuple(where), math.prod(length for _, length in parts))
        if self._high is not None:
            upper = self._high.astype(self._dtype)
            upper <<= self._dtype.type(32)
            upper += self._sum.astype(self._dtype)
            return upper
        with np.errstate(over="ignore"):
            return self._sum.astype(self._dtype, copy=False)

    def _divide(self, where: tuple[slice, ...], count: int) -> None:
        total = self._sum[where]
        if self._dtype.kind == "f":
            total /= count
            return
        if self._high is not None:
            high = self._high[where]
            rest = high % count
            rest <<= 32
            total += rest
            del rest
            high //= count  # stands for multiples of 2^32: even, so ties are up to the rest
        _divide_half_to_even(total, count)

    def _parts(self, axis: int) -> list[tuple[slice, int]]:
        """Whole blocks along an axis, and the last one if it is cut short, with their lengths."""
        stop = self._start[axis] + self._shape[axis]
        block = 1 << self._k
        rest = self._fine_shape[axis] - ((stop - 1) << self._k)
        if rest >= block:
            return [(slice(None), block)]
        return [(slice(0, -1), block), (slice(-1, None), rest)]

    def _sums(self, part: Array, first: list[int], dtype: np.dtype[np.generic]) -> Array:
        block = 1 << self._k
        for axis in self._axes:
            if part.shape[axis] == 1:
                continue
            if first[axis] % block == 0 and part.shape[axis] % block == 0:
                for _ in range(self._k):
                    even = [slice(None)] * part.ndim
                    odd = list(even)
                    even[axis], odd[axis] = slice(0, None, 2), slice(1, None, 2)
                    part = np.add(part[tuple(even)], part[tuple(odd)], dtype=dtype)
            else:
                skipped = first[axis] % block
                cuts = np.arange(-skipped, part.shape[axis], block).clip(min=0)
                part = np.add.reduceat(part, cuts, axis=axis, dtype=dtype)
        return part.astype(dtype, copy=False)


class Pick:
    """One pixel of every block, `picked(k)` from its start; the last one of a block cut short."""

    def __init__(
        self,
        dtype: np.dtype[np.generic],
        fine_shape: tuple[int, ...],
        axes: tuple[int, ...],
        k: int,
        start: tuple[int, ...],
        shape: tuple[int, ...],
    ) -> None:
        """Like `Mean`."""
        self._out = np.zeros(shape, dtype)
        self._positions = [
            np.minimum((np.arange(a, a + n) << k) + picked(k), fine - 1)
            if axis in axes
            else np.arange(a, a + n)
            for axis, (a, n, fine) in enumerate(zip(start, shape, fine_shape, strict=True))
        ]

    def add(self, fine: Array, origin: tuple[int, ...]) -> None:
        """Copy the picked pixels that lie in this piece."""
        target: list[slice] = []
        taken: list[Array] = []
        for positions, first, size in zip(self._positions, origin, fine.shape, strict=True):
            low, high = np.searchsorted(positions, (first, first + size))
            target.append(slice(int(low), int(high)))
            taken.append(positions[low:high] - first)
        self._out[tuple(target)] = fine[np.ix_(*taken)]

    def finish(self) -> Array:
        """The picked pixels."""
        return self._out


def _divide_half_to_even(total: Array, count: int) -> None:
    """Divide integers in place, with one array of that size beside them.

    Half of `count` is added before dividing down; one less for an even count where the quotient
    is even, so that a tie stays there.
    """
    shift = count.bit_length() - 1
    power = count == 1 << shift
    if count % 2:
        total += count // 2
    else:
        odd = total >> shift if power else total // count
        odd &= 1
        odd += count // 2 - 1
        total += odd
    if power:
        total >>= shift
    else:
        total //= count


def picked(k: int) -> int:
    """Which pixel of a block of 2^k is picked: the middle one, or the one before the middle."""
    return ((1 << k) - 1) >> 1


def sum_dtype(dtype: np.dtype[np.generic], halvings: int) -> np.dtype[np.generic]:
    """A type that holds the sum of 2^halvings values of `dtype` (or of their lower 32 bits)."""
    if dtype.kind == "f":
        return np.dtype(np.float64)
    if dtype.itemsize <= 2 and halvings <= 16:
        return np.dtype(np.uint32 if dtype.kind == "u" else np.int32)
    return np.dtype(np.int64)
