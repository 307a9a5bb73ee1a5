"""Building: an index of points, of any size, in bounded memory.

The table has been read once: it is known what it holds, and by a sample the top of the tree is cut,
down to leaves that fit into the memory. Now it is read again, and the points are sorted into these
leaves, on the disk. Then leaf after leaf is divided further and written. It gives the points with
the lowest ranks to the cells above it, which are written when the last leaf below is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from opsin.errors import Corrupt, WriteError
from opsin.images.points.cell_table import CellTable
from opsin.images.points.division import Bough, Dividing, boughs, cuts_of
from opsin.images.points.document import Document
from opsin.images.points.index import GROUPS, PARTS, part_path, write_index
from opsin.images.points.records import RANK, Layout, in_order_of_rank, joined
from opsin.images.points.spool import Spool
from opsin.images.points.survey import Survey
from opsin.images.points.table import Table
from opsin.images.points.tree import TAKEN
from opsin.images.source import Array

if TYPE_CHECKING:
    import pyarrow.parquet as pq

RUN = 1 << 26
"""Bytes of points that are sorted into leaves at once."""
LEAF, LEAF_BYTES = 1 << 20, 1 << 26
"""Points of a leaf, about, and their bytes; it is divided in memory."""
LEAST_LEAF = 1 << 16
CROWD = 16
"""So many leaves' points may lie at one place, or so near that no sample can tell."""

SURVEYED, SORTED = 0.15, 0.5
"""How much of the time has passed when the table was read the first time, and the second."""


class Building:
    """One run of it.

    Args:
        table: the points.
        found: what it holds.
        document: what is to be said of them.
        scratch: a folder for what is needed meanwhile.
        target: an empty folder for the index.
        progress: called with the part that is done.
    """

    def __init__(
        self,
        table: Table,
        found: Survey,
        document: Document,
        scratch: Path,
        target: Path,
        progress: Callable[[float], None],
    ) -> None:
        self._table = table
        self._found = found
        self._layout = found.layout
        self._document = document
        self._scratch = scratch
        self._target = target
        self._progress = progress
        self._scale = [axis.scale for axis in document.axes]
        self._time = found.has_time
        self._most = max(LEAST_LEAF, min(LEAF, LEAF_BYTES // found.layout.dtype.itemsize))
        self._done = 0
        self._cells = CellTable()

    def run(self) -> None:
        """Write everything.

        Raises:
            Corrupt: the table is damaged, or is another one by now.
            WriteError: too many points lie at one place.
            OSError: the disk does not take it.
        """
        (self._target / PARTS).mkdir()
        with ExitStack() as stack:
            numbers = count()
            self._top = stack.enter_context(_Groups(self._target, self._layout, numbers))
            self._rest = stack.enter_context(_Groups(self._target, self._layout, numbers))
            if self._found.count <= self._most:
                records = joined(list(self._records(SURVEYED, SORTED)), self._layout.dtype)
                self._leaf(records, 0.0, -1, False, self._top)
            else:
                self._sorted(stack)
        if self._done != self._found.count:
            raise Corrupt(f"{self._table.name} has changed while it was read.")
        write_index(self._target, self._document, self._cells.columns())

    def _records(self, begin: float, end: float) -> Iterator[Array]:
        """All points, batch by batch."""
        rows = 0
        for batch, part in self._table.batches(self._layout.names):
            yield self._layout.records(batch, rows)
            rows += batch.num_rows
            self._progress(begin + (end - begin) * part)

    def _dividing(self, records: Array) -> Dividing:
        return Dividing(self._layout.positions(records), self._scale, self._time)

    def _sorted(self, stack: ExitStack) -> None:
        """Sort into leaves on the disk, and write leaf by leaf."""
        sample = self._found.sample
        most = max(2, len(sample[0]) * self._most // self._found.count)
        tree = boughs(Dividing(sample, self._scale, self._time), np.arange(len(sample[0])), most)
        spool = Spool(self._scratch / "sorted", self._layout.dtype, tree.stop)
        stack.callback(spool.close)
        waiting: list[Array] = []
        held = 0
        for records in self._records(SURVEYED, SORTED):
            waiting.append(records)
            held += records.nbytes
            if held >= RUN:
                self._sort_in(spool, tree, waiting)
                held = 0
        self._sort_in(spool, tree, waiting)
        if spool.counts.max() > CROWD * self._most:
            raise WriteError(
                f"{self._table.name} has {spool.counts.max()} points at one place, or nearly so, "
                f"but {CROWD * self._most} can be: leave out what has no true position."
            )
        self._bough(spool, tree, [], -1, False)

    def _sort_in(self, spool: Spool, tree: Bough, waiting: list[Array]) -> None:
        records = joined(waiting, self._layout.dtype)
        waiting.clear()
        rows = np.arange(len(records))
        spool.add(records, list(tree.leaves(self._dividing(records), rows)))

    def _bough(
        self, spool: Spool, tree: Bough, above: list[_Above], parent: int, right: bool
    ) -> None:
        """Write the cells of a part of the top of the tree, and all below."""
        start = above[-1].stop if above else 0.0
        if tree.left is None or tree.right is None:
            records = in_order_of_rank(spool.leaf(tree.first))
            ends = [0, *cuts_of(records[RANK], [cell.stop for cell in above])]
            for cell, (first, end) in zip(above, pairwise(ends), strict=True):
                cell.records.append(records[first:end].copy())  # not all of the leaf
            self._leaf(records[ends[-1] :], start, parent, right, self._rest)
            return
        below = int(spool.counts[tree.first : tree.stop].sum())
        stop = min(1.0, start + TAKEN / max(below, 1))
        row = self._cells.add(parent, right, tree.cut, stop)
        own = _Above(stop)
        above.append(own)
        self._bough(spool, tree.left, above, row, False)
        self._bough(spool, tree.right, above, row, True)
        above.pop()
        records = in_order_of_rank(joined(own.records, self._layout.dtype))
        self._cells.place(row, len(records), self._top.write(records))
        self._advance(len(records))

    def _leaf(
        self, records: Array, start: float, parent: int, right: bool, groups: _Groups
    ) -> None:
        """Divide points in memory and write their cells."""
        if len(records) == 0 and parent >= 0:
            return
        records = in_order_of_rank(records)
        for row, rows in self._cells.divided(
            self._dividing(records), records[RANK], start, parent, right
        ):
            self._cells.place(row, len(rows), groups.write(records.take(rows)))
            self._advance(len(rows))

    def _advance(self, count: int) -> None:
        self._done += count
        self._progress(SORTED + (1 - SORTED) * self._done / self._found.count)


@dataclass(slots=True)
class _Above:
    """A cell above the leaf that is being written."""

    stop: float
    records: list[Array] = field(default_factory=list)


class _Groups:
    """Writes cells as row groups into one file after the other. A context manager."""

    def __init__(self, target: Path, layout: Layout, numbers: Iterator[int]) -> None:
        """`numbers`: those of the files, as they are needed."""
        self._target = target
        self._layout = layout
        self._numbers = numbers
        self._writer: pq.ParquetWriter | None = None
        self._part = self._group = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, records: Array) -> tuple[int, int]:
        """Write the points of a cell; where they are. No points are nowhere."""
        import pyarrow.parquet as pq

        if len(records) == 0:
            return -1, -1
        table = self._layout.table(records)
        if self._writer is not None and self._group == GROUPS:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            self._part, self._group = next(self._numbers), 0
            words = [one.name for one in self._layout.columns if one.categories is not None]
            self._writer = pq.ParquetWriter(
                part_path(self._target, self._part),
                table.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=words,
            )
        self._writer.write_table(table, row_group_size=len(records))
        self._group += 1
        return self._part, self._group - 1
