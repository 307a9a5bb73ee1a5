"""Brick: a piece of one slice of one level that fills one slot of a view; made of chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from opsin.images.image import chunk_origin, copy_overlap
from opsin.images.layer import Layer
from opsin.images.source import Array, Index

BRICK, SMALL_BRICK = 512, 256
"""Rows and columns of a whole brick."""


class Brick(NamedTuple):
    """Address of a brick. `slice` holds one pixel index of `level` per axis not displayed."""

    layer: int
    level: int
    slice: Index
    row: int
    column: int


class ChunkKey(NamedTuple):
    """Address of a chunk: an image (by the number its loader gave it), a level, a grid index."""

    image: int
    level: int
    grid: Index


def display_dtype(layer: Layer) -> np.dtype[np.generic]:
    """The dtype in which bricks of a layer travel: what a graphics card can hold.

    Integers up to 32 bits and float32 go as they are, labels of 64 bits too; the other 64-bit
    types and float16 become float32, bool becomes uint8. Signed labels keep their bits.
    """
    dtype = layer.image.dtype
    if layer.image.kind == "labels":
        return np.dtype(f"u{max(dtype.itemsize, 1)}")
    if dtype == np.bool_:
        return np.dtype(np.uint8)
    if dtype.kind in "iu" and dtype.itemsize <= 4:
        return dtype.newbyteorder("=")
    return np.dtype(np.float32)


def samples(layer: Layer) -> int:
    """Values per pixel: 3 or 4 for RGB, else 1."""
    axis = layer.image.channel_axis
    return layer.image.shape[axis] if layer.image.rgb and axis is not None else 1


def brick_side(layer: Layer) -> int:
    """Rows and columns of a layer's whole bricks.

    They are smaller where small chunks have to be waited for: a brick is shown when its last chunk
    has come, and one at the edge of a view brings chunks that nobody sees.
    """
    image = layer.image
    if image.source.provenance in ("memory", "disk"):
        return BRICK
    names, chunks = image.axis_names, image.levels[0].chunks
    small = all(chunks[names.index(n)] <= SMALL_BRICK for n in ("y", "x") if n in names)
    return SMALL_BRICK if small else BRICK


def brick_shape(layer: Layer, brick: Brick, displayed: tuple[str, str]) -> tuple[int, int]:
    """Rows and columns of a brick, cut at the end of its level."""
    shape = layer.level(brick.level).shape
    names = [axis.name for axis in layer.axes]
    side = brick_side(layer)
    rows = shape[names.index(displayed[0])] - brick.row * side
    columns = shape[names.index(displayed[1])] - brick.column * side
    return min(side, rows), min(side, columns)


def brick_bytes(layer: Layer, brick: Brick, displayed: tuple[str, str]) -> int:
    """Bytes of a brick as it travels and as a slot holds it."""
    rows, columns = brick_shape(layer, brick, displayed)
    return rows * columns * samples(layer) * display_dtype(layer).itemsize


def brick_box(layer: Layer, brick: Brick, displayed: tuple[str, str]) -> tuple[Index, Index]:
    """First and last-plus-one pixel of a brick along every axis of the *image*."""
    places, side = (brick.row, brick.column), brick_side(layer)
    return grid_box(layer, brick.level, brick.slice, displayed, places, side)


def grid_box(
    layer: Layer,
    level: int,
    where: Index,
    displayed: Sequence[str],
    places: Sequence[int],
    side: int,
) -> tuple[Index, Index]:
    """The box of a brick of `side` pixels that has these places along the displayed axes."""
    start, stop = map(list, plane_box(layer, level, where, displayed))
    for name, place in zip(displayed, places, strict=True):
        axis = layer.image.axis(name)
        start[axis] = place * side
        stop[axis] = min(start[axis] + side, stop[axis])
    return tuple(start), tuple(stop)


def plane_box(
    layer: Layer, level: int, where: Index, displayed: Sequence[str] = ("y", "x")
) -> tuple[Index, Index]:
    """First and last-plus-one pixel of a whole slice of a layer along every axis of the *image*.

    `where` holds one pixel index per axis of the layer that is not displayed, in axis order.
    """
    shape = layer.image.levels[level].shape
    rest = iter(where)
    start: list[int] = []
    stop: list[int] = []
    for position, axis in enumerate(layer.image.axes):
        if position == layer.image.channel_axis:
            low = 0 if layer.image.rgb else (layer.channel or 0)
            high = shape[position] if layer.image.rgb else low + 1
        elif axis.name in displayed:
            low, high = 0, shape[position]
        else:
            low = next(rest)
            high = low + 1
        start.append(low)
        stop.append(high)
    return tuple(start), tuple(stop)


def brick_chunks(layer: Layer, brick: Brick, displayed: tuple[str, str]) -> Iterator[Index]:
    """Grid indices of the chunks that a brick is made of."""
    start, stop = brick_box(layer, brick, displayed)
    return layer.image.levels[brick.level].chunks_in(start, stop)


class Assembly:
    """A brick in the making: its chunks are put into it one by one, in any order."""

    def __init__(
        self, layer: Layer, level: int, start: Index, stop: Index, displayed: Sequence[str]
    ) -> None:
        """The brick of pixels from `start` up to but without `stop`, along the image's axes."""
        self._layer = layer
        self._level = layer.image.levels[level]
        self._start = start
        self._displayed = displayed
        self._dtype = display_dtype(layer)
        labels = layer.image.kind == "labels"
        stored = np.dtype(f"u{self._dtype.itemsize}") if labels else layer.image.dtype
        self._out = np.empty([b - a for a, b in zip(start, stop, strict=True)], stored)
        self.missing = set(self._level.chunks_in(start, stop))
        """Grid indices of the chunks that are not in it yet."""

    def add(self, index: Index, chunk: Array) -> None:
        """Put the decoded chunk at a grid index in its place."""
        stored = self._out.dtype
        if chunk.dtype != stored and self._layer.image.kind == "labels":
            chunk = chunk.view(stored) if chunk.dtype.itemsize == stored.itemsize else chunk
        copy_overlap(self._out, self._start, chunk, chunk_origin(self._level, index))
        self.missing.discard(index)

    def finish(self) -> Array:
        """The brick, once nothing is missing.

        Returns:
            C-ordered little-endian array, of the displayed axes in their order and, for RGB, the
            samples; in `display_dtype`.
        """
        image = self._layer.image
        order = [image.axis(name) for name in self._displayed]
        if image.rgb and image.channel_axis is not None:
            order.append(image.channel_axis)
        rest = [i for i in range(self._out.ndim) if i not in order]
        shown = self._out.transpose(rest + order).reshape([self._out.shape[i] for i in order])
        with np.errstate(over="ignore"):  # float64 beyond float32 is drawn as infinite
            return np.ascontiguousarray(shown, dtype=self._dtype.newbyteorder("<"))


def assemble(
    layer: Layer, brick: Brick, displayed: tuple[str, str], chunk: Callable[[Index], Array]
) -> Array:
    """Put a brick together from its chunks.

    Args:
        chunk: gives the decoded chunk at a grid index.

    Returns:
        C-ordered little-endian array (rows, columns), for RGB (rows, columns, samples), in
        `display_dtype`.
    """
    start, stop = brick_box(layer, brick, displayed)
    assembly = Assembly(layer, brick.level, start, stop, displayed)
    for index in sorted(assembly.missing):
        assembly.add(index, chunk(index))
    return assembly.finish()
