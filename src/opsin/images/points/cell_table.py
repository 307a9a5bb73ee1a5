"""CellTable: the cells of a tree as they are made, row by row."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from opsin.images.points.division import Cut, Dividing, Rows, divide
from opsin.images.source import Array


class CellTable:
    """The table of cells, as it grows."""

    def __init__(self) -> None:
        codes = {"parent": "q", "right": "b", "axis": "b", "cut": "d", "count": "q", "stop": "d"}
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in codes.items()}
        self._columns |= {"part": array("q"), "group": array("q")}

    def add(self, parent: int, right: bool, cut: Cut, stop: float) -> int:
        """A cell that has no points yet; its row."""
        row = (parent, right, cut.axis, cut.place, 0, stop, -1, -1)
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)
        return len(self._columns["parent"]) - 1

    def place(self, row: int, count: int, where: tuple[int, int]) -> None:
        """Say where the points of a cell are: part and group."""
        self._columns["count"][row] = count
        self._columns["part"][row], self._columns["group"][row] = where

    def divided(
        self,
        dividing: Dividing,
        ranks: npt.NDArray[np.uint32],
        start: float = 0.0,
        parent: int = -1,
        right: bool = False,
    ) -> Iterator[tuple[int, Rows]]:
        """Divide points into cells of this table.

        Args:
            dividing: where they lie.
            ranks: their ranks, in order.
            start: the rank from which on they are here; others are in the cells above.
            parent: the row of the cell above; -1: there is none.
            right: whether they are its right half.

        Yields:
            Each cell's row, and the numbers of its points in the order of their ranks.
        """
        rows: list[int] = []
        for part in divide(dividing, ranks, np.arange(len(ranks))):
            around = parent if part.parent < 0 else rows[part.parent]
            side = right if part.parent < 0 else part.right
            rows.append(self.add(around, side, part.cut, max(part.stop, start)))
            yield rows[-1], part.rows

    def columns(self) -> dict[str, Array]:
        """As `write_index` and `index_of` take them."""
        found = {name: np.array(column) for name, column in self._columns.items()}
        found["right"] = found["right"].astype(bool)
        return found
