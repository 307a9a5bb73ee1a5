"""Plan: from what is looked at and what is held, to what is wanted, in order. Pure.

Tiers, each from the centre of the canvas outwards; inside a tier layers take turns by the bytes
that have to be fetched for them, so that a heavy one does not hold up a light one:

1. the *base*: the coarsest level of the slice, whole where that is a handful of bricks;
2. a few levels above the target, where nothing as fine is held yet (`Policy.coarse_steps`);
3. the target level: the coarsest with at least one data pixel per device pixel;
4. the target level of the view that the present motion leads to;
5. the neighbouring slices along the axis that moved last: their base, then their target level.

While slices are *played*, one after the other, what counts is what can be there in time: slices
that are gone by before a chunk of them could come are last, the present one included; those to come
are wanted at the finest level that comes as fast as it is shown, and their base only where that is
not there shortly before.

Only what is visible is enumerated, so the size of an image does not matter.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from enum import IntEnum

from opsin.chunks.brick import Brick, brick_bytes, brick_shape, brick_side
from opsin.chunks.camera import Camera, Rect, base_level, extent, slice_index, target_level
from opsin.chunks.policy import Policy
from opsin.chunks.window import Pace
from opsin.images.layer import Layer

WHOLE_BASE = 16
"""A base of up to this many bricks is wanted whole; a larger one only where it is visible."""


MOST_SLICES = 32
"""That are loaded ahead."""
SHORTEST = 1 / 60
"""Seconds for which a slice is shown at least, if a slider that moves is said to play."""
SUSTAINED = 1.8
"""Times the measured bandwidth that playing may ask for: a link that is not full gives more."""
LEAD = 1.2
"""Times the delay of a chunk before which a slice has to be asked for."""

Ranked = tuple[float, int, Brick]
"""Distance from the centre of the canvas in device pixels, squared; layer id; brick."""


class Tier(IntEnum):
    """Why a brick is wanted; lower is more urgent."""

    BASE = 0
    COARSE = 1
    TARGET = 2
    AHEAD = 3
    NEIGHBOUR = 4


@dataclass(frozen=True, slots=True)
class Want:
    """One wanted brick."""

    brick: Brick
    tier: Tier
    bytes: int


@dataclass(frozen=True, slots=True)
class Motion:
    """How the camera moves.

    Attributes:
        velocity: world units per second.
        axis: the slider that moved last, and `direction` which way (-1 or +1).
        zooming: doublings of the zoom per second.
        rate: world units per second along `axis`, if that goes on; 0 if it does not.
    """

    velocity: tuple[float, float] = (0.0, 0.0)
    axis: str | None = None
    direction: int = 1
    zooming: float = 0.0
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Wants in order, held ones included, and the level each visible layer aims at.

    `passing`: these levels are coarser than they will be once the slices are no longer played.
    """

    wants: tuple[Want, ...] = ()
    targets: Mapping[int, int] | None = None
    passing: bool = False


def plan(
    layers: Mapping[int, Layer],
    camera: Camera,
    held: Set[Brick],
    policy: Policy,
    slots: int,
    motion: Motion | None = None,
    pace: Pace | None = None,
) -> Plan:
    """What a view wants, most urgent first.

    Args:
        layers: the layers that are shown, by id.
        camera: where one looks.
        held: the bricks that the canvas has.
        slots: bytes that the canvas can hold; a plan fills at most `policy.slot_share` of it
            (the base, if need be, all), by raising the target level of the layer that takes most.
        motion: how the camera moves.
        pace: how fast chunks come. Where slices are played, the target level rises until they can
            come as fast as they are shown, and those that cannot come in time any more are last.
    """
    limit = int(slots * policy.slot_share)
    motion, pace = motion or Motion(), pace or Pace()
    shown = {
        number: layer
        for number, layer in layers.items()
        if slice_index(layer, 0, camera) is not None
    }
    sharp = replace(camera, zoom=camera.zoom * policy.quality)
    targets = {number: target_level(layer, sharp) for number, layer in shown.items()}
    bases = {number: base_level(layer, camera.displayed) for number, layer in shown.items()}
    slices = _slices(shown, camera, policy, motion, pace)
    playing = slices.seconds < math.inf
    _raise_to_fit(shown, camera, targets, bases, limit)
    at_rest = targets.copy()
    sustained = min(pace.bandwidth * SUSTAINED * slices.seconds, limit)
    _raise_to_fit(shown, camera, targets, bases, int(sustained))

    wants: dict[Brick, Want] = {}
    spent = 0

    def add(tier: Tier, bricks: Collection[Ranked], limit: int = limit) -> None:
        nonlocal spent
        for number, brick in _in_turns(bricks, shown, camera.displayed):
            if brick in wants:
                continue
            cost = brick_bytes(shown[number], brick, camera.displayed)
            if spent + cost > limit:
                return
            spent += cost
            wants[brick] = Want(brick, tier, cost)

    # What must be there is enumerated first, so that the extras get what is left over; the tiers
    # put it in order at the end.
    fine = [b for n in shown for b in _visible(shown[n], n, camera, targets[n])]
    if not playing or any(brick not in held for *_, brick in fine):
        add(Tier.BASE, [b for n in shown for b in _base(shown[n], n, camera, bases[n])], slots)
    add(Tier.TARGET, fine)
    for step in policy.coarse_steps:
        add(
            Tier.COARSE,
            [
                b
                for n in shown
                if targets[n] + step < bases[n]
                for b in _visible(shown[n], n, camera, targets[n] + step)
                if not _covered(shown[n], b[2], targets[n], camera, held)
            ],
        )
    if (motion.velocity != (0.0, 0.0) or motion.zooming) and policy.lookahead:
        ahead = _ahead(camera, motion, policy.lookahead)
        sharper = replace(ahead, zoom=ahead.zoom * policy.quality)
        aims = {n: max(target_level(layer, sharper), targets[n] - 1) for n, layer in shown.items()}
        add(Tier.AHEAD, [b for n in shown for b in _visible(shown[n], n, ahead, aims[n])])
    coming: list[list[Ranked]] = []
    for number, there in enumerate(slices.cameras):
        seen = [n for n, layer in shown.items() if slice_index(layer, 0, there) is not None]
        coming.append([b for n in seen for b in _visible(shown[n], n, there, targets[n])])
        near = number < slices.near and any(brick not in held for *_, brick in coming[-1])
        if near or not playing:
            add(Tier.NEIGHBOUR, [b for n in seen for b in _base(shown[n], n, there, bases[n])])
    for bricks in coming:
        add(Tier.NEIGHBOUR, bricks)
    late = {
        (n, level, slice_index(layer, level, there))
        for there in slices.late
        for n, layer in shown.items()
        for level in range(targets[n], bases[n] + 1)
    }
    ordered = sorted(
        wants.values(),
        key=lambda want: (
            (want.brick.layer, want.brick.level, want.brick.slice) in late,
            *_urgency(want),
        ),
    )
    return Plan(tuple(ordered), targets, targets != at_rest)


@dataclass(frozen=True, slots=True)
class _Slices:
    """The slices to be loaded ahead, as cameras, and what is known of their time.

    Attributes:
        cameras: in order.
        late: those, the present one included, that are gone by before a chunk of them can come.
        near: how many of `cameras` may be shown before their target level is there.
        seconds: for which each slice is shown.
    """

    cameras: tuple[Camera, ...] = ()
    late: tuple[Camera, ...] = ()
    near: int = 0
    seconds: float = math.inf


def _slices(
    layers: Mapping[int, Layer], camera: Camera, policy: Policy, motion: Motion, pace: Pace
) -> _Slices:
    step = _step(layers, motion.axis)
    if step is None:
        return _Slices()
    seconds = step / motion.rate if motion.rate else math.inf
    if not SHORTEST <= seconds < math.inf or not policy.lookahead:
        return _Slices(tuple(_neighbours(camera, policy.neighbours, policy.behind, motion, step)))
    passed = math.ceil(pace.delay * LEAD / seconds)
    count = math.ceil((policy.lookahead + 2 * pace.delay) / seconds)
    count = min(MOST_SLICES, max(policy.neighbours, count))
    cameras = tuple(_neighbours(camera, count, policy.behind, motion, step))
    late = (camera, *cameras[: passed - 1]) if passed else ()
    return _Slices(cameras, late, passed + math.ceil(pace.delay / seconds) + 1, seconds)


def _ahead(camera: Camera, motion: Motion, seconds: float) -> Camera:
    """Where the present motion leads to."""
    y, x = camera.center
    return replace(
        camera,
        center=(y + motion.velocity[0] * seconds, x + motion.velocity[1] * seconds),
        zoom=camera.zoom * 2 ** min(max(motion.zooming * seconds, -3.0), 3.0),
    )


def _urgency(want: Want) -> tuple[int, int]:
    """Tier, and inside the coarse tier the coarser level first; sorting is stable in distance."""
    return want.tier, -want.brick.level if want.tier is Tier.COARSE else 0


def _in_turns(
    bricks: Collection[Ranked], layers: Mapping[int, Layer], displayed: tuple[str, str]
) -> Iterator[tuple[int, Brick]]:
    """Each layer's bricks from the centre outwards, merged so that fetched bytes grow alike."""
    if len({number for _, number, _ in bricks}) < 2:
        for _, number, brick in sorted(bricks):
            yield number, brick
        return
    spent: dict[int, int] = {}
    turns: list[tuple[int, float, int, Brick]] = []
    for distance, number, brick in sorted(bricks):
        layer = layers[number]
        spent[number] = spent.get(number, 0) + _fetched_bytes(layer, brick, displayed)
        turns.append((spent[number], distance, number, brick))
    for _, _, number, brick in sorted(turns):
        yield number, brick


def _fetched_bytes(layer: Layer, brick: Brick, displayed: tuple[str, str]) -> int:
    """What a brick costs to fetch: its area, as deep as its chunks are along other axes."""
    level = layer.image.levels[brick.level]
    depth = layer.image.dtype.itemsize
    for axis, chunk in zip(layer.image.axes, level.chunks, strict=True):
        if axis.name not in displayed:
            depth *= chunk
    rows, columns = brick_shape(layer, brick, displayed)
    return rows * columns * depth


def visible_bricks(
    layer: Layer, number: int, camera: Camera, level: int, rect: Rect | None = None
) -> Iterator[Ranked]:
    """The bricks of one level that the camera, or a world rectangle, touches."""
    where = slice_index(layer, level, camera)
    if where is None:
        return
    geometry, side = layer.level(level), brick_side(layer)
    names = [axis.name for axis in layer.axes]
    y0, x0, y1, x1 = camera.rect if rect is None else rect
    spans: list[range] = []
    steps: list[tuple[float, float]] = []
    for name, low, high in ((camera.displayed[0], y0, y1), (camera.displayed[1], x0, x1)):
        i = names.index(name)
        size, scale, origin = geometry.shape[i], geometry.scale[i], geometry.translation[i]
        # Half a pixel more on each side: interpolation reads the neighbours of the edge pixels.
        first, last = (low - origin) / scale - 0.5, (high - origin) / scale + 0.5
        if not (last >= 0 and first <= size - 1):
            return
        first, last = max(first, 0), min(last, size - 1)  # before rounding: they may be infinite
        spans.append(range(math.floor(first) // side, math.ceil(last) // side + 1))
        steps.append((origin - scale / 2, scale * side))
    for row in spans[0]:
        dy = (_middle(row, steps[0]) - camera.center[0]) * camera.zoom
        for column in spans[1]:
            dx = (_middle(column, steps[1]) - camera.center[1]) * camera.zoom
            yield dy * dy + dx * dx, number, Brick(number, level, where, row, column)


def _middle(position: int, step: tuple[float, float]) -> float:
    origin, scale = step
    return origin + scale * (position + 0.5)


def _visible(layer: Layer, number: int, camera: Camera, level: int) -> list[Ranked]:
    return list(visible_bricks(layer, number, camera, level))


def _base(layer: Layer, number: int, camera: Camera, level: int) -> list[Ranked]:
    shape = layer.level(level).shape
    names = [axis.name for axis in layer.axes]
    count, side = 1, brick_side(layer)
    for name in camera.displayed:
        count *= math.ceil(shape[names.index(name)] / side)
    whole = extent(layer, camera.displayed) if count <= WHOLE_BASE else None
    return list(visible_bricks(layer, number, camera, level, whole))


def _raise_to_fit(
    layers: Mapping[int, Layer],
    camera: Camera,
    targets: dict[int, int],
    bases: Mapping[int, int],
    limit: int,
) -> None:
    """Raise the target of whichever layer takes most, until all fit or are at their base."""
    needed = {n: _cost(layer, n, camera, targets[n], bases[n]) for n, layer in layers.items()}
    total = sum(needed.values())
    heaviest = [(-cost, n) for n, cost in needed.items() if targets[n] < bases[n]]
    heapq.heapify(heaviest)
    while total > limit and heaviest:
        cost, n = heapq.heappop(heaviest)
        targets[n] += 1
        needed[n] = _cost(layers[n], n, camera, targets[n], bases[n])
        total += cost + needed[n]
        if targets[n] < bases[n]:
            heapq.heappush(heaviest, (-needed[n], n))


def _cost(layer: Layer, number: int, camera: Camera, level: int, base: int) -> int:
    """Bytes of the base and the visible target bricks of a layer."""
    bricks = _base(layer, number, camera, base)
    total = sum(brick_bytes(layer, b, camera.displayed) for _, _, b in bricks)
    if level != base:
        visible = visible_bricks(layer, number, camera, level)
        total += sum(brick_bytes(layer, b, camera.displayed) for _, _, b in visible)
    return total


def _covered(layer: Layer, brick: Brick, target: int, camera: Camera, held: Set[Brick]) -> bool:
    """Whether everything visible under a coarse brick is held at the target level already."""
    geometry = layer.level(brick.level)
    names = [axis.name for axis in layer.axes]
    i, j = (names.index(name) for name in camera.displayed)
    scale, origin, side = geometry.scale, geometry.translation, brick_side(layer)
    y0 = origin[i] + scale[i] * (brick.row * side - 0.5)
    x0 = origin[j] + scale[j] * (brick.column * side - 0.5)
    y1, x1 = y0 + scale[i] * side, x0 + scale[j] * side
    low_y, low_x, high_y, high_x = camera.rect
    rect = (max(y0, low_y), max(x0, low_x), min(y1, high_y), min(x1, high_x))
    children = visible_bricks(layer, brick.layer, camera, target, rect)
    return all(child in held for _, _, child in children)


def _step(layers: Mapping[int, Layer], axis: str | None) -> float | None:
    """World units from one slice to the next along an axis; None if no layer has that axis."""
    steps = [
        layer.level(0).scale[i]
        for layer in layers.values()
        for i, other in enumerate(layer.axes)
        if other.name == axis
    ]
    return min(steps, default=None)


def _neighbours(
    camera: Camera, ahead: int, behind: int, motion: Motion, step: float
) -> Iterator[Camera]:
    """Cameras at the next slices: ahead first, then behind."""
    assert motion.axis is not None
    here = camera.position.get(motion.axis, 0.0)
    for distance in range(1, max(ahead, behind) + 1):
        for sign, reach in ((1, ahead), (-1, behind)):
            if distance <= reach:
                there = here + sign * motion.direction * distance * step
                yield replace(camera, position={**camera.position, motion.axis: there})
