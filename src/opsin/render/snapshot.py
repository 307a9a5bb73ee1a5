"""Snapshot: a picture of an image, without a browser."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from opsin.chunks.camera import Camera, fit, slice_index
from opsin.chunks.policy import EXPLORE
from opsin.chunks.volume_camera import VolumeCamera, check_volumes, fit_volume
from opsin.chunks.volume_levels import with_volume_levels
from opsin.errors import UsageError, WriteError
from opsin.images.derived import with_derived_levels
from opsin.images.image import Image
from opsin.images.layer import Layer, layers_of, layers_of_all
from opsin.images.memory import image_from_array
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.reader import holds_points, open_points
from opsin.images.readers import open_images
from opsin.images.readers.address import Address
from opsin.images.source import Array
from opsin.render.canvas import Picture
from opsin.render.exposure import exposure
from opsin.render.histogram import auto_contrast
from opsin.render.points import shown_only
from opsin.render.slices import render
from opsin.render.volume import Mode, Projection

DEFAULT_SIZE = (512, 512)

MEMORY = 2**29
"""Bytes for a volume, or for a view that sharpens, by default."""

WHOLE = replace(EXPLORE, bricks=1024)
"""More bricks than a view that has to be quick would want."""

MOST_VOXELS = 1 << 24
"""Voxels that contrast limits are read off, about."""


def snapshot(
    image: Image | Points | str | Path | Any,
    view: Camera | VolumeCamera | None = None,
    size: tuple[int, int] | None = None,
    *,
    level: int | None = None,
    layers: Sequence[Layer | PointsLayer] | None = None,
    mode: Mode | None = None,
    density: float | None = None,
    threshold: float | None = None,
    memory: int = MEMORY,
) -> Picture:
    """The picture that a view shows once everything has loaded.

    Args:
        image: an image or points (which stay open), the path or URL of some (of which all images
            are shown, labels too), or an array or list of arrays as `opsin.image_from_array` takes
            them.
        view: where to look; None for all of the image, in the middle of its z range.
        size: width and height of the picture in pixels; None for that of the view, or 512 × 512.
        level: the level to draw, instead of the coarsest that is fine enough; of volumes, the
            finest.
        layers: what to draw and how, bottom first; None for the layers that the image opens as.
        mode: draw a volume, from outside: `mip`, `minip`, `average`, `translucent` or `iso`. None
            for a slice or, if the view is of a volume, for `mip`.
        density: of translucent volumes: 1 / the world length of the brightest values that lets
            1 / e of the light through. None for one that suits the view.
        threshold: the value of the surface (`iso`); None for the middle of the contrast limits.
        memory: bytes that a volume may take. What is too large for it is drawn coarser, first far
            away from the middle of the view.

    Returns:
        uint8 of shape (height, width, 3): red, green, blue, on black. Layers without contrast
        limits get them from their coarsest level, from the plane or volume that is shown.

    Raises:
        UsageError: a size, level, colour map, axis or mode that makes no sense.
        OpenError: the image cannot be opened.
        ReadError: a chunk cannot be read.
        BudgetExceeded: the memory is too little for a chunk of a volume.
        Unsupported: volumes need numba, which is not installed.
    """
    with _opened(image, layers) as shown:
        camera = _camera(shown, view, size, level, mode)
        ready = [_ready(layer, camera) for layer in shown]
        if isinstance(camera, Camera):
            return render(ready, camera, _read, level)
        projection = Projection(mode or "mip", density, threshold)
        pictures = exposure(ready, camera, memory, WHOLE, projection, finest=level or 0)
        return list(pictures)[-1]


def sharpen(
    image: Image | Points | str | Path | Any,
    view: Camera | VolumeCamera | None = None,
    size: tuple[int, int] | None = None,
    *,
    layers: Sequence[Layer | PointsLayer] | None = None,
    mode: Mode | None = None,
    density: float | None = None,
    threshold: float | None = None,
    memory: int = MEMORY,
    every: float = 0.25,
) -> Iterator[Picture]:
    """The pictures that a view shows while it loads: soon a blurred one, the last one sharp.

    Of a slice, the last one is that of `snapshot`, as far as it fits the memory.

    Args:
        image: as `snapshot` takes it, as all that is not named here.
        every: seconds between two pictures, at least.

    Raises:
        UsageError, OpenError, ReadError, BudgetExceeded, Unsupported: as `snapshot` does; that
            something cannot be read, after the last picture.
    """
    with _opened(image, layers) as shown:
        camera = _camera(shown, view, size, None, mode)
        ready = [_ready(layer, camera) for layer in shown]
        projection = Projection(mode or "mip", density, threshold)
        yield from exposure(ready, camera, memory, WHOLE, projection, every=every)


def save_png(picture: Array, path: str | Path) -> None:
    """Write a picture (uint8 or uint16, of shape (height, width) or (height, width, 3 or 4)).

    The file appears whole or not at all.

    Raises:
        WriteError: it cannot be written.
    """
    import imagecodecs

    target = Path(path)
    data = imagecodecs.png_encode(np.ascontiguousarray(picture))
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            part.write_bytes(data)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error


@contextmanager
def _opened(
    image: Image | Points | str | Path | Any, layers: Sequence[Layer | PointsLayer] | None
) -> Iterator[Sequence[Layer | PointsLayer]]:
    """The layers to draw; what is opened for them is closed."""
    if layers is not None:
        yield layers
    elif isinstance(image, Points):
        yield [PointsLayer(image.name, image)]
    elif isinstance(image, str | Path) and holds_points(Address.parse(image)):
        with open_points(image) as points:
            yield [PointsLayer(points.name, points)]
    elif isinstance(image, Image):
        yield layers_of(with_derived_levels(image))
    else:
        opened = open_images(image) if isinstance(image, str | Path) else (image_from_array(image),)
        try:
            yield layers_of_all(opened)
        finally:
            for one in opened:
                one.close()


def _camera(
    layers: Sequence[Layer | PointsLayer],
    view: Camera | VolumeCamera | None,
    size: tuple[int, int] | None,
    level: int | None,
    mode: Mode | None,
) -> Camera | VolumeCamera:
    """Where to look, once all that is asked for makes sense."""
    if not layers:
        raise UsageError("There is no layer to draw.")
    if size is None:
        size = DEFAULT_SIZE if view is None else view.size
    if not all(1 <= length <= 32768 for length in size):
        raise UsageError(f"A picture of {size[0]} × {size[1]} cannot be made: give 1 to 32768.")
    levels = [len(layer.image.levels) for layer in layers if isinstance(layer, Layer)]
    if level is not None and not levels:
        raise UsageError("Points are not drawn by levels: leave the level out.")
    if level is not None and not 0 <= level < max(levels):
        raise UsageError(f"There is no level {level}: the levels are 0 to {max(levels) - 1}.")
    if isinstance(view, Camera) and mode is not None:
        raise UsageError(f"A slice has no mode {mode!r}: give a VolumeCamera, or leave one out.")
    if view is not None:
        camera = replace(view, size=size)
        if isinstance(camera, VolumeCamera):
            check_volumes(layers, camera.displayed)
        return camera
    return fit(layers, size) if mode is None else fit_volume(layers, size)


def _ready(layer: Layer | PointsLayer, camera: Camera | VolumeCamera) -> Layer | PointsLayer:
    """The layer with all that drawing it needs, and no more."""
    if isinstance(layer, PointsLayer):
        return shown_only(layer)
    layer = _with_contrast(layer, camera)
    if isinstance(camera, Camera):
        return layer
    # A base of so many bricks that they do not fit the memory could not be shown.
    return replace(layer, image=with_volume_levels(layer.image, camera.displayed))


def _read(layer: Layer, level: int, start: tuple[int, ...], stop: tuple[int, ...]) -> Array:
    box = [slice(a, b) for a, b in zip(start, stop, strict=True)]
    return layer.image.read(level, box)


def _with_contrast(layer: Layer, camera: Camera | VolumeCamera) -> Layer:
    """The layer with contrast limits, read off what is shown of its coarsest level if need be.

    Of a large volume, that are the planes in its middle.
    """
    image = layer.image
    if layer.contrast is not None or image.kind == "labels" or not layer.visible:
        return layer
    coarsest = len(image.levels) - 1
    index: list[int | slice] = [slice(None)] * len(image.axes)
    plane = slice_index(layer, coarsest, camera)
    if plane is None:  # nothing of it is shown
        return replace(layer, contrast=(0, 1))
    others = [p for p in layer.kept_axes if image.axes[p].name not in camera.displayed]
    for position, pixel in zip(others, plane, strict=True):
        index[position] = pixel
    channels = image.channel_axis
    if channels is not None:
        index[channels] = slice(0, 3) if image.rgb else layer.channel or 0
    if isinstance(camera, VolumeCamera):
        shape = image.levels[coarsest].shape
        deep, *plane_axes = (image.axis(name) for name in camera.displayed)
        planes = max(1, MOST_VOXELS // math.prod(shape[axis] for axis in plane_axes))
        first = max(0, (shape[deep] - planes) // 2)
        index[deep] = slice(first, min(first + planes, shape[deep]))
    return replace(layer, contrast=auto_contrast(image.read(coarsest, index)))
