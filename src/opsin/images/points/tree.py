"""Tree: how points are divided into cells, so that a few cells stand for all. Pure.

Every point has a *rank* between 0 and 1, which is hashed, and so says nothing about the point. A
cell is a box. It holds those of the points in its box that have the lowest ranks, but for those
that the cells around it hold; if there are more, it is cut in two. So

* every point lies in one cell;
* up to a cell's `stop`, all points in its box are in it or in a cell around it: what has been
  read is always a fair sample of what there is, with as many points in a hundred everywhere;
* reading a cell's halves adds to it, and replaces nothing.

These are the layered point clouds of Gobbetti and Marton (Computers & Graphics 28, 2004), but with
ranks: a sample can have any size, and is as dense, compared with all points, in one place as in
another. The points of a chunk are in the order of their ranks, which lie evenly between the cell's
`start` and `stop`; so the first of them are those below a given rank.

Boxes are cut where half of the points are, along the axis on which they spread most; along time
before all, since one looks at one point in time. So cells of a level stand for about as many points
each, wherever these are, and there are no more levels than it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from opsin.images.source import Index

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TAKEN = 4096
"""Points of a cell that is cut."""
MOST = 8192
"""Points of one that is not."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of one level. Arrays have one row per cell."""

    level: int
    """0 holds the smallest."""
    grid: Ints
    """The index of its chunk in the level, of shape (n,); the chunk's key has it as a tuple."""
    low: Floats
    """Where its box begins, world position along each axis: of shape (n, axes)."""
    high: Floats
    """Where it ends."""
    count: Ints
    """Points in it, of shape (n,)."""
    start: Floats
    """The rank from which it holds the points of its box, of shape (n,)."""
    stop: Floats
    """The rank up to which it does; 1: all the rest."""

    def __len__(self) -> int:
        return len(self.grid)

    def some(self, which: npt.NDArray[np.bool_] | Ints) -> Cells:
        """Those of them that a mask or numbers of rows pick."""
        return Cells(
            self.level,
            self.grid[which],
            self.low[which],
            self.high[which],
            self.count[which],
            self.start[which],
            self.stop[which],
        )


class Tree(Protocol):
    """The cells of points, from the root down."""

    @property
    def levels(self) -> int:
        """How many levels there are; the root is in the last one."""

    def root(self) -> Cells:
        """The one cell of the last level."""

    def children(self, cells: Cells) -> tuple[Cells, Ints]:
        """The cells of the next finer level that lie in some cells.

        Returns:
            Them, and for each the row of the cell that it lies in.
        """

    def count(self, level: int, index: Index) -> int:
        """Points of one cell."""

    def level_sizes(self) -> list[tuple[int, int]]:
        """Cells and points of every level, level 0 first."""


@dataclass(frozen=True, slots=True)
class StoredTree:
    """A tree that is held as a table. Every array has one row per cell, the root first.

    The index of a cell's chunk is its row.
    """

    levels: int
    low: Floats
    """Where the box of the root begins, of shape (axes,)."""
    high: Floats
    axis: npt.NDArray[np.int8]
    """Along which axis a cell is cut; -1: nowhere, since all points in it lie at one place, and its
    one half has the same box."""
    cut: Floats
    """Where: what lies below is in the left half."""
    left: Ints
    """The row of the left half, or -1."""
    right: Ints
    counts: Ints
    stops: Floats

    def root(self) -> Cells:
        """See `Tree`."""
        return Cells(
            self.levels - 1,
            np.zeros(1, np.int64),
            self.low[np.newaxis],
            self.high[np.newaxis],
            self.counts[:1],
            np.zeros(1),
            self.stops[:1],
        )

    def children(self, cells: Cells) -> tuple[Cells, Ints]:
        """See `Tree`."""
        rows = cells.grid
        halves = np.concatenate([self.left[rows], self.right[rows]])
        (there,) = np.nonzero(halves >= 0)
        grid, parent = halves[there], there % len(rows)
        low, high = cells.low[parent], cells.high[parent]
        axis, cut = self.axis[rows[parent]], self.cut[rows[parent]]
        is_right = there >= len(rows)
        for number in range(low.shape[1]):
            along = axis == number
            np.copyto(low[:, number], cut, where=along & is_right)
            np.copyto(high[:, number], cut, where=along & ~is_right)
        made = Cells(
            cells.level - 1, grid, low, high, self.counts[grid], cells.stop[parent],
            self.stops[grid],
        )  # fmt: skip
        return made, parent

    def count(self, level: int, index: Index) -> int:
        """See `Tree`."""
        return int(self.counts[index[0]])

    def level_sizes(self) -> list[tuple[int, int]]:
        """See `Tree`."""
        found, rows = [], np.zeros(1, np.int64)
        while len(rows):
            found.append((len(rows), int(self.counts[rows].sum())))
            halves = np.concatenate([self.left[rows], self.right[rows]])
            rows = halves[halves >= 0]
        return found[::-1]
