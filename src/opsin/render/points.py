"""Points: layers of points drawn on a canvas, as discs, in 2D and in 3D."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from opsin.chunks.camera import Camera
from opsin.chunks.points_plan import PointsBrick, PointsPlan, plan_points
from opsin.chunks.points_sample import points_sample
from opsin.chunks.volume_camera import NEAR, VolumeCamera
from opsin.errors import UsageError
from opsin.images.points import POSITION, Points
from opsin.images.points.layer import PointsLayer
from opsin.images.source import Array
from opsin.render import colormaps, labels
from opsin.render.discs import draw_discs

ReadPoints = Callable[[Points, PointsBrick], Array | None]
"""(points, brick) → the chunk that the brick is of, or None if it is not here."""

Floats = npt.NDArray[np.float32]


def read_now(points: Points, brick: PointsBrick) -> Array:
    """The chunk, whatever it takes."""
    return points.read(brick.level, brick.grid)


def shown_only(layer: PointsLayer) -> PointsLayer:
    """The layer with the properties that are drawn only, so that others are not read."""
    drawn = (layer.colour_by, layer.size_by)
    names = tuple(dict.fromkeys(name for name in drawn if name is not None))
    return replace(layer, points=layer.points.with_properties(*names))


def draw_points(
    canvas: Floats,
    layer: PointsLayer,
    camera: Camera | VolumeCamera,
    read: ReadPoints = read_now,
    plan: PointsPlan | None = None,
) -> None:
    """Blend a layer of points onto a canvas: those that the view shows, the coarse ones first.

    In 3D, those that are farthest away come first.

    Args:
        canvas: float32 of shape (height, width, 3), between 0 and 1; drawn upon.
        layer: the points; it may be hidden.
        camera: where one looks, with the size of the canvas.
        read: gets the chunks.
        plan: what to draw; by default what `plan_points` says.

    Raises:
        UsageError: the layer lacks a displayed axis, its property or its colour map.
        ReadError: from `read`.
    """
    if not layer.visible:
        return
    _check(layer)
    plan = plan_points(layer, camera) if plan is None else plan
    points = points_sample(layer, camera, plan, lambda brick: read(layer.points, brick))
    colours, there = _colours(layer, points)
    names = layer.points.axis_names
    shown = [names.index(name) for name in camera.displayed]
    relative = points[POSITION][there][:, shown] - np.array(camera.center)
    colours = colours[there]
    radii = np.full(len(points), layer.size / 2)
    if layer.size_by is not None:
        radii = layer.sizes_of(points[layer.size_by]) / 2
    radii = radii[there]
    height, width, _ = canvas.shape
    if isinstance(camera, Camera):
        places = relative * camera.zoom
        if layer.unit == "world":
            radii = radii * camera.zoom
    else:
        right, down, forward = camera.axes
        depth = relative @ forward
        order = np.argsort(-depth, kind="stable")
        relative, depth, colours = relative[order], depth[order], colours[order]
        radii = radii[order]
        zoom = np.full(len(depth), float(camera.zoom))
        if not math.isinf(camera.distance):
            away = np.maximum(camera.distance + depth, NEAR * camera.distance)
            zoom *= camera.distance / away
        places = np.stack([relative @ down, relative @ right], axis=1) * zoom[:, np.newaxis]
        if layer.unit == "world":
            radii = radii * zoom
    places += (height / 2, width / 2)
    draw_discs(canvas, places, radii, colours, layer.opacity, layer.blending)


def _colours(layer: PointsLayer, points: Array) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The colour of each point, (n, 3) between 0 and 1, and whether it has one: NaN has none."""
    there = np.ones(len(points), bool)
    if layer.colour_by is None:
        colour = colormaps.lut(layer.colour)[-1] / np.float32(255)
        return np.broadcast_to(colour.astype(np.float32), (len(points), 3)), there
    values, known = points[layer.colour_by], layer.points.property(layer.colour_by)
    if known.categories:
        # As of labels, whose id 0 is nothing.
        return labels.colours(values.astype(np.uint64) + 1).astype(np.float32), there
    low, high = layer.contrast or known.range or (0.0, 1.0)
    numbers = values.astype(np.float64)
    there = ~np.isnan(numbers)
    t = (numbers > low).astype(np.float64) if low == high else (numbers - low) / (high - low)
    t = np.where(there, t, 0).clip(0, 1) ** layer.gamma
    index = np.floor(t * 255 + 0.5).astype(np.intp)
    table = colormaps.lut(layer.colormap) / np.float32(255)
    return table.astype(np.float32)[index], there


def _check(layer: PointsLayer) -> None:
    """Raise if what is asked of a layer makes no sense."""
    if not 0 < layer.size < math.inf:
        raise UsageError(f"{layer.name} cannot be drawn with points of size {layer.size}.")
    if layer.most is not None and layer.most < 1:
        raise UsageError(f"{layer.name} cannot be drawn with {layer.most} points: give 1 or more.")
    if layer.blending not in ("translucent", "additive"):
        raise UsageError(f"Points are blended translucent or additive, not {layer.blending!r}.")
