"""Halving: an array at half the resolution, 2×2 (or 2×2×2) pixels at a time.

* **Images** are averaged. Integers are exact, rounded half to even, as in `reduction.Mean`: half up
  would make every level brighter by 1/8 on average, which adds up over a dozen levels. Floats are
  summed in float64.
* **Labels** (and booleans) take the most frequent value; among equally frequent ones the smallest
  that is not 0, so that thin objects last.
* **Odd sizes**: the last row or column stands alone and is repeated, so the coarse pixel is the
  mean or mode of the pixels that exist. Its centre is where it would be if they all did.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import lru_cache
from itertools import product

import numpy as np

from opsin.images.source import Array

PIECE = 1 << 19
"""Bytes of what is halved at once: the arrays in between stay in the processor's cache."""
KEPT = 64
"""Spare arrays of each thread."""

_FLOAT: np.dtype[np.generic] = np.dtype(np.float32)
_WIDE: dict[np.dtype[np.generic], np.dtype[np.generic]] = {
    np.dtype(f"{kind}{size}"): np.dtype(f"{kind}{2 * size}") for kind in "ui" for size in (1, 2, 4)
}


def halve(block: Array, axes: Sequence[int], labels: bool, out: Array | None = None) -> Array:
    """`block` at half the resolution along `axes`: sizes are halved, rounded up.

    Args:
        block: booleans, integers, or floats of at most 64 bits.
        axes: at least one of its axes.
        labels: take the mode instead of the mean.
        out: where to put it; by default a new array.
    """
    for axis in axes:
        if block.shape[axis] % 2:
            block = np.concatenate([block, block.take([-1], axis)], axis)
    if out is None:
        sizes = [n // 2 if axis in axes else n for axis, n in enumerate(block.shape)]
        out = np.empty(sizes, block.dtype)
    if block.size == 0:
        return out
    if labels or block.dtype == np.bool_:
        work = _mode
    elif block.dtype.kind == "f":
        work = _mean_of_floats
    elif block.dtype.itemsize == 8:
        work = _mean_of_the_widest
    else:
        work = _mean
    # Along the first axis that has a length, in even steps.
    lead = next((axis for axis, n in enumerate(block.shape) if n > 2), 0)
    rows = block.shape[lead]
    step = max(2, PIECE * rows // block.nbytes & ~1)
    if step >= rows:
        work(block, axes, out)
        return out
    scale = 2 if lead in axes else 1
    before = (slice(None),) * lead
    for start in range(0, rows, step):
        piece = block[(*before, slice(start, start + step))]
        work(piece, axes, out[(*before, slice(start // scale, (start + step) // scale))])
    return out


def _mean(block: Array, axes: Sequence[int], out: Array) -> None:
    """Of integers whose sums fit into twice their bits."""
    wide = _WIDE[block.dtype]
    last = block.ndim - 1
    if last in axes and block.strides[last] == block.dtype.itemsize:
        # Both pixels of a pair as one wide number: faster than every other pixel.
        pairs, bits = block.view(wide), _number(8 * block.dtype.itemsize, wide)
        total, other = _spare(0, pairs.shape, wide), _spare(1, pairs.shape, wide)
        if wide.kind == "u":
            np.bitwise_and(pairs, _number((1 << int(bits)) - 1, wide), out=total)
        else:
            np.left_shift(pairs, bits, out=total)
            np.right_shift(total, bits, out=total)
        np.right_shift(pairs, bits, out=other)
        np.add(total, other, out=total)
        total = _sum(total, [axis for axis in axes if axis != last])
    else:
        total = _sum(block, axes, wide)
    if block.dtype.itemsize != 2:
        np.copyto(out, _rounded(total, len(axes)), casting="unsafe")
        return
    # These sums are exact in 32 bits, and `rint` rounds half to even: fewer steps.
    mean = _spare(5, total.shape, _FLOAT)
    np.copyto(mean, total.view(np.int32), casting="unsafe")
    np.multiply(mean, _number(0.5 ** len(axes), _FLOAT), out=mean)
    np.rint(mean, out=mean)
    np.copyto(out, mean, casting="unsafe")


def _mean_of_the_widest(block: Array, axes: Sequence[int], out: Array) -> None:
    """Of integers of 64 bits, whose sums fit nowhere: quotients and remainders apart."""
    count = len(axes)
    quotient = _sum(block >> block.dtype.type(count), axes).copy()
    rest = _sum(block & block.dtype.type((1 << count) - 1), axes)
    np.add(quotient, _rounded(rest, count, odd=quotient & 1), out=out)


def _mean_of_floats(block: Array, axes: Sequence[int], out: Array) -> None:
    share = 0.5 ** len(axes)
    if block.dtype.itemsize == 8:
        # Scaled first, so that the sum of huge numbers stays finite.
        np.copyto(out, _sum(block * share, axes))
        return
    total = _sum(block, axes, np.dtype(np.float64))
    total *= share
    np.copyto(out, total, casting="unsafe")


def _sum(block: Array, axes: Sequence[int], dtype: np.dtype[np.generic] | None = None) -> Array:
    """Of each pixel and its neighbours along `axes`; `dtype` where it differs from the block's."""
    for number, axis in enumerate(axes):
        even, odd = _every_other(block, axis, 0), _every_other(block, axis, 1)
        kept = dtype if dtype is not None else block.dtype
        block = np.add(even, odd, out=_spare(2 + number, even.shape, kept), dtype=kept)
    return block


def _every_other(block: Array, axis: int, first: int) -> Array:
    return block[(slice(None),) * axis + (slice(first, None, 2),)]


def _rounded(total: Array, bits: int, odd: Array | None = None) -> Array:
    """`total >> bits`, half to even, in place; `odd` is 1 where what it is added to is odd."""
    up = _spare(1, total.shape, total.dtype)
    shift, one = _number(bits, total.dtype), _number(1, total.dtype)
    np.right_shift(total, shift, out=up)
    if odd is not None:
        np.add(up, odd, out=up)
    np.bitwise_and(up, one, out=up)
    np.add(total, up, out=total)
    if bits > 1:
        np.add(total, _number((1 << (bits - 1)) - 1, total.dtype), out=total)
    np.right_shift(total, shift, out=total)
    return total


def _mode(block: Array, axes: Sequence[int], out: Array) -> None:
    corners = product(*((0, 1) if axis in axes else (None,) for axis in range(block.ndim)))
    first, *others = (
        block[tuple(slice(None) if n is None else slice(n, None, 2) for n in corner)]
        for corner in corners
    )
    same = first == others[0]
    for other in others[1:]:
        same &= first == other
    count = same.size - np.count_nonzero(same)
    if 4 * count > same.size:
        np.copyto(out, _most_frequent([np.ascontiguousarray(one) for one in (first, *others)]))
        return
    np.copyto(out, first)
    if count:  # the edges of things
        mixed = np.nonzero(~same)
        out[mixed] = _most_frequent([one[mixed] for one in (first, *others)])


def _most_frequent(candidates: Sequence[Array]) -> Array:
    dtype = candidates[0].dtype
    values = [one.view(np.dtype(f"u{dtype.itemsize}")) for one in candidates]
    best = values[0]
    votes = _votes(best, values)
    for value in values[1:]:
        count = _votes(value, values)
        # 0 - 1 wraps round to the largest number: zero loses against every label.
        better = (count > votes) | ((count == votes) & (value - 1 < best - 1))
        best = np.where(better, value, best)
        votes = np.maximum(votes, count)
    return best.view(dtype)


def _votes(value: Array, values: Sequence[Array]) -> Array:
    votes: Array = np.zeros(value.shape, np.uint8)
    for other in values:
        votes += value == other
    return votes


@lru_cache(maxsize=256)
def _number(value: float, dtype: np.dtype[np.generic]) -> Array:
    """An array of no axes, which costs less in sums than a number does."""
    return np.array(value, dtype)


class _Spares(threading.local):
    """Arrays that each thread uses again: new pages cost more than the sums in them."""

    def __init__(self) -> None:
        self.memory: dict[int, Array] = {}
        self.arrays: dict[tuple[int, tuple[int, ...], np.dtype[np.generic]], Array] = {}


_SPARES = _Spares()


def _spare(number: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """An array of any content, which is the same memory as all others of its number."""
    key = (number, shape, dtype)
    array = _SPARES.arrays.get(key)
    if array is not None:
        return array
    size = math.prod(shape) * dtype.itemsize
    memory = _SPARES.memory.get(number)
    if memory is None or memory.size < size:
        memory = np.empty(size, np.uint8)
        if size > 4 * PIECE:
            return memory.view(dtype).reshape(shape)
        _SPARES.memory[number] = memory
        _SPARES.arrays.clear()
    if len(_SPARES.arrays) > KEPT:
        _SPARES.arrays.clear()
    array = _SPARES.arrays[key] = memory[:size].view(dtype).reshape(shape)
    return array
