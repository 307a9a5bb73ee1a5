"""Volume march: the compiled loops that go along rays through the cells of a volume.

A ray is cut into steps of half a voxel (of the level that is drawn, along the axis in which the ray
is fastest). Their middles are where the ray passes the middle of a voxel along that axis, and half
way between: so a ray along an axis meets the voxels themselves, and where a brick begins changes
nothing. A step has the value in its middle; where the layer's box or another level begins or ends
in it, the step is cut, and the middle is that of the rest if the first is not in it.

Between the middles of voxels values are linear. Voxels of other bricks are read there or, if those
are not held, from what is drawn in their place; beyond the level its last voxels are repeated. A
value is NaN, and does not count, if a voxel is that it has a share in.

What is here takes arrays of `opsin.render.volume_cells.Cells`, and few of them: handing one over
costs as much as reading several voxels.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from opsin.images.source import Array
from opsin.images.synthetic.kernel import kernel
from opsin.render.volume_cells import Cells

Real: TypeAlias = Any
"""A float of 32 or 64 bits."""

MAXIMUM, MINIMUM, AVERAGE, TRANSLUCENT, SURFACE, LABELS = range(6)

OPAQUE = 1 / 1024
"""Less than this of what lies behind is as good as nothing."""


SLACK = 1e-6
"""Steps: places that are nearer to each other are the same, whatever the rounding."""


class Voxels(NamedTuple):
    """All voxels of a layer's slots, one after the other, in one of four types."""

    kind: int
    """Which of the following; the others are empty."""
    bytes: Array
    words: Array
    floats: Array
    ids: Array


class Shading(NamedTuple):
    """How values become colours."""

    mode: int
    low: float
    high: float
    gamma: float
    lut: Array
    """Of shape (256, 3), float32 between 0 and 1."""
    density: float
    """Of what is brightest: 1 / the length in the world that lets 1 / e through."""
    threshold: float
    """The value of the surface."""


@kernel
def locate(
    boxes: Array, nodes: Array, table: Array, levels: Array, start: int, p: Array, box: Array
) -> int:
    """The node that a point's cell is or lies in.

    Args:
        start: a node near it.
        p: relative position.
        box: gets the low and the high corner of the cell.
    """
    node = start
    while node > 0 and not (
        boxes[node, 0] <= p[0] < boxes[node, 3]
        and boxes[node, 1] <= p[1] < boxes[node, 4]
        and boxes[node, 2] <= p[2] < boxes[node, 5]
    ):
        node = nodes[node, 1]
    while True:
        for side in range(6):
            box[side] = boxes[node, side]
        if nodes[node, 3] < 0:
            return node
        finer = nodes[node, 0] - 1
        offset = nodes[node, 3]
        stride = nodes[node, 7] * nodes[node, 8] * nodes[node, 9]
        for axis in range(3):
            side_length = 64 * levels[finer, 3 + axis]
            first, count = nodes[node, 4 + axis], nodes[node, 7 + axis]
            place = math.floor((p[axis] - levels[finer, axis]) / side_length) - first
            place = min(max(place, 0), count - 1)
            border = levels[finer, axis] + side_length * (place + first)
            if place > 0:
                box[axis] = min(max(border, box[axis]), box[3 + axis])
            if place < count - 1:
                box[3 + axis] = max(min(border + side_length, box[3 + axis]), box[axis])
            stride //= count
            offset += place * stride
        child = table[offset]
        if child < 0:
            return node
        node = child


@kernel
def mixed(a: Real, b: Real, weight: Real) -> Real:
    """Linear between two values; one whose weight is 0 does not count, even if it is NaN."""
    return a if weight == 0 else a + (b - a) * weight


@kernel
def load(voxels: Voxels, i: int) -> Real:
    """A voxel; large ids are not exact, but never 0."""
    if voxels.kind == 0:
        return np.float32(voxels.bytes[i])
    if voxels.kind == 1:
        return np.float32(voxels.words[i])
    if voxels.kind == 2:
        return voxels.floats[i]
    return np.float32(voxels.ids[i])


@kernel
def eight(voxels: Array, i: int, u: Real, v: Real, w: Real) -> Real:
    """Linear between a voxel and the next one along each axis, all of one brick."""
    return mixed(
        mixed(
            mixed(np.float32(voxels[i]), np.float32(voxels[i + 1]), w),
            mixed(np.float32(voxels[i + 64]), np.float32(voxels[i + 65]), w),
            v,
        ),
        mixed(
            mixed(np.float32(voxels[i + 4096]), np.float32(voxels[i + 4097]), w),
            mixed(np.float32(voxels[i + 4160]), np.float32(voxels[i + 4161]), w),
            v,
        ),
        u,
    )


@kernel
def side_of(place: int) -> int:
    """Where a place of a brick is: -1 before it, 0 in it, 1 behind it."""
    return -1 if place < 0 else (1 if place >= 64 else 0)


@kernel
def find(
    bricks: Array, levels: Array, beside: Array, slot: int, z: int, y: int, x: int
) -> tuple[int, int, int, int]:
    """The slot, and the place in it, of a voxel that is counted from a brick's first one.

    If the brick that it is of is not held, -2 minus the slot that is drawn instead, and the place
    as it was; beyond the level, its last voxels.
    """
    level = bricks[slot, 0]
    z0, y0, x0 = bricks[slot, 1], bricks[slot, 2], bricks[slot, 3]
    z = min(max(z + z0, 0), int(levels[level, 6]) - 1) - z0
    y = min(max(y + y0, 0), int(levels[level, 7]) - 1) - y0
    x = min(max(x + x0, 0), int(levels[level, 8]) - 1) - x0
    number = side_of(z) * 9 + side_of(y) * 3 + side_of(x) + 13
    if number == 13:
        return slot, z, y, x
    other = int(beside[slot, number])
    if other < -1:
        return other, z, y, x
    if other < 0:
        other = slot
    z = min(max(z + z0 - bricks[other, 1], 0), bricks[other, 4] - 1)
    y = min(max(y + y0 - bricks[other, 2], 0), bricks[other, 5] - 1)
    x = min(max(x + x0 - bricks[other, 3], 0), bricks[other, 6] - 1)
    return other, z, y, x


@kernel
def elsewhere(
    bricks: Array, levels: Array, axis: int, slot: int, place: float, other: int
) -> float:
    """A place along an axis of one brick, in voxels from the middle of another's first one."""
    one, two = bricks[slot, 0], bricks[other, 0]
    voxels = place + bricks[slot, 1 + axis] + 0.5
    world = levels[one, axis] + voxels * levels[one, 3 + axis]
    there: float = (world - levels[two, axis]) / levels[two, 3 + axis]
    there -= 0.5 + bricks[other, 1 + axis]
    return there


@kernel
def instead(
    voxels: Voxels, bricks: Array, levels: Array, samples: int, sample: int,
    slot: int, z: int, y: int, x: int, other: int,
) -> Real:  # fmt: skip
    """What another brick, of a coarser level, has where a voxel of this one's level is."""
    u: Real = elsewhere(bricks, levels, 0, slot, z, other)
    v: Real = elsewhere(bricks, levels, 1, slot, y, other)
    w: Real = elsewhere(bricks, levels, 2, slot, x, other)
    u = min(max(u, 0.0), bricks[other, 4] - 1.0)
    v = min(max(v, 0.0), bricks[other, 5] - 1.0)
    w = min(max(w, 0.0), bricks[other, 6] - 1.0)
    a, b, c = int(u), int(v), int(w)
    down = 4096 if a < bricks[other, 4] - 1 else 0
    along = 64 if b < bricks[other, 5] - 1 else 0
    across = 1 if c < bricks[other, 6] - 1 else 0
    i = (other * samples + sample) * 262144 + a * 4096 + b * 64 + c
    u, v, w = np.float32(u - a), np.float32(v - b), np.float32(w - c)
    planes = (np.float32(0), np.float32(0))
    for _ in range(2):
        plane = mixed(
            mixed(load(voxels, i), load(voxels, i + across), w),
            mixed(load(voxels, i + along), load(voxels, i + along + across), w),
            v,
        )
        planes = (planes[1], plane)
        i += down
    return mixed(planes[0], planes[1], u)


@kernel
def across(
    voxels: Voxels, bricks: Array, levels: Array, beside: Array, samples: int, sample: int,
    slot: int, z: float, y: float, x: float,
) -> Real:  # fmt: skip
    """The value at a place counted in voxels from the middle of a brick's first one.

    Linear between eight voxels, which may be of eight bricks.
    """
    corner = math.floor(z), math.floor(y), math.floor(x)
    u: Real = np.float32(z - corner[0])
    v: Real = np.float32(y - corner[1])
    w: Real = np.float32(x - corner[2])
    planes = (np.float32(0), np.float32(0))
    for i in range(2):
        rows = (np.float32(0), np.float32(0))
        for j in range(2):
            ends = (np.float32(0), np.float32(0))
            for k in range(2):
                # A voxel without weight need not be there.
                other, a, b, c = find(
                    bricks, levels, beside, slot,
                    corner[0] + i * (u > 0), corner[1] + j * (v > 0), corner[2] + k * (w > 0),
                )  # fmt: skip
                if other >= 0:
                    value = load(
                        voxels, (other * samples + sample) * 262144 + a * 4096 + b * 64 + c
                    )
                else:
                    value = instead(
                        voxels, bricks, levels, samples, sample, slot, a, b, c, -2 - other
                    )
                ends = (ends[1], value)
            rows = (rows[1], mixed(ends[0], ends[1], w))
        planes = (planes[1], mixed(rows[0], rows[1], v))
    return mixed(planes[0], planes[1], u)


@kernel
def nearest(
    bricks: Array, levels: Array, beside: Array, slot: int, z: float, y: float, x: float
) -> tuple[int, int, int, int]:
    """Like `find`, for the voxel that a place is in; always one that is held."""
    a, b, c = math.floor(z + 0.5), math.floor(y + 0.5), math.floor(x + 0.5)
    other, a, b, c = find(bricks, levels, beside, slot, a, b, c)
    if other >= 0:
        return other, a, b, c
    other = -2 - other
    a = math.floor(elsewhere(bricks, levels, 0, slot, a, other) + 0.5)
    b = math.floor(elsewhere(bricks, levels, 1, slot, b, other) + 0.5)
    c = math.floor(elsewhere(bricks, levels, 2, slot, c, other) + 0.5)
    a = min(max(a, 0), bricks[other, 4] - 1)
    b = min(max(b, 0), bricks[other, 5] - 1)
    c = min(max(c, 0), bricks[other, 6] - 1)
    return other, a, b, c


@kernel
def steady(value: Real) -> float:
    """A value whose differences and their squares are numbers; NaN stays."""
    number = float(value)
    return number if math.isnan(number) else min(max(number, -1e100), 1e100)


@kernel
def shade(
    voxels: Voxels, bricks: Array, levels: Array, beside: Array, samples: int, sample: int,
    slot: int, z: float, y: float, x: float, labels: bool, direction: Array,
) -> float:  # fmt: skip
    """How bright a surface is, lit from the eye: from 0.3 seen from the side to 1 facing it.

    Values are those a voxel's size away on either side, or if one needs a NaN, on one side. Half of
    it where nothing rises, as where the layer's box cuts through something solid.

    Args:
        labels: whether it is that of a label, or else where values rise.
        at: place in the brick.
        direction: of sight.
    """
    level = bricks[slot, 0]
    towards, squared = 0.0, 0.0
    own, a, b, c = nearest(bricks, levels, beside, slot, z, y, x)
    label = load(voxels, own * 262144 + a * 4096 + b * 64 + c)
    middle = 0.0
    if not labels:
        middle = steady(across(voxels, bricks, levels, beside, samples, sample, slot, z, y, x))
    for axis in range(3):
        slope, apart = 0.0, 2.0
        for sign in (-1.0, 1.0):
            u, v, w = z + sign * (axis == 0), y + sign * (axis == 1), x + sign * (axis == 2)
            if labels:
                own, a, b, c = nearest(bricks, levels, beside, slot, u, v, w)
                slope += sign * (load(voxels, own * 262144 + a * 4096 + b * 64 + c) == label)
            else:
                value = steady(
                    across(voxels, bricks, levels, beside, samples, sample, slot, u, v, w)
                )
                if math.isnan(value):
                    # The other side and the middle tell how values rise.
                    value = middle
                    apart -= 1
                slope += sign * value
        slope = 0.0 if math.isnan(slope) or apart == 0 else slope * 2 / apart
        slope /= levels[level, 3 + axis]
        towards += slope * direction[axis]
        squared += slope * slope
    if not squared > 0:
        return 0.65
    return 0.3 + 0.7 * min(abs(towards) / math.sqrt(squared), 1.0)


@kernel
def march(
    cells: Cells, voxels: Voxels, samples: int, sample: int, shading: Shading,
    origins: Array, directions: Array, starts: Array,
    values: Array, colours: Array, hits: Array,
) -> None:  # fmt: skip
    """Go along rays through one sample of a layer.

    Args:
        origins: relative positions, of shape (rays, 3).
        directions: unit vectors, of shape (rays, 3).
        starts: distances from the origins at which rays begin, of shape (rays,).
        values: float32 of shape (rays,): gets the maximum, minimum or average, and NaN where
            there is none.
        colours: float32 of shape (rays, 4): gets colour times opacity, and opacity, of the modes
            translucent and surface; of labels, the brightness in each, and 0 or 1.
        hits: int64 of shape (rays, 4): gets the slot and the place in it of the first label.
    """
    p, box, place, speed = np.empty(3), np.empty(6), np.empty(3), np.empty(3)
    boxes, nodes, table = cells.boxes, cells.nodes, cells.table
    levels, bricks, beside, ranges = cells.levels, cells.bricks, cells.beside, cells.ranges
    kind, as_bytes, as_words, as_floats = voxels.kind, voxels.bytes, voxels.words, voxels.floats
    mode, lut, gamma, density = shading.mode, shading.lut, shading.gamma, shading.density
    darkest, brightest, threshold = shading.low, shading.high, shading.threshold
    span = brightest - darkest
    for ray in range(origins.shape[0]):
        o, d = origins[ray], directions[ray]
        begin, end = starts[ray], math.inf
        for axis in range(3):
            if d[axis] != 0:
                one, two = (
                    (boxes[0, axis] - o[axis]) / d[axis],
                    (boxes[0, 3 + axis] - o[axis]) / d[axis],
                )
                begin, end = max(begin, min(one, two)), min(end, max(one, two))
            elif not boxes[0, axis] <= o[axis] < boxes[0, 3 + axis]:
                end = -math.inf
        best = -math.inf if mode == MAXIMUM else math.inf
        total, weights, through = 0.0, 0.0, 1.0
        red, green, blue = 0.0, 0.0, 0.0
        before, before_at = math.nan, 0.0
        node, level, step, base = 0, -1, 1.0, 0.0
        here = begin
        while here < end:
            # The step from here to there; its middle; the cell of that.
            number, there, t, slot = 0.0, here, here, -1
            for attempt in range(2):
                number = math.floor((here - base) / step + SLACK)
                there = min(base + (number + 1) * step, end)
                t = base + (number + 0.5) * step
                if not here + SLACK * step < t < there - SLACK * step:
                    t = (here + there) / 2
                for axis in range(3):
                    p[axis] = o[axis] + t * d[axis]
                node = locate(boxes, nodes, table, levels, node, p, box)
                slot = nodes[node, 2]
                own = bricks[slot, 0] if slot >= 0 else levels.shape[0] - 1
                if own == level or attempt == 1:
                    break
                level = own
                fastest = 0.0
                for axis in range(3):
                    scale = levels[level, 3 + axis]
                    if abs(d[axis]) / scale > fastest:
                        fastest = abs(d[axis]) / scale
                        base = (levels[level, axis] + scale / 2 - o[axis]) / d[axis]
                step = 0.5 / fastest
                base -= step / 2
            leave = math.inf
            for axis in range(3):
                if d[axis] > 0:
                    leave = min(leave, (box[3 + axis] - o[axis]) / d[axis])
                elif d[axis] < 0:
                    leave = min(leave, (box[axis] - o[axis]) / d[axis])
            skip = slot < 0
            if not skip:
                low, high = ranges[slot, sample, 0], ranges[slot, sample, 1]
                if mode == MAXIMUM:
                    skip = high <= best
                elif mode == MINIMUM:
                    skip = low >= best
                elif mode == TRANSLUCENT:
                    skip = high <= darkest
                elif mode == SURFACE:
                    skip = high < threshold
                elif mode == LABELS:
                    skip = high <= 0
                else:
                    skip = high < low
            if skip:
                before = math.nan
                here = max(there, min(base + math.floor((leave - base) / step) * step, end))
                continue
            own = bricks[slot, 0]
            index = (slot * samples + sample) * 262144
            last = bricks[slot, 4] - 1, bricks[slot, 5] - 1, bricks[slot, 6] - 1
            for axis in range(3):
                speed[axis] = d[axis] / levels[own, 3 + axis]
                place[axis] = (o[axis] - levels[own, axis]) / levels[own, 3 + axis]
                place[axis] -= 0.5 + bricks[slot, 1 + axis]
            while True:
                z, y, x = place[0] + t * speed[0], place[1] + t * speed[1], place[2] + t * speed[2]
                if mode == LABELS:
                    other, a, b, c = nearest(bricks, levels, beside, slot, z, y, x)
                    if load(voxels, other * 262144 + a * 4096 + b * 64 + c) > 0:
                        hits[ray, 0], hits[ray, 1], hits[ray, 2], hits[ray, 3] = other, a, b, c
                        red = shade(
                            voxels, bricks, levels, beside, samples, sample, slot, z, y, x, True, d
                        )
                        green, blue, through = red, red, 0.0
                else:
                    if 0 <= z < last[0] and 0 <= y < last[1] and 0 <= x < last[2]:
                        a, b, c = int(z), int(y), int(x)
                        fz, fy, fx = np.float32(z - a), np.float32(y - b), np.float32(x - c)
                        i = index + a * 4096 + b * 64 + c
                        if kind == 0:
                            v = eight(as_bytes, i, fz, fy, fx)
                        elif kind == 1:
                            v = eight(as_words, i, fz, fy, fx)
                        else:
                            v = eight(as_floats, i, fz, fy, fx)
                    else:
                        v = across(voxels, bricks, levels, beside, samples, sample, slot, z, y, x)
                    if mode == MAXIMUM:
                        if v > best:  # noqa: PLR1730 - not for NaN
                            best = v
                    elif mode == MINIMUM:
                        if v < best:  # noqa: PLR1730
                            best = v
                    elif mode == AVERAGE:
                        if not math.isnan(v):
                            total += v * (there - here)
                            weights += there - here
                    elif mode == TRANSLUCENT:
                        if v > darkest:
                            bright = min((v - darkest) / span, 1.0) if span > 0 else 1.0
                            if gamma != 1:
                                bright = bright**gamma
                            passing = math.exp(-bright * density * (there - here))
                            colour = int(bright * 255 + 0.5)
                            added = through * (1 - passing)
                            red += added * lut[colour, 0]
                            green += added * lut[colour, 1]
                            blue += added * lut[colour, 2]
                            through *= passing
                    elif v >= threshold:
                        back = 0.0
                        if before < threshold:
                            back = (v - threshold) / (v - before) * (t - before_at)
                        t -= back
                        z, y, x = (
                            place[0] + t * speed[0],
                            place[1] + t * speed[1],
                            place[2] + t * speed[2],
                        )
                        bright = shade(
                            voxels, bricks, levels, beside, samples, sample, slot, z, y, x, False, d
                        )
                        red, green, blue = (
                            bright * lut[255, 0],
                            bright * lut[255, 1],
                            bright * lut[255, 2],
                        )
                        through = 0.0
                    before, before_at = v, t
                here = there
                number += 1
                there = min(base + (number + 1) * step, end)
                t = base + (number + 0.5) * step
                if not t < there - SLACK * step:
                    t = (here + there) / 2
                if here >= end or t >= leave or through < OPAQUE:
                    break
            # What nothing can change any more.
            if through < OPAQUE:
                whole = 1 - through
                red, green, blue, through = red / whole, green / whole, blue / whole, 0.0
                break
            if mode == MAXIMUM and best >= brightest:
                break
            if mode == MINIMUM and best <= darkest:
                break
        values[ray] = math.nan
        if mode == AVERAGE:
            if weights > 0:
                values[ray] = total / weights
        elif mode <= MINIMUM and not math.isinf(best):
            values[ray] = best
        colours[ray, 0], colours[ray, 1], colours[ray, 2] = red, green, blue
        colours[ray, 3] = 1 - through
