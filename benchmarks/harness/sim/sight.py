"""Sight: which chunks of a level a camera touches. For rivals, which show chunks, not bricks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from opsin.chunks.camera import Camera, Rect, slice_index
from opsin.images.layer import Layer
from opsin.images.source import Index


class Span(NamedTuple):
    """Chunk rows or columns of a level: from `first` up to but without `last`."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Sight:
    """A rectangle of chunks of one slice of a level. Rows and columns are the last two axes."""

    level: int
    rest: Index
    """Grid index on the axes before the last two."""
    rows: Span
    columns: Span

    def __iter__(self) -> Iterator[Index]:
        """Grid indices, row by row."""
        for row in range(*self.rows):
            for column in range(*self.columns):
                yield (*self.rest, row, column)


def sight(
    layer: Layer, camera: Camera, level: int, *, pad: Rect = (0.0, 0.0, 0.0, 0.0)
) -> Sight | None:
    """The chunks that a camera touches; `pad` is added to its rectangle, in world units.

    None if the camera's slice lies outside the image.
    """
    where = slice_index(layer, level, camera)
    if where is None:
        return None
    geometry = layer.level(level)
    rest = tuple(at // chunk for at, chunk in zip(where, geometry.chunks[:-2], strict=True))
    edges = [a + b for a, b in zip(camera.rect, pad, strict=True)]
    spans: list[Span] = []
    for axis, low, high in ((-2, edges[0], edges[2]), (-1, edges[1], edges[3])):
        size, chunk = geometry.shape[axis], geometry.chunks[axis]
        scale, origin = geometry.scale[axis], geometry.translation[axis]
        first = (low - origin) / scale + 0.5
        last = (high - origin) / scale + 0.5
        spans.append(
            Span(
                max(0, math.floor(first / chunk)),
                min(math.ceil(size / chunk), math.ceil(last / chunk)),
            )
        )
    return Sight(level, rest, spans[0], spans[1])


def distance(layer: Layer, camera: Camera, level: int, index: Index) -> float:
    """From the middle of a chunk to the middle of the canvas, in world units, squared."""
    geometry = layer.level(level)
    total = 0.0
    for axis, center in ((-2, camera.center[0]), (-1, camera.center[1])):
        middle = (index[axis] + 0.5) * geometry.chunks[axis] - 0.5
        total += (geometry.translation[axis] + geometry.scale[axis] * middle - center) ** 2
    return total
