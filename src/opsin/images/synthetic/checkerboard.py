"""Checkerboard: squares in squares, so that there are some to see at every zoom.

Boards with squares of 64, 512, 4096 … pixels of level 0 are averaged. A pixel of a coarser level
is exactly the mean over the pixels that it stands for, which of smaller squares is grey. With z
they are cubes; t swaps light and dark; each channel has every n-th of the boards.
"""

from __future__ import annotations

import numpy as np

from opsin.images.source import Array
from opsin.images.synthetic.generator import SPACE, Block

SMALLEST, STEP = 6, 3
"""The smallest squares are 2^6 pixels wide, and the next ones 2^3 times that."""


def boards(longest: int) -> range:
    """Binary logarithms of the widths of the squares, for an image of this longest side."""
    return range(SMALLEST, max(SMALLEST + 1, (longest - 1).bit_length() - 1), STEP)


def compute(block: Block) -> Array:
    """See `Formula`."""
    out = np.zeros(block.shape, np.float32)
    widths = boards(max(block.size[axis] for axis in SPACE if axis in block.size))
    channels = block.size.get("c", 1)
    for place, channel in enumerate(block.first("c")):
        chosen = widths[int(channel) % len(widths) :: channels]
        for width in chosen:
            if width >= block.level:
                out[:, place] += _signs(block, width) / np.float32(len(chosen))
    out *= 0.5
    out += 0.5
    return out


def _signs(block: Block, width: int) -> Array:
    """1 and -1 along t, z, y and x."""
    t, z, y, x = (
        np.float32(1) - 2 * (block.first(axis) >> shift & 1).astype(np.float32)
        for axis, shift in (("t", 0), ("z", width), ("y", width), ("x", width))
    )
    signs: Array = np.multiply.outer(np.multiply.outer(t, z), np.multiply.outer(y, x))
    return signs
