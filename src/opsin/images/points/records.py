"""Records: rows of a table as NumPy arrays, which can be sorted, kept on the disk and written back.

A record has the point's rank and its columns, under numbers: names may be anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from opsin.images.points.columns import AxisColumn
from opsin.images.points.tree import Floats
from opsin.images.source import Array
from opsin.images.synthetic.hash import chained

if TYPE_CHECKING:
    import pyarrow as pa

RANK = "rank"
RANKS = 1 << 32
"""Ranks are whole numbers below this."""

_SEED = np.zeros(1, np.uint64)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is kept."""

    name: str
    dtype: np.dtype[np.generic]
    """Of its values in records: as they are, or the numbers of categories."""
    categories: tuple[str, ...] | None = None
    """Of words, in alphabetical order; None: it has numbers."""


@dataclass(frozen=True)
class Layout:
    """What records hold."""

    columns: tuple[Column, ...]
    axes: tuple[AxisColumn, ...]

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """Of a record."""
        fields = [(str(number), column.dtype) for number, column in enumerate(self.columns)]
        return np.dtype([(RANK, np.uint32), *fields])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    def records(self, batch: pa.RecordBatch, first: int) -> Array:
        """Rows as records, without those that have no position.

        Args:
            batch: of these columns, in any order.
            first: how many rows of the table come before it.
        """
        placed = where_placed(batch, self.axes)
        order = ranks(first, batch.num_rows)
        if not placed.all():
            batch, order = picked(batch, placed), order[placed]
        out = np.empty(batch.num_rows, self.dtype)
        out[RANK] = order
        for number, column in enumerate(self.columns):
            out[str(number)] = values(batch.column(column.name), column)
        return out

    def positions(self, records: Array) -> list[Floats]:
        """What stands in the columns of positions, axis by axis, as float64."""
        names = self.names
        numbers = [names.index(one.column) for one in self.axes]
        return [np.ascontiguousarray(records[str(n)], np.float64) for n in numbers]

    def table(self, records: Array) -> pa.Table:
        """Records as a table, with words for the numbers of categories."""
        import pyarrow as pa

        arrays = []
        for number, column in enumerate(self.columns):
            array = pa.array(np.ascontiguousarray(records[str(number)]))
            if column.categories is not None:
                array = pa.array(column.categories, pa.string()).take(array)
            arrays.append(array)
        return pa.Table.from_arrays(arrays, names=list(self.names))


def ranks(first: int, count: int) -> npt.NDArray[np.uint32]:
    """The ranks of so many rows from this one on: the upper half of a hash of the row's number."""
    rows = np.arange(first, first + count, dtype=np.uint64)
    return (chained(_SEED, rows) >> np.uint64(32)).astype(np.uint32)


def where_placed(batch: pa.RecordBatch, axes: Sequence[AxisColumn]) -> npt.NDArray[np.bool_]:
    """Which rows have a position."""
    finite = [np.isfinite(as_numbers(batch.column(one.column))) for one in axes]
    placed: npt.NDArray[np.bool_] = np.logical_and.reduce(finite)
    return placed


def picked(batch: pa.RecordBatch, rows: npt.NDArray[np.bool_]) -> pa.RecordBatch:
    """Those rows of a batch."""
    import pyarrow as pa

    return batch.filter(pa.array(rows))


def as_numbers(array: pa.Array) -> Floats:
    """Numbers as float64; NaN where there is none."""
    import pyarrow as pa

    if array.type != pa.float64():
        array = array.cast(pa.float64(), safe=False)
    return np.asarray(array.to_numpy(zero_copy_only=False), np.float64)


def values(array: pa.Array, column: Column) -> Array:
    """The values of a column of a batch; NaN, or the empty word, where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.categories is not None:
        words = pc.fill_null(as_words(array), "")
        codes = pc.index_in(words, value_set=pa.array(column.categories, pa.string()))
        return np.asarray(codes.to_numpy(zero_copy_only=False)).astype(column.dtype)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    found: Any = array.to_numpy(zero_copy_only=False)
    return np.asarray(found, column.dtype)


def as_words(array: pa.Array) -> pa.Array:
    """An array of strings, of whatever kind, as plain strings."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array if array.type == pa.string() else array.cast(pa.string())


def code_dtype(count: int) -> np.dtype[np.generic]:
    """The smallest type that numbers so many categories."""
    for kind in (np.uint8, np.uint16):
        if count <= np.iinfo(kind).max + 1:
            return np.dtype(kind)
    return np.dtype(np.uint32)


def in_order_of_rank(records: Array) -> Array:
    """Records sorted by rank; those of one rank stay in their order."""
    # Numbers are sorted ten times as fast as they are by `argsort`, and records are taken five
    # times as fast as they are indexed.
    keys = records[RANK].astype(np.uint64) << np.uint64(32) | np.arange(
        len(records), dtype=np.uint64
    )
    keys.sort()
    return records.take((keys & np.uint64(RANKS - 1)).astype(np.intp))


def joined(parts: Sequence[Array], dtype: np.dtype[np.void]) -> Array:
    """Parts as one array."""
    return np.concatenate(parts) if parts else np.empty(0, dtype)
