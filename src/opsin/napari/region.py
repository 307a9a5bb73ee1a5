"""Region: which pixels of a level napari asks for, and which ones of any level lie there. Pure.

napari knows the shapes of levels and nothing else of their geometry: along an axis of N pixels at
the finest level and n at another one, it draws pixel i of that level around `(i + 0.5) · N / n -
0.5` pixels of the finest. Where the level's own scale and translation say something else (levels
sampled by stride, sizes that are odd), the pixel that napari draws there is the one that its centre
lies in. So every place shows what is there, and nothing is invented by interpolation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from opsin.images.image import Level
from opsin.images.layer import Layer
from opsin.images.source import Array, Index

Places = npt.NDArray[np.float64]
"""Along one axis, in pixels of the finest level; pixel i has its centre at i."""
Pixels = npt.NDArray[np.int64]

TIE = 1e-6
"""A centre that lies on the edge between two pixels, but for so much, is in the second one."""


def napari_shape(layer: Layer, level: int) -> tuple[int, ...]:
    """Shape of a level as napari sees it: the axes of a layer, and the samples of RGB."""
    shape = layer.level(level).shape
    channel = layer.image.channel_axis
    if layer.image.rgb and channel is not None:
        return (*shape, layer.image.levels[level].shape[channel])
    return shape


@dataclass(frozen=True)
class Region:
    """Pixels of one level, as the outer product of places along the axes of an image.

    Attributes:
        levels: of the image.
        level: that they are of.
        places: of each pixel along every axis of the image, of the channel axis its index.
        channel: position of the channel axis, which is the same in all levels.
    """

    levels: tuple[Level, ...]
    level: int
    places: tuple[Places, ...]
    channel: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """How many pixels along each axis of the image."""
        return tuple(map(len, self.places))

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for regions of an image that show the same pixels."""
        ends = tuple((len(p), float(p[0]), float(p[-1])) for p in self.places)
        return self.level, ends

    def pixels(self, level: int) -> tuple[Pixels, ...]:
        """Which pixel of a level lies at each place, axis by axis."""
        finest, other = self.levels[0], self.levels[level]
        found: list[Pixels] = []
        for axis, places in enumerate(self.places):
            if axis == self.channel:
                found.append(places.astype(np.int64))
                continue
            world = finest.translation[axis] + finest.scale[axis] * places
            where = (world - other.translation[axis]) / other.scale[axis]
            nearest = np.floor(where + 0.5 + TIE).clip(0, other.shape[axis] - 1)
            found.append(nearest.astype(np.int64))
        return tuple(found)

    def box(self, level: int) -> tuple[Index, Index]:
        """First and last-plus-one pixel of a level that the region touches, along every axis."""
        pixels = self.pixels(level)
        return tuple(int(p.min()) for p in pixels), tuple(int(p.max()) + 1 for p in pixels)

    def chunks(self, level: int) -> list[Index]:
        """Grid indices of the chunks of a level that the region touches, from its middle out."""
        start, stop = self.box(level)
        geometry = self.levels[level]
        middle = [(a + b) / 2 for a, b in zip(start, stop, strict=True)]

        def distance(index: Index) -> float:
            return sum(
                ((i + 0.5) * chunk - centre) ** 2
                for i, chunk, centre in zip(index, geometry.chunks, middle, strict=True)
            )

        return sorted(geometry.chunks_in(start, stop), key=distance)

    def at(self, level: int, moved: Mapping[int, float] | None = None) -> Region:
        """The same places, seen at another level, or moved along some axes (clipped there)."""
        places = list(self.places)
        for axis, by in (moved or {}).items():
            places[axis] = (places[axis] + by).clip(0, self.levels[0].shape[axis] - 1)
        return replace(self, level=level, places=tuple(places))


def places_of(finest: int, size: int, pixels: range | Sequence[int]) -> Places:
    """Where napari draws pixels of an axis that has `size` of them, `finest` at the finest level.

    Returns:
        Their centres in pixels of the finest level.
    """
    numbers = np.asarray(pixels, np.float64)
    return (numbers + 0.5) * (finest / size) - 0.5


def put(target: Array, pixels: Sequence[Pixels], chunk: Array, origin: Index) -> tuple[slice, ...]:
    """Copy what a chunk has of the pixels of a region; `pixels` rise along every axis.

    Args:
        target: of the region.
        pixels: numbers in the chunk's level, axis by axis.
        chunk: its values.
        origin: its first pixel.

    Returns:
        The part of the target that was filled.
    """
    filled: list[slice] = []
    picks: list[slice | Pixels] = []
    for numbers, first, size in zip(pixels, origin, chunk.shape, strict=True):
        low, high = np.searchsorted(numbers, (first, first + size))
        own = numbers[low:high] - first
        filled.append(slice(int(low), int(high)))
        if len(own) and own[-1] - own[0] == len(own) - 1:
            picks.append(slice(int(own[0]), int(own[-1]) + 1))
        else:
            picks.append(own)
    part = tuple(filled)
    if all(each.stop > each.start for each in part):
        values = chunk[tuple(p if isinstance(p, slice) else slice(None) for p in picks)]
        for axis, pick in enumerate(picks):
            if not isinstance(pick, slice):
                values = values.take(pick, axis)
        target[part] = values
    return part
