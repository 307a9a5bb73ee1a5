"""Escape: how fast z → z² + c leaves a plane, and the shades of that.

After z has left the circle of radius `RADIUS` with step n, the smooth escape time is
`n - log2(log |z| / log RADIUS)`, which is continuous across the steps (a known renormalisation, see
Peitgen and Saupe, "The Science of Fractal Images", 1988).
"""

from __future__ import annotations

import math

import numpy as np

from opsin.images.source import Array
from opsin.images.synthetic.generator import Block
from opsin.images.synthetic.kernel import kernel

RADIUS = 256.0

LANES, STEPS = 32, 8
"""So many pixels are iterated side by side, and so often before the next look at them. That lets
the compiler use vector instructions, and is four times as fast as one pixel after the other."""

RETURN = 1e-12
"""An orbit that comes back so closely to where it was is caught in a cycle and never leaves."""

_SQUARED, _LOG2 = RADIUS**2, 2 * math.log2(RADIUS)


def cap(block: Block) -> int:
    """The step at which one that has not left is taken not to leave: a multiple of `STEPS`.

    64 for every halving that the level has left, as near the edge of the set steps grow with the
    resolution. 1728 at full zoom of 2^27 pixels, 576 where 512 pixels show all of it.
    """
    return 64 * max(2, block.depth)


@kernel
def escape_times(
    re: Array, im: Array, other_re: float, other_im: float, julia: bool, most: int, out: Array
) -> None:
    """Smooth escape times, at least 0; -1 where there is none.

    Args:
        re: float64, the numbers `re[j] + i · im[k]` that the pixels `out[k, j]` stand for: where z
            begins, if `julia`, else c.
        im: float64, see there.
        other_re: the other of c and where z begins.
        other_im: its imaginary part.
        julia: which is which.
        most: of steps; a multiple of `STEPS`.
        out: float32 of shape (im, re); overwritten.
    """
    z_re, z_im = np.zeros(LANES), np.zeros(LANES)
    c_re, c_im = np.zeros(LANES), np.zeros(LANES)
    before_re, before_im = np.zeros(LANES), np.zeros(LANES)
    seen_re, seen_im = np.zeros(LANES), np.zeros(LANES)
    steps, next_look = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    pixel = np.full(LANES, -1)  # which one a lane computes
    critical = not julia and other_re == 0.0 and other_im == 0.0
    width, total = re.size, im.size * re.size
    taken, busy = 0, 0
    while taken < total or busy > 0:
        # The lanes that are done take the next pixels.
        for lane in range(LANES):
            if pixel[lane] >= 0:
                continue
            while taken < total:
                a, b = re[taken % width], im[taken // width]
                if not (critical and _in_largest(a, b)):
                    break
                out[taken // width, taken % width] = -1.0
                taken += 1
            if taken < total:
                pixel[lane] = taken
                taken += 1
                busy += 1
                if julia:
                    z_re[lane], z_im[lane], c_re[lane], c_im[lane] = a, b, other_re, other_im
                else:
                    z_re[lane], z_im[lane], c_re[lane], c_im[lane] = other_re, other_im, a, b
            else:
                z_re[lane], z_im[lane], c_re[lane], c_im[lane] = 0.0, 0.0, 0.0, 0.0
            steps[lane], next_look[lane] = 0, STEPS
            seen_re[lane], seen_im[lane] = math.inf, math.inf
        before_re[:] = z_re
        before_im[:] = z_im
        _advance(z_re, z_im, c_re, c_im)
        for lane in range(LANES):
            place = pixel[lane]
            if place < 0:
                continue
            a, b = z_re[lane], z_im[lane]
            if a * a + b * b <= _SQUARED:  # false for the NaN of one that left long ago
                steps[lane] += STEPS
                near = abs(a - seen_re[lane]) + abs(b - seen_im[lane]) < RETURN
                if steps[lane] < most and not near:
                    if steps[lane] == next_look[lane]:
                        seen_re[lane], seen_im[lane] = a, b
                        next_look[lane] *= 2
                    continue
                out[place // width, place % width] = -1.0
            else:
                a, b, n = before_re[lane], before_im[lane], steps[lane]
                aa, bb = a * a, b * b
                while aa + bb <= _SQUARED:
                    b = 2 * a * b + c_im[lane]
                    a = aa - bb + c_re[lane]
                    aa, bb = a * a, b * b
                    n += 1
                time = n - math.log2(math.log2(aa + bb) / _LOG2)
                out[place // width, place % width] = max(time, 0.0)
            pixel[lane] = -1
            busy -= 1


@kernel
def _advance(z_re: Array, z_im: Array, c_re: Array, c_im: Array) -> None:
    """`STEPS` steps of all lanes, whether they have left or not."""
    for lane in range(LANES):
        a, b, p, q = z_re[lane], z_im[lane], c_re[lane], c_im[lane]
        for _ in range(STEPS):
            aa, bb = a * a, b * b
            b = 2 * a * b + q
            a = aa - bb + p
        z_re[lane], z_im[lane] = a, b


@kernel
def _in_largest(re: float, im: float) -> bool:
    """Whether c lies in the cardioid or the disc left of it, the two largest parts of the set."""
    bb = im * im
    q = (re - 0.25) * (re - 0.25) + bb
    in_cardioid = q * (q + (re - 0.25)) <= 0.25 * bb
    return in_cardioid or (re + 1.0) * (re + 1.0) + bb <= 0.0625


def shades(times: Array, channel: int) -> Array:
    """Values between 0 and 1 of escape times: 0 where there is none, else from 0.06 to 1.

    A wave over the root of the time, so that there is contrast at every zoom. The wave of each
    channel is a little ahead of the one before; as red, green and blue they give blues and golds.
    """
    phase = np.float32(0.9 + 0.55 * channel)
    out = np.sqrt(np.maximum(times, 0))
    out *= np.float32(1.2)
    out += phase
    np.cos(out, out=out)
    out *= np.float32(0.47)
    out += np.float32(0.53)
    out[times < 0] = 0
    return out
