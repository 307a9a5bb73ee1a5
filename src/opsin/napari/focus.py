"""Focus: how deep in a volume lies what is looked at, where only the first thing is seen. Pure.

Some rays through the middle of the canvas are followed until they meet something, in the coarsest
level and in the block that is shown. The block knows better, but only if it lies there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from opsin.chunks.volume_camera import Floats
from opsin.images.source import Array
from opsin.napari.block import Focus, Outlook

ACROSS = 7
"""Rays along each side of the part of the canvas that is looked at."""
PART = 0.5
"""That part, of each side."""
STEPS = 256
"""Places along a ray at which it is looked whether something is there."""
UNSURE = 2.0
"""Where something was met, it is known to so many voxels."""


class Grid(NamedTuple):
    """Voxels of a level, along the axes that are shown.

    Voxel i has its centre at `first + i · size`, in pixels of the finest level.
    """

    values: Array
    size: Floats
    first: Floats


def find_focus(
    outlook: Outlook, grids: Sequence[Grid], least: float, before: Focus | None = None
) -> Focus | None:
    """Where rays through the middle of the canvas first meet a value of at least `least`.

    Args:
        outlook: how the volume is looked at.
        grids: what is known of it, coarse first; a later one is believed where it agrees.
        least: value.
        before: where it was found before; that is believed more than the first grid.

    Returns:
        None if they meet nothing.
    """
    origins, directions = _rays(outlook)
    found: Focus | None = None
    for number, grid in enumerate(grids):
        if number and before is not None:
            found, before = before, None
        met, near = _met(grid, origins, directions, least)
        if not len(met):
            continue
        depth = float(np.median(met))
        pitch = np.linalg.norm(outlook.matrix[:, :3] * grid.size, axis=0).max()
        # Coarse voxels are met where there is little in them: a finer grid has seen through.
        through = found is not None and float(np.median(near)) <= found.depth
        if found is None or through or abs(depth - found.depth) <= found.unsure:
            found = Focus(depth, UNSURE * float(pitch))
    return found


def _rays(outlook: Outlook) -> tuple[Floats, Floats]:
    """Where rays pass the plane through the centre, and how far they go in a unit of depth.

    Both in pixels of the finest level, of shape (rays, 3).
    """
    camera = outlook.camera
    right, down, forward = camera.axes
    across = np.linspace(-PART / 2, PART / 2, ACROSS)
    width, height = np.array(camera.size) / camera.zoom
    a, b = (side.ravel() for side in np.meshgrid(across * width, across * height))
    plane = a[:, np.newaxis] * right + b[:, np.newaxis] * down
    ahead = np.broadcast_to(forward, plane.shape)
    if camera.perspective:
        ahead = ahead + plane / camera.distance
    matrix = outlook.matrix[:, :3]
    start = np.linalg.solve(matrix, (plane + camera.center - outlook.matrix[:, 3]).T).T
    return start, np.linalg.solve(matrix, ahead.T).T


def _met(grid: Grid, origins: Floats, directions: Floats, least: float) -> tuple[Floats, Floats]:
    """Depth at which rays first meet something, and where they enter the grid, of those that do."""
    origins, directions = (origins - grid.first) / grid.size, directions / grid.size
    shape = np.array(grid.values.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (-0.5 - origins) / directions, (shape - 0.5 - origins) / directions
    outside = ((origins < -0.5) | (origins > shape - 0.5)) & (directions == 0)
    near = np.nan_to_num(np.fmin(low, high), nan=-np.inf).max(1)
    far = np.nan_to_num(np.fmax(low, high), nan=np.inf).min(1)
    through = (far > near) & ~outside.any(1) & np.isfinite(near) & np.isfinite(far)
    if not through.any():
        return np.empty(0), np.empty(0)
    near, far, origins, directions = (a[through] for a in (near, far, origins, directions))
    steps = near[:, np.newaxis] + (far - near)[:, np.newaxis] * (np.arange(STEPS) + 0.5) / STEPS
    places = origins[:, np.newaxis] + steps[..., np.newaxis] * directions[:, np.newaxis]
    voxels = np.floor(places + 0.5).astype(np.int64).clip(0, shape - 1)
    hits = grid.values[tuple(np.moveaxis(voxels, -1, 0))] >= least
    some = hits.any(1)
    return steps[some, hits[some].argmax(1)], near[some]
