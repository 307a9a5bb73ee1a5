"""Messages of the view stream about layers of points (protocol/VIEW.md)."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from opsin.chunks.points_plan import PointsBrick
from opsin.errors import ProtocolError
from opsin.images.points import POSITION, Points
from opsin.images.source import Array, Provenance
from opsin.images.text import shown

BYTES = 8
"""Of a number, as it travels and as a canvas holds it."""

MOST_PROPERTIES = 256
"""That a canvas is told of."""

PointsKey = tuple[int, int, tuple[int]]


class PointsLook(msgspec.Struct, frozen=True):
    """How a canvas draws a layer of points, as far as it decides what is sent."""

    size: float
    unit: Literal["screen", "world"] = "screen"
    properties: tuple[str, ...] = ()
    thickness: dict[str, float] = {}

    def __post_init__(self) -> None:
        """Check what types do not.

        Raises:
            ProtocolError: it makes no sense.
        """
        if not 0 < self.size < 1e300:
            raise ProtocolError("Points have a size above 0.")
        if len(self.properties) > 2 or len(set(self.properties)) < len(self.properties):
            raise ProtocolError("Points are drawn by two different properties at most.")
        if not all(0 <= length < math.inf for length in self.thickness.values()):
            raise ProtocolError("A slice of points has a thickness of 0 or more.")


class Pick(msgspec.Struct, frozen=True, tag="pick"):
    """The canvas asks for all about one point."""

    key: PointsKey
    index: int

    @property
    def brick(self) -> PointsBrick:
        """The cell that it is of."""
        return PointsBrick(*self.key)


class Picked(msgspec.Struct, frozen=True, tag="picked"):
    """All about one point."""

    key: PointsKey
    index: int
    position: tuple[float, ...]
    properties: dict[str, float | str | None]


class SampleCell(msgspec.Struct, frozen=True, array_like=True):
    """How many of the points of a cell are shown, and the ranks between which they lie."""

    level: int
    cell: int
    count: int
    start: float
    stop: float


class LayerSample(msgspec.Struct, frozen=True):
    """Which points of a layer are shown."""

    layer: int
    most: int
    slab: dict[str, tuple[float, float]]
    cells: tuple[SampleCell, ...]


class SampleMessage(msgspec.Struct, frozen=True, tag="sample"):
    """Which points are shown, of all layers of points that are visible."""

    generation: int
    samples: tuple[LayerSample, ...]


class PointsMessage(msgspec.Struct, frozen=True, tag="points"):
    """The header of some points of a cell; the payload is what `points_payload` makes."""

    generation: int
    key: PointsKey
    first: int
    count: int
    properties: tuple[str, ...]
    bytes: int
    provenance: Provenance


class PropertyInfo(msgspec.Struct, frozen=True):
    """A property, as a layer describes it."""

    name: str
    dtype: str
    range: tuple[float, float] | None
    categories: int


class PointsInfo(msgspec.Struct, frozen=True):
    """What a layer of points holds."""

    count: int
    properties: tuple[PropertyInfo, ...]


def points_info(points: Points) -> PointsInfo:
    """What a canvas is told of points."""
    told = points.properties[:MOST_PROPERTIES]
    return PointsInfo(
        points.count,
        tuple(
            PropertyInfo(shown(one.name), one.dtype.name, one.range, len(one.categories))
            for one in told
        ),
    )


def points_payload(records: Array) -> bytes:
    """Positions, and then each property, as float64; of records as in a chunk."""
    names = records.dtype.names or ()
    columns = [records[name].astype("<f8") for name in names if name != POSITION]
    return b"".join(
        np.ascontiguousarray(column).tobytes()
        for column in (records[POSITION].astype("<f8"), *columns)
    )


def picked(pick: Pick, points: Points, record: Array) -> Picked:
    """All about a point, given its record with all properties, of shape ()."""
    found: dict[str, float | str | None] = {}
    for one in points.properties[:MOST_PROPERTIES]:
        number = record[one.name].item()
        if one.categories:
            known = 0 <= number < len(one.categories)
            found[one.name] = shown(one.categories[number]) if known else None
        elif isinstance(number, float):
            found[one.name] = number if math.isfinite(number) else None
        else:
            # JavaScript's numbers hold no larger ones.
            found[one.name] = int(number) if abs(number) <= 2**53 else str(number)
    return Picked(pick.key, pick.index, tuple(record[POSITION].tolist()), found)
