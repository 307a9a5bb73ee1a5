"""Synthetic points: up to 10^12 of them, in a square or a cube, hashed when they are asked for.

The box of all points is cut in two, and again, a hundred million times if need be: along its
longest side, at a place that is hashed from the box, up to a quarter of the side from the middle.
Half of the points of a box lie on either side of the cut. So they are dense here and sparse there,
at any zoom, and it is known how many there are in every box.

The boxes are the cells of the tree (`opsin.images.points.tree`), all of which are cut equally
often. A point finds its place by going down from its cell, to a side that is hashed from the point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from opsin.errors import UsageError
from opsin.images.image import Axis
from opsin.images.points import POSITION, Points, PointsSource, Property
from opsin.images.points.tree import MOST, TAKEN, Cells, Floats, Ints
from opsin.images.source import Array, Direct, Encoded, Index
from opsin.images.synthetic.hash import Words, chained

PLANE, VOLUME = 1 << 27, 1 << 20
"""Sides, by default."""
LARGEST = 1 << 30
COUNT = 10**12
"""Points, by default and at most."""

SPREAD = 0.25
"""How far from the middle a box is cut, at most, as a part of its side."""
FINER = 4
"""Cuts below the last cells, which only say where points lie."""

_BOXES, _POINTS = (np.full(1, seed, np.uint64) for seed in (1, 2))
_53 = np.uint64(11)


def synthetic_points(
    axes: str = "yx", size: int | Sequence[int] | None = None, count: int = COUNT
) -> Points:
    """Points that are computed and not stored.

    Their positions are those of the pixels of a synthetic image of the same size, in between. They
    have a `value` between 0 and 1, and a `kind`.

    Args:
        axes: `yx` or `zyx`.
        size: the sides; by default 2^27 in 2D, 2^20 in 3D.
        count: how many there are.

    Raises:
        UsageError: a setting makes no sense.
    """
    if axes not in ("yx", "zyx"):
        raise UsageError(f"Synthetic points have the axes yx or zyx, not {axes!r}.")
    if size is None:
        size = PLANE if axes == "yx" else VOLUME
    sizes = (size,) * len(axes) if isinstance(size, int) else tuple(size)
    if len(sizes) != len(axes) or not all(1 <= side <= LARGEST for side in sizes):
        raise UsageError(f"Synthetic points lie within 1 to {LARGEST} pixels along {axes}.")
    if not 1 <= count <= COUNT:
        raise UsageError(f"There can be 1 to {COUNT} synthetic points, not {count}.")
    tree = Cascade(sizes, count, _levels(count))
    return Points(
        name="points",
        axes=tuple(Axis(axis, "space") for axis in axes),
        extent=tuple((-0.5, side - 0.5) for side in sizes),
        count=count,
        properties=PROPERTIES,
        tree=tree,
        source=Hashed(tree, tuple(one.name for one in PROPERTIES)),
    )


PROPERTIES = (
    Property("value", np.dtype(np.float32), (0.0, 1.0)),
    Property("kind", np.dtype(np.uint8), None, ("a", "b", "c", "d")),
)


@dataclass(frozen=True, slots=True)
class Cascade:
    """The tree. The index of a cell's chunk is the way to it: one bit for every cut."""

    sizes: tuple[int, ...]
    total: int
    """Points of all cells."""
    levels: int

    def root(self) -> Cells:
        """See `Tree`."""
        low = np.full((1, len(self.sizes)), -0.5)
        return self._cells(0, np.zeros(1, np.int64), low, low + self.sizes)

    def children(self, cells: Cells) -> tuple[Cells, Ints]:
        """See `Tree`."""
        depth = self.levels - 1 - cells.level
        if cells.level == 0:
            none = np.empty(0, np.int64)
            return cells.some(none), none
        rows = np.arange(len(cells))
        axis, cut = cuts(depth, cells.grid, cells.low, cells.high)
        low, high = (np.concatenate([corner, corner]) for corner in (cells.low, cells.high))
        high[rows, axis] = cut
        low[len(rows) + rows, axis] = cut
        grid = np.concatenate([2 * cells.grid, 2 * cells.grid + 1])
        return self._cells(depth + 1, grid, low, high), np.concatenate([rows, rows])

    def count(self, level: int, index: Index) -> int:
        """See `Tree`."""
        return int(self._counts(self.levels - 1 - level, np.array(index))[0])

    def level_sizes(self) -> list[tuple[int, int]]:
        """See `Tree`."""
        cells = [1 << depth for depth in range(self.levels)]
        counts = [TAKEN * many for many in cells[:-1]] + [_rest(self.total, self.levels)]
        return list(zip(cells, counts, strict=True))[::-1]

    def box(self, depth: int, way: int) -> tuple[Floats, Floats]:
        """The corners of one cell, of shape (1, axes)."""
        low = np.full((1, len(self.sizes)), -0.5)
        high = low + self.sizes
        for step in range(depth):
            so_far = np.array([way >> (depth - step)])
            axis, cut = cuts(step, so_far, low, high)
            corner = low if way >> (depth - step - 1) & 1 else high
            corner[0, axis] = cut
        return low, high

    def _counts(self, depth: int, grid: Ints) -> Ints:
        if depth < self.levels - 1:
            return np.full(len(grid), TAKEN)
        each, more = divmod(_rest(self.total, self.levels), 1 << depth)
        return each + (grid < more)

    def _cells(self, depth: int, grid: Ints, low: Floats, high: Floats) -> Cells:
        last = self.levels - 1
        start = TAKEN * ((1 << depth) - 1) / self.total
        stop = 1.0 if depth == last else TAKEN * ((2 << depth) - 1) / self.total
        counts = self._counts(depth, grid)
        return Cells(
            last - depth, grid, low, high, counts, np.full(len(grid), start),
            np.full(len(grid), stop),
        )  # fmt: skip


def _levels(total: int) -> int:
    """How many levels it takes."""
    levels = 1
    while -(-_rest(total, levels) // (1 << (levels - 1))) > MOST:
        levels += 1
    return levels


def _rest(total: int, levels: int) -> int:
    """Points in the last cells, if there are so many levels."""
    return total - TAKEN * ((1 << (levels - 1)) - 1)


def cuts(depth: int, ways: Ints, low: Floats, high: Floats) -> tuple[Ints, Floats]:
    """Along which axis boxes are cut, and where.

    Args:
        depth: how many cuts led to them.
        ways: which ones.
        low: corners, of shape (n, axes).
        high: the same.
    """
    rows, sides = np.arange(len(low)), high - low
    axis = np.argmax(sides, axis=1)
    places = 0.5 + SPREAD * (2 * _fraction(_hashed(_BOXES, (depth, ways))) - 1)
    return axis, low[rows, axis] + sides[rows, axis] * places


def _hashed(seed: Words, numbers: Iterable[int | Ints | Words]) -> Words:
    word = seed
    for number in numbers:
        word = chained(word, np.atleast_1d(number).astype(np.uint64))
    return word


def _fraction(words: Words) -> Floats:
    """Words as numbers from 0 up to but without 1."""
    return (words >> _53).astype(np.float64) * 2.0**-53


class Hashed(PointsSource):
    """Chunks that are computed when they are decoded.

    Args:
        tree: of the points.
        names: the properties that chunks have.
    """

    def __init__(self, tree: Cascade, names: tuple[str, ...]) -> None:
        self._tree = tree
        self._names = names

    @property
    def provenance(self) -> Literal["computed"]:
        return "computed"

    def with_properties(self, names: tuple[str, ...]) -> Hashed:
        return Hashed(self._tree, names)

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        return None

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        last = self._tree.levels - 1
        depth, way = last - level, index[0]
        count = self._tree.count(level, index)
        low, high = (corner.repeat(count, axis=0) for corner in self._tree.box(depth, way))
        words = _hashed(_POINTS, (depth, way, np.arange(count)))
        ways = np.full(count, way)
        rows = np.arange(count)
        for step in range(depth, last + FINER):
            axis, cut = cuts(step, ways, low, high)
            right = (words >> np.uint64(step) & np.uint64(1)).astype(bool)
            low[rows[right], axis[right]] = cut[right]
            high[rows[~right], axis[~right]] = cut[~right]
            ways = 2 * ways + right
        fields = {one.name: one.dtype for one in PROPERTIES}
        position = (POSITION, np.float64, (low.shape[1],))
        out = np.empty(count, [position, *((name, fields[name]) for name in self._names)])
        for axis_number in range(low.shape[1]):
            part = _fraction(chained(words, np.full(1, axis_number, np.uint64)))
            along = low[:, axis_number] + part * (high - low)[:, axis_number]
            out[POSITION][:, axis_number] = along
        if "value" in self._names:
            out["value"] = _fraction(chained(words, np.full(1, 8, np.uint64)))
        if "kind" in self._names:
            out["kind"] = (chained(words, np.full(1, 9, np.uint64)) >> np.uint64(62)).astype("u1")
        return out

    def direct(self, level: int) -> Direct | None:
        return lambda index: (self.decode(level, index, None), 0)

    def transient_bytes(self, level: int, index: Index) -> int:
        return 256 * MOST

    def close(self) -> None:
        pass
