"""Volume brick: a piece of one level of a volume that fills one slot of a view in 3D."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from opsin.chunks.brick import Assembly, display_dtype, grid_box, samples
from opsin.images.layer import Layer
from opsin.images.source import Index

SIDE = 64
"""Voxels of a whole brick along each displayed axis."""


class VolumeBrick(NamedTuple):
    """Address of a brick. `slice` holds one pixel index of `level` per axis not displayed."""

    layer: int
    level: int
    slice: Index
    depth: int
    row: int
    column: int


def volume_brick_box(
    layer: Layer, brick: VolumeBrick, displayed: tuple[str, str, str]
) -> tuple[Index, Index]:
    """First and last-plus-one pixel of a brick along every axis of the *image*."""
    return grid_box(layer, brick.level, brick.slice, displayed, brick[3:], SIDE)


def volume_brick_shape(
    layer: Layer, brick: VolumeBrick, displayed: tuple[str, str, str]
) -> tuple[int, int, int]:
    """Voxels of a brick along the displayed axes, cut at the end of its level."""
    shape = layer.level(brick.level).shape
    names = [axis.name for axis in layer.axes]
    depth, rows, columns = (
        min(SIDE, shape[names.index(name)] - place * SIDE)
        for name, place in zip(displayed, brick[3:], strict=True)
    )
    return depth, rows, columns


def volume_brick_bytes(layer: Layer, brick: VolumeBrick, displayed: tuple[str, str, str]) -> int:
    """Bytes of a brick as it travels and as a slot holds it."""
    voxels = math.prod(volume_brick_shape(layer, brick, displayed))
    return voxels * samples(layer) * display_dtype(layer).itemsize


def volume_brick_chunks(
    layer: Layer, brick: VolumeBrick, displayed: tuple[str, str, str]
) -> Iterator[Index]:
    """Grid indices of the chunks that a brick is made of."""
    start, stop = volume_brick_box(layer, brick, displayed)
    return layer.image.levels[brick.level].chunks_in(start, stop)


def volume_assembly(layer: Layer, brick: VolumeBrick, displayed: tuple[str, str, str]) -> Assembly:
    """An empty brick, to put its chunks into: (depth, rows, columns) and, for RGB, samples."""
    start, stop = volume_brick_box(layer, brick, displayed)
    return Assembly(layer, brick.level, start, stop, displayed)
