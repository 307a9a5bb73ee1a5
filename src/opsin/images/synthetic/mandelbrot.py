"""Mandelbrot: c of z → z² + c over the plane, 3 wide around -0.75; the imaginary axis points up.

A value is a shade of the smooth escape time (`escape`). z begins at 0; with an axis z, its real
part goes from -1 to 1 there, and with t the imaginary part goes from 0 towards 1.
"""

from __future__ import annotations

import numpy as np

from opsin.images.source import Array
from opsin.images.synthetic.escape import cap, escape_times, shades
from opsin.images.synthetic.generator import Block

MIDDLE, WIDTH = -0.75, 3.0


def compute(block: Block) -> Array:
    """See `Formula`."""
    re = block.centred("x", MIDDLE, WIDTH, "yx")
    im = -block.centred("y", 0.0, WIDTH, "yx")
    out = np.empty(block.shape, np.float32)
    times = np.empty((im.size, re.size), np.float32)
    for t, begin_im in enumerate(block.turns("t")):
        for z, begin_re in enumerate(block.centred("z", 0.0, 2.0, "z")):
            escape_times(re, im, begin_re, begin_im, False, cap(block), times)
            for c, channel in enumerate(block.first("c")):
                out[t, c, z] = shades(times, channel)
    return out
