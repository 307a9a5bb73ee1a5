"""Block: the box of one level that stands for a volume in 3D, chosen by where one looks. Pure.

napari draws a volume as one texture of one level, and in 3D that is the coarsest. The block is
another such texture: of the level that the screen asks for, as far as the view reaches. What does
not fit is cut away far before and far behind the camera's centre first. Where even a slab as thin
as `THINNEST` does not fit, a coarser level is taken.

All is worked out in pixels of the finest level, whose centres are at whole numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from opsin.chunks.camera import LEVEL_TOLERANCE
from opsin.chunks.volume_camera import Floats, VolumeCamera, frustum
from opsin.images.layer import Layer
from opsin.images.source import Index
from opsin.napari.region import Places, Region

VOXELS = 2**24
"""Voxels of a block, by default at most."""
BYTES = 2**26
"""Bytes of a block at most, if its voxels are large: napari uploads it in one go."""
LONGEST = 1024
"""Voxels of a block along an axis at most; graphics cards bear 2048 or more."""
THINNEST = 0.5
"""Depth of what is shown, as a share of the longer side of the view, at least."""
MARGIN = 1 / 16
"""A block reaches so much further at each side than it has to, so that it lasts a while."""
STEP = 8
"""Corners of a block lie on every eighth voxel, or at the edge of the volume."""
LASTS = 0.6
"""A block is kept as long as it holds the middle of what is seen, to so much of its depth."""
OCTAVES = 24
"""Halvings after which the depth that fits is known well enough."""


@dataclass(frozen=True)
class Block:
    """A box of one level.

    Attributes:
        level: that it is of.
        start: its first pixel along every axis of the layer.
        stop: its last, plus one.
        needed: first and last-plus-one pixel of what has to be in it.
    """

    level: int
    start: Index
    stop: Index
    needed: tuple[Index, Index] = field(compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along every axis of the layer."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    def lasts(self, wanted: Block) -> bool:
        """Whether it can stay, where another one is wanted."""
        start, stop = wanted.needed
        inside = all(a <= b for a, b in zip(self.start, start, strict=True)) and all(
            a >= b for a, b in zip(self.stop, stop, strict=True)
        )
        return self.level == wanted.level and inside

    def covers(self, layer: Layer, wanted: Block) -> float:
        """The share of another block that lies in it."""
        share = 1.0
        for axis in range(len(self.start)):
            (own, other) = (ends(layer, one, axis) for one in (self, wanted))
            common = min(own[1], other[1]) - max(own[0], other[0])
            share *= max(common, 0.0) / (other[1] - other[0])
        return share


class Focus(NamedTuple):
    """Where something is met, in the world, along the camera's forward axis."""

    depth: float = 0.0
    """From the camera's centre."""
    unsure: float = 0.0
    """By so much it may be nearer or further away."""


@dataclass(frozen=True)
class Outlook:
    """How a layer is looked at.

    Attributes:
        camera: with the world that napari shows.
        matrix: of shape (3, 4): from pixels of the finest level along `axes` to that world.
        axes: of the layer, that the camera shows: depth, row and column.
        places: where the layer is cut on each other axis, in pixels of the finest level.
    """

    camera: VolumeCamera
    matrix: Floats
    axes: tuple[int, int, int]
    places: Mapping[int, float]


def plan_block(
    layer: Layer,
    outlook: Outlook,
    most: int = VOXELS,
    focus: Focus | None = None,
    quality: float = 1.0,
) -> Block | None:
    """The block to show; None if the coarsest level is fine enough, or nothing is seen.

    Args:
        layer: of which.
        outlook: how it is looked at.
        most: voxels at most.
        focus: how deep lies what is looked at, that is kept longest; by default it is the camera's
            centre.
        quality: voxels per pixel of the screen that are asked for.
    """
    base = len(layer.image.levels) - 1
    first = _asked_level(layer, outlook, quality)
    if first >= base:
        return None
    focus = focus or Focus()
    seen = _Seen(layer, outlook, focus.depth)
    view = max(outlook.camera.size) / outlook.camera.zoom
    deepest = seen.depth
    if deepest is None:
        return None
    least = min(max(THINNEST / 2 * view, focus.unsure), deepest)
    for level in range(first, base):
        if not _fits(_box(layer, outlook, level, seen.box(least), 0.0), most):
            continue
        depth = deepest
        if not _fits(_box(layer, outlook, level, seen.box(deepest), 0.0), most):
            low, high = least, deepest
            for _ in range(OCTAVES):
                depth = math.sqrt(low * high)
                fits = _fits(_box(layer, outlook, level, seen.box(depth), 0.0), most)
                low, high = (depth, high) if fits else (low, depth)
            depth = low
        start, stop = _box(layer, outlook, level, seen.box(depth), MARGIN)
        if not _fits((start, stop), most):
            start, stop = _box(layer, outlook, level, seen.box(depth), 0.0)
        cut = depth if depth >= deepest else max(LASTS * depth, least)
        needed = _box(layer, outlook, level, seen.box(cut), 0.0)
        return Block(level, start, stop, needed)
    return None


def geometry(layer: Layer, level: int, axis: int) -> tuple[float, float]:
    """Size of a pixel of a level, and place of its first one, in pixels of the finest."""
    finest, own = layer.level(0), layer.level(level)
    scale = finest.scale[axis]
    place = (own.translation[axis] - finest.translation[axis]) / scale
    return own.scale[axis] / scale, place


def ends(layer: Layer, block: Block, axis: int) -> tuple[float, float]:
    """Outer edges of a block along an axis, in pixels of the finest level."""
    size, place = geometry(layer, block.level, axis)
    return place + size * (block.start[axis] - 0.5), place + size * (block.stop[axis] - 0.5)


def region_of(layer: Layer, block: Block) -> Region:
    """The pixels of a block, axes in the image's order."""
    image, channel = layer.image, layer.image.channel_axis
    places: list[Places] = [np.zeros(1)] * len(image.axes)
    for axis, own in enumerate(layer.kept_axes):
        size, place = geometry(layer, block.level, axis)
        numbers = np.arange(block.start[axis], block.stop[axis], dtype=np.float64)
        places[own] = place + size * numbers
    if channel is not None:
        samples = range(image.levels[0].shape[channel]) if image.rgb else [layer.channel or 0]
        places[channel] = np.array(samples, np.float64)
    return Region(image.levels, block.level, tuple(places), channel)


class _Seen:
    """What is seen of a layer, as half-spaces of its finest pixels around the camera's centre."""

    def __init__(self, layer: Layer, outlook: Outlook, focus: float) -> None:
        camera = outlook.camera
        matrix: Floats = outlook.matrix[:, :3]
        center = np.linalg.solve(matrix, np.array(camera.center) - outlook.matrix[:, 3])
        self._center: Floats = np.asarray(center, np.float64)
        shape = np.array([layer.level(0).shape[axis] for axis in outlook.axes], np.float64)
        shown = frustum(camera)
        self._normals = np.vstack([shown.normals @ matrix, np.eye(3), -np.eye(3)])
        self._offsets = np.concatenate(
            [shown.offsets, self._center + 0.5, shape - 0.5 - self._center]
        )
        self._forward = camera.axes[2] @ matrix
        deep = _corners(self._normals, self._offsets) @ self._forward
        self.depth: float | None = None
        """How far before or behind what is looked at things are seen, in the world.

        None: nothing is seen.
        """
        if len(deep):
            low, high = float(deep.min()), float(deep.max())
            self._focus = min(max(focus, low), high)
            self.depth = max(self._focus - low, high - self._focus, 1e-300)

    def box(self, depth: float) -> Floats | None:
        """Around what is seen no further away than that: low and high corner, of shape (2, 3)."""
        normals = np.vstack([self._normals, self._forward, -self._forward])
        slab = [depth - self._focus, depth + self._focus]
        corners = _corners(normals, np.append(self._offsets, slab))
        if not len(corners):
            return None
        around: Floats = np.array([corners.min(0), corners.max(0)]) + self._center
        return around


def _corners(normals: Floats, offsets: Floats) -> Floats:
    """Corners of the body in which `normals @ p + offsets >= 0`, of shape (n, 3)."""
    length = np.linalg.norm(normals, axis=1)
    normals, offsets = normals / length[:, np.newaxis], offsets / length
    triples = np.array(list(itertools.combinations(range(len(normals)), 3)))
    planes = normals[triples]
    # Not `det`, which divides, be it by numbers that are next to nothing.
    meet = np.abs((np.cross(planes[:, 0], planes[:, 1]) * planes[:, 2]).sum(axis=1)) > 1e-9
    points = np.linalg.solve(planes[meet], -offsets[triples[meet]][..., np.newaxis])[..., 0]
    slack = 1e-9 * (1 + np.abs(offsets) + np.linalg.norm(points, axis=1)[:, np.newaxis])
    inside = (points @ normals.T + offsets >= -slack).all(axis=1)
    found: Floats = points[inside]
    return found


def _asked_level(layer: Layer, outlook: Outlook, quality: float) -> int:
    """The coarsest level whose voxels are no larger than a pixel of the screen."""
    pitch = np.linalg.norm(outlook.matrix[:, :3], axis=0) * outlook.camera.zoom * quality
    for level in range(len(layer.image.levels) - 1, 0, -1):
        own, finer = layer.level(level).scale, layer.level(level - 1).scale
        if all(
            own[axis] <= finer[axis] * (1 + LEVEL_TOLERANCE)
            or geometry(layer, level, axis)[0] * pixels <= 1
            for axis, pixels in zip(outlook.axes, pitch, strict=True)
        ):
            return level
    return 0


def _box(
    layer: Layer, outlook: Outlook, level: int, corners: Floats | None, margin: float
) -> tuple[Index, Index]:
    """Pixels of a level that lie in a box of pixels of the finest, with a margin around."""
    shape = layer.level(level).shape
    start, stop = [0] * len(shape), list(shape)
    for axis, place in outlook.places.items():
        size, first = geometry(layer, level, axis)
        nearest = math.floor((place - first) / size + 0.5)
        start[axis] = min(max(nearest, 0), shape[axis] - 1)
        stop[axis] = start[axis] + 1
    for number, axis in enumerate(outlook.axes):
        if corners is None:
            start[axis] = stop[axis] = 0
            continue
        size, first = geometry(layer, level, axis)
        low, high = ((corners[:, number] - first) / size).tolist()
        more = margin * (high - low)
        # One more at each side, with which what lies at the edge is interpolated.
        lowest = math.floor((low - more - 0.5) / STEP) * STEP
        highest = math.ceil((high + more + 1.5) / STEP) * STEP
        start[axis] = min(max(lowest, 0), shape[axis] - 1)
        stop[axis] = min(max(highest, start[axis] + 1), shape[axis])
    return tuple(start), tuple(stop)


def _fits(box: tuple[Sequence[int], Sequence[int]], most: int) -> bool:
    sides = [b - a for a, b in zip(*box, strict=True)]
    return math.prod(sides) <= most and max(sides) <= LONGEST
