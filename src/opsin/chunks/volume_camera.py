"""Volume camera: from where one looks at a volume. Pure geometry between world and canvas.

Triples and arrays of them are in the order of `VolumeCamera.displayed`: (z, y, x). What is called
*relative* is a world position minus the camera's centre, in float64: so a voxel is as exact at the
far end of 2^20 voxels as at the first.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from opsin.chunks.camera import Placed, middle_position
from opsin.errors import UsageError

Triple = tuple[float, float, float]
Box = tuple[Triple, Triple]
Quaternion = tuple[float, float, float, float]
Floats = npt.NDArray[np.float64]

NEAR = 1 / 16
"""With perspective, what is nearer to the eye than this share of its distance to the centre is not
seen."""

WIDEST = 150.0
"""Degrees: the widest field of view."""


@dataclass(frozen=True)
class VolumeCamera:
    """A camera that looks at its centre, from any side.

    Attributes:
        center: the world position in the middle of the canvas, along the displayed axes.
        zoom: device pixels per world unit, at the centre.
        size: (width, height) of the canvas in device pixels.
        orientation: a unit quaternion (w, x, y, z), whose last three are along the world's x, y
            and z. The camera's own axes are right, down and forward (into the canvas). It turns
            them: a vector q = (right, down, forward) of the camera is `o · q · o*` in the world's
            (x, y, z). So (1, 0, 0, 0) looks along z, with x to the right and y downwards, as a 2D
            camera shows a slice; and (cos a/2, 0, 0, sin a/2) turns right towards down by a.
        perspective: the field of view from top to bottom in degrees; 0 is orthographic. The eye
            is then `height / 2 / zoom / tan(perspective / 2)` behind the centre.
        position: world position on every other axis, by name.
        displayed: the axes that are shown: depth, row and column of the volume.
        clip: low and high corner, in the world, of what is shown of it; None for all.

    The device pixel (column i, row j) has its middle at i + 0.5 - width / 2 to the right and
    j + 0.5 - height / 2 below the middle of the canvas.
    """

    center: Triple
    zoom: float
    size: tuple[int, int]
    orientation: Quaternion = (1.0, 0.0, 0.0, 0.0)
    perspective: float = 0.0
    position: Mapping[str, float] = field(default_factory=dict)
    displayed: tuple[str, str, str] = ("z", "y", "x")
    clip: Box | None = None

    def __post_init__(self) -> None:
        norm = math.hypot(*self.orientation)
        if not (math.isfinite(norm) and norm > 0):
            raise UsageError(f"{self.orientation} is no orientation: give a unit quaternion.")
        if not 0 <= self.perspective <= WIDEST:
            raise UsageError(f"A perspective has 0 to {WIDEST:g} degrees, not {self.perspective}.")
        if self.clip is not None and not all(map(operator.lt, *self.clip)):
            raise UsageError(
                f"Nothing is between {self.clip[0]} and {self.clip[1]}: low end first."
            )

    @cached_property
    def axes(self) -> Floats:
        """Right, down and forward as relative unit vectors: of shape (3, 3), one per row."""
        axes = rotation(self.orientation)
        axes.setflags(write=False)
        return axes

    @cached_property
    def distance(self) -> float:
        """From the eye to the centre, in world units; infinite without perspective."""
        if self.perspective == 0:
            return math.inf
        return self.size[1] / 2 / self.zoom / math.tan(math.radians(self.perspective) / 2)


def rotation(orientation: Quaternion) -> Floats:
    """The camera's right, down and forward in the world, one per row, each as (z, y, x)."""
    w, x, y, z = np.array(orientation) / math.hypot(*orientation)
    right = (2 * (x * z - w * y), 2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
    down = (2 * (y * z + w * x), 1 - 2 * (x * x + z * z), 2 * (x * y - w * z))
    forward = (1 - 2 * (x * x + y * y), 2 * (y * z - w * x), 2 * (x * z + w * y))
    return np.array([right, down, forward])


def looking(turn: float = 0.0, tilt: float = 0.0, roll: float = 0.0) -> Quaternion:
    """The orientation of a camera that walked around its centre.

    Args:
        turn: degrees to the side: 0 looks along z, 90 along x, 180 against z.
        tilt: degrees upwards: 90 looks along y, so from above.
        roll: degrees that right turns towards down.
    """
    a, b, c = (math.radians(angle) / 2 for angle in (turn, -tilt, roll))
    around = (math.cos(a), 0.0, math.sin(a), 0.0)
    over = (math.cos(b), math.sin(b), 0.0, 0.0)
    rolled = (math.cos(c), 0.0, 0.0, math.sin(c))
    return times(times(around, over), rolled)


def times(first: Quaternion, second: Quaternion) -> Quaternion:
    """The product of quaternions: turns by `second` in the axes that `first` has turned."""
    a, b, c, d = first
    e, f, g, h = second
    return (
        a * e - b * f - c * g - d * h,
        a * f + b * e + c * h - d * g,
        a * g - b * h + c * e + d * f,
        a * h + b * g - c * f + d * e,
    )


def volume_extent(layer: Placed, displayed: tuple[str, ...]) -> tuple[Triple, Triple]:
    """Low and high corner of what a layer covers at its finest level: outer edges of voxels."""
    level = layer.level(0)
    names = [axis.name for axis in layer.axes]
    where = [names.index(name) for name in displayed]
    low = tuple(level.translation[i] - level.scale[i] / 2 for i in where)
    high = tuple(level.translation[i] + level.scale[i] * (level.shape[i] - 0.5) for i in where)
    return low, high  # type: ignore[return-value]


def check_volumes(layers: Iterable[Placed], displayed: tuple[str, ...]) -> None:
    """See to it that layers have the displayed axes.

    Raises:
        UsageError: one has not.
    """
    for layer in layers:
        for name in displayed:
            if name not in {axis.name for axis in layer.axes}:
                raise UsageError(f"{layer.name} is no volume: it has no axis {name!r}.")


def fit_volume(
    layers: Iterable[Placed],
    size: tuple[int, int],
    orientation: Quaternion = (1.0, 0.0, 0.0, 0.0),
    perspective: float = 0.0,
    displayed: tuple[str, str, str] = ("z", "y", "x"),
) -> VolumeCamera:
    """The camera that shows all layers whole from a side, at the first of other axes.

    Axes in space that are not displayed are cut in their middle, as in `camera.fit`.

    Raises:
        UsageError: a layer lacks a displayed axis.
    """
    shown = list(layers)
    check_volumes(shown, displayed)
    extents = [volume_extent(layer, displayed) for layer in shown]
    low = np.min([low for low, _ in extents], axis=0)
    high = np.max([high for _, high in extents], axis=0)
    camera = VolumeCamera(
        center=tuple(((low + high) / 2).tolist()),
        zoom=1.0,
        size=size,
        orientation=orientation,
        perspective=perspective,
        position=middle_position(shown, displayed),
        displayed=displayed,
    )
    corners = np.array(np.meshgrid(*np.transpose([low, high]), indexing="ij")).reshape(3, 8).T
    right, down, forward = camera.axes @ (corners - camera.center).T
    half_width, half_height = size[0] / 2, size[1] / 2
    if perspective == 0:
        zoom = min(half_width / max(right.max(), 1e-12), half_height / max(down.max(), 1e-12))
        return replace(camera, zoom=float(zoom))
    focal = half_height / math.tan(math.radians(perspective) / 2)  # pixels; zoom · distance
    farthest = np.maximum(
        np.abs(right) * focal / half_width, np.abs(down) * focal / half_height
    ) - forward  # fmt: skip
    return replace(camera, zoom=float(focal / max(farthest.max(), 1e-12)))


def rays(camera: VolumeCamera, rows: range | None = None) -> tuple[Floats, Floats, Floats]:
    """The line of sight of every device pixel, or of those in some rows.

    Returns:
        Relative origins and unit directions, of shape (rows, width, 3), and the distance along
        the ray at which it begins, of shape (rows, width). Without perspective the origins lie in
        the plane through the centre, and rays begin at -inf: all that is before and behind it is
        seen. With perspective all begin near the eye, which is their origin.
    """
    width, height = camera.size
    rows = range(height) if rows is None else rows
    right, down, forward = camera.axes
    across = np.arange(width) + 0.5 - width / 2
    along = np.arange(rows.start, rows.stop) + 0.5 - height / 2
    plane = along[:, np.newaxis, np.newaxis] * down + across[:, np.newaxis] * right
    if camera.perspective == 0:
        directions = np.broadcast_to(forward, plane.shape)
        return plane / camera.zoom, directions, np.full(plane.shape[:2], -np.inf)
    focal = camera.distance * camera.zoom
    directions = plane + focal * forward
    length = np.sqrt((directions**2).sum(axis=-1))
    origins = np.broadcast_to(-camera.distance * forward, plane.shape)
    starts = NEAR * camera.distance * length / focal
    return origins, directions / length[..., np.newaxis], starts


def depth(camera: VolumeCamera, points: Floats) -> Floats:
    """How far behind the plane through the centre relative points (…, 3) lie, along forward."""
    deep: Floats = points @ camera.axes[2]
    return deep


def pixels_per_unit(camera: VolumeCamera, points: Floats) -> Floats:
    """Device pixels on the canvas per world unit along each displayed axis, at relative points.

    Args:
        points: of shape (…, 3); one before the near plane counts as if it were on it.

    Returns:
        The same shape: the length on the canvas of a short step along z, along y and along x,
        divided by that of the step. An axis that one looks along has none.
    """
    right, down, forward = camera.axes
    if camera.perspective == 0:
        return np.broadcast_to(np.hypot(right, down) * camera.zoom, points.shape)
    # With the three axes first, numpy is several times as fast.
    aside, below, behind = camera.axes @ points.reshape(-1, 3).T
    away = np.maximum(camera.distance + behind, NEAR * camera.distance)
    # On the canvas a point is at (aside, below) / away · focal, whose derivative this is.
    right, down, forward = camera.axes[..., np.newaxis]
    across = right - aside / away * forward
    along = down - below / away * forward
    projected: Floats = np.sqrt(across * across + along * along)
    projected *= camera.zoom * camera.distance / away
    return projected.T.reshape(points.shape)


@dataclass(frozen=True, slots=True)
class Frustum:
    """What the canvas shows: relative points p with `normals @ p + offsets >= 0`."""

    normals: Floats
    """Of shape (planes, 3)."""
    offsets: Floats
    """Of shape (planes,)."""

    def touches(self, low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
        """Which relative boxes, of shape (…, 3) each corner, may be seen.

        None that is seen is left out; of those that are not, some beside an edge are taken.
        """
        first, last = low.reshape(-1, 3).T, high.reshape(-1, 3).T
        # Of a box, twice the corner that is farthest along a normal.
        farthest = self.normals @ (last + first) + np.abs(self.normals) @ (last - first)
        seen: npt.NDArray[np.bool_] = np.logical_and.reduce(
            farthest >= -2 * self.offsets[:, np.newaxis], axis=0
        )
        return seen.reshape(low.shape[:-1])


def frustum(camera: VolumeCamera) -> Frustum:
    """What a camera sees: between these planes.

    The first four are at the sides of the canvas; then, with perspective, comes the near plane, and
    then those of the clipping box.
    """
    seen = _pyramid(camera)
    if camera.clip is None:
        return seen
    low, high = np.array(camera.clip) - camera.center
    normals = np.vstack([seen.normals, np.eye(3), -np.eye(3)])
    return Frustum(normals, np.concatenate([seen.offsets, -low, high]))


def _pyramid(camera: VolumeCamera) -> Frustum:
    right, down, forward = camera.axes
    half = np.array(camera.size) / 2 / camera.zoom
    if camera.perspective == 0:
        normals = np.array([right, -right, down, -down])
        return Frustum(normals, np.array([half[0], half[0], half[1], half[1]]))
    away = camera.distance
    sides = [
        away * sign * axis + length * forward
        for axis, length in ((right, half[0]), (down, half[1]))
        for sign in (1, -1)
    ]
    normals = np.array([*(side / math.hypot(*side) for side in sides), forward])
    offsets = normals @ (away * forward)  # the planes meet in the eye
    offsets[4] -= NEAR * away
    return Frustum(normals, offsets)
