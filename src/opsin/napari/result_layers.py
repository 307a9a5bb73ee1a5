"""Result layers: what a job gave, as layers of the viewer that it was started from."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import numpy as np

from opsin.errors import OpsinError
from opsin.host.job import Result
from opsin.images.layer import layers_of
from opsin.images.readers import open_image
from opsin.images.source import Array
from opsin.napari.arranged import arranged
from opsin.napari.given_rows import RESULT, kept_as_result
from opsin.napari.ground import Ground
from opsin.napari.layers import add_opened
from opsin.napari.paintable import KEY, Paintable

POINT = 0.012
"""Of the width of the input: a point's."""
LABEL = ("label", "labels", "index")
"""Names of a column that says which label a row is about."""

Columns = dict[str, list[Any]]


def show_result(viewer: Any, result: Result, ground: Ground) -> list[Any]:
    """The layers that a result became. A table becomes none: see `table_of`.

    Args:
        viewer: a `napari.Viewer`.
        result: of a job.
        ground: what the result lies on.

    Raises:
        OpsinError: it cannot be opened.
    """
    if result.kind in ("image", "labels"):
        return _show_image(viewer, result, ground)
    if result.kind == "points" and result.rows:
        return [_show_points(viewer, result, ground)]
    return []


def show_paintable(viewer: Any, result: Result, found: Paintable, pixels: Array) -> Any:
    """The layer of labels that one can paint on. See `opsin.napari.paintable`."""
    (layer,) = layers_of(found.image)
    geometry = layer.level(0)
    return viewer.add_labels(
        pixels,
        name=result.name,
        scale=geometry.scale,
        translate=geometry.translation,
        axis_labels=tuple(axis.name for axis in layer.axes),
        units=tuple(axis.unit or "pixel" for axis in layer.axes),
        opacity=layer.opacity,
        blending=layer.blending,
        metadata={"opsin": found.image, KEY: found},
    )


def table_of(result: Result) -> Columns:
    """The columns of a result that is a table, numbers as numbers.

    Raises:
        OpsinError: it is not there any more.
    """
    try:
        with result.path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise OpsinError(f"{result.path} cannot be read: {error.strerror or error}.") from error
    names, *values = rows or [[]]
    columns = list(zip(*values, strict=True)) or [()] * len(names)
    return {name: _values(column) for name, column in zip(names, columns, strict=True)}


def tell_features(layers: Sequence[Any], columns: Columns) -> tuple[Any, Any] | None:
    """Give a table to the layer of labels that it is about, if there is one.

    It is about labels if one of its columns is called so.

    Returns:
        That layer, and the features that it had before.
    """
    column = next((name for name in columns if name.lower() in LABEL), None)
    labels = [layer for layer in layers if type(layer).__name__ == "Labels"]
    if column is None or len(labels) != 1 or not columns[column]:
        return None
    told = labels[0], labels[0].features
    labels[0].features = {"index": columns[column]} | {
        name: values for name, values in columns.items() if name not in (column, "index")
    }
    return told


def _show_image(viewer: Any, result: Result, ground: Ground) -> list[Any]:
    image = open_image(result.path)
    try:
        layers = add_opened(viewer, [arranged(image, ground.axes, ground.places)])
    except BaseException:
        image.close()
        raise
    for layer in layers:
        layer.name = result.name if len(layers) == 1 else layer.name
        if len(layers) == 1 and result.kind == "image" and ground.colours is not None:
            layer.colormap, layer.blending = ground.colours
    return layers


def _show_points(viewer: Any, result: Result, ground: Ground) -> Any:
    """Points have world positions, but along the axes on which calls were counted."""
    columns, geometry = table_of(result), ground.geometry
    found: list[Array] = []
    for place, name in enumerate(ground.axes):
        if name in columns:
            world = np.asarray(columns[name], np.float64)
            if name in result.counted:
                scale, translation = result.counted[name]
                world = translation + scale * world
        else:
            world = np.full(result.rows or 0, ground.places.get(name, (1.0, 0.0))[1])
        found.append((world - geometry.translation[place]) / geometry.scale[place])
    width = max(geometry.shape[-2:])
    layer = viewer.add_points(
        np.stack(found, 1),
        name=result.name.removesuffix(".csv"),
        size=max(3.0, POINT * width),
        scale=geometry.scale,
        translate=geometry.translation,
        units=ground.units,
        axis_labels=ground.axis_labels,
        face_color="#f2b84b",
        border_color="#1b1f24",
        opacity=0.9,
    )
    layer.metadata[RESULT] = kept_as_result(result.path, result.rows or 0, layer)
    return layer


def _values(column: Sequence[str]) -> list[Any]:
    """A column of a CSV: whole numbers, numbers, or the text itself."""
    for kind in (int, float):
        try:
            return [kind(value) for value in column]
        except ValueError:
            continue
    return list(column)
