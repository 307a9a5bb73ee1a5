"""Index: the folder that points lie in, on the disk. docs/concepts/points.md describes it.

NAME.points/
  points.json                what they are: axes, properties
  cells.parquet              the tree: one row per cell
  points/part-00000.parquet  the points: one row group per cell, in the order of their ranks
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from opsin.errors import OpenError, ReadError, Unsupported, UsageError
from opsin.images.points.document import FORMAT, VERSION, Document
from opsin.images.points.table import reading
from opsin.images.points.tree import MOST, Floats, Ints, StoredTree
from opsin.images.source import Array
from opsin.images.text import shown

DOCUMENT = "points.json"
CELLS = "cells.parquet"
PARTS = "points"
GROUPS = 256
"""Row groups of a part: its footer has to be read before any of them."""
LARGEST = 4 * MOST
"""Points of a cell, that a damaged file does not get beyond."""
MOST_CELLS = 1 << 25
MOST_DOCUMENT = 1 << 28
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Index:
    """What is known of points before any of them is read. Arrays have one entry per cell."""

    document: Document
    tree: StoredTree
    part: Ints
    """The number of the file that a cell's points lie in; -1: there are none."""
    group: Ints
    """Of the row group there."""


def part_path(folder: Path, number: int) -> Path:
    """The file of a part of the points."""
    return folder / PARTS / f"part-{number:05d}.parquet"


def write_index(folder: Path, document: Document, cells: Mapping[str, Array]) -> None:
    """Write all but the points.

    Args:
        folder: exists.
        document: what they are.
        cells: `parent`, `right`, `axis`, `cut`, `count`, `stop`, `part`, `group`: one per cell.

    Raises:
        OSError: the disk does not take it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(column) for name, column in cells.items()})
    pq.write_table(table, folder / CELLS, compression="zstd")
    encoded = msgspec.json.format(msgspec.json.encode(document), indent=2)
    (folder / DOCUMENT).write_bytes(encoded + b"\n")


def read_index(folder: Path) -> Index:
    """Read all but the points.

    Raises:
        OpenError: it is damaged.
        Unsupported: it is of a later version.
    """
    name = shown(folder.name)
    document = _document(folder, name)
    try:
        return index_of(document, _cells(folder))
    except (ReadError, Damaged) as error:
        reason = str(error).removeprefix(f"{CELLS} ").rstrip(".")
        raise OpenError(f"{name} is damaged: {CELLS} {reason}.") from error


class Damaged(Exception):
    """What makes no sense in a table of cells, as the end of a sentence."""


def _document(folder: Path, name: str) -> Document:
    path = folder / DOCUMENT
    try:
        if path.stat().st_size > MOST_DOCUMENT:
            raise OpenError(f"{name} is damaged: {DOCUMENT} is too large.")
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=_Version)
    except OSError as error:
        raise OpenError(f"{name} cannot be opened: {error.strerror or error}.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise OpenError(f"{name} is damaged: {DOCUMENT} cannot be understood.") from error
    if version.format != FORMAT or version.version != VERSION:
        raise Unsupported(
            f"{name} is of version {version.version} of {shown(version.format)}, and this Opsin "
            f"reads version {VERSION}: write it again, or use a newer Opsin."
        )
    try:
        document = msgspec.json.decode(data, type=Document)
        document.check()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OpenError(f"{name} is damaged: {DOCUMENT}: {error}.") from error
    except UsageError as error:
        raise OpenError(f"{name} is damaged. {error}") from error
    return document


class _Version(msgspec.Struct):
    format: str
    version: int


_COLUMNS: Mapping[str, str] = {
    "parent": "int64",
    "right": "bool",
    "axis": "int8",
    "cut": "float64",
    "count": "int64",
    "stop": "float64",
    "part": "int64",
    "group": "int64",
}


def _cells(folder: Path) -> dict[str, Array]:
    import pyarrow.parquet as pq

    with reading(CELLS), pq.ParquetFile(folder / CELLS) as file:
        if not 0 < file.metadata.num_rows <= MOST_CELLS:
            raise Damaged(f"has {file.metadata.num_rows} rows")
        table = file.read(columns=list(_COLUMNS), use_threads=False)
    if len(table) != file.metadata.num_rows:
        raise Damaged("has not the rows that it says")
    found: dict[str, Array] = {}
    for name, dtype in _COLUMNS.items():
        if name not in table.column_names:
            raise Damaged(f"has no column {name!r}")
        column = table.column(name)
        with reading(CELLS):
            array = column.to_numpy()
        if column.null_count or not np.can_cast(array.dtype, dtype, "same_kind"):
            raise Damaged(f"holds no numbers in the column {name!r}")
        found[name] = array.astype(dtype)
    return found


def index_of(document: Document, cells: Mapping[str, Array]) -> Index:
    """What cells mean: columns with one entry per cell, as `write_index` takes them.

    Raises:
        Damaged: they make no sense.
    """
    parent, right, stop = cells["parent"], cells["right"], cells["stop"]
    rows = np.arange(len(parent))
    axes = len(document.axes)
    one_root = parent[0] == -1 and bool((parent[1:] >= 0).all())
    if not one_root or not (parent < rows).all():
        raise Damaged("is no tree: a cell lies in one that comes after it")
    left_of, right_of = (np.full(len(rows), -1) for _ in range(2))
    for side, halves in ((left_of, ~right), (right_of, right)):
        those = rows[1:][halves[1:]]
        side[parent[those]] = those
    if (left_of >= 0).sum() + (right_of >= 0).sum() != len(rows) - 1:
        raise Damaged("is no tree: a cell has two left halves, or two right ones")
    if not ((cells["axis"] >= -1) & (cells["axis"] < axes)).all():
        raise Damaged("cuts along an axis that there is not")
    if not np.isfinite(cells["cut"]).all():
        raise Damaged("has a cut that is nowhere")
    before = np.where(parent >= 0, stop[parent], 0.0)
    if not ((stop >= before) & (stop <= 1)).all():
        raise Damaged("has ranks that are out of order")
    counts = cells["count"]
    stored = cells["part"] >= 0
    if not (counts >= 0).all() or counts.sum() != document.count or (counts[~stored] > 0).any():
        raise Damaged(f"does not account for {document.count} points")
    if counts.max() > LARGEST:
        raise Damaged(f"has a cell of {counts.max()} points")
    if not (cells["group"][stored] >= 0).all():
        raise Damaged("names a row group that there is not")
    tree = StoredTree(
        _levels(left_of, right_of),
        *_world(document, cells),
        left_of,
        right_of,
        counts,
        stop,
    )
    return Index(document, tree, cells["part"], cells["group"])


def _levels(left: Ints, right: Ints) -> int:
    """How many cells lie in each other."""
    levels, rows = 0, np.zeros(1, np.int64)
    while len(rows):
        levels += 1
        halves = np.concatenate([left[rows], right[rows]])
        rows = halves[halves >= 0]
    return levels


def _world(
    document: Document, cells: Mapping[str, Array]
) -> tuple[Floats, Floats, npt.NDArray[np.int8], Floats]:
    """Where the root begins and ends, along which axes cells are cut, and where: in the world."""
    scale, translation, low, high = np.array(
        [(axis.scale, axis.translation, axis.low, axis.high) for axis in document.axes]
    ).T
    axis = cells["axis"]
    cut = np.where(axis >= 0, scale[axis] * cells["cut"] + translation[axis], 0.0)
    return scale * low + translation, scale * high + translation, axis, cut
