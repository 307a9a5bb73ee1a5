"""Columns: which columns of a table are the positions of its points. Pure.

Columns are found by name: a word for the axis, alone or among words such as *centroid*, that is the
same for all axes: `x`; `X_centroid`; `POSITION_X`; `Location_Center_X`; `x [nm]`. Or by number, as
napari and scikit-image write them: `axis-0`, `axis-1`; `centroid-0`, `centroid-1`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opsin.errors import Unsupported, UsageError
from opsin.images.image import Axis
from opsin.images.units import unit_called

AXES = "tzyx"
"""The axes that points can have, in their order."""

_WORDS = frozenset(
    ("axis", "center", "centers", "centre", "centroid", "coord", "coordinate", "coordinates",
     "coords", "global", "loc", "location", "physical", "pos", "position", "spot", "spots",
     "weighted", "world")
)  # fmt: skip
_UNITS = frozenset(
    ("um", "µm", "μm", "micron", "microns", "micrometer", "nm", "mm", "px", "pixel", "pixels", "s",
     "sec", "min")
)  # fmt: skip
_TIMES = frozenset(("t", "time"))
_MOST_SAID = 12


@dataclass(frozen=True, slots=True)
class AxisColumn:
    """An axis, and the column that holds the positions along it."""

    axis: Axis
    column: str


def axis_columns(
    numeric: Sequence[str],
    given: Mapping[str, str],
    table: str,
    *,
    advice: str = "say which they are, as in --columns y=row,x=column",
) -> tuple[AxisColumn, ...]:
    """The columns that hold positions, in the order t, z, y, x.

    Args:
        numeric: names of the columns with numbers, in the table's order.
        given: columns by axis, as a user says it; empty: they are found by name.
        table: what the table is called, for messages.
        advice: what to do if there are none.

    Raises:
        UsageError: `given` makes no sense.
        Unsupported: no columns have the names of positions.
    """
    if given:
        return _given(numeric, given, table)
    found: dict[str, str] = {}
    for columns in _groups(numeric):
        if {"y", "x"} <= columns.keys():
            found = columns
            break
    if not found:
        names = ", ".join(numeric[:_MOST_SAID]) + (", …" if len(numeric) > _MOST_SAID else "")
        has = f"only {names}" if numeric else "no numbers at all"
        raise Unsupported(
            f"{table} has no columns that are called like positions along y and x ({has}): "
            f"{advice}."
        )
    if "t" not in found:
        times = [name for name in numeric if _words(name) and _words(name)[0] in _TIMES]
        times = [name for name in times if set(_words(name)[1:]) <= _UNITS]
        if times:
            found["t"] = times[0]
    return tuple(_column(axis, found[axis]) for axis in AXES if axis in found)


def _given(numeric: Sequence[str], given: Mapping[str, str], table: str) -> tuple[AxisColumn, ...]:
    for axis, column in given.items():
        if axis not in AXES or len(axis) != 1:
            raise UsageError(f"Points have the axes t, z, y and x, not {axis!r}.")
        if column not in numeric:
            known = ", ".join(numeric[:_MOST_SAID]) or "none"
            raise UsageError(f"{table} has no column of numbers called {column!r}: it has {known}.")
    if not {"y", "x"} <= given.keys():
        raise UsageError("Points need columns for y and x, as in --columns y=row,x=column.")
    if len(set(given.values())) < len(given):
        raise UsageError("A column can be the position along one axis, not along two.")
    return tuple(_column(axis, given[axis]) for axis in AXES if axis in given)


def _column(axis: str, column: str) -> AxisColumn:
    unit = unit_called(next((word for word in _words(column) if word in _UNITS), None))
    return AxisColumn(Axis(axis, "time" if axis == "t" else "space", unit), column)


def _words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: `x`, `pos` of `xPos`."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-zµμ]+|[0-9]+", name)
    return tuple(word.lower() for word in found)


def _groups(names: Iterable[str]) -> list[dict[str, str]]:
    """Columns by axis that are called alike, the plainest names first."""
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        words = _words(name)
        for place, word in enumerate(words):
            rest = words[:place] + words[place + 1 :]
            if not set(rest) <= _WORDS | _UNITS:
                continue
            if word in AXES:
                groups.setdefault((*words[:place], "*", *words[place + 1 :]), {})[word] = name
            elif word.isdigit() and place == len(words) - 1 and rest:
                groups.setdefault((*rest, "#"), {})[word] = name
    ordered = sorted(groups.items(), key=lambda item: len(item[0]))  # stable
    return [_numbered(group) if pattern[-1] == "#" else group for pattern, group in ordered]


def _numbered(group: Mapping[str, str]) -> dict[str, str]:
    """`axis-0`, `axis-1` … by axis: the last is x."""
    count = len(group)
    if not 2 <= count <= len(AXES) or set(group) != {str(i) for i in range(count)}:
        return {}
    return {axis: group[str(i)] for i, axis in enumerate(AXES[-count:])}
