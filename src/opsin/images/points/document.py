"""Document: what is known of points beside where they lie; points.json holds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np

from opsin.errors import UsageError
from opsin.images.image import Axis
from opsin.images.points import POSITION, Points, PointsSource, Property
from opsin.images.points.survey import MOST_CATEGORIES, Survey
from opsin.images.points.tree import Tree
from opsin.images.text import shown

FORMAT = "opsin-points"
VERSION = 1

DTYPES = frozenset(
    ("bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16",
     "uint32", "uint64")
)  # fmt: skip


class AxisEntry(msgspec.Struct, frozen=True):
    """An axis. What stands in its column is `scale · number + translation` in the world."""

    name: str
    type: Literal["space", "time"]
    column: str
    low: float
    """The lowest number."""
    high: float
    unit: str | None = None
    scale: float = 1.0
    translation: float = 0.0
    step: float = 0.0
    """The least distance of two numbers; 0: not known."""


class PropertyEntry(msgspec.Struct, frozen=True):
    """A column that holds no positions."""

    name: str
    dtype: str
    range: tuple[float, float] | None = None
    categories: tuple[str, ...] | None = None


class Document(msgspec.Struct, frozen=True):
    """What points.json says."""

    name: str
    count: int
    axes: tuple[AxisEntry, ...]
    properties: tuple[PropertyEntry, ...]
    notes: tuple[str, ...] = ()
    format: str = FORMAT
    version: int = VERSION

    def check(self) -> None:
        """Check what types do not.

        Raises:
            UsageError: it makes no sense.
        """
        names = [axis.name for axis in self.axes]
        if not (
            2 <= len(names) <= 4 and {"y", "x"} <= set(names) and len(set(names)) == len(names)
        ):
            raise UsageError(f"There are no points with the axes {', '.join(names)}.")
        for axis in self.axes:
            numbers = (axis.low, axis.high, axis.scale, axis.translation, axis.step)
            if not all(map(math.isfinite, numbers)) or axis.low > axis.high or axis.step < 0:
                raise UsageError(f"Points that lie nowhere along {axis.name} make no sense.")
            if axis.scale <= 0:
                raise UsageError(f"A scale of {axis.scale:g} along {axis.name} makes no sense.")
        for one in self.properties:
            if one.dtype not in DTYPES or one.name in ("", POSITION):
                raise UsageError(f"There is no property {one.name!r} of type {one.dtype!r}.")
            if one.categories is not None and not 0 < len(one.categories) <= MOST_CATEGORIES:
                raise UsageError(f"The property {one.name} has {len(one.categories)} categories.")
        columns = [axis.column for axis in self.axes] + [one.name for one in self.properties]
        if len(set(columns)) < len(columns):
            raise UsageError("Two columns have one name.")
        if self.count < 1:
            raise UsageError("There are no points.")


def document_of(
    found: Survey,
    name: str,
    scale: Mapping[str, float] | None = None,
    translation: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
) -> Document:
    """What is known of the points of a table; numbers by axis say where they lie in the world.

    Raises:
        UsageError: they cannot lie like this.
    """
    known = [one.axis.name for one in found.layout.axes]
    for given in (scale, translation, units):
        for axis in given or ():
            if axis not in known:
                raise UsageError(f"There is no axis {axis!r}: the points have {', '.join(known)}.")
    axes = tuple(
        AxisEntry(
            one.axis.name,
            "time" if one.axis.type == "time" else "space",
            one.column,
            float(low),
            float(high),
            (units or {}).get(one.axis.name, one.axis.unit),
            float((scale or {}).get(one.axis.name, 1.0)),
            float((translation or {}).get(one.axis.name, 0.0)),
            found.time_step if one.axis.name == "t" else 0.0,
        )
        for one, low, high in zip(found.layout.axes, found.low, found.high, strict=True)
    )
    placed = {one.column for one in found.layout.axes}
    properties = tuple(
        PropertyEntry(one.name, one.dtype.name, found.ranges.get(one.name), one.categories)
        for one in found.layout.columns
        if one.name not in placed
    )
    notes = list(found.notes)
    if found.left_out:
        rows = "row has" if found.left_out == 1 else "rows have"
        notes.append(f"{found.left_out} {rows} no position and were left out.")
    document = Document(shown(name), found.count, axes, properties, tuple(notes))
    document.check()
    return document


def points_of(document: Document, tree: Tree, source: PointsSource) -> Points:
    """The points that a document tells of. The source gives chunks with all properties."""
    axes = document.axes
    return Points(
        name=document.name,
        axes=tuple(Axis(axis.name, axis.type, axis.unit) for axis in axes),
        extent=tuple(
            (a.scale * a.low + a.translation, a.scale * a.high + a.translation) for a in axes
        ),
        count=document.count,
        properties=tuple(
            Property(one.name, np.dtype(one.dtype), one.range, one.categories or ())
            for one in document.properties
        ),
        tree=tree,
        source=source,
        steps=tuple(axis.scale * axis.step for axis in axes),
        warnings=document.notes,
    )
