"""Volume levels: coarser levels that an image lacks along z, for views of volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from opsin.chunks.volume_brick import SIDE
from opsin.images.derived import stored_levels, with_derived_levels
from opsin.images.image import Image
from opsin.images.layer import Layer

LARGEST_BASE = 2 * SIDE
"""Voxels of the coarsest level of a volume along each axis."""

MOST_VOXELS = 2**32
"""Of the coarsest stored level: of more, a view would wait too long for the first picture."""


def with_volume_levels(image: Image, axes: Sequence[str], most: int | None = None) -> Image:
    """The image with computed levels behind its own, until one is small along all of these axes.

    They cost nothing until they are asked for; the levels that the image has stay as they are.

    Args:
        image: which; one that lacks one of the axes is returned as it is.
        axes: depth, row and column of the volume.
        most: voxels of the coarsest stored level; an image of more is returned as it is. None:
            there is no bound.
    """
    if not all(name in image.axis_names for name in axes):
        return image
    where = [image.axis(name) for name in axes]
    stored = image.levels[stored_levels(image) - 1]
    if most is not None and math.prod(stored.shape[axis] for axis in where) > most:
        return image
    coarsest = image.levels[-1]
    long = [
        name for name, axis in zip(axes, where, strict=True) if coarsest.shape[axis] > LARGEST_BASE
    ]
    return with_derived_levels(image, LARGEST_BASE, long, SIDE)


def for_volumes(image: Image) -> Image:
    """The image with the levels that views of it in 3D need, if it is a volume at all.

    One of more than `MOST_VOXELS` gets none: so much is not read for one picture.
    """
    names = tuple(axis.name for axis in image.axes if axis.type == "space" or axis.name == "z")
    return with_volume_levels(image, names, MOST_VOXELS) if len(names) == 3 else image


def in_3d(layer: Layer) -> Layer:
    """What a layer is in 3D: that of `for_volumes`."""
    image = for_volumes(layer.image)
    return layer if image is layer.image else replace(layer, image=image)
