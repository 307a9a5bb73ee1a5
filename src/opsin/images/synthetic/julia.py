"""Julia: where z of z → z² + c begins, over the plane, 3.25 wide around 0; c = -0.4 + 0.6i.

A value is a shade of the smooth escape time (`escape`). With t, c goes once around 0; with z, it
goes from 0.9 to 1.1 times its distance from 0.
"""

from __future__ import annotations

import math

import numpy as np

from opsin.images.source import Array
from opsin.images.synthetic.escape import cap, escape_times, shades
from opsin.images.synthetic.generator import Block

CONSTANT = -0.4 + 0.6j
WIDTH = 3.25


def compute(block: Block) -> Array:
    """See `Formula`."""
    re = block.centred("x", 0.0, WIDTH, "yx")
    im = -block.centred("y", 0.0, WIDTH, "yx")
    out = np.empty(block.shape, np.float32)
    times = np.empty((im.size, re.size), np.float32)
    for t, turn in enumerate(block.turns("t")):
        turned = CONSTANT * complex(math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn))
        for z, stretch in enumerate(block.centred("z", 1.0, 0.2, "z")):
            c = turned * stretch
            escape_times(re, im, c.real, c.imag, True, cap(block), times)
            for number, channel in enumerate(block.first("c")):
                out[t, number, z] = shades(times, channel)
    return out
