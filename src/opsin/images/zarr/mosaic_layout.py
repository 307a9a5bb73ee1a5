"""Mosaic layout: how equal fields lie side by side at every level. Pure.

A field has a *pitch*: the distance from its first pixel to that of the next. In the world it is the
same at all levels, and a whole number of pixels at each. Where a field is stored in several chunks
and is too large to be loaded at once, the pitch is a whole number of chunks too, so that a chunk of
the mosaic is a chunk of one field. What a field does not fill of its place is a gap.

Behind the stored levels come reduced ones, until the mosaic fits into 1024²: of so many fields even
the coarsest stored level is large. There the pitch is halved again and again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from opsin.images.derived import LARGEST
from opsin.images.image import Level
from opsin.images.reduction import picked

WHOLE_BYTES = 16 << 20
"""A level of a field of up to so many bytes is loaded at once, whatever its chunks are."""
MOST_WHOLE_BYTES = 64 << 20
"""Or of so many, where a whole number of its chunks would leave a wide gap."""
SMALLEST_PITCH = 4
GROUP = 512
"""Chunks of reduced levels have as many fields as fit into so many pixels."""
GAP = 64
"""The gap is at least this part of a field, where that costs little."""
WASTE = Fraction(4, 3)
"""A pitch may be so many fields long before levels are given up to make it shorter."""


@dataclass(frozen=True, slots=True)
class MosaicLevel:
    """One level of a mosaic. Pairs are along y and x."""

    level: Level
    """Geometry of the mosaic."""
    pitch: tuple[int, int]
    number: int
    """The stored level that it is, or is reduced from."""
    k: int = 0
    """How often it halves that one: 0 for a stored level."""
    group: tuple[int, int] = (1, 1)
    """Fields in a chunk of a reduced level."""
    pieces: tuple[int, int] = (1, 1)
    """Chunks of a stored level from one field to the next."""
    whole: bool = True
    """Whether a chunk is all of a field, and not one of its stored chunks."""


_Kept: TypeAlias = tuple[int, tuple[Fraction, Fraction]]
"""A stored level, and how many finest pixels of the image one of its pixels covers, y and x."""


@dataclass
class Stack:
    """The levels of one image of a field: of the image itself, or of labels."""

    levels: Sequence[Level]
    plane: tuple[int, int]
    """Positions of y and x among the axes."""
    itemsize: int
    """Bytes of a pixel."""
    pick: bool
    """Whether reduced levels pick a pixel instead of averaging."""
    kept: list[_Kept] = field(default_factory=list, repr=False)
    most: int = field(default=0, repr=False)

    def whole(self, number: int) -> bool:
        """Whether this level of a field is loaded at once."""
        level = self.levels[number]
        if all(level.grid[axis] == 1 for axis in self.plane):
            return True
        sizes = [level.shape[a] if a in self.plane else n for a, n in enumerate(level.chunks)]
        padded = [level.grid[axis] * level.chunks[axis] for axis in self.plane]
        wide = any(p > WASTE * level.shape[a] for p, a in zip(padded, self.plane, strict=True))
        return math.prod(sizes) * self.itemsize <= (MOST_WHOLE_BYTES if wide else WHOLE_BYTES)


def mosaic_levels(stacks: Sequence[Stack], grid: tuple[int, int]) -> list[tuple[MosaicLevel, ...]]:
    """The levels of a mosaic, from fine to coarse, for each stack; the same pitch for all.

    Args:
        stacks: those of the image first. A coarse level is left out where its pixels are no simple
            multiple of the image's finest, or would make the gap large; if it is the finest one of
            labels, these get no levels.
        grid: rows and columns of fields.
    """
    first = stacks[0]
    for stack in stacks:
        stack.kept.clear()
        for number in range(len(stack.levels)):
            y, x = (_factor(first, stack, number, direction) for direction in (0, 1))
            if y is not None and x is not None:
                stack.kept.append((number, (y, x)))
            elif number == 0:
                break
    used = [stack for stack in stacks if stack.kept]
    least = _pitches(used, 0, finest=True)
    pitches, k = _shortest(used, grid, least)
    return [_levels(first, stack, grid, pitches, k) for stack in stacks]


def _shortest(
    stacks: Sequence[Stack], grid: tuple[int, int], least: tuple[int, int]
) -> tuple[tuple[int, int], int]:
    """The pitch at the finest level, and how often the coarsest level is halved.

    Where a pitch that suits all levels would be long, there are fewer halvings or levels.
    """
    while True:
        for stack in stacks:
            number = stack.kept[-1][0]
            stack.most = _halvings(stack, number, grid) if stack.whole(number) else 0
        for k in range(max(stack.most for stack in stacks), -1, -1):
            pitches = _pitches(stacks, k)
            if all(p <= WASTE * shortest for p, shortest in zip(pitches, least, strict=True)):
                return pitches, k
        shortened = [stack.kept.pop() for stack in stacks if len(stack.kept) > 1]
        if not shortened:
            return pitches, 0


def _factor(first: Stack, stack: Stack, number: int, direction: int) -> Fraction | None:
    """How many finest pixels one covers, if a simple fraction is right for a whole field."""
    axis = stack.plane[direction]
    level = stack.levels[number]
    ratio = level.scale[axis] / first.levels[0].scale[first.plane[direction]]
    if not 2.0**-16 < ratio < 2.0**32:
        return None
    near = Fraction(ratio).limit_denominator(16)
    if near <= 0 or abs(ratio / near - 1) * level.shape[axis] > 0.25:
        return None
    return near


def _halvings(stack: Stack, number: int, grid: tuple[int, int]) -> int:
    """How often to halve a level until the mosaic is small."""
    shape = [stack.levels[number].shape[axis] for axis in stack.plane]
    k = 0
    while (
        max(n * size for n, size in zip(grid, shape, strict=True)) >> k > LARGEST
        and min(shape) >> (k + 1) >= SMALLEST_PITCH
    ):
        k += 1
    return k


def _pitches(stacks: Sequence[Stack], k: int, finest: bool = False) -> tuple[int, int]:
    """The pitch at the finest level, y and x: what suits all levels, or the finest only."""
    y, x = (_pitch(stacks, k, finest, direction) for direction in (0, 1))
    return y, x


def _pitch(stacks: Sequence[Stack], k: int, finest: bool, direction: int) -> int:
    step, needed = 1, 0
    for stack in stacks:
        axis = stack.plane[direction]
        for number, factors in stack.kept[:1] if finest else stack.kept:
            level, factor = stack.levels[number], factors[direction]
            unit = 1 if stack.whole(number) else level.chunks[axis]
            if number == stack.kept[-1][0] and not finest:
                unit <<= min(k, stack.most)
            # The pitch is a whole number, and a multiple of unit · factor.
            step = math.lcm(step, (unit * factor).numerator)
            needed = max(needed, math.ceil(level.shape[axis] * factor))
    close = -(-needed // step) * step
    apart = -(-(needed + -(-needed // GAP)) // step) * step
    return apart if apart <= Fraction(8, 7) * needed else close


def _levels(
    first: Stack, stack: Stack, grid: tuple[int, int], pitches: tuple[int, int], k: int
) -> tuple[MosaicLevel, ...]:
    found = [_stored(first, stack, kept, grid, pitches) for kept in stack.kept]
    if found:
        base = found[-1]
        found += [_reduced(stack, base, grid, n) for n in range(1, min(k, stack.most) + 1)]
    return tuple(found)


def _stored(
    first: Stack, stack: Stack, kept: _Kept, grid: tuple[int, int], pitches: tuple[int, int]
) -> MosaicLevel:
    number, factors = kept
    level, finest = stack.levels[number], first.levels[0]
    whole = stack.whole(number)
    shape, chunks = list(level.shape), list(level.chunks)
    scale, translation = list(level.scale), list(level.translation)
    pitch, pieces = [1, 1], [1, 1]
    for direction, axis in enumerate(stack.plane):
        pitch[direction] = int(pitches[direction] / factors[direction])
        shape[axis] = (grid[direction] - 1) * pitch[direction] + level.shape[axis]
        if whole:
            chunks[axis] = min(pitch[direction], shape[axis])
        else:
            pieces[direction] = pitch[direction] // level.chunks[axis]
        # Exactly so many times the finest, so that the pitch is the same in the world.
        same = first.plane[direction]
        scale[axis] = finest.scale[same] * float(factors[direction])
        translation[axis] = level.translation[axis] - finest.translation[same]
    geometry = Level(tuple(shape), tuple(chunks), tuple(scale), tuple(translation))
    return MosaicLevel(
        geometry, (pitch[0], pitch[1]), number, pieces=(pieces[0], pieces[1]), whole=whole
    )


def _reduced(stack: Stack, stored: MosaicLevel, grid: tuple[int, int], k: int) -> MosaicLevel:
    base = stored.level
    one = stack.levels[stored.number]
    shape, chunks = list(base.shape), list(base.chunks)
    scale, translation = list(base.scale), list(base.translation)
    pitch, group = [n >> k for n in stored.pitch], [1, 1]
    centre = picked(k) if stack.pick else (2**k - 1) / 2
    for direction, axis in enumerate(stack.plane):
        group[direction] = min(grid[direction], max(1, GROUP // pitch[direction]))
        shape[axis] = (grid[direction] - 1) * pitch[direction] - (-one.shape[axis] >> k)
        chunks[axis] = min(group[direction] * pitch[direction], shape[axis])
        scale[axis] = base.scale[axis] * 2**k
        translation[axis] = base.translation[axis] + centre * base.scale[axis]
    geometry = Level(tuple(shape), tuple(chunks), tuple(scale), tuple(translation))
    return MosaicLevel(geometry, (pitch[0], pitch[1]), stored.number, k, group=(group[0], group[1]))


def field_places(
    positions: Sequence[tuple[float, float] | None], size: tuple[float, float]
) -> tuple[tuple[tuple[int, int], ...], tuple[int, int]]:
    """Row and column of each field inside its well, and how many rows and columns there are.

    Fields whose positions (y, x in the world) make a grid lie as in that grid; else they follow
    each other in rows. `size` is that of a field in the world.
    """
    count = len(positions)
    known = [position for position in positions if position is not None]
    if len(known) == count > 1:
        ranks = [_ranks([p[axis] for p in known], size[axis] / 4) for axis in (0, 1)]
        places = tuple(zip(*ranks, strict=True))
        rows, columns = max(ranks[0]) + 1, max(ranks[1]) + 1
        if len(set(places)) == count and rows * columns <= 4 * count:
            return places, (rows, columns)
    columns = math.isqrt(count - 1) + 1 if count > 1 else 1
    rows = -(-count // columns)
    return tuple(divmod(i, columns) for i in range(count)), (rows, columns)


def _ranks(values: Sequence[float], tolerance: float) -> list[int]:
    """The rank of each value among groups of values that are closer together than `tolerance`."""
    ranks: dict[float, int] = {}
    last, rank = math.nan, -1
    for value in sorted(set(values)):
        if not value - last <= tolerance:
            rank += 1
        ranks[value] = rank
        last = value
    return [ranks[value] for value in values]
