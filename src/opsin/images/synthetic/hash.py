"""Hash: 64 bits that look random from whole numbers, the same everywhere and for ever. Pure.

It mixes with the output function of SplitMix64 (Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014; its constants are variant 13 of Stafford, "Better bit
mixing", 2011), which maps the 64-bit numbers one to one, so that every bit counts. numba can
compile it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: what SplitMix64 counts by."""

_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_1, _27, _30, _31 = np.uint64(1), np.uint64(27), np.uint64(30), np.uint64(31)


def chained(x: Words, number: Words) -> Words:
    """The hash of a sequence of numbers, from that of the sequence without the last one.

    The hash of no number is the seed. Both are arrays of uint64, or broadcast to one; negative
    numbers are taken in two's complement.
    """
    x = x + GOLDEN * (number + _1)
    x = (x ^ (x >> _30)) * _FIRST
    x = (x ^ (x >> _27)) * _SECOND
    return x ^ (x >> _31)
