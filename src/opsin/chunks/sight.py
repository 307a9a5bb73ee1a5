"""Sight: which boxes and which points a camera sees, in 2D and in 3D. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from opsin.chunks.camera import Camera
from opsin.chunks.volume_camera import NEAR, Frustum, VolumeCamera, frustum
from opsin.errors import UsageError
from opsin.images.points.layer import PointsLayer

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEAST_SHARE = 1e-6
"""Of a box that is only just touched."""

_THIRDS = (np.indices((3, 3, 3)).reshape(3, -1).T + 0.5) / 3


class Seen(NamedTuple):
    """How boxes are seen. Arrays have one row per box."""

    share: Floats
    """How much of it is seen, 0 to 1."""
    weight: Floats
    """How much denser than at the camera's centre its points should be: with perspective, by the
    square of how much larger its nearest point is seen; never less than for a box inside of it."""
    distance: Floats
    """From the camera's centre to the nearest point of the box, in world units, squared."""


class Sight:
    """What a camera sees of a layer of points: of the displayed axes what the canvas shows, of the
    others a slice.

    Args:
        layer: the points, whose discs may reach into the canvas.
        camera: where one looks.

    Raises:
        UsageError: the points lack a displayed axis.
    """

    def __init__(self, layer: PointsLayer, camera: Camera | VolumeCamera) -> None:
        names = layer.points.axis_names
        for name in camera.displayed:
            if name not in names:
                raise UsageError(f"{layer.name} cannot be shown: it has no axis {name!r}.")
        self._camera = camera
        self._shown = [names.index(name) for name in camera.displayed]
        self._center = np.array(camera.center)
        self._reach = layer.size / 2 / (camera.zoom if layer.unit == "screen" else 1.0)
        self._low = np.full(len(names), -np.inf)
        self._high = np.full(len(names), np.inf)
        for number, name in enumerate(names):
            if name not in camera.displayed and name in camera.position:
                slab = layer.slab(name, camera.position[name])
                self._low[number], self._high[number] = slab
        self._frustum: Frustum | None = None
        if isinstance(camera, Camera):
            y0, x0, y1, x1 = camera.rect
            self._low[self._shown] = (y0 - self._reach, x0 - self._reach)
            self._high[self._shown] = (y1 + self._reach, x1 + self._reach)
        else:
            self._frustum = _widened(frustum(camera), self._reach)

    def boxes(self, low: Floats, high: Floats) -> Seen:
        """How boxes are seen, given by their corners: each of shape (n, axes)."""
        begin, end = np.maximum(low, self._low), np.minimum(high, self._high)
        with np.errstate(invalid="ignore"):
            parts = (end - begin) / (high - low)
        parts = np.where(high > low, parts, 1.0).clip(LEAST_SHARE, 1)
        share = np.where((begin <= end).all(axis=1), parts.prod(axis=1), 0.0)
        first, last = low[:, self._shown] - self._center, high[:, self._shown] - self._center
        weight = np.ones(len(low))
        if self._frustum is not None:
            share *= self._share(first, last, self._frustum)
            weight = self._weight(first, last)
        outside = np.maximum(np.maximum(first, -last), 0)
        return Seen(share, weight, (outside * outside).sum(axis=1))

    def points(self, positions: Floats) -> Bools:
        """Which of some points are seen, given their positions: of shape (n, axes)."""
        within = (positions >= self._low) & (positions <= self._high)
        seen: Bools = np.all(within, axis=1)
        if self._frustum is not None:
            relative = positions[:, self._shown] - self._center
            return seen & _inside(relative, self._frustum)
        return seen

    def _share(self, low: Floats, high: Floats, seen: Frustum) -> Floats:
        """How much of relative boxes lies in the frustum, by a grid of points."""
        grid = low[:, np.newaxis] + (high - low)[:, np.newaxis] * _THIRDS
        inside = _inside(grid.reshape(-1, 3), seen).reshape(len(low), -1).mean(axis=1)
        touched = seen.touches(low, high)
        return np.where(touched, np.maximum(inside, LEAST_SHARE), 0.0)

    def _weight(self, low: Floats, high: Floats) -> Floats:
        camera = self._camera
        assert isinstance(camera, VolumeCamera)
        if math.isinf(camera.distance):
            return np.ones(len(low))
        forward = camera.axes[2]
        half = (high - low) / 2
        nearest = (low + half) @ forward - half @ np.abs(forward)
        away = np.maximum(camera.distance + nearest, NEAR * camera.distance)
        weight: Floats = (camera.distance / away) ** 2
        return weight


def _inside(points: Floats, seen: Frustum) -> Bools:
    """Which relative points, of shape (n, 3), lie in a frustum."""
    inside: Bools = np.all(points @ seen.normals.T >= -seen.offsets, axis=1)
    return inside


def _widened(seen: Frustum, reach: float) -> Frustum:
    """The frustum with its sides moved outwards; not the near plane."""
    offsets = seen.offsets.copy()
    offsets[:4] += reach
    return Frustum(seen.normals, offsets)
