"""Given rows: points, shapes and tables of napari as inputs of an operation, in the world.

Points and shapes are layers; a table is what a layer has as features, or what a job gave. Results
that nobody has changed are given as the files that they came from, so that a script can repeat it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from opsin.errors import UsageError
from opsin.images.image import Axis, Origin
from opsin.images.points import Points
from opsin.images.points.columns import AXES
from opsin.images.points.rows import (
    SHAPE,
    SYMBOLS,
    Rows,
    RowsKind,
    read_rows,
    rows_from_columns,
    rows_from_points,
)
from opsin.images.source import Array
from opsin.napari.given import axes_of, place_of, type_of, units_of

RESULT = "opsin rows"
"""Key in the metadata of a layer of points that a job gave: its file, and the data as they were."""
ALIKE = 1e-9
"""Share by which a place may differ and still be the same."""


@dataclass(frozen=True)
class TableFile:
    """A table that a job gave, which is no layer but can be chosen like one."""

    path: Path
    name: str
    rows: int
    visible: bool = True


@dataclass(eq=False)
class RowsGiven:
    """Rows as an input.

    Attributes:
        layer: what the host gets.
        source: napari's layer, or a `TableFile`.
        axes: of the positions, none of a table.
    """

    layer: Rows
    source: Any
    axes: tuple[str, ...]

    def close(self) -> None:
        """Nothing is held."""


def given_rows(source: Any, kind: RowsKind) -> RowsGiven:
    """A layer of napari as points, shapes or a table.

    Raises:
        UsageError: an operation cannot be given it.
    """
    if isinstance(source, TableFile):
        path = source.path
        origin = Origin(str(path))
        rows = Rows(source.name, "table", source.rows, lambda: read_rows(path).columns, (), origin)
        return RowsGiven(rows, source, ())
    if type_of(source) in ("points", "shapes"):
        rows = _points(source) if type_of(source) == "points" else _shapes(source)
        rows = rows.said_to_be(kind)
        return RowsGiven(rows, source, rows.axis_names)
    rows = rows_from_columns(_features(source, None), "table", source.name)
    return RowsGiven(rows, source, ())


def fits_rows(source: Any, kind: RowsKind) -> bool:
    """Whether a layer of napari, or a table of a job, may be given as rows of this kind."""
    if isinstance(source, TableFile):
        return kind == "table"
    if kind == "table":
        features = getattr(source, "features", None)
        return type_of(source) == "points" or (features is not None and len(features.columns) > 0)
    return type_of(source) == kind


def _points(source: Any) -> Rows:
    """A layer of points. Those that it hides are left out."""
    scale, translation = place_of(source)
    ours = source.metadata.get("opsin")
    if isinstance(ours, Points):
        return _of_ours(source, ours, scale, translation)
    rows, data = source.metadata.get(RESULT, (None, None))
    names = _names(source)
    if rows is not None and _is_as_it_was(source, data):
        known: Rows = replace(rows, name=source.name)
        return known
    shown = np.broadcast_to(np.asarray(source.shown, np.bool_), len(source.data))
    world = np.asarray(source.data, np.float64)[shown] * scale + translation
    columns = dict(zip(names, world.T, strict=True))
    columns |= _features(source, shown, beside=set(names))
    return _with_units(rows_from_columns(columns, "points", source.name), source, names)


def _of_ours(source: Any, points: Points, scale: list[float], translation: list[float]) -> Rows:
    """All points of a layer that shows a sample of them."""
    rows = rows_from_points(points, source.name)
    member = source.metadata["opsin member"]
    factors = np.asarray(scale) / member.scale
    if np.allclose(factors, 1, atol=ALIKE) and np.allclose(translation, 0, atol=ALIKE):
        return rows

    def load() -> Mapping[str, Any]:  # the user has moved it
        world = rows.positions() * factors + translation
        others = {
            name: column if isinstance(column, list) else np.asarray(column)
            for name, column in rows.columns.items()
            if name not in rows.position_columns
        }
        kept = np.flatnonzero(rows.placed)
        picked = {name: [column[row] for row in kept] for name, column in others.items()}
        return {**dict(zip(rows.axis_names, world.T, strict=True)), **picked}

    return replace(rows, load=load, origin=None)


def _shapes(source: Any) -> Rows:
    """A layer of shapes, corner by corner: of an ellipse those of the box around it."""
    scale, translation = place_of(source)
    names = _names(source)
    parts = [np.asarray(part, np.float64) * scale + translation for part in source.data]
    counts = [len(part) for part in parts]
    columns: dict[str, Any] = {SHAPE: np.repeat(np.arange(len(parts)), counts)}
    joined = np.concatenate(parts) if parts else np.empty((0, len(names)))
    columns |= zip(names, joined.T, strict=True)
    return _with_units(rows_from_columns(columns, "shapes", source.name), source, names)


def _features(source: Any, shown: Array | None, beside: set[str] | None = None) -> dict[str, Any]:
    """The features of a layer as columns, of points those of the ones that are shown."""
    found: dict[str, Any] = {}
    for name in source.features.columns:
        if str(name) in (beside or ()):
            continue
        column = source.features[name].to_numpy()
        column = column if shown is None else column[shown]
        found[str(name)] = column if column.dtype.kind in "biuf" else [str(one) for one in column]
    return found


def _names(source: Any) -> tuple[str, ...]:
    names = axes_of(source)
    if not set(names) <= set(AXES):
        raise UsageError(
            f"{source.name} has the axes {', '.join(names)}, and positions are along t, z, y and "
            "x: rename its axes."
        )
    return names


def _with_units(rows: Rows, source: Any, names: tuple[str, ...]) -> Rows:
    units = dict(zip(names, units_of(source), strict=True))
    axes = tuple(
        Axis(axis.name, axis.type, unit if (unit := units[axis.name]) in SYMBOLS else None)
        for axis in rows.axes
    )
    return replace(rows, axes=axes)


def _is_as_it_was(source: Any, data: Any) -> bool:
    """Whether neither the points of a result nor their place were changed."""
    before, scale, translation = data
    now = place_of(source)
    return bool(
        np.array_equal(before, source.data)
        and np.all(source.shown)
        and np.allclose(now[0], scale, rtol=ALIKE)
        and np.allclose(now[1], translation, rtol=ALIKE, atol=ALIKE)
    )


def kept_as_result(path: Path, count: int, layer: Any) -> tuple[Rows, Any]:
    """What the metadata of a layer of points say of the file that its data came from."""

    def load() -> Mapping[str, Any]:
        return read_rows(path).columns

    axes = tuple(
        Axis(name, "time" if name == "t" else "space", unit if unit in SYMBOLS else None)
        for name, unit in sorted(
            zip(axes_of(layer), units_of(layer), strict=True), key=lambda one: AXES.find(one[0])
        )
    )
    rows = Rows(layer.name, "points", count, load, axes, Origin(str(path)))
    return rows, (np.array(layer.data), *place_of(layer))
