"""Run region: what of a layer an operation is run on, as a viewer of napari shows it."""

from __future__ import annotations

from typing import Any

from opsin.chunks.camera import Camera
from opsin.errors import UsageError
from opsin.host.selection import Visible, Where, Whole
from opsin.napari.given import Given
from opsin.plugins.manifest import Operation


def visible(viewer: Any, given: Given) -> Visible:
    """What the viewer shows of a layer, at the level that it is drawn at.

    Raises:
        UsageError: it cannot be said.
    """
    dims, canvas = viewer.dims, viewer.canvas
    if dims.ndisplay != 2:
        raise UsageError("In 3D no region is visible: run on the whole image, or go to 2D.")
    if canvas.grid.enabled:
        raise UsageError("In a grid no region is visible: run on the whole image, or leave it.")
    offset = dims.ndim - len(given.axes)
    displayed = [axis - offset for axis in dims.displayed]
    if min(displayed) < 0:
        raise UsageError(f"{given.layer.name} is not visible: it has not the axes that are shown.")
    factors = [_factor(viewer, given, axis) for axis in displayed]
    center = [c * f for c, f in zip(viewer.scene.camera.center[-2:], factors, strict=True)]
    # The zoom is one that leads to the level that napari draws.
    scale = given.layer.level(int(given.source.data_level)).scale
    zoom = 1 / max(scale[axis] for axis in displayed)
    height, width = (
        max(1, round(size / viewer.scene.camera.zoom * factor * zoom))
        for size, factor in zip(canvas.size, factors, strict=True)
    )
    first, second = (given.axes[axis] for axis in displayed)
    return Visible(
        Camera(
            (center[0], center[1]),
            zoom,
            (width, height),
            position(viewer, given),
            (first, second),
        )
    )


def whole(viewer: Any, given: Given, level: int, *, all_slices: bool) -> Whole:
    """All of a level: of the slice that the viewer shows, or of all slices."""
    return Whole(level, None if all_slices else position(viewer, given))


def position(viewer: Any, given: Given) -> dict[str, float]:
    """Where the sliders are, in the layer's units, along those of its axes that are not drawn."""
    dims = viewer.dims
    offset = dims.ndim - len(given.axes)
    return {
        name: float(dims.point[axis + offset]) * _factor(viewer, given, axis)
        for axis, name in enumerate(given.axes)
        if axis + offset not in dims.displayed
    }


def other_axes(operation: Operation, given: Given, level: int) -> list[tuple[str, int]]:
    """The axes along which the operation would be run slice by slice, and how many slices."""
    sizes = given.layer.level(level).shape
    return [
        (name, size)
        for name, size in zip(given.axes, sizes, strict=True)
        if size > 1 and name not in operation.axes
    ]


def level_text(operation: Operation, given: Given, level: int) -> str:
    """How large a level is along the axes that are worked on, as `2: 512 × 512, 1.3 µm`."""
    geometry = given.layer.level(level)
    along = [
        (size, scale, "px" if str(unit) == "pixel" else f"{unit:~P}")
        for name, size, scale, unit in zip(
            given.axes, geometry.shape, geometry.scale, given.source.units, strict=True
        )
        if name in operation.axes
    ]
    pixels = " × ".join(str(size) for size, _, _ in along)
    unit = along[-1][2] if along else "px"
    sizes = " × ".join(dict.fromkeys(f"{scale:.3g}" for _, scale, _ in along))
    if unit == "px" and sizes == "1":
        return f"{level}: {pixels}"
    return f"{level}: {pixels}, {sizes} {unit}"


def where(viewer: Any, given: Given, level: int | None, *, all_slices: bool) -> Where:
    """What is visible, if no level is named; otherwise all of that level."""
    if level is None:
        return visible(viewer, given)
    return whole(viewer, given, level, all_slices=all_slices)


def _factor(viewer: Any, given: Given, axis: int) -> float:
    """Units of a layer in one unit of the viewer, which may count µm where the layer counts nm."""
    units, own = viewer.dims.units, given.source.units[axis]
    if units is None or len(units) < len(given.axes):
        return 1.0
    shared = units[axis - len(given.axes)]
    if shared == own or shared.dimensionality != own.dimensionality:
        return 1.0
    return float((1 * shared).to(own).magnitude)
