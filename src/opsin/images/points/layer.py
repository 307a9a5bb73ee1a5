"""Layer: points as shown, with size, colour, opacity and visibility."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from opsin.images.image import Axis, Level
from opsin.images.points import Points

SHOWN = (10_000, 100_000)
"""Points of a view by default: at least and at most so many, as far as there are."""

COVER = 0.3
"""How much of a canvas they cover by default, if they lie side by side."""

SMALLEST = 1 / 4
"""Of the size, if it comes from a property: that of the points with the lowest number."""

SLICES = 32
"""An axis in space is cut into so many slices, where nothing is said of their thickness."""


@dataclass(frozen=True, slots=True)
class PointsLayer:
    """Points, and how they are drawn: as discs.

    `size` is the diameter of a disc, in device pixels or in world units. The colour is `colour`
    (`#rrggbb`), or comes from a property: numbers through `contrast` (None: the range of the
    property) and `colormap`, as values of an image do; categories have the colours of labels.
    With `size_by`, `size` is that of the points with the highest number, and those with the lowest
    have a quarter of it.

    Of the axes that a view does not display, a slice is shown: what lies within half of its
    `thickness`, a world length by axis, of the view's position. By default all of an axis in space
    is shown, and one point in time.

    A view shows at most `most` points: a sample, if there are more in it. None: as many as the
    canvas has room for.
    """

    name: str
    points: Points
    visible: bool = True
    opacity: float = 1.0
    size: float = 4.0
    unit: Literal["screen", "world"] = "screen"
    colour: str = "#ffffff"
    colour_by: str | None = None
    size_by: str | None = None
    contrast: tuple[float, float] | None = None
    gamma: float = 1.0
    colormap: str = "viridis"
    blending: Literal["translucent", "additive"] = "translucent"
    thickness: Mapping[str, float] = field(default_factory=dict)
    most: int | None = None

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Axes that this layer shows or slides over."""
        return self.points.axes

    def level(self, level: int) -> Level:
        """Where the points lie, as if they were one pixel; along time, one for each step.

        By this a camera is made to fit a layer, whatever it shows.
        """
        shape: list[int] = []
        scale: list[float] = []
        translation: list[float] = []
        for axis, (low, high), step in zip(
            self.points.axes, self.points.extent, self._steps, strict=True
        ):
            if axis.type == "time" and step > 0:
                shape.append(round((high - low) / step) + 1)
                scale.append(step)
                translation.append(low)
            else:
                shape.append(1)
                scale.append(high - low or 1.0)
                translation.append(low / 2 + high / 2)
        return Level(tuple(shape), tuple(shape), tuple(scale), tuple(translation))

    def most_on(self, width: int, height: int) -> int:
        """How many points a canvas of this size shows at most."""
        if self.most is not None:
            return self.most
        side = max(self.size, 1.0) if self.unit == "screen" else 1.0
        room = COVER * width * height / (math.pi / 4 * side**2)
        return int(min(max(room, SHOWN[0]), SHOWN[1]))

    def sizes_of(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The diameters of points with these values of the property `size_by`.

        Of words these are their numbers; NaN counts as the lowest.

        Raises:
            UsageError: the points have no such property.
        """
        known = self.points.property(self.size_by or "")
        low, high = known.range or (0.0, float(max(len(known.categories) - 1, 1)))
        numbers = values.astype(np.float64)
        t = (numbers - low) / (high - low) if high > low else (numbers > low).astype(np.float64)
        sizes: npt.NDArray[np.float64] = SMALLEST + (1 - SMALLEST) * np.nan_to_num(t).clip(0, 1)
        return self.size * sizes

    def slab(self, axis: str, position: float) -> tuple[float, float]:
        """What is shown along an axis that a view does not display: from here to there."""
        number = self.points.axis(axis)
        thickness = self.thickness.get(axis)
        if thickness is None:
            thickness = self._steps[number]
            if self.points.axes[number].type != "time" or thickness == 0:
                return float("-inf"), float("inf")
        return position - thickness / 2, position + thickness / 2

    @property
    def _steps(self) -> tuple[float, ...]:
        return self.points.steps or (0.0,) * len(self.points.axes)


def sliced(layer: PointsLayer, axes: Collection[str]) -> PointsLayer:
    """The layer as one that shows a slice of these axes, too, if they are in space."""
    thickness = {
        axis.name: (high - low) / SLICES
        for axis, (low, high) in zip(layer.points.axes, layer.points.extent, strict=True)
        if axis.name in axes and axis.type == "space"
    }
    return replace(layer, thickness={**thickness, **layer.thickness})
