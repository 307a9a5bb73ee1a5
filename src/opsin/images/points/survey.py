"""Survey: what a table of points holds, found by reading it once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opsin.errors import OpenError, UsageError
from opsin.images.points import POSITION
from opsin.images.points.columns import AxisColumn, axis_columns
from opsin.images.points.records import (
    Column,
    Layout,
    as_numbers,
    as_words,
    code_dtype,
    picked,
    ranks,
    where_placed,
)
from opsin.images.points.table import Table, TypeChanged
from opsin.images.points.tree import Floats
from opsin.images.source import Array

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 1 << 18
"""Points that stand for all when the first cuts are made."""
MOST_CATEGORIES = 1 << 16
MOST_WORDS = 1 << 24
"""Letters of all categories of a column together."""
MOST_STEPS = 1 << 16
"""Different points in time, beyond which there are any between two."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a table holds."""

    layout: Layout
    count: int
    """Points: rows with a position."""
    left_out: int
    """Rows without one."""
    low: Floats
    """Along each axis, in numbers of the table."""
    high: Floats
    ranges: Mapping[str, tuple[float, float]]
    """The lowest and highest number of columns that have one."""
    time_step: float
    """The least distance of two points in time; 0: without time, or where they are too many."""
    sample: list[Floats]
    """Positions along each axis of the points with the lowest ranks, in the order of these."""
    notes: tuple[str, ...]
    """What is left out, one sentence each."""

    @property
    def has_time(self) -> bool:
        """Whether the first axis is time."""
        return self.layout.axes[0].axis.type == "time"


def survey(
    table: Table,
    columns: Mapping[str, str] | None = None,
    properties: Sequence[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Survey:
    """Read a table once.

    Args:
        table: what is read.
        columns: names of the columns with positions, by axis; by default they are found.
        properties: which other columns are kept; None: all that can be.
        progress: called with the part that has been read.

    Raises:
        UsageError: columns or properties that there are not.
        Unsupported: there are no positions.
        OpenError: there are no points.
        Corrupt: the table is damaged.
    """
    while True:
        try:
            return _surveyed(table, columns or {}, properties, progress or (lambda _: None))
        except TypeChanged:
            continue


def _surveyed(
    table: Table,
    columns: Mapping[str, str],
    properties: Sequence[str] | None,
    progress: Callable[[float], None],
) -> Survey:
    schema = table.schema()
    numeric = [field.name for field in schema if _is_number(field.type)]
    axes = axis_columns(numeric, columns, table.name)
    kept, notes = _kept(schema, axes, properties, table.name)
    readers = {name: _reader(name, schema.field(name).type) for name in kept}
    sample = _Sample(len(axes))
    times = _Times() if axes[0].axis.type == "time" else None
    low, high = np.full(len(axes), np.inf), np.full(len(axes), -np.inf)
    rows = count = 0
    for batch, part in table.batches(kept):
        placed = where_placed(batch, axes)
        order = ranks(rows, batch.num_rows)
        rows += batch.num_rows
        if not placed.all():
            batch, order = picked(batch, placed), order[placed]
        places = [as_numbers(batch.column(one.column)) for one in axes]
        count += len(order)
        if len(order):
            low = np.minimum(low, [place.min() for place in places])
            high = np.maximum(high, [place.max() for place in places])
            sample.add(order, places)
            if times is not None:
                times.add(places[0])
            for name, reader in readers.items():
                reader.add(batch.column(name))
        progress(part)
    if count == 0:
        what = f"none of its {rows} rows has a position" if rows else "it is empty"
        raise OpenError(f"{table.name} holds no points: {what}.")
    found = [reader.column() for reader in readers.values()]
    too_many = [reader.name for reader in readers.values() if reader.column() is None]
    notes += [
        f"The column {name} was left out: it has more than {MOST_CATEGORIES} different words."
        for name in too_many
    ]
    ranges = {n: r.range for n, r in readers.items() if r.range is not None}
    return Survey(
        Layout(tuple(column for column in found if column is not None), axes),
        count,
        rows - count,
        low,
        high,
        ranges,
        0.0 if times is None else times.step,
        sample.places(),
        tuple(notes),
    )


def _kept(
    schema: pa.Schema, axes: Sequence[AxisColumn], properties: Sequence[str] | None, table: str
) -> tuple[list[str], list[str]]:
    """Names of the columns that are kept, in the table's order, and notes about others."""
    placed = [one.column for one in axes]
    if properties is not None:
        unknown = [name for name in properties if name not in schema.names]
        if unknown:
            raise UsageError(f"{table} has no column {unknown[0]!r} to keep.")
    kept, notes = [], []
    for field in schema:
        name = field.name
        asked = properties is None or name in properties
        if name in placed:
            kept.append(name)
        elif asked and name and not _is_row_number(name, placed):
            if name == POSITION:
                notes.append(f"The column {name} was left out: that is what its place is called.")
            elif _is_number(field.type) or _is_text(field.type):
                kept.append(name)
            else:
                notes.append(f"The column {name} was left out: it has values of {field.type}.")
    return kept, notes


def _is_row_number(name: str, placed: Sequence[str]) -> bool:
    """Whether a column only counts rows: those that napari and pandas add."""
    return name == "__index_level_0__" or (name == "index" and "axis-0" in placed)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    t = pa.types
    return bool(
        t.is_integer(kind) or t.is_floating(kind) or t.is_boolean(kind) or t.is_decimal(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _reader(name: str, kind: pa.DataType) -> _Numbers | _Words:
    return _Words(name) if _is_text(kind) else _Numbers(name, kind)


class _Numbers:
    """What a column of numbers holds."""

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self.name = name
        self._kind = kind
        self._missing = False
        self.range: tuple[float, float] | None = None

    def add(self, array: pa.Array) -> None:
        import pyarrow as pa

        self._missing |= array.null_count > 0
        found = np.asarray(array.drop_null().to_numpy(zero_copy_only=False))
        if pa.types.is_decimal(self._kind):
            found = as_numbers(array)
        if len(found) == 0:
            return
        low, high = found.min(), found.max()
        if found.dtype.kind == "f":
            low, high = np.fmin.reduce(found), np.fmax.reduce(found)  # which leave NaN out
            if not (np.isfinite(low) and np.isfinite(high)):
                found = found[np.isfinite(found)]
                low, high = (found.min(), found.max()) if len(found) else (np.inf, -np.inf)
        if low <= high:
            before = self.range or (float(low), float(high))
            self.range = (min(before[0], float(low)), max(before[1], float(high)))

    def column(self) -> Column:
        import pyarrow as pa

        if pa.types.is_decimal(self._kind):
            return Column(self.name, np.dtype(np.float64))
        dtype = np.dtype(self._kind.to_pandas_dtype())
        if self._missing and dtype.kind != "f":
            dtype = np.dtype(np.float64)
        return Column(self.name, dtype)


class _Words:
    """What a column of words holds."""

    range = None

    def __init__(self, name: str) -> None:
        self.name = name
        self._words: set[str] | None = set()

    def add(self, array: pa.Array) -> None:
        if self._words is None:
            return
        self._words.update(word or "" for word in as_words(array.unique()).to_pylist())
        if len(self._words) > MOST_CATEGORIES or sum(map(len, self._words)) > MOST_WORDS:
            self._words = None

    def column(self) -> Column | None:
        """None: there are too many."""
        if self._words is None:
            return None
        words = tuple(sorted(self._words))
        return Column(self.name, code_dtype(len(words)), words)


class _Times:
    """Which points in time there are."""

    def __init__(self) -> None:
        self._found: Floats | None = np.empty(0)

    def add(self, times: Floats) -> None:
        if self._found is not None:
            self._found = np.union1d(self._found, times)
            if len(self._found) > MOST_STEPS:
                self._found = None

    @property
    def step(self) -> float:
        if self._found is None or len(self._found) < 2:
            return 0.0
        return float(np.diff(self._found).min())


class _Sample:
    """The points with the lowest ranks."""

    def __init__(self, axes: int) -> None:
        self._ranks = [np.empty(0, np.uint32)]
        self._places: list[list[Floats]] = [[] for _ in range(axes)]
        self._held = 0
        self._beyond = np.uint64(1 << 32)

    def add(self, order: Array, places: Sequence[Floats]) -> None:
        low = order < self._beyond
        self._ranks.append(order[low])
        for kept, place in zip(self._places, places, strict=True):
            kept.append(place[low])
        self._held += len(self._ranks[-1])
        if self._held > 2 * SAMPLE:
            self._settle()

    def places(self) -> list[Floats]:
        self._settle()
        return [_one(place) for place in self._places]

    def _settle(self) -> None:
        """Keep the lowest, in their order."""
        found = np.concatenate(self._ranks)
        order = np.argsort(found, kind="stable")[:SAMPLE]
        self._ranks = [found[order]]
        self._places = [[_one(place)[order]] for place in self._places]
        self._held = len(order)
        if self._held == SAMPLE:
            self._beyond = np.uint64(found[order[-1]])


def _one(parts: Iterable[Floats]) -> Floats:
    return np.concatenate(list(parts))
