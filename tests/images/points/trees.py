"""What is true of every tree of points, and small trees to check it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from opsin.images.points import POSITION, Points, building, division, survey
from opsin.images.points.records import RANKS, ranks
from opsin.images.points.tree import Cells
from opsin.images.source import Array


@contextmanager
def small(taken: int = 4, leaf: int = 40) -> Iterator[None]:
    """Cells of so few points, and so few in memory at once, that small tables make deep trees."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (division, building):
            patch.setattr(module, "TAKEN", taken)
        patch.setattr(division, "MOST", 2 * taken)
        patch.setattr(building, "LEAF", leaf)
        patch.setattr(building, "LEAST_LEAF", leaf)
        patch.setattr(building, "RUN", 3 * leaf * 16)
        patch.setattr(building, "GROUPS", 5)
        patch.setattr(survey, "SAMPLE", 4 * leaf)
        yield


def levels(points: Points) -> Iterator[Cells]:
    """The cells of every level, from the coarsest on."""
    cells = points.tree.root()
    while len(cells):
        yield cells
        cells, _ = points.tree.children(cells)


def chunks(points: Points) -> Iterator[tuple[Cells, Array]]:
    """Every cell with its points."""
    for cells in levels(points):
        for row in range(len(cells)):
            yield cells.some(np.array([row])), points.read(cells.level, (int(cells.grid[row]),))


def everything(points: Points) -> Array:
    """All points."""
    return np.concatenate([chunk for _, chunk in chunks(points)])


def check_tree(points: Points, rank_of: npt.NDArray[np.uint32] | None = None) -> None:
    """Check what holds for all: each point is in the box and the place that its rank gives it.

    The points have a property `id`, the number of their row.
    """
    total = 0
    for number, cells in enumerate(levels(points)):
        assert cells.level == points.tree.levels - 1 - number
        assert (cells.start <= cells.stop).all()
    assert number == points.tree.levels - 1
    for cell, chunk in chunks(points):
        total += len(chunk)
        index = (int(cell.grid[0]),)
        assert len(chunk) == cell.count[0] == points.tree.count(cell.level, index)
        assert chunk.dtype == points.dtype
        assert chunk.nbytes == points.chunk_bytes(cell.level, index)
        assert (chunk[POSITION] >= cell.low).all()
        assert (chunk[POSITION] <= cell.high).all()
        if rank_of is not None:
            place = rank_of[chunk["id"]].astype(np.float64) / RANKS
            assert (np.diff(place) >= 0).all(), "not in the order of their ranks"
            assert (place >= cell.start).all()
            assert (place < cell.stop).all() or cell.stop == 1
    assert total == points.count


def table_of(positions: Array, names: str = "zyx", **more: Array) -> pa.Table:
    """A table of positions (rows, axes), with the number of the row."""
    columns = {name: positions[:, i] for i, name in enumerate(names[-positions.shape[1] :])}
    return pa.table({**columns, "id": np.arange(len(positions), dtype=np.uint32), **more})


def all_ranks(count: int) -> npt.NDArray[np.uint32]:
    """The rank of every row."""
    return ranks(0, count)
