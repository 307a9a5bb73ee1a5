"""Placement: where a layer of napari is looked at, read off the public state of its viewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from opsin.napari.outlook import cut_at

if TYPE_CHECKING:
    from opsin.napari.volatile_array import Part


class Drawn(NamedTuple):
    """What napari draws.

    Attributes:
        exact: for each axis of which one pixel is drawn, the place in pixels of the finest level.
            napari rounds it to a pixel of the level, which may be the wrong one of two: it knows
            nothing of where a level lies.
        thumbnail: it is drawn as a thumbnail only.
    """

    exact: dict[int, float]
    thumbnail: bool


class Placement:
    """Tells what napari draws of a layer from what others read of it.

    napari gives no sign when it asks for pixels to draw them. But then it asks for exactly those
    that its layer says it draws.
    """

    def __init__(self, viewer: Any, levels: int) -> None:
        """Of a layer of so many levels that is about to come into a viewer."""
        self._viewer = viewer
        self._coarsest = levels - 1
        self.layer: Any = None
        """napari's layer; None as long as it is made and put into the viewer. It is drawn
        meanwhile, and the sliders may not have its axes yet."""
        self.asleep = False
        """Whether nobody sees what is drawn: the layer has left the viewer."""
        self.flat = False
        """Whether the levels are for slices only, and others take their place in 3D."""

    def previewed(self, level: int) -> bool:
        """Whether this level is the coarsest of a layer that is in the making."""
        return self.layer is None and level == self._coarsest

    @property
    def unfit(self) -> bool:
        """Whether napari is about to draw volumes, and has not been given the levels for that yet.

        It tells nobody before it does.
        """
        layer = self.layer
        if not self.flat or layer is None or self._viewer.dims.ndisplay != 3:
            return False
        first = layer.data[0] if layer.multiscale else layer.data
        return first.placement is self

    def drawn(self, level: int, parts: Sequence[Part]) -> Drawn | None:
        """As what a part of a level is drawn; None: it is not drawn."""
        layer = self.layer
        if layer is None:
            return None
        shapes = layer.level_shapes
        axes = self._displayed(layer)
        tile = self._is_tile(layer, level, shapes, axes, parts)
        if not tile and not (level == self._coarsest and _is_whole(shapes[level], axes, parts)):
            return None
        exact = self._exact(layer, level, shapes, axes, parts)
        return None if exact is None else Drawn(exact, thumbnail=not tile)

    def _is_tile(
        self, layer: Any, level: int, shapes: Any, axes: Sequence[int], parts: Sequence[Part]
    ) -> bool:
        if level != layer.data_level:
            return False
        if len(shapes) == 1 and not layer.multiscale:
            return _is_whole(shapes[0], axes, parts)
        corners = layer.corner_pixels
        return all(
            isinstance(part := parts[axis], range)
            and part.step == 1
            and (part.start, part.stop - 1)
            == (int(corners[0, axis]), min(int(corners[1, axis]), int(shapes[level][axis]) - 1))
            for axis in axes
        )

    def _exact(
        self, layer: Any, level: int, shapes: Any, axes: Sequence[int], parts: Sequence[Part]
    ) -> dict[int, float] | None:
        """Where a part lies on the axes that are not drawn; None: not where the sliders are."""
        if len(axes) == layer.ndim:
            return {}
        dims, point = self._viewer.dims, cut_at(self._viewer, layer)
        projected = str(layer.projection_mode) != "none"
        exact: dict[int, float] = {}
        for axis, part in enumerate(parts[: layer.ndim]):
            if axis in axes:
                continue
            if isinstance(part, range) != projected:  # napari would not ask so
                return None
            size, own = int(shapes[0][axis]), int(shapes[level][axis])
            pixel = int(np.round(point[axis] / (size / own)).clip(0, own - 1))
            if pixel not in (part if isinstance(part, range) else (part,)):
                return None
            if not isinstance(part, range) or len(part) == 1:
                exact[axis] = float(np.round(point[axis]).clip(0, size - 1))
            elif not any(dims.thickness):
                return None
        return exact

    def _displayed(self, layer: Any) -> list[int]:
        """The axes of the layer that are drawn along the window."""
        dims = self._viewer.dims
        first = dims.ndim - layer.ndim
        return [axis - first for axis in dims.displayed if axis >= first]


def _is_whole(shape: Any, axes: Sequence[int], parts: Sequence[Part]) -> bool:
    return all(parts[axis] == range(int(shape[axis])) for axis in axes)
