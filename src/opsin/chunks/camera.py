"""Camera: where one looks. Pure geometry between world, level pixels and canvas pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from opsin.images.image import Axis, Level
from opsin.images.layer import Layer

Rect = tuple[float, float, float, float]
"""World rectangle (y0, x0, y1, x1), edges not centres."""

LEVEL_TOLERANCE = 1e-6
"""A level is fine enough when it misses one data pixel per device pixel by less than this."""


class Place(Protocol):
    """What every camera knows: which axes it displays, and where it is on the others."""

    @property
    def displayed(self) -> tuple[str, ...]:
        """Names of the axes that the canvas shows."""

    @property
    def position(self) -> Mapping[str, float]:
        """World position on every other axis, by name."""


class Placed(Protocol):
    """A layer as a camera knows it, be it of pixels or of points."""

    @property
    def name(self) -> str: ...
    @property
    def axes(self) -> tuple[Axis, ...]: ...
    def level(self, level: int, /) -> Level: ...


@dataclass(frozen=True, slots=True)
class Camera:
    """A 2D camera on the two displayed axes.

    `center` is the world position (first displayed axis, second displayed axis) at the middle of
    the canvas, `zoom` the number of device pixels per world unit, `size` (width, height) of the
    canvas in device pixels, `position` the world position on every other axis, by name.

    The centre of device pixel (column i, row j) shows the world position
    `center + ((j + 0.5 - height / 2) / zoom, (i + 0.5 - width / 2) / zoom)`.
    """

    center: tuple[float, float]
    zoom: float
    size: tuple[int, int]
    position: Mapping[str, float] = field(default_factory=dict)
    displayed: tuple[str, str] = ("y", "x")

    @property
    def rect(self) -> Rect:
        """The world rectangle that the canvas shows."""
        half_width = self.size[0] / 2 / self.zoom
        half_height = self.size[1] / 2 / self.zoom
        y, x = self.center
        return (y - half_height, x - half_width, y + half_height, x + half_width)


def extent(layer: Placed, displayed: tuple[str, str] = ("y", "x")) -> Rect:
    """World rectangle that a layer covers at its finest level (outer edges of its pixels)."""
    level = layer.level(0)
    names = [axis.name for axis in layer.axes]
    low: list[float] = []
    high: list[float] = []
    for name in displayed:
        i = names.index(name)
        low.append(level.translation[i] - level.scale[i] / 2)
        high.append(level.translation[i] + level.scale[i] * (level.shape[i] - 0.5))
    return (low[0], low[1], high[0], high[1])


def fit(
    layers: Iterable[Placed], size: tuple[int, int], displayed: tuple[str, str] = ("y", "x")
) -> Camera:
    """The camera that shows all layers whole, in the middle of their range on other axes."""
    shown = list(layers)
    rects = [extent(layer, displayed) for layer in shown]
    y0, x0 = min(r[0] for r in rects), min(r[1] for r in rects)
    y1, x1 = max(r[2] for r in rects), max(r[3] for r in rects)
    zoom = min(size[0] / max(x1 - x0, 1e-12), size[1] / max(y1 - y0, 1e-12))
    position = middle_position(shown, displayed)
    return Camera(((y0 + y1) / 2, (x0 + x1) / 2), zoom, size, position, displayed)


def middle_position(layers: Iterable[Placed], displayed: tuple[str, ...]) -> dict[str, float]:
    """World position on the axes that are not displayed: in the middle of those in space, at the
    first pixel of others. The first layer that has the axis decides.
    """
    position: dict[str, float] = {}
    for layer in layers:
        level = layer.level(0)
        for i, axis in enumerate(layer.axes):
            if axis.name not in displayed:
                middle = (level.shape[i] - 1) // 2 if axis.type == "space" else 0
                position.setdefault(axis.name, level.translation[i] + level.scale[i] * middle)
    return position


def target_level(layer: Layer, camera: Camera) -> int:
    """The coarsest level with at least one data pixel per device pixel along both axes."""
    names = [axis.name for axis in layer.axes]
    axes = [names.index(name) for name in camera.displayed]
    target = 0
    for number in range(1, len(layer.image.levels)):
        scale = layer.level(number).scale
        if all(scale[i] * camera.zoom <= 1 + LEVEL_TOLERANCE for i in axes):
            target = number
    return target


def base_level(layer: Layer, displayed: tuple[str, str] = ("y", "x")) -> int:
    """The level with the fewest pixels along the displayed axes; the coarser one of equals."""
    names = [axis.name for axis in layer.axes]
    i, j = (names.index(name) for name in displayed)
    shapes = [layer.level(number).shape for number in range(len(layer.image.levels))]
    return min(
        reversed(range(len(shapes))), key=lambda number: shapes[number][i] * shapes[number][j]
    )


def slice_index(layer: Placed, level: int, camera: Place) -> tuple[int, ...] | None:
    """Pixel of `level` on each axis that is not displayed, in the order of `layer.axes`.

    None when the camera's position lies outside the layer, which then shows nothing. An axis that
    `camera.position` does not name is at its first pixel.
    """
    finest, geometry = layer.level(0), layer.level(level)
    index: list[int] = []
    for i, axis in enumerate(layer.axes):
        if axis.name in camera.displayed:
            continue
        world = camera.position.get(axis.name, finest.translation[i])
        fine = (world - finest.translation[i]) / finest.scale[i]
        if not -0.5 - 1e-9 <= fine <= finest.shape[i] - 0.5 + 1e-9:
            return None
        pixel = math.floor((world - geometry.translation[i]) / geometry.scale[i] + 0.5)
        index.append(min(max(pixel, 0), geometry.shape[i] - 1))
    return tuple(index)
