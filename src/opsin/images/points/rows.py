"""Rows: a table, or points or shapes that stand in one: what operations take that is not pixels.

Points have columns with their positions in the world. Shapes have one row for each corner, and a
column `index` that says which shape it belongs to, as in the files that napari writes.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from opsin.errors import NotFound, Unsupported, UsageError
from opsin.images.image import Axis, Origin
from opsin.images.points import POSITION, Points
from opsin.images.points.columns import AxisColumn, axis_columns
from opsin.images.points.reader import holds_points, is_index, open_points
from opsin.images.points.text_columns import MOST_ROWS, TEXT, read_text_columns
from opsin.images.readers.address import Address
from opsin.images.source import Array

RowsKind: TypeAlias = Literal["table", "points", "shapes"]
ROWS: tuple[RowsKind, ...] = ("table", "points", "shapes")

PARQUET = (".parquet", ".pq")
"""What the names of files of Parquet end with."""
SYMBOLS = {
    "micrometer": "um",
    "nanometer": "nm",
    "millimeter": "mm",
    "second": "s",
    "minute": "min",
}
"""Units as they stand in the names of columns."""
SHAPE = "index"
"""The column that says which shape a corner belongs to."""
_ADVICE = "rename the columns that hold positions to y and x"


@dataclass(frozen=True, eq=False)
class Rows(Mapping[str, Any]):
    """Columns of one length by name, which are not changed.

    Numbers are NumPy arrays of int64, float64 or bool, whatever they were stored as, so that they
    are the same again when they were written as text; all else is lists of texts.

    Attributes:
        name: for messages.
        kind: what the rows are.
        count: how many rows there are; of points in a file, those that have a position.
        load: reads the columns, when they are first asked for.
        axes: of points and shapes, in the order t, z, y, x. Which columns hold the positions along
            them is told by the names of these.
        origin: where they were read; None: they can be read nowhere again.
    """

    name: str
    kind: RowsKind
    count: int
    load: Callable[[], Mapping[str, Any]] = field(repr=False)
    axes: tuple[Axis, ...] = ()
    origin: Origin | None = None

    @cached_property
    def columns(self) -> dict[str, Any]:
        """All columns.

        Raises:
            ReadError: they cannot be read.
        """
        return dict(self.load())

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Of points and shapes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def position_columns(self) -> tuple[str, ...]:
        """The columns that hold positions, in the order of the axes."""
        return tuple(self._places.values())

    @cached_property
    def placed(self) -> Array:
        """Which rows have a position: a finite number along every axis."""
        count = max((len(column) for column in self.columns.values()), default=0)
        found = np.ones(count, np.bool_)
        for column in self._places.values():
            found &= np.isfinite(np.asarray(self.columns[column], np.float64))
        return found

    def positions(self, names: Sequence[str] | None = None) -> Array:
        """World positions (rows, axes) of the rows that have one, float64, in their order.

        Args:
            names: of the axes, in the order of the result; None: all.

        Raises:
            UsageError: there is no such axis.
        """
        columns = self._places
        wanted = self.axis_names if names is None else tuple(names)
        for name in wanted:
            if name not in columns:
                has = ", ".join(columns) or "no positions"
                raise UsageError(f"{self.name} has {has}, and nothing along {name}.")
        out = np.empty((int(self.placed.sum()), len(wanted)))
        for number, name in enumerate(wanted):
            out[:, number] = np.asarray(self.columns[columns[name]], np.float64)[self.placed]
        return out

    def shape_numbers(self) -> Array:
        """Which shape each corner that has a position belongs to: 0, 1, … in order."""
        given = self.columns.get(SHAPE)
        if given is None:
            raise UsageError(f"{self.name} has no column {SHAPE!r}, which tells shapes apart.")
        named = np.asarray(given)[self.placed]
        _, first, which = np.unique(named, return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first))
        return np.asarray(order[which])

    def kept(self) -> dict[str, Any]:
        """What an operation gets of them, as columns that `said_to_be` understands."""
        if self.kind == "table":
            return self.columns
        found = {SHAPE: self.shape_numbers()} if self.kind == "shapes" else {}
        positions = self.positions()
        spatial = {axis.unit for axis in self.axes if axis.type == "space"}
        for number, axis in enumerate(self.axes):
            # Columns of positions are found by names that differ in the axis only.
            is_told = axis.type != "space" or len(spatial) == 1
            unit = SYMBOLS.get(axis.unit or "") if is_told else None
            title = f"{axis.name} [{unit}]" if unit else axis.name
            found[title] = positions[:, number]
        return found

    def identity(self) -> str:
        """Words that are the same for what is the same to an operation.

        Raises:
            ReadError: the rows cannot be read.
        """
        digest = hashlib.sha256(self.kind.encode())
        for name, column in self.kept().items():
            digest.update(f"\n{name}\n".encode(errors="surrogateescape"))
            if isinstance(column, np.ndarray):
                digest.update(column.dtype.str.encode())
                digest.update(np.ascontiguousarray(column).tobytes())
            else:
                digest.update("\0".join(map(str, column)).encode(errors="surrogateescape"))
        return f"sha256:{digest.hexdigest()}"

    def said_to_be(self, kind: RowsKind) -> Rows:
        """The same rows as a table, points or shapes.

        Raises:
            Unsupported: they have no columns that are called like positions.
        """
        if kind == self.kind:
            return self
        if kind == "table":
            return replace(self, kind=kind)
        axes = self.axes or tuple(one.axis for one in self._axis_columns())
        made = replace(self, kind=kind, axes=axes)
        if kind == "shapes":
            made.shape_numbers()
        return made

    @cached_property
    def _places(self) -> dict[str, str]:
        """The columns that hold positions, by axis."""
        if not self.axes:
            return {}
        columns = {one.axis.name: one.column for one in self._axis_columns()}
        return {name: columns[name] for name in self.axis_names}

    def _axis_columns(self) -> tuple[AxisColumn, ...]:
        numeric = [name for name, one in self.columns.items() if isinstance(one, np.ndarray)]
        return axis_columns(numeric, {}, self.name, advice=_ADVICE)

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def rows_from_columns(
    columns: Mapping[Any, Any], kind: RowsKind, name: str, origin: Origin | None = None
) -> Rows:
    """Columns that are in memory, as rows.

    Raises:
        UsageError: they are no columns, or not of one length.
        Unsupported: of points or shapes there are no columns that are called like positions.
    """
    made: dict[str, Any] = {}
    for title, column in columns.items():
        if not isinstance(title, str) or np.ndim(column) != 1:
            raise UsageError(f"{name} is no table: {title!r} is no column, but a single value.")
        array = np.asarray(column)
        is_number = array.dtype.kind in "biuf"
        made[title] = _plain(array) if is_number else [_cell(one) for one in column]
    lengths = {len(column) for column in made.values()}
    if len(lengths) > 1:
        raise UsageError(f"{name} is no table: its columns differ in length.")
    table = Rows(name, "table", max(lengths, default=0), lambda: made, origin=origin)
    return table.said_to_be(kind)


def rows_from_points(points: Points, name: str | None = None) -> Rows:
    """All points of a layer, with their properties. Nothing is read yet.

    Those of a table are in its order, and read from its file once more.

    Raises:
        Unsupported: they are too many to be held at once.
    """
    name = name or points.name
    _check_count(name, points.count)
    origin = points.origin

    def load() -> Mapping[str, Any]:
        if origin is not None and _is_file(Path(origin.address)):
            return read_rows(origin.address).columns
        return _read_tree(points)

    return Rows(name, "points", points.count, load, points.axes, origin)


def read_rows(address: str | Path, kind: RowsKind = "table") -> Rows:
    """The rows at a path: CSV or other text, Parquet, an index of points, or a formula of points.

    Text is read without pyarrow. An empty cell of a column of numbers is NaN.

    Raises:
        NotFound: there is nothing.
        Unsupported: it holds no such rows, too many, or pyarrow is missing.
        OpenError: it cannot be read.
    """
    place = Address.parse(address)
    origin = Origin(place.whole)
    if place.formula is not None or (place.path is not None and is_index(place.path)):
        with open_points(address) as points:
            rows = rows_from_points(replace(points, origin=None))
            columns = rows.columns  # now, as the file is closed then
        return replace(rows, load=lambda: columns, origin=origin).said_to_be(kind)
    if place.path is None:
        raise Unsupported(f"{place.text} cannot be read as a table: give a local file.")
    if not place.path.exists():
        raise NotFound(f"There is nothing at {place.text}.")
    text = place.path.suffix.lower() in TEXT
    columns = read_text_columns(place.path) if text else _read_arrow(place.path)
    return rows_from_columns(columns, kind, place.name, origin)


def holds_rows(address: str | Path) -> bool:
    """Whether `read_rows` is the one for an address, and not `open_images`."""
    place = Address.parse(address)
    is_text = place.path is not None and place.path.suffix.lower() in TEXT
    return holds_points(place) or (is_text and _is_file(place.path))


def write_rows(columns: Mapping[str, Any], path: Path, *, parquet: bool = False) -> int:
    """Write columns as comma-separated values, or as Parquet; gives the number of rows.

    Raises:
        OSError: the disk does not take it.
        Unsupported: pyarrow is missing.
    """
    values = [np.asarray(column).tolist() for column in columns.values()]
    if parquet:
        from opsin.images.points.table import needs_pyarrow

        needs_pyarrow("Parquet is written")
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(dict(zip(columns, values, strict=True))), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*values, strict=True))
    return len(values[0]) if values else 0


def _read_arrow(path: Path) -> dict[str, Any]:
    """Columns of Parquet."""
    from opsin.images.points.table import open_table

    table = open_table(path)
    names = [entry.name for entry in table.schema()]
    parts: dict[str, list[Any]] = {name: [] for name in names}
    count = 0
    for batch, _ in table.batches(names):
        count += batch.num_rows
        _check_count(table.name, count)
        for name in names:
            parts[name].append(_as_column(batch.column(name)))
    found: dict[str, Any] = {}
    for name, some in parts.items():
        if all(isinstance(one, np.ndarray) for one in some):
            found[name] = np.concatenate(some) if some else np.empty(0)
        else:
            found[name] = [one for part in some for one in part]
    return found


def _as_column(array: Any) -> Any:
    """A column of pyarrow: numbers as NumPy has them (NaN: none), all else as texts."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_decimal(kind) or (array.null_count and _is_whole(kind)):
        array = array.cast(pa.float64(), safe=False)
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype.kind in "biuf":
        return values
    return ["" if one is None else _cell(one) for one in array.to_pylist()]


def _is_whole(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind))


def _read_tree(points: Points) -> dict[str, Any]:
    """Positions and properties of all points, cell by cell, the coarsest level first."""
    chunks = []
    cells, level = points.tree.root(), len(points.levels) - 1
    while len(cells):
        chunks += [
            points.read(level, (int(cell),))
            for cell, count in zip(cells.grid, cells.count, strict=True)
            if count
        ]
        if level == 0:
            break
        cells, level = points.tree.children(cells)[0], level - 1
    records = np.concatenate(chunks) if chunks else np.empty(0, points.dtype)
    found: dict[str, Any] = {
        name: np.ascontiguousarray(records[POSITION][:, number])
        for number, name in enumerate(points.axis_names)
    }
    for one in points.properties:
        values = np.ascontiguousarray(records[one.name])
        words = np.asarray(one.categories, object)
        found.setdefault(one.name, words[values].tolist() if one.categories else values)
    return found


def _check_count(name: str, count: int) -> None:
    if count > MOST_ROWS:
        raise Unsupported(
            f"{name} has {count} rows, and an operation gets at most {MOST_ROWS} at once: "
            "give it a part of them."
        )


def _is_file(path: Path | None) -> bool:
    return path is not None and path.is_file()


def _plain(array: Array) -> Array:
    """Numbers as one of three types."""
    if array.dtype.kind == "b":
        return array
    is_whole = array.dtype.kind == "i" or (
        array.dtype.kind == "u" and (array.size == 0 or int(array.max()) < 2**63)
    )
    return array.astype(np.int64 if is_whole else np.float64, copy=False)


def _cell(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, (str, int, float, bool)) else str(plain)
