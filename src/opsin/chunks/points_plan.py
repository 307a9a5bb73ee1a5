"""Points plan: from what is looked at to the chunks of points that are wanted, in order. Pure.

A view shows the points below some *rate*: a rank, the same everywhere, so that what is shown is a
sample of what is there, as dense in one place, compared with all points, as in another. (With
perspective it is higher where one is nearer.) The rate is the highest at which no more points are
seen than are asked for, and the chunks that hold them have room. It changes in steps, so that a
small move leaves the sample as it is.

Of the cells that are seen those are wanted that begin below the rate, and of each the points below
it, which are its first ones. The tree is gone through level by level, little deeper than that, so
that the number of points does not matter.

How many points of a cell are seen is estimated. As a cell is cut where half of the points are, it
is the mean of both halves, as deep as these are known; of the last, it is as many as of their box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from opsin.chunks.camera import Camera
from opsin.chunks.sight import Bools, Floats, Seen, Sight
from opsin.chunks.volume_camera import VolumeCamera
from opsin.images.points.layer import PointsLayer
from opsin.images.points.tree import MOST, Cells, Ints
from opsin.images.source import Index

STEPS = 4
"""So many steps of the rate double it."""

OVERHEAD = 16
"""So many times as many points as are shown may be loaded for them: cells reach beyond the view."""
LEAST_ROOM = 128 * MOST
"""Points that may be loaded in any case: far inside, a view touches a cell of every level."""


MARGIN = 2.0
"""The tree is looked through up to so many times the rate."""
LEAST_KNOWN = 32
"""Cells of a level, up to which it is looked into in any case."""


class PointsBrick(NamedTuple):
    """Address of a brick of points: the first points of one chunk."""

    layer: int
    level: int
    grid: Index


@dataclass(frozen=True, slots=True)
class PointsWant:
    """One wanted brick."""

    brick: PointsBrick
    count: int
    """So many points of the chunk are shown, its first ones."""
    bytes: int
    """Of these."""
    start: float
    """The rate at which the first point of the chunk is shown."""
    stop: float
    """The rate at which all are; in between they come evenly."""
    seen: float
    """So many of these points are seen, by estimate."""


@dataclass(frozen=True, slots=True)
class PointsPlan:
    """What a view wants of one layer of points."""

    wants: tuple[PointsWant, ...] = ()
    """Coarse ones first, those of a level from the centre outwards."""
    rate: float = math.inf
    """The part of all points that is shown, at the camera's centre; infinite: all that are seen."""
    seen: float = 0.0
    """How many points are seen, by estimate."""


def plan_points(
    layer: PointsLayer,
    camera: Camera | VolumeCamera,
    *,
    number: int = 0,
    most: int | None = None,
    room: int | None = None,
) -> PointsPlan:
    """What a view wants of one layer of points, most urgent first.

    Args:
        layer: the points.
        camera: where one looks.
        number: of the layer.
        most: points that are shown at most; by default what the layer says.
        room: bytes of chunks that may be wanted together; by default `OVERHEAD` times those of the
            points that are shown.

    Raises:
        UsageError: the points lack a displayed axis.
    """
    most = layer.most_on(*camera.size) if most is None else most
    size = layer.points.dtype.itemsize
    room = max(OVERHEAD * most, LEAST_ROOM) * size if room is None else room
    sight = Sight(layer, camera)
    tree = layer.points.tree
    found = _Found(size)
    cells, parent = tree.root(), np.zeros(1, np.int64)
    while len(cells):
        seen = sight.boxes(cells.low, cells.high)
        found.add(cells, seen, parent)
        last = found.levels[-1]
        rate = found.rate(most, room)
        # A little deeper, since there may be fewer than it seems.
        deep = (last.stop < MARGIN * rate) | (len(last.cells) < LEAST_KNOWN)
        last.looked_into = deep & (last.cells.stop < 1)
        (deeper,) = np.nonzero(last.looked_into)
        if not len(deeper):
            break
        cells, parent = tree.children(last.cells.some(deeper))
        parent = deeper[parent]
    found.settle()
    rate = min(found.rate(most, room), found.known)
    if 0 < rate < math.inf:
        rate = 2.0 ** (math.floor(STEPS * math.log2(rate)) / STEPS)
    return found.plan(number, rate)


@dataclass(slots=True)
class _Level:
    """The cells of a level that are seen. Arrays have one entry per cell."""

    cells: Cells
    parent: Ints
    """The number of the cell around it, among those of the level before."""
    siblings: Ints
    """How many cells there are in that one, seen or not."""
    share: Floats
    """How many of its points are seen, as a part."""
    distance: Floats
    """Of it, from the camera's centre."""
    start: Floats
    """The rate at which its first point is shown."""
    stop: Floats
    """That at which all are."""
    looked_into: Bools


class _Found:
    """The cells that were found to be seen, from the coarsest on; `size` is that of a point."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._seen = 0.0
        self._loaded = 0
        self.levels: list[_Level] = []

    def add(self, cells: Cells, seen: Seen, parent: Ints) -> None:
        """Add cells of a level, of which those are kept that are seen."""
        siblings = np.bincount(parent)[parent]
        (there,) = np.nonzero(seen.share > 0)
        share, weight, distance = (column[there] for column in seen)
        cells = cells.some(there)
        start, stop = cells.start / weight, cells.stop / weight
        stop = np.maximum(stop, np.nextafter(start, np.inf))
        parent, siblings, none = parent[there], siblings[there], np.zeros(len(there), bool)
        self.levels.append(_Level(cells, parent, siblings, share, distance, start, stop, none))
        self._seen += float((cells.count * share).sum())
        self._loaded += int(cells.count.sum()) * self._size

    def settle(self) -> None:
        """Let cells that were looked into have the mean of what lies in them."""
        for level, finer in zip(self.levels[-2::-1], self.levels[:0:-1], strict=True):
            parts = finer.share / finer.siblings
            means = np.bincount(finer.parent, parts, minlength=len(level.cells))
            level.share = np.where(level.looked_into, means, level.share)
        self._seen = sum(float((a.cells.count * a.share).sum()) for a in self.levels)

    @property
    def known(self) -> float:
        """Up to which rate it is known what is wanted."""
        ends = [math.inf]
        for level in self.levels:
            closed = ~level.looked_into & (level.cells.stop < 1)
            ends.append(float(level.stop[closed].min(initial=math.inf)))
        return min(ends)

    def rate(self, most: int, room: int) -> float:
        """The highest rate that these cells allow; infinite if they do not bound it."""
        if self._seen <= most and self._loaded <= room:
            return math.inf
        levels = self.levels
        count = np.concatenate([level.cells.count for level in levels])
        share = np.concatenate([level.share for level in levels])
        start = np.concatenate([level.start for level in levels])
        stop = np.concatenate([level.stop for level in levels])
        order = np.argsort(start, kind="stable")
        over = np.cumsum(count[order] * self._size) > room
        rate = float(start[order[np.argmax(over)]]) if over.any() else math.inf
        # How many points are seen below a rate is a sum of ramps: a line between where they bend.
        slope = count * share / (stop - start)
        bends, turns = np.concatenate([start, stop]), np.concatenate([slope, -slope])
        order = np.argsort(bends)
        bends, slopes = bends[order], np.cumsum(turns[order])
        seen = np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(bends))])
        (above,) = np.nonzero(seen > most)
        if len(above):
            last = above[0] - 1
            rate = min(rate, float(bends[last] + (most - seen[last]) / slopes[last]))
        return rate

    def plan(self, number: int, rate: float) -> PointsPlan:
        """What is wanted at a rate."""
        wants: list[PointsWant] = []
        total = 0.0
        for level in self.levels:
            cells, start, stop = level.cells, level.start, level.stop
            part = ((rate - start) / (stop - start)).clip(0, 1) if rate < math.inf else 1.0
            counts = np.floor(cells.count * part + 1e-6).astype(np.int64)
            total += float((counts * level.share).sum())
            for row in np.argsort(level.distance, kind="stable"):
                if counts[row]:
                    brick = PointsBrick(number, cells.level, (int(cells.grid[row]),))
                    some = int(counts[row])
                    ramp = float(start[row]), float(stop[row])
                    seen = some * float(level.share[row])
                    wants.append(PointsWant(brick, some, some * self._size, *ramp, seen))
        return PointsPlan(tuple(wants), rate, total)
