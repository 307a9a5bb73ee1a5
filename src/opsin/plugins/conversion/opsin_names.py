"""Opsin's names: what of `opsin.types` and `opsin.errors` a plugin takes where no Opsin is."""

from __future__ import annotations

KNOWN = (
    *("Axes", "Cancelled", "Field", "Image", "Labels", "LazyImage", "Metadata", "OpsinError"),
    *("PluginError", "Points", "Shapes", "Surface", "Table", "Tracks", "UsageError", "Vectors"),
    "progress",
)

_PLAIN = '''

class OpsinError(Exception):
    """An error that is raised on purpose."""


class UsageError(OpsinError):
    """What was asked for makes no sense."""


class PluginError(OpsinError):
    """A plugin is not what it should be."""


class Cancelled(OpsinError):
    """Somebody cancelled it."""


class Axes:
    """The axes that a function works on."""

    def __init__(self, names):
        self.names = names


class Field:
    """How a form shows a parameter."""

    def __init__(self, **options):
        self.__dict__.update(options)


@dataclasses.dataclass(frozen=True)
class Metadata:
    """Where an array lies: `translation + scale * i` is the centre of pixel `i`."""

    axes: tuple
    scale: tuple
    translation: tuple
    units: tuple
    level: int = 0
    channel: int | None = None
    name: str = ""


types = errors = sys.modules[__name__]
'''

FOR_NAPARI = (
    '''"""The names that plugins written for Opsin use, as napari has them."""

import csv
import dataclasses
import functools
import pathlib
import sys
from typing import Any

import numpy as np
from napari.types import (
    ImageData as Image,
    LabelsData as Labels,
    PointsData as Points,
    ShapesData as Shapes,
    SurfaceData as Surface,
    TracksData as Tracks,
    VectorsData as Vectors,
)
from napari.utils import progress as _bar
from napari.utils.notifications import show_info as _say

LazyImage = Image
Table = dict[str, Any]
'''
    + _PLAIN
    + '''

def progress(iterable, total=None, description=""):
    """The items of `iterable`, while napari shows how far it is."""
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    bar = _bar(iterable, total=total, desc=description or None)
    try:
        for item in bar:
            if not description and isinstance(item, str):
                bar.set_description(item)
            yield item
    finally:
        bar.close()


def metadata_of(layer):
    """Where the array of a layer lies."""
    count = len(layer.scale)
    names = getattr(layer, "axis_labels", ())
    if len(names) != count or not all(name.isidentifier() for name in names):
        names = tuple("tzyx"[-count:]) if count <= 4 else tuple(f"d{i}" for i in range(count))
    units = tuple(str(unit) for unit in getattr(layer, "units", ("pixel",) * count))
    return Metadata(
        tuple(names),
        tuple(map(float, layer.scale)),
        tuple(map(float, layer.translate)),
        tuple(None if unit == "pixel" else unit for unit in units),
        name=layer.name,
    )


def layers_of(given, kinds, layer, inputs=(), save_as=None):
    """What a function gave as layers of napari, which lie where `layer` does (None: in the world).

    A table becomes features: of the labels that it is about, if it has a column `label`; of the
    points that it has as many rows as. Otherwise, and where a file is named, it is written there.
    """
    values = given if len(kinds) > 1 else (given,)
    place = {} if layer is None else {"scale": layer.scale, "translate": layer.translate}
    found, tables = [], []
    for value, kind in zip(values, kinds):
        if kind == "table":
            tables.append(value)
            continue
        fits = layer is not None and getattr(value, "ndim", 0) == layer.ndim
        same = fits or kind in ("points", "shapes")
        found.append((value, {"name": kind.capitalize(), **(place if same else {})}, kind))
    for table in tables:
        keep(columns_of(table), found, inputs, save_as)
    return found


def keep(table, found, inputs, save_as):
    """Have a table as features of a layer, or in a file; napari says which."""
    rows = max(map(len, table.values()), default=0)
    label = next((name for name in table if name.lower() in ("label", "labels", "index")), None)
    features = table
    if label is not None:
        others = {name: column for name, column in table.items() if name not in (label, "index")}
        features = {"index": table[label], **others}
    told = ""
    for kind, name, count, give in holders(found, inputs):
        is_about = label is not None if kind == "labels" else rows == count
        if rows and is_about:
            give(features if kind == "labels" else table)
            told = name
            break
    is_named = save_as is not None and str(save_as) not in ("", ".")
    if is_named:
        path = pathlib.Path(save_as)
        path = path if path.suffix else path.with_suffix(".csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(table)
            writer.writerows(zip(*table.values()))
    if told and is_named:
        _say(f"{rows} rows are features of {told}, and in {path}.")
    elif told:
        _say(f"{rows} rows are features of {told}.")
    elif is_named:
        _say(f"{rows} rows are in {path}.")
    else:
        _say(f"{rows} rows belong to no layer here: choose a file for the table, and run again.")


def holders(found, inputs):
    """What may have a table as its features: kind, name, number of points, and how."""
    for value, about, kind in found:
        if kind in ("labels", "points"):
            yield kind, about["name"], len(value), functools.partial(about.__setitem__, "features")
    for layer in inputs:
        kind = type(layer).__name__.lower()
        if kind in ("labels", "points"):
            yield kind, layer.name, len(layer.data), functools.partial(_tell, layer)


def _tell(layer, features):
    layer.features = features


def columns_of(table):
    """A table as lists by name."""
    if hasattr(table, "columns"):
        table = {name: table[name] for name in table.columns}
    return {str(name): np.asarray(column).tolist() for name, column in table.items()}


def table_of(layer):
    """The features of a layer as columns; of points the positions in the world go before them."""
    found = {}
    if type(layer).__name__ == "Points":
        found = dict(zip(metadata_of(layer).axes, np.transpose(positions_of(layer, None))))
    for name in layer.features.columns:
        column = layer.features[name].to_numpy()
        known = column.dtype.kind in "biuf"
        found.setdefault(str(name), column if known else [str(one) for one in column])
    return found


def positions_of(layer, image):
    """Points or shapes of a layer in pixels of an image, as far as they lie on it; without one in
    the world.
    """
    parts = layer.data if isinstance(layer.data, list) else [layer.data]
    count = len(layer.scale)
    made, kept = [], []
    for part in parts:
        made.append(np.asarray(part, float) * layer.scale + layer.translate)
        kept.append(np.ones(len(part), bool))
    if image is not None:
        common = min(count, len(image.scale))
        scale, translate = image.scale[-common:], image.translate[-common:]
        finest = image.data[0] if getattr(image, "multiscale", False) else image.data
        size = np.asarray(finest.shape[: len(image.scale)])[-common:]
        made = [(part[:, -common:] - translate) / scale for part in made]
        kept = [((part >= -0.5) & (part < size - 0.5)).all(1) for part in made]
    if isinstance(layer.data, list):
        return [part for part, there in zip(made, kept) if there.any()]
    return made[0][kept[0]]


def place_of(layer, image):
    """Where points lie that were given by `positions_of`."""
    if image is not None:
        return metadata_of(image)
    about = metadata_of(layer)
    count = len(about.axes)
    return dataclasses.replace(about, scale=(1.0,) * count, translation=(0.0,) * count)
'''
)

ALONE = (
    """import dataclasses
import sys
from typing import Any

Image = Labels = LazyImage = Points = Shapes = Surface = Tracks = Vectors = Any
Table = dict[str, Any]
"""
    + _PLAIN
    + '''

def progress(iterable, total=None, description=""):
    """The items of `iterable`, while ImJoy shows how far it is."""
    total = total or (len(iterable) if hasattr(iterable, "__len__") else None)
    for done, item in enumerate(iterable):
        show(done / total if total else None)
        yield item
    show(1)


def show(share):
    """Replaced by who wants to know."""
'''
)
