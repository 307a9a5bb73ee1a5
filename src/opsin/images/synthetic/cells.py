"""Cells: labels, each the area, or volume, that is nearest to its own seed (Voronoi's cells).

The seeds lie in the squares of a grid of 64 pixels of level 0 (with z, in cubes of 32), whose odd
rows are moved by half a square. Where in its square a seed lies, is hashed from the square.
Two cells are parted by a thin gap of 0. The same at 64, 4096 … times the scale parts tissues, so
that there is something to see at every zoom. An id is the number of the square, from 1 on, so no
two cells share one.

With t, the seeds wander to another place in their squares, and on to the next after 8 pixels along
t; a cell keeps its id. Channels have other seeds and ids.

Everything is computed in whole numbers, and so exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from opsin.images.source import Array
from opsin.images.synthetic.generator import SPACE, Block
from opsin.images.synthetic.hash import chained
from opsin.images.synthetic.kernel import kernel

PLANE_SIDE, VOLUME_SIDE = 64, 32
COARSER = 64
"""Each scale of tissues is so many times as coarse as the one before."""

PLANE_SPREAD, VOLUME_SPREAD = 24, 16
"""How far a seed lies from the middle of its square, at most, in 64ths of the side: so far that the
nearest seed always lies in the three by three squares around."""

PERIOD = 8
"""Pixels along t from one place to the next."""

_MARGIN = 2
"""Squares that a seed may lie outside of the image."""

_chained: Callable[[Any, Any], Any] = kernel(chained)


def compute(block: Block) -> Array:
    """See `Formula`."""
    volume = "z" in block.size
    side = VOLUME_SIDE if volume else PLANE_SIDE
    sizes = [block.size[axis] // side + 2 * _MARGIN if axis in block.size else 1 for axis in SPACE]
    z, y, x = (block.first(axis) for axis in SPACE)
    out = np.empty(block.shape, np.uint64)
    spread = VOLUME_SPREAD if volume else PLANE_SPREAD
    for t, time in enumerate(block.first("t")):
        for c, channel in enumerate(block.first("c")):
            fill(
                z, y, x, side, scales(block), spread, volume, int(channel), int(time), sizes[0],
                sizes[1], sizes[2], out[t, c],
            )  # fmt: skip
    return out


def scales(block: Block) -> int:
    """How many there are: cells, and tissues of which at least 8 lie along the longest side."""
    volume = "z" in block.size
    side = VOLUME_SIDE if volume else PLANE_SIDE
    longest = max(block.size[axis] for axis in SPACE if axis in block.size)
    count = 1
    while side * COARSER**count * 8 <= longest:
        count += 1
    return count


@kernel
def fill(
    zs: Array,
    ys: Array,
    xs: Array,
    cell_side: int,
    scale_count: int,
    spread: int,
    volume: bool,
    channel: int,
    time: int,
    squares_z: int,
    squares_y: int,
    squares_x: int,
    out: Array,
) -> None:
    """Ids at the places `zs`, `ys`, `xs` (int64; xs evenly spaced) into `out` (uint64)."""
    row_hash, row_low = np.empty(9, np.uint64), np.empty(9, np.int64)
    row_z, row_y = np.empty(9, np.int64), np.empty(9, np.int64)
    seed_x, seed_away = np.empty(27, np.int64), np.empty(27, np.int64)
    seed_id, seed_half = np.empty(27, np.uint64), np.empty(27, np.int64)
    layers = 1 if volume else 0
    rows = 9 if volume else 3
    period, moment = time // PERIOD, time % PERIOD
    step = xs[1] - xs[0] if xs.size > 1 else 1
    for k in range(zs.size):
        z = zs[k]
        for i in range(ys.size):
            y = ys[i]
            for j in range(xs.size):
                out[k, i, j] = 1
            for scale in range(scale_count - 1, -1, -1):
                side = cell_side * COARSER**scale
                half = side // 2
                reach = (spread * side >> 6) + 1
                gap = side * side >> 5
                # Seeds that are not looked at are at least so far away, squared.
                beyond = ((96 - spread) * side >> 6) ** 2
                # Pixels as far apart as this share nothing, so the fewest seeds are looked at.
                sparse = 7 * step >= side
                key = _chained(_chained(np.uint64(0), np.uint64(scale)), np.uint64(channel))
                row = 0
                for layer in range(-layers, layers + 1):
                    square_z = z // side + layer if volume else 0
                    square_y = (y - (square_z & 1) * half) // side
                    for beside in range(-1, 2):
                        low_z = max(0, abs(square_z * side + half - z) - reach) if volume else 0
                        middle = (square_y + beside) * side + (square_z & 1) * half + half
                        low_y = max(0, abs(middle - y) - reach)
                        low = low_z * low_z + low_y * low_y
                        # Rows are kept in the order of how near their seeds can be.
                        at = row
                        while at > 0 and row_low[at - 1] > low:
                            row_low[at], row_hash[at] = row_low[at - 1], row_hash[at - 1]
                            row_z[at], row_y[at] = row_z[at - 1], row_y[at - 1]
                            at -= 1
                        row_low[at], row_z[at], row_y[at] = low, square_z, square_y + beside
                        of_layer = _chained(key, np.uint64(square_z))
                        row_hash[at] = _chained(of_layer, np.uint64(square_y + beside))
                        row += 1
                for s in range(27):
                    seed_half[s] = -9
                j = 0
                while j < xs.size:
                    if out[k, i, j] == 0:
                        j += 1
                        continue
                    x = xs[j]
                    now = x // half
                    nearest, second, found = beyond, beyond, 0
                    for r in range(rows):
                        if sparse and row_low[r] >= nearest + gap:
                            break
                        moved = row_y[r] & 1
                        square_x = ((now - moved) >> 1) - 1
                        for s in range(3 * r, 3 * r + 3):
                            square = square_x + s - 3 * r
                            if sparse:
                                middle = square * side + moved * half + half
                                low_x = max(0, abs(middle - x) - reach)
                                if row_low[r] + low_x * low_x >= nearest + gap:
                                    continue
                            if seed_half[s] != now:
                                seed_half[s] = now
                                word = _chained(row_hash[r], np.uint64(square))
                                next_word, part = word, 0
                                if scale == 0 and period > 0:
                                    word = _chained(next_word, np.uint64(period))
                                if scale == 0 and moment > 0:
                                    next_word, part = (
                                        _chained(next_word, np.uint64(period + 1)),
                                        moment,
                                    )
                                seed_x[s] = square * side + moved * half
                                seed_x[s] += _off(word, next_word, part, 0, side, spread)
                                dy = row_y[r] * side + (row_z[r] & 1) * half - y
                                dy += _off(word, next_word, part, 21, side, spread)
                                dz = np.int64(0)
                                if volume:
                                    dz = row_z[r] * side - z
                                    dz += _off(word, next_word, part, 42, side, spread)
                                seed_away[s] = dy * dy + dz * dz
                                number = channel * squares_z + row_z[r] + layers * _MARGIN
                                number = number * squares_y + row_y[r] + _MARGIN
                                number = number * squares_x + square + _MARGIN
                                seed_id[s] = np.uint64(number + 1)
                            dx = seed_x[s] - x
                            away = seed_away[s] + dx * dx
                            if away < nearest:
                                nearest, second, found = away, nearest, s
                            elif away < second:
                                second = away
                    if second - nearest < gap:
                        out[k, i, j] = 0
                        j += 1
                        continue
                    # Along x, the difference shrinks by at most 7 sides per pixel of level 0 (twice
                    # the distance of the two seeds): for so long nothing can change.
                    stay = 1 if sparse else 1 + (second - nearest - gap) // (7 * side * step)
                    if scale == 0:
                        for n in range(j, min(j + stay, xs.size)):
                            if out[k, i, n] != 0:
                                out[k, i, n] = seed_id[found]
                    j += stay


@kernel
def _off(word: Any, next_word: Any, part: int, shift: int, side: int, spread: int) -> Any:
    """Where a seed lies in its square along one axis, from 21 bits of its hash, in pixels.

    It is `part` of `PERIOD` on its way from where one hash places it to where the next one does.
    """
    mask = np.uint64((1 << 21) - 1)
    place = np.int64((word >> np.uint64(shift)) & mask)
    if part > 0:
        aim = np.int64((next_word >> np.uint64(shift)) & mask)
        place = (place * (PERIOD - part) + aim * part) // PERIOD
    return (side >> 1) + ((place - (1 << 20)) * spread * side >> 26)
