"""Snapshot: a picture of an image, without a browser."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from opsin.chunks.camera import Camera, fit, slice_index
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
from opsin.render.histogram import auto_contrast
from opsin.render.points import shown_only
from opsin.render.slices import render

DEFAULT_SIZE = (512, 512)


def snapshot(
    image: Image | Points | str | Path | Any,
    view: Camera | None = None,
    size: tuple[int, int] | None = None,
    *,
    level: int | None = None,
    layers: Sequence[Layer | PointsLayer] | None = None,
) -> npt.NDArray[np.uint8]:
    """The picture that a view shows once everything has loaded.

    Args:
        image: an image or points (which stay open), the path or URL of some (of which all images
            are shown, labels too), or an array or list of arrays as `opsin.image_from_array` takes
            them.
        view: where to look; None for all of the image, in the middle of its z range.
        size: width and height of the picture in pixels; None for that of the view, or 512 × 512.
        level: the level to draw, instead of the coarsest that is fine enough.
        layers: what to draw and how, bottom first; None for the layers that the image opens as.

    Returns:
        uint8 of shape (height, width, 3): red, green, blue, on black. Layers without contrast
        limits get them from their coarsest level, from the plane that is shown.

    Raises:
        UsageError: a size, level, colour map or axis that makes no sense.
        OpenError: the image cannot be opened.
        ReadError: a chunk cannot be read.
    """
    if layers is not None:
        return _snapshot(layers, view, size, level)
    if isinstance(image, Points):
        return _snapshot([PointsLayer(image.name, image)], view, size, level)
    if isinstance(image, str | Path) and holds_points(Address.parse(image)):
        with open_points(image) as points:
            return _snapshot([PointsLayer(points.name, points)], view, size, level)
    if isinstance(image, Image):
        return _snapshot(layers_of(with_derived_levels(image)), view, size, level)
    opened = open_images(image) if isinstance(image, str | Path) else (image_from_array(image),)
    try:
        return _snapshot(layers_of_all(opened), view, size, level)
    finally:
        for one in opened:
            one.close()


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


def _snapshot(
    layers: Sequence[Layer | PointsLayer],
    view: Camera | None,
    size: tuple[int, int] | None,
    level: int | None,
) -> npt.NDArray[np.uint8]:
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
    camera = fit(layers, size) if view is None else replace(view, size=size)
    ready = [
        shown_only(layer) if isinstance(layer, PointsLayer) else _with_contrast(layer, camera)
        for layer in layers
    ]
    return render(ready, camera, _read, level)


def _read(layer: Layer, level: int, start: tuple[int, ...], stop: tuple[int, ...]) -> Array:
    box = [slice(a, b) for a, b in zip(start, stop, strict=True)]
    return layer.image.read(level, box)


def _with_contrast(layer: Layer, camera: Camera) -> Layer:
    """The layer with contrast limits, read off the shown plane of its coarsest level if need be."""
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
    return replace(layer, contrast=auto_contrast(image.read(coarsest, index)))
