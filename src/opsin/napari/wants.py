"""Wants: the chunks that a layer of napari has to get, most urgent first. Pure.

napari says which level and which part of it it draws, so there is no camera to plan for. Chunks,
not bricks: what it draws is put together pixel by pixel, and a chunk that nobody sees is not read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from opsin.chunks.window import Pace
from opsin.images.source import Index
from opsin.napari.region import Places, Region

STEP = 3
"""Levels above the one that is drawn, of which chunks are wanted on the way where they are slow."""
AT_ONCE = 16
"""Chunks of a region, up to which they are all on their way at once: a coarser one, which would
have to be read beside them, would not be there sooner."""
WHOLE_BASE = 16
"""A plane of the coarsest level of up to so many chunks is wanted whole, for the thumbnail."""
MOST_AHEAD = 8
"""Planes that are loaded ahead."""
LOOKAHEAD = 0.3
"""Seconds that planes are loaded ahead while a slider moves."""
LEAP = 4
"""Planes that a slider passes over without being put somewhere else: then the next one follows."""
EXPIRES = 1.0
"""Seconds between two steps of a slider, at most, that count as one motion."""

Chunk = tuple[int, Index]
"""Level and grid index."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How a slider moves: along which axis of the image, how far at a step, every how often."""

    axis: int
    step: float
    seconds: float = math.inf

    def ahead(self, pace: Pace) -> int:
        """How many planes to load ahead."""
        if self.seconds > EXPIRES:
            return 1
        return min(MOST_AHEAD, math.ceil((LOOKAHEAD + 2 * pace.delay) / max(self.seconds, 0.01)))


def followed(before: Region | None, region: Region, seconds: float) -> Motion | None:
    """The motion that led from one region to the next, if one slider moved."""
    if before is None:
        return None
    moved = [
        (axis, float(there[0] - here[0]))
        for axis, (here, there) in enumerate(zip(before.places, region.places, strict=True))
        if axis != region.channel and len(here) == len(there) == 1 and here[0] != there[0]
    ]
    if len(moved) != 1:
        return None
    axis, step = moved[0]
    if abs(step) > LEAP:
        step = math.copysign(1.0, step)
    return Motion(axis, step, seconds)


def base_of(region: Region) -> Region:
    """The plane of the coarsest level that a region lies in: whole, if that is few chunks."""
    base = len(region.levels) - 1
    whole = list(region.places)
    for axis, places in enumerate(region.places):
        if axis != region.channel and len(places) > 1:
            whole[axis] = _ends(region.levels[0].shape[axis])
    plane = Region(region.levels, base, tuple(whole), region.channel)
    start, stop = plane.box(base)
    few = plane.levels[base].chunks_between(start, stop) <= WHOLE_BASE
    return plane if few else region.at(base)


def wanted(region: Region, near: bool) -> Iterator[Chunk]:
    """The chunks of a region, those of its base before.

    Args:
        region: what is drawn.
        near: they need not be waited for, so that coarser ones would only delay the others.
    """
    base, level = len(region.levels) - 1, region.level
    chunks = list(_chunks(region))
    yield from _chunks(base_of(region))
    if not near and len(chunks) > AT_ONCE and level + STEP < base:
        yield from _chunks(region.at(level + STEP))
    yield from chunks


def wanted_ahead(region: Region, motion: Motion | None, pace: Pace) -> Iterator[Chunk]:
    """The chunks of the planes that come next, if a slider goes on as it has.

    Args:
        region: what is drawn.
        motion: of the slider that moved last.
        pace: how fast chunks come.
    """
    if motion is None:
        return
    coming = []
    for count in range(1, motion.ahead(pace) + 1):
        place = float(region.places[motion.axis][0]) + count * motion.step
        if not 0 <= place <= region.levels[0].shape[motion.axis] - 1:
            break
        coming.append(region.at(region.level, {motion.axis: count * motion.step}))
    for plane in coming:
        yield from _chunks(base_of(plane))
    for plane in coming:
        yield from _chunks(plane)


def _chunks(region: Region) -> Iterable[Chunk]:
    return ((region.level, index) for index in region.chunks(region.level))


def _ends(size: int) -> Places:
    return np.array([0.0, size - 1.0])
