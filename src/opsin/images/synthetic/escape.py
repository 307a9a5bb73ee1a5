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


_Z_RE, _Z_IM, _C_RE, _C_IM, _BEFORE_RE, _BEFORE_IM, _SEEN_RE, _SEEN_IM = range(8)
_ROW, _COLUMN, _DONE, _LOOK = range(4)


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
    state = np.zeros((8, LANES))
    place = np.zeros((4, LANES), np.int64)  # which pixel, how many steps, when to look again
    critical = not julia and other_re == 0.0 and other_im == 0.0
    row, column, busy = 0, 0, 0
    for lane in range(LANES):
        place[_ROW, lane] = -1
    while row < im.size or busy > 0:
        for lane in range(LANES):
            if place[_ROW, lane] >= 0:
                continue
            # A lane that is done takes the next pixel; at the end it goes on for nothing.
            a, b = 0.0, 0.0
            while row < im.size and place[_ROW, lane] < 0:
                a, b = re[column], im[row]
                if critical and _in_largest(a, b):
                    out[row, column] = -1.0
                else:
                    place[_ROW, lane] = row
                    place[_COLUMN, lane] = column
                    busy += 1
                column += 1
                if column == re.size:
                    column = 0
                    row += 1
            state[_Z_RE, lane] = a if julia else other_re
            state[_Z_IM, lane] = b if julia else other_im
            state[_C_RE, lane] = other_re if julia else a
            state[_C_IM, lane] = other_im if julia else b
            state[_SEEN_RE, lane] = math.inf
            place[_DONE, lane] = 0
            place[_LOOK, lane] = STEPS
        _advance(state)
        for lane in range(LANES):
            if place[_ROW, lane] < 0:
                continue
            done = place[_DONE, lane]
            a, b = state[_Z_RE, lane], state[_Z_IM, lane]
            time = -1.0
            if a * a + b * b <= _SQUARED:  # false for the NaN of one that left long ago
                done += STEPS
                place[_DONE, lane] = done
                off = abs(a - state[_SEEN_RE, lane]) + abs(b - state[_SEEN_IM, lane])
                if done < most and off >= RETURN:
                    if done == place[_LOOK, lane]:
                        state[_SEEN_RE, lane] = a
                        state[_SEEN_IM, lane] = b
                        place[_LOOK, lane] = 2 * done
                    continue
            else:
                a, b = state[_BEFORE_RE, lane], state[_BEFORE_IM, lane]
                aa, bb = a * a, b * b
                while aa + bb <= _SQUARED:
                    b = 2.0 * a * b + state[_C_IM, lane]
                    a = aa - bb + state[_C_RE, lane]
                    aa, bb = a * a, b * b
                    done += 1
                time = max(0.0, done - math.log2(math.log2(aa + bb) / _LOG2))
            out[place[_ROW, lane], place[_COLUMN, lane]] = time
            place[_ROW, lane] = -1
            busy -= 1


@kernel
def _advance(state: Array) -> None:
    """`STEPS` steps of all lanes, whether they have left or not."""
    for lane in range(LANES):
        a, b = state[_Z_RE, lane], state[_Z_IM, lane]
        state[_BEFORE_RE, lane] = a
        state[_BEFORE_IM, lane] = b
        for _ in range(STEPS):
            aa, bb = a * a, b * b
            b = 2.0 * a * b + state[_C_IM, lane]
            a = aa - bb + state[_C_RE, lane]
        state[_Z_RE, lane] = a
        state[_Z_IM, lane] = b


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
