"""Memory: points that are held by this process, in the same tree as those on the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from opsin.errors import Unsupported
from opsin.images.points import POSITION, Points, PointsSource
from opsin.images.points.cell_table import CellTable
from opsin.images.points.division import Dividing
from opsin.images.points.document import Document, document_of, points_of
from opsin.images.points.index import index_of
from opsin.images.points.records import RANK, in_order_of_rank, joined
from opsin.images.points.survey import survey
from opsin.images.points.table import open_table
from opsin.images.source import Array, Direct, Encoded, Index

MOST_HELD = 1 << 21
"""Points of a table that is read whole."""


def points_from_table(
    source: Any,
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    properties: Sequence[str] | None = None,
    scale: Mapping[str, float] | None = None,
    translation: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
) -> Points:
    """The points of a table, which is read whole; at most 2 million.

    Takes and raises what `opsin.images.points.write.write_points` does, but writes nothing.

    Raises:
        Unsupported: there are too many.
    """
    table = open_table(source)
    found = survey(table, columns, properties)
    if found.count > MOST_HELD:
        raise Unsupported(
            f"{table.name} has {found.count} points, too many without an index: make one with "
            f"`opsin write {table.name} {table.stem}.points`."
        )
    document = document_of(found, name or table.stem, scale, translation, units)
    rows, batches = 0, []
    for batch, _ in table.batches(found.layout.names):
        batches.append(found.layout.records(batch, rows))
        rows += batch.num_rows
    records = in_order_of_rank(joined(batches, found.layout.dtype))
    places = found.layout.positions(records)
    chunks = _chunks(records, places, document, found.layout.names)
    cells, order = CellTable(), []
    dividing = Dividing(places, [axis.scale for axis in document.axes], found.has_time)
    for row, some in cells.divided(dividing, records[RANK]):
        cells.place(row, len(some), (0, row))
        order.append(some)
    index = index_of(document, cells.columns())
    bounds = np.concatenate([[0], np.cumsum(index.tree.counts)])
    held = Held(chunks[np.concatenate(order)], bounds, tuple(p.name for p in document.properties))
    return points_of(document, index.tree, held)


def _chunks(
    records: Array, places: Sequence[Array], document: Document, columns: Sequence[str]
) -> Array:
    """Records as chunks have them."""
    fields = [(one.name, np.dtype(one.dtype)) for one in document.properties]
    out = np.empty(len(records), [(POSITION, np.float64, (len(places),)), *fields])
    for number, (axis, place) in enumerate(zip(document.axes, places, strict=True)):
        out[POSITION][:, number] = axis.scale * place + axis.translation
    for one in document.properties:
        out[one.name] = records[str(columns.index(one.name))]
    return out


class Held(PointsSource):
    """Chunks as views of one array.

    Args:
        chunks: all of them, one after the other.
        bounds: where each begins, and where the last one ends.
        names: the properties that chunks have.
    """

    def __init__(self, chunks: Array, bounds: Array, names: tuple[str, ...]) -> None:
        self._chunks = chunks
        self._bounds = bounds
        self._names = names

    @property
    def provenance(self) -> Literal["memory"]:
        return "memory"

    def with_properties(self, names: tuple[str, ...]) -> Held:
        return Held(self._chunks, self._bounds, names)

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        return None

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        first, stop = self._bounds[index[0]], self._bounds[index[0] + 1]
        chunk = self._chunks[first:stop]
        if chunk.dtype.names == (POSITION, *self._names):
            return chunk
        out = np.empty(len(chunk), [(n, chunk.dtype[n]) for n in (POSITION, *self._names)])
        for name in out.dtype.names or ():
            out[name] = chunk[name]
        return out

    def direct(self, level: int) -> Direct | None:
        return lambda index: (self.decode(level, index, None), 0)

    def transient_bytes(self, level: int, index: Index) -> int:
        return 0

    def close(self) -> None:
        pass
