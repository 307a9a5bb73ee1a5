"""Points plan: from what is looked at to the chunks of points that are wanted, in order. Pure.

A view shows the points below some *rate*: a rank, the same everywhere, so that what is shown is a
sample of what is there, as dense in one place, compared with all points, as in another. (With
perspective it is higher where one is nearer.) The rate is the highest at which no more points are
seen than are asked for, and the chunks that hold them have room. It changes in steps, so that a
small move leaves the sample as it is.

Of the cells that are seen those are wanted that begin below the rate, and of each the points below
it, which are its first ones. The tree is gone through level by level, no deeper than that, so that
the number of points does not matter.

How many points of a cell are seen is estimated: as many in a hundred as of its box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from opsin.chunks.camera import Camera
from opsin.chunks.sight import Floats, Seen, Sight
from opsin.chunks.volume_camera import VolumeCamera
from opsin.images.points.layer import PointsLayer
from opsin.images.points.tree import MOST, Cells
from opsin.images.source import Index

STEPS = 4
"""So many steps of the rate double it."""

OVERHEAD = 8
"""So many times as many points as are shown may be loaded for them: cells reach beyond the view."""
LEAST_ROOM = 64 * MOST
"""Points that may be loaded in any case: far inside, a view touches a cell of every level."""


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
    most = layer.most if most is None else most
    size = layer.points.dtype.itemsize
    room = max(OVERHEAD * most, LEAST_ROOM) * size if room is None else room
    sight = Sight(layer, camera)
    tree = layer.points.tree
    found = _Found(size)
    cells = tree.root()
    rate = math.inf
    while True:
        seen = sight.boxes(cells.low, cells.high)
        (there,) = np.nonzero(seen.share > 0)
        cells = cells.some(there)
        seen = Seen(*(column[there] for column in seen))
        found.add(cells, seen)
        rate = found.rate(most, room)
        (deeper,) = np.nonzero((cells.stop < 1) & (cells.stop < rate * seen.weight))
        if not len(deeper):
            break
        cells, _ = tree.children(cells.some(deeper))
        if not len(cells):
            break
    if rate < math.inf:
        rate = 2.0 ** (math.floor(STEPS * math.log2(rate)) / STEPS) if rate > 0 else 0.0
    return found.plan(number, rate)


class _Found:
    """The cells that were found to be seen, from the coarsest on."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._cells: list[Cells] = []
        self._seen: list[Seen] = []
        self._sum = 0.0
        self._loaded = 0

    def add(self, cells: Cells, seen: Seen) -> None:
        """Add those of a level."""
        self._cells.append(cells)
        self._seen.append(seen)
        self._sum += float((cells.count * seen.share).sum())
        self._loaded += int(cells.count.sum()) * self._size

    def rate(self, most: int, room: int) -> float:
        """The highest rate that these cells allow; infinite if they do not bound it."""
        if self._sum <= most and self._loaded <= room:
            return math.inf
        count, share, start, stop = self._columns()
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
        for cells, seen in zip(self._cells, self._seen, strict=True):
            start, stop = _ramp(cells, seen)
            part = ((rate - start) / (stop - start)).clip(0, 1) if rate < math.inf else 1.0
            counts = np.floor(cells.count * part + 1e-6).astype(np.int64)
            total += float((counts * seen.share).sum())
            for row in np.lexsort((seen.distance,)):
                if counts[row]:
                    brick = PointsBrick(number, cells.level, (int(cells.grid[row]),))
                    some = int(counts[row])
                    ramp = float(start[row]), float(stop[row])
                    wants.append(PointsWant(brick, some, some * self._size, *ramp))
        return PointsPlan(tuple(wants), rate, total)

    def _columns(self) -> Sequence[Floats]:
        count = np.concatenate([cells.count for cells in self._cells])
        share = np.concatenate([seen.share for seen in self._seen])
        ramps = [_ramp(cells, seen) for cells, seen in zip(self._cells, self._seen, strict=True)]
        start, stop = (np.concatenate(column) for column in zip(*ramps, strict=True))
        return count, share, start, stop


def _ramp(cells: Cells, seen: Seen) -> tuple[Floats, Floats]:
    """At which rates the first and the last point of cells are shown."""
    start = cells.start / seen.weight
    stop = np.maximum(cells.stop / seen.weight, np.nextafter(start, np.inf))
    return start, stop
