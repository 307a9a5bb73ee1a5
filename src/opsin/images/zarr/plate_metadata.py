"""Plate metadata: what OME-Zarr says of a plate and of its wells. Lenient, as `ome_metadata` is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsin.errors import OpenError
from opsin.images.ome_metadata import checked_path
from opsin.images.text import shown

WELLS_LIMIT = 100_000
SIDE_LIMIT = 4096
"""Rows, or columns, of a plate."""


@dataclass(frozen=True, slots=True)
class Plate:
    """Wells in rows and columns, without the empty rows and columns around them."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    wells: Mapping[tuple[int, int], str]
    """Path of the well at a row and a column; others are empty."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WellField:
    """A field of view, as its well names it."""

    path: str
    acquisition: int | None


def parse_plate(value: Any) -> Plate:
    """Parse the attribute `plate`.

    Raises:
        OpenError: it makes no sense; the message reads on from "The metadata of … ".
    """
    if not isinstance(value, Mapping):
        raise OpenError("has a plate that is not an object")
    entries = value.get("wells")
    if not isinstance(entries, list) or not entries:
        raise OpenError("names no wells")
    if len(entries) > WELLS_LIMIT:
        raise OpenError(f"names {len(entries)} wells, which is too many")
    paths = [checked_path(e.get("path")) if isinstance(e, Mapping) else None for e in entries]
    parts = [tuple(path.split("/")) if path is not None else () for path in paths]
    rows = _names(value.get("rows")) or _sorted({part[0] for part in parts if len(part) == 2})
    columns = _names(value.get("columns")) or _sorted({part[1] for part in parts if len(part) == 2})
    at_row = {name: i for i, name in reversed([*enumerate(rows)])}
    at_column = {name: i for i, name in reversed([*enumerate(columns)])}
    wells: dict[tuple[int, int], str] = {}
    odd: list[str] = []
    for entry, path, part in zip(entries, paths, parts, strict=True):
        # The path says it best: the indices of some writers are those of other plates.
        row = at_row.get(part[0]) if len(part) == 2 else _index(entry, "rowIndex", len(rows))
        column = (
            at_column.get(part[1]) if len(part) == 2 else _index(entry, "columnIndex", len(columns))
        )
        if path is None or row is None or column is None or (row, column) in wells:
            odd.append(repr(entry.get("path") if isinstance(entry, Mapping) else entry)[:40])
        else:
            wells[row, column] = path
    if not wells:
        raise OpenError("names no well whose place on the plate is known")
    warnings = []
    if odd:
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
        warnings.append(
            f"{len(odd)} of {len(entries)} wells are left out, because their place on the plate is "
            f"not known or taken: {shown(', '.join(odd[:3]))}{more}."
        )
    top, left = (min(place[axis] for place in wells) for axis in (0, 1))
    bottom, right = (max(place[axis] for place in wells) for axis in (0, 1))
    return Plate(
        tuple(shown(name) for name in rows[top : bottom + 1]),
        tuple(shown(name) for name in columns[left : right + 1]),
        {(row - top, column - left): path for (row, column), path in wells.items()},
        tuple(warnings),
    )


def parse_well(value: Any) -> tuple[WellField, ...]:
    """The fields that the attribute `well` names; what makes no sense there is left out."""
    entries = value.get("images") if isinstance(value, Mapping) else None
    found = []
    for entry in entries if isinstance(entries, list) else []:
        path = checked_path(entry.get("path")) if isinstance(entry, Mapping) else None
        if path is not None:
            acquisition = entry.get("acquisition")
            found.append(WellField(path, acquisition if type(acquisition) is int else None))
    return tuple(found)


def _names(entries: Any) -> list[str]:
    """Names of rows or columns; empty if they do not make sense."""
    if not isinstance(entries, list) or len(entries) > SIDE_LIMIT:
        return []
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in entries]
    known = [name for name in names if isinstance(name, str) and name]
    return known if len(known) == len(names) else []


def _sorted(names: set[str]) -> list[str]:
    """A, B, … Z, AA; 1, 2, … 10."""
    return sorted(names, key=lambda name: (len(name), name))[:SIDE_LIMIT]


def _index(entry: Any, key: str, count: int) -> int | None:
    index = entry.get(key) if isinstance(entry, Mapping) else None
    return index if type(index) is int and 0 <= index < count else None
