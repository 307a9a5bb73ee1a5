"""Slices: layers drawn on a canvas, in 2D. The rules that the viewer's shaders follow too.

Geometry is that of `opsin.chunks.camera`. The value of a device pixel is taken at its centre, at p
in pixels of the level (pixel i has its centre at p = i and covers i - 0.5 to i + 0.5):

* a centre outside the layer's finest level shows what lies behind;
* labels, and images magnified along any axis (scale · zoom > 1): the pixel `floor(p + 0.5)`;
* else bilinear in float32 between the four pixels around p; pixels beyond the border repeat it;
  a NaN counts where its weight is not 0.

A value v becomes `t = clamp((v - low) / (high - low), 0, 1) ^ gamma` (low = high: 1 above it, else
0) and the colour at `floor(t · 255 + 0.5)` of the colour map. Of RGB layers t itself is the red,
green or blue; a fourth sample, divided by the largest integer of its type, multiplies the opacity.
NaN and label 0 are transparent. With colour c, opacity a and what lies behind d, the result is

* translucent: `c·a + d·(1 - a)`;
* additive: `min(d + c·a, 1)`;
* opaque: `c`, and minimum: `min(c, d)`, where the pixel is not transparent (a > 0).

The canvas is rounded to 8 bits once, at the end: `floor(255·v + 0.5)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from opsin.chunks.camera import LEVEL_TOLERANCE, Camera, slice_index, target_level
from opsin.errors import UsageError
from opsin.images.layer import Layer
from opsin.images.points.layer import PointsLayer
from opsin.images.source import Array
from opsin.render.blending import Floats, blend, colours
from opsin.render.points import ReadPoints, draw_points, read_now

Read = Callable[[Layer, int, tuple[int, ...], tuple[int, ...]], Array]
"""(layer, level, start, stop) → that box of the layer's image, with all axes of the *image*."""

MOST_PIXELS = 1 << 24
"""Data pixels held at once: larger canvases, or finer levels, are drawn in bands of rows."""


def render(
    layers: Iterable[Layer | PointsLayer],
    camera: Camera,
    read: Read,
    level: int | None = None,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    read_points: ReadPoints = read_now,
) -> npt.NDArray[np.uint8]:
    """Draw layers, the first at the bottom.

    Args:
        layers: what to draw; those that are not visible are skipped.
        camera: where to look, and the size of the canvas in device pixels.
        read: gets the pixels.
        level: the level to draw (a layer with fewer draws its coarsest), instead of the one that
            `target_level` gives.
        background: red, green and blue between 0 and 1.
        read_points: gets the chunks of points.

    Returns:
        The canvas: uint8 of shape (height, width, 3).

    Raises:
        UsageError: a layer lacks its contrast limits, a displayed axis or its colour map.
        ReadError: from `read`.
    """
    width, height = camera.size
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = background
    lowest = True
    for layer in layers:
        if not layer.visible:
            continue
        if isinstance(layer, PointsLayer):
            draw_points(canvas, layer, camera, read_points)
            lowest = False
            continue
        if lowest and layer.blending == "minimum":
            layer = replace(layer, blending="opaque")  # the minimum with black would be black
        lowest = False
        for name in camera.displayed:
            if name not in {axis.name for axis in layer.axes}:
                raise UsageError(f"{layer.name} cannot be shown: it has no axis {name!r}.")
        number = target_level(layer, camera) if level is None else level
        _draw(canvas, layer, camera, read, min(number, len(layer.image.levels) - 1))
    rounded: Floats = np.floor(canvas * 255 + np.float32(0.5))
    return rounded.clip(0, 255).astype(np.uint8)


def _draw(canvas: Floats, layer: Layer, camera: Camera, read: Read, number: int) -> None:
    """Blend one layer onto the canvas."""
    outside = slice_index(layer, number, camera)
    if outside is None:
        return
    geometry, finest = layer.level(number), layer.level(0)
    names = [axis.name for axis in layer.axes]
    shown = [names.index(name) for name in camera.displayed]
    nearest = layer.image.kind == "labels" or any(
        geometry.scale[axis] * camera.zoom > 1 + LEVEL_TOLERANCE for axis in shown
    )
    where: list[npt.NDArray[np.floating]] = []
    inside: list[slice] = []
    for axis, middle, length in zip(
        shown, camera.center, (camera.size[1], camera.size[0]), strict=True
    ):
        world = middle + (np.arange(length) + 0.5 - length / 2) / camera.zoom
        fine = (world - finest.translation[axis]) / finest.scale[axis]
        (hit,) = np.nonzero((fine >= -0.5) & (fine < finest.shape[axis] - 0.5))
        if hit.size == 0:
            return
        inside.append(slice(int(hit[0]), int(hit[-1]) + 1))
        where.append((world[inside[-1]] - geometry.translation[axis]) / geometry.scale[axis])
    target = canvas[inside[0], inside[1]]
    sizes = [geometry.shape[axis] for axis in shown]
    columns = _Samples(where[1], sizes[1], nearest)
    first = 0
    while first < len(where[0]):
        count = len(where[0]) - first
        rows = _Samples(where[0][first:], sizes[0], nearest)
        while count > 1 and rows.extent * columns.extent > MOST_PIXELS:
            count = (count + 1) // 2
            rows = _Samples(where[0][first : first + count], sizes[0], nearest)
        box = _read(layer, number, camera, outside, rows, columns, read)
        values = _sample(box, rows, columns, nearest)
        colour, alpha = colours(layer, values)
        blend(target[first : first + count], colour, alpha, layer.blending)
        first += count


class _Samples:
    """Which pixels along one axis of a level are needed, and how much each counts."""

    def __init__(self, where: npt.NDArray[np.floating], size: int, nearest: bool) -> None:
        low = np.floor(where + 0.5) if nearest else np.floor(where)
        self.low = low.clip(0, size - 1).astype(np.int64)
        self.high = self.low if nearest else (low + 1).clip(0, size - 1).astype(np.int64)
        self.weight = (where - low).astype(np.float32)
        self.start = int(self.low.min())
        self.stop = int(self.high.max()) + 1

    @property
    def extent(self) -> int:
        return self.stop - self.start


def _read(
    layer: Layer,
    number: int,
    camera: Camera,
    outside: Sequence[int],
    rows: _Samples,
    columns: _Samples,
    read: Read,
) -> Array:
    """The pixels that are needed: rows × columns, and samples of RGB layers."""
    image = layer.image
    start, stop = [0] * len(image.axes), list(image.levels[number].shape)
    remaining = iter(outside)
    order: dict[str, int] = {}
    for position in layer.kept_axes:
        name = image.axes[position].name
        if name in camera.displayed:
            samples = rows if name == camera.displayed[0] else columns
            start[position], stop[position] = samples.start, samples.stop
            order[name] = position
        else:
            start[position] = next(remaining)
            stop[position] = start[position] + 1
    channels = image.channel_axis
    if channels is not None and not image.rgb:
        start[channels] = layer.channel or 0
        stop[channels] = start[channels] + 1
    box = read(layer, number, tuple(start), tuple(stop))
    kept = [order[name] for name in camera.displayed]
    if image.rgb and channels is not None:
        kept.append(channels)
    others = [axis for axis in range(box.ndim) if axis not in kept]
    plane: Array = box.transpose(others + kept)[(0,) * len(others)]
    return plane


def _sample(box: Array, rows: _Samples, columns: _Samples, nearest: bool) -> Array:
    """Values at every device pixel, from a box that begins at the first needed pixel."""
    top, left = rows.low - rows.start, columns.low - columns.start
    if nearest:
        picked: Array = box[top[:, np.newaxis], left]
        return picked
    bottom, right = rows.high - rows.start, columns.high - columns.start
    down, across = rows.weight[:, np.newaxis], columns.weight
    if box.ndim > 2:
        down, across = down[..., np.newaxis], across[:, np.newaxis]
    upper, lower = box[top].astype(np.float32), box[bottom].astype(np.float32)
    return _between(
        _between(upper[:, left], upper[:, right], across),
        _between(lower[:, left], lower[:, right], across),
        down,
    )


def _between(first: Floats, second: Floats, weight: Floats) -> Floats:
    """Linear interpolation in which a weight of 0 silences even NaN and infinity."""
    with np.errstate(invalid="ignore", over="ignore"):
        mixed = first * (1 - weight) + second * weight
    return np.where(weight == 0, first, np.where(weight == 1, second, mixed))
