"""Outlook: how a layer in napari is looked at in 3D, read off the public state of its viewer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from opsin.chunks.volume_camera import Floats, Quaternion, VolumeCamera
from opsin.images.layer import Layer
from opsin.napari.block import Outlook


def outlook_of(viewer: Any, shown: Any, layer: Layer) -> Outlook | None:
    """How a layer is looked at; None if it is not shown as a volume.

    Args:
        viewer: napari's viewer.
        shown: napari's layer in it.
        layer: of which that is.
    """
    dims, camera = viewer.dims, viewer.scene.camera
    first = dims.ndim - shown.ndim
    axes = tuple(axis - first for axis in dims.displayed)
    if dims.ndisplay != 3 or min(axes) < 0 or shown.depiction != "volume":
        return None
    height, width = viewer.canvas.size
    if min(height, width) <= 0 or camera.zoom <= 0:
        return None
    full = world_matrix(viewer, shown)
    matrix = full[np.ix_(axes, (*axes, shown.ndim))]
    if abs(np.linalg.det(matrix[:, :3])) <= 1e-300:
        return None
    pixel = cut_at(viewer, shown)
    places = {axis: float(np.round(pixel[axis])) for axis in range(shown.ndim) if axis not in axes}
    for axis, place in places.items():
        if not 0 <= place <= layer.level(0).shape[axis] - 1:
            return None
    return Outlook(
        VolumeCamera(
            center=tuple(float(c) for c in camera.center),  # type: ignore[arg-type]
            zoom=float(camera.zoom),
            size=(int(width), int(height)),
            orientation=orientation_of(camera),
            perspective=float(camera.perspective),
        ),
        matrix,
        axes,
        places,
    )


def own_matrix(shown: Any) -> Floats:
    """From pixels of the finest level to the world of the layer: (n + 1, n + 1) for n axes."""
    from napari.utils.transforms import Affine  # type: ignore[import-untyped]

    inner = Affine(
        scale=shown.scale, translate=shown.translate, rotate=shown.rotate, shear=shown.shear
    )
    matrix: Floats = shown.affine.affine_matrix @ inner.affine_matrix
    return matrix


def world_matrix(viewer: Any, shown: Any) -> Floats:
    """From pixels of the finest level to the world that the viewer shows, in its units."""
    matrix = own_matrix(shown)
    matrix[:-1] *= unit_scale(shown, viewer.layers.extent.units)[:, np.newaxis]
    return matrix


def cut_at(viewer: Any, shown: Any) -> Floats:
    """Where the sliders cut a layer, in pixels of the finest level, along each of its axes."""
    dims = viewer.dims
    matrix = own_matrix(shown)
    matrix[:-1] *= unit_scale(shown, dims.units)[:, np.newaxis]
    point = np.asarray(dims.point, np.float64)[dims.ndim - shown.ndim :]
    pixel: Floats = np.linalg.solve(matrix, [*point, 1.0])[:-1]
    return pixel


def unit_scale(shown: Any, units: Any) -> Floats:
    """How many of some units one of a layer is, along each of its axes."""
    own = shown.units
    if units is None or tuple(units[-shown.ndim :]) == tuple(own):
        return np.ones(shown.ndim)  # None: they differ so that napari does not convert any
    return np.array(
        [(1.0 * a).to(b).magnitude for a, b in zip(own, units[-shown.ndim :], strict=True)]
    )


def orientation_of(camera: Any) -> Quaternion:
    """Of napari's camera, as ours has it."""
    forward, down = np.array(camera.view_direction), -np.array(camera.up_direction)
    z, y = forward[::-1], down[::-1]
    # Where napari mirrors the scene this is the other side of the screen, with the same edges.
    x = np.cross(y, z)
    return _quaternion(np.array([x, y, z]).T)


def _quaternion(turn: Floats) -> Quaternion:
    """Of a matrix that turns: its columns are where the axes go."""
    (a, b, c), (d, e, f), (g, h, i) = turn.tolist()
    w = math.sqrt(max(0.0, 1 + a + e + i)) / 2
    x = math.copysign(math.sqrt(max(0.0, 1 + a - e - i)) / 2, h - f)
    y = math.copysign(math.sqrt(max(0.0, 1 - a + e - i)) / 2, c - g)
    z = math.copysign(math.sqrt(max(0.0, 1 - a - e + i)) / 2, d - b)
    return w, x, y, z
