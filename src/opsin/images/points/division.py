"""Division: where points are cut in two, again and again, until they are few. Pure.

Points are numbers of rows; what lies where stands in one array of positions per axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from opsin.images.points.records import RANKS
from opsin.images.points.tree import MOST, TAKEN, Floats
from opsin.images.source import Array

LOOKED_AT = 1024
"""Points that a cut is chosen by: half of all lie on a side of it, within some percent."""

Rows = npt.NDArray[np.intp]


class Cut(NamedTuple):
    """A plane at right angles to an axis; axis -1: none."""

    axis: int
    place: float


NO_CUT = Cut(-1, 0.0)


class Dividing(NamedTuple):
    """How points lie, for choosing cuts."""

    places: Sequence[Floats]
    """Along each axis."""
    scale: Sequence[float]
    """World units per unit of these, by which axes are compared."""
    time: bool
    """Whether the first axis is time, which is cut before the others."""

    def cut(self, rows: Rows) -> Cut:
        """Where to cut some points, of which the first ones stand for all.

        Both sides have points. Where all lie at one place, there is no cut.
        """
        for some in (rows[:LOOKED_AT], rows):
            spread = [float(np.ptp(place[some])) for place in self.places]
            if any(spread):
                break
        else:
            return NO_CUT
        axis = 0
        if not (self.time and spread[0] > 0):
            axis = int(np.argmax([a * b for a, b in zip(spread, self.scale, strict=True)]))
        return Cut(axis, _middle(np.sort(self.places[axis][some])))

    def sides(self, rows: Rows, cut: Cut) -> tuple[Rows, Rows]:
        """The points below a cut and the others, each in their order."""
        beyond = self.places[cut.axis].take(rows) >= cut.place
        return rows.compress(~beyond), rows.compress(beyond)


def _middle(ordered: Floats) -> float:
    """The number that parts others best in halves; not all are below it, and not all above."""
    half = len(ordered) // 2
    below = int(np.searchsorted(ordered, ordered[half], "left"))
    through = int(np.searchsorted(ordered, ordered[half], "right"))
    if through < len(ordered) and (below == 0 or through - half < half - below):
        return float(ordered[through])
    return float(ordered[half])


class Part(NamedTuple):
    """A cell as it is made."""

    parent: int
    """The number of the one around it, which came before; -1: that of all."""
    right: bool
    """Whether it is the right half of that one."""
    cut: Cut
    """Where it is cut itself."""
    stop: float
    """The rank up to which it holds the points of its box."""
    rows: Rows
    """Its points, in the order of their ranks."""


def divide(dividing: Dividing, ranks: npt.NDArray[np.uint32], rows: Rows) -> Iterator[Part]:
    """Divide some points into cells, that of all first, each before its halves.

    Args:
        dividing: where they lie.
        ranks: the rank of every row.
        rows: the points, in the order of their ranks.
    """
    waiting = [(-1, False, rows)]
    number = 0
    while waiting:
        parent, right, rows = waiting.pop()
        if len(rows) <= MOST:
            yield Part(parent, right, NO_CUT, 1.0, rows)
        else:
            rest = rows[TAKEN:]
            cut = dividing.cut(rest)
            yield Part(parent, right, cut, int(ranks[rest[0]]) / RANKS, rows[:TAKEN])
            if cut == NO_CUT:
                waiting.append((number, False, rest))
            else:
                left, beyond = dividing.sides(rest, cut)
                waiting += [(number, True, beyond), (number, False, left)]
        number += 1


@dataclass(slots=True)
class Bough:
    """A part of the top of a tree, which is made from a sample before all points are sorted in.

    Its leaves, from the left to the right, are numbered; each gets its points by itself.
    """

    first: int
    """Number of the first leaf below it, or of itself."""
    stop: int
    """Number behind the last one."""
    cut: Cut = NO_CUT
    left: Bough | None = None
    right: Bough | None = None

    def leaves(self, dividing: Dividing, rows: Rows) -> Iterator[Rows]:
        """The points in each leaf, in their order."""
        if self.left is None or self.right is None:
            yield rows
            return
        left, right = dividing.sides(rows, self.cut)
        yield from self.left.leaves(dividing, left)
        yield from self.right.leaves(dividing, right)


def boughs(sample: Dividing, rows: Rows, most: int, first: int = 0) -> Bough:
    """The top of a tree, by a sample, of whose points no leaf has more than `most`.

    But one whose points all lie at one place may.
    """
    cut = sample.cut(rows) if len(rows) > most else NO_CUT
    if cut == NO_CUT:
        return Bough(first, first + 1)
    left_rows, right_rows = sample.sides(rows, cut)
    left = boughs(sample, left_rows, most, first)
    right = boughs(sample, right_rows, most, left.stop)
    return Bough(first, right.stop, cut, left, right)


def cuts_of(ordered: Array, stops: Sequence[float]) -> list[int]:
    """How many of some ranks in order lie below each rank, which are between 0 and 1."""
    return [int(n) for n in np.searchsorted(ordered, [stop * RANKS for stop in stops], "left")]
