"""Row inputs: points, shapes and tables as a call of an operation gets them. Pure.

Beside an image, positions are given in pixels of what the call gets of it, and those that lie on
none of these pixels are left out. Without one, they are given as they are in the world.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from opsin.host.selection import Part, Selection
from opsin.images.points.rows import Rows


def row_input(rows: Rows, box: Part | None, axes: tuple[str, ...]) -> Any:
    """What a function gets.

    Args:
        rows: points, shapes or a table.
        box: what the call gets of the first image, as `Selection.box` gives it; None: no image.
        axes: that the call works on.

    Returns:
        Of points an array (points, axes), float64; of shapes a list of arrays (corners, axes); of
        a table a dict of columns.

    Raises:
        ReadError: the rows cannot be read.
        UsageError: shapes cannot be told apart.
    """
    if rows.kind == "table":
        return {name: _own(column) for name, column in rows.columns.items()}
    positions = rows.positions()
    names = rows.axis_names
    kept = np.ones(len(positions), np.bool_)
    if box is not None:
        for number, name in enumerate(names):
            axis = box.names.index(name)
            pixels = (positions[:, number] - box.origin(axis)) / box.scale(axis)
            kept &= (pixels >= -0.5) & (pixels < box.shape[axis] - 0.5)
            positions[:, number] = pixels
    wanted = positions[:, [names.index(name) for name in axes]]
    if rows.kind == "points":
        return np.ascontiguousarray(wanted[kept])
    which = rows.shape_numbers()
    shown = np.unique(which[kept])  # a shape of which any corner is there
    return [np.ascontiguousarray(wanted[which == number]) for number in shown]


def row_metadata(rows: Rows, box: Part | None, axes: tuple[str, ...]) -> dict[str, Any]:
    """What is told of where such an input lies, as the fields of `opsin.types.Metadata`."""
    if box is not None:
        where = [box.names.index(name) for name in axes]
        units = tuple(box.layer.image.axes[axis].unit for axis in where)
        scale = tuple(box.scale(axis) for axis in where)
        translation = tuple(box.origin(axis) for axis in where)
    else:
        known = {axis.name: axis.unit for axis in rows.axes}
        axes = tuple(known)
        units = tuple(known.values())
        scale, translation = (1.0,) * len(axes), (0.0,) * len(axes)
    return {
        "axes": axes,
        "scale": scale,
        "translation": translation,
        "units": units,
        "level": box.level if box is not None else 0,
        "channel": None,
        "name": rows.name,
    }


def row_bytes(selection: Selection) -> int:
    """Bytes of the rows of one call, at most."""
    return sum(8 * one.count * max(len(one.axes), 1) for one in selection.rows.values())


def _own(column: Any) -> Any:
    """A column that may be changed."""
    return column.copy() if isinstance(column, np.ndarray) else list(column)
