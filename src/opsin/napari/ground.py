"""Ground: what the results of a job lie on, as far as showing them needs it. It holds no pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from opsin.host.selection import Selection
from opsin.images.image import Level
from opsin.napari.given import Given
from opsin.napari.given_rows import RowsGiven, TableFile


@dataclass(frozen=True)
class Ground:
    """A layer that was worked on, and where.

    Attributes:
        axes: of the layer of napari, in its order.
        geometry: of its finest level, along these axes.
        places: scale and origin of what was worked on, by the name of the axis.
        units: along these axes, as napari has them.
        axis_labels: likewise.
        colours: colormap and blending of an image with one colour; None of anything else.
    """

    axes: tuple[str, ...]
    geometry: Level
    places: Mapping[str, tuple[float, float]]
    units: Any
    axis_labels: Any
    colours: tuple[Any, Any] | None

    @classmethod
    def of(cls, givens: Mapping[str, Given | RowsGiven], selection: Selection) -> Ground:
        """That of the first input that is an image, or else of the first that has positions."""
        given = next((one for one in givens.values() if isinstance(one, Given)), None)
        if given is None:
            return cls._of_world([one for one in givens.values() if isinstance(one, RowsGiven)])
        part, source = selection.first, given.source
        is_coloured = type(source).__name__ == "Image" and not source.rgb
        return cls(
            given.axes,
            given.layer.level(0),
            {name: (part.scale(axis), part.origin(axis)) for axis, name in enumerate(part.names)},
            source.units,
            source.axis_labels,
            (source.colormap, source.blending) if is_coloured else None,
        )

    @classmethod
    def _of_world(cls, givens: list[RowsGiven]) -> Ground:
        """That of points without an image: napari's world."""
        first = next((one for one in givens if one.axes), None)
        axes = first.axes if first is not None else ("y", "x")
        ones, zeros = (1.0,) * len(axes), (0.0,) * len(axes)
        shape = (1,) * len(axes)
        units: Any = ("pixel",) * len(axes)
        if first is not None and not isinstance(first.source, TableFile):
            low, high = np.nan_to_num(first.source.extent.world)[:, -len(axes) :]
            shape = tuple(int(size) + 1 for size in high - low)
            units = first.source.units
        return cls(axes, Level(shape, shape, ones, zeros), {}, units, axes, None)
