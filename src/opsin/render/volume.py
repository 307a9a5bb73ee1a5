"""Volume: layers drawn on a canvas in 3D, from the bricks that are held of them.

Geometry is that of `opsin.chunks.volume_camera`, and how a line of sight is sampled stands in
`opsin.render.volume_march`. What it shows of a layer is, by mode:

* mip, minip, average: the largest, smallest or mean value along it, coloured as in a slice;
* translucent: all values from front to back, each with the colour of its t (see
  `opsin.render.slices`) and, over a length s in the world, the opacity 1 - exp(-density · t · s):
  so the picture does not depend on the length of steps, nor on the level;
* iso: the first place where the value reaches the threshold, lit from the eye, in the last colour
  of the colour map.

The samples of RGB layers are red, green and blue, each by itself; a fourth one does not count. Of
labels the first one is shown, lit from the eye, in every mode. Layers then lie over one another as
in slices: they do not hide parts of each other by depth.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from opsin.chunks.volume_camera import VolumeCamera, rays
from opsin.errors import Unsupported, UsageError
from opsin.images.layer import Layer
from opsin.images.points.layer import PointsLayer
from opsin.images.source import Array
from opsin.render import colormaps, labels
from opsin.render.blending import Floats, blend, colours, scaled
from opsin.render.points import draw_points
from opsin.render.volume_cells import Cells, lay_out
from opsin.render.volume_slots import VolumeSlots

if TYPE_CHECKING:
    from opsin.render.volume_march import Shading, Voxels  # which imports numba

Mode = Literal["mip", "minip", "average", "translucent", "iso"]
MODES: tuple[Mode, ...] = get_args(Mode)

DENSITY = 32.0
"""Of translucent layers, by default, over the length that the canvas's shorter side shows."""

BAND = 16
"""Rows that a thread draws at a time."""


@dataclass(frozen=True, slots=True)
class Projection:
    """How what lies behind one another becomes one picture.

    Attributes:
        mode: see above.
        density: of translucent layers, for values at the upper contrast limit: 1 / the length in
            the world that lets 1 / e of the light through. None for `DENSITY`.
        threshold: the value of the surface; None for the middle between the contrast limits.
    """

    mode: Mode = "mip"
    density: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"There is no mode {self.mode!r}: choose {', '.join(MODES)}.")
        if self.density is not None and not 0 <= self.density < float("inf"):
            raise UsageError(f"A density is a number from 0 on, not {self.density}.")


def render_volume(
    layers: Mapping[int, Layer | PointsLayer],
    camera: VolumeCamera,
    slots: Mapping[int, VolumeSlots],
    projection: Projection = Projection(),
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> npt.NDArray[np.uint8]:
    """Draw layers from the bricks that are held of them, the first at the bottom.

    Args:
        layers: what to draw, by the id that their bricks have; those not visible are skipped.
            Points are read, and drawn whole.
        camera: from where to look, and the size of the canvas in device pixels.
        slots: the bricks of each layer. Each place is drawn from the finest one that it lies in,
            and not at all without one.
        projection: how.
        background: red, green and blue between 0 and 1.

    Returns:
        The canvas: uint8 of shape (height, width, 3).

    Raises:
        UsageError: a layer lacks its contrast limits or its colour map.
        ReadError: of points.
        Unsupported: numba is not installed.
    """
    check_numba()
    width, height = camera.size
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = background
    lowest = True
    for number, layer in layers.items():
        if not layer.visible:
            continue
        if lowest and isinstance(layer, Layer) and layer.blending == "minimum":
            layer = replace(layer, blending="opaque")  # the minimum with black would be black
        lowest = False
        if isinstance(layer, PointsLayer):
            draw_points(canvas, layer, camera)
            continue
        cells = lay_out(layer, slots[number], camera)
        if cells is not None:
            shown, how = _relative(layer, projection, slots[number].origin)
            _draw(canvas, shown, camera, slots[number], cells, how)
    rounded: Floats = np.floor(canvas * 255 + np.float32(0.5))
    return rounded.clip(0, 255).astype(np.uint8)


def check_numba() -> None:
    """See to it that volumes can be drawn.

    Raises:
        Unsupported: numba is not installed.
    """
    if importlib.util.find_spec("numba") is None:
        raise Unsupported("Volumes are drawn by numba, which is missing: pip install opsin[numba].")


def _draw(
    canvas: Floats,
    layer: Layer,
    camera: VolumeCamera,
    slots: VolumeSlots,
    cells: Cells,
    projection: Projection,
) -> None:
    """Blend one layer onto the canvas, in bands of rows."""
    from opsin.render.volume_march import march

    voxels = _voxels(slots)
    shading = _shading(layer, camera, projection)
    many = range(min(slots.samples, 3))

    def band(first: int) -> None:
        rows = range(first, min(first + BAND, len(canvas)))
        origins, directions, starts = (
            np.ascontiguousarray(array).reshape(-1, *array.shape[2:])
            for array in rays(camera, rows)
        )
        seen: list[tuple[Array, Array, Array]] = []
        for sample in many:
            values = np.empty(len(starts), np.float32)
            paint = np.empty((len(starts), 4), np.float32)
            hits = np.zeros((len(starts), 4), np.int64)
            march(
                cells, voxels, slots.samples, sample, shading, origins, directions,
                starts, values, paint, hits,
            )  # fmt: skip
            seen.append((values, paint, hits))
        colour, alpha = _painted(layer, slots, projection, seen)
        shape = (len(rows), camera.size[0])
        blend(
            canvas[rows.start : rows.stop],
            colour.reshape(*shape, 3),
            alpha.reshape(shape),
            layer.blending,
        )

    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="opsin-march") as pool:
        for _ in pool.map(band, range(0, len(canvas), BAND)):
            pass


def _relative(layer: Layer, projection: Projection, origin: int) -> tuple[Layer, Projection]:
    """The same for values from which something has been taken."""
    if layer.contrast is None or not origin:
        return layer, projection
    low, high = layer.contrast
    threshold = None if projection.threshold is None else projection.threshold - origin
    return (
        replace(layer, contrast=(low - origin, high - origin)),
        replace(projection, threshold=threshold),
    )


def _voxels(slots: VolumeSlots) -> Voxels:
    from opsin.render.volume_march import Voxels

    flat = slots.voxels.reshape(-1)
    kinds = ("uint8", "uint16", "float32", "uint64")
    arrays = (flat if flat.dtype == kind else np.empty(0, kind) for kind in kinds)
    return Voxels(kinds.index(flat.dtype.name), *arrays)


def _shading(layer: Layer, camera: VolumeCamera, projection: Projection) -> Shading:
    from opsin.render import volume_march

    kinds = {
        "mip": volume_march.MAXIMUM,
        "minip": volume_march.MINIMUM,
        "average": volume_march.AVERAGE,
        "translucent": volume_march.TRANSLUCENT,
        "iso": volume_march.SURFACE,
    }
    mode = kinds[projection.mode]
    low, high = layer.contrast or (0.0, 1.0)
    if layer.image.kind == "labels":
        mode = volume_march.LABELS
    elif layer.contrast is None:
        raise UsageError(f"{layer.name} has no contrast limits yet: set them before drawing.")
    table = colormaps.lut("gray" if layer.image.rgb else layer.colormap)
    density = projection.density
    if density is None:
        density = DENSITY * camera.zoom / min(camera.size)
    threshold = (low + high) / 2 if projection.threshold is None else projection.threshold
    return volume_march.Shading(
        mode,
        float(low),
        float(high),
        float(layer.gamma),
        table.astype(np.float32) / np.float32(255),
        float(density),
        float(threshold),
    )


def _painted(
    layer: Layer,
    slots: VolumeSlots,
    projection: Projection,
    seen: Sequence[tuple[Array, Array, Array]],
) -> tuple[Floats, Floats]:
    """Colour (rays, 3) and opacity (rays,) of what was seen in each sample of a layer."""
    if layer.image.kind == "labels":
        _, paint, hits = seen[0]
        ids = slots.voxels[tuple(hits.T)] if len(slots.voxels) else np.zeros(len(hits), np.uint8)
        colour = labels.colours(ids).astype(np.float32) * paint[:, :1]
        return colour, paint[:, 3] * np.float32(layer.opacity)
    if projection.mode in ("translucent", "iso"):
        paints = np.stack([paint for _, paint, _ in seen])
        alpha = paints[..., 3].max(axis=0)
        premultiplied = paints[..., 0].T if layer.image.rgb else paints[0, :, :3]
        colour = premultiplied / np.maximum(alpha, np.float32(1e-12))[:, np.newaxis]
        return colour.clip(0, 1), alpha * np.float32(layer.opacity)
    values = np.stack([values for values, _, _ in seen], axis=-1)
    if layer.image.rgb:
        assert layer.contrast is not None  # _shading has seen to that
        colour = scaled(values, layer.contrast, layer.gamma)
        opacity = np.where(np.isnan(values).all(axis=-1), 0, layer.opacity)
        return colour, opacity.astype(np.float32)
    colour, opacity = colours(layer, values)
    return colour[:, 0], opacity[:, 0]
