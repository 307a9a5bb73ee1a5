"""Crop: a part of one level of an image, as an image of its own that reads what it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from opsin.errors import UsageError
from opsin.images.image import Image, Level, Origin
from opsin.images.source import Array, Encoded, Index, Provenance, Source, contiguous

Range: TypeAlias = "int | slice | tuple[int, int]"


def crop(image: Image, level: int = 0, **ranges: Range) -> Image:
    """A part of an image, at its place in the world. Nothing is read yet.

    Args:
        image: stays open for as long as the part is used; closing the part does not close it.
        level: the one level that the part has; 0 is the finest.
        ranges: for each axis that is cut, by name, in pixels of that level: a slice of step 1, or
            `(start, stop)`, or an integer, which leaves the axis out.

    Raises:
        UsageError: there is no such level, axis or pixel.
    """
    if not 0 <= level < len(image.levels):
        raise UsageError(f"{image.name} has levels 0 to {len(image.levels) - 1}, not {level}.")
    geometry = image.levels[level]
    start, stop = [0] * len(image.axes), list(geometry.shape)
    dropped: set[int] = set()
    for name, given in ranges.items():
        axis = image.axis(name)
        size = geometry.shape[axis]
        if isinstance(given, int):
            pixel = given + size if given < 0 else given
            if not 0 <= pixel < size:
                raise UsageError(f"Pixel {given} is outside of axis {name}, which has {size}.")
            start[axis], stop[axis] = pixel, pixel + 1
            dropped.add(axis)
            continue
        along = given if isinstance(given, slice) else slice(*given)
        low, high, step = along.indices(size)
        if step != 1 or low >= high:
            raise UsageError(f"Axis {name} has {size} pixels: {along} is no part of it.")
        start[axis], stop[axis] = low, high
    if len(image.axes) - len(dropped) < 2:
        raise UsageError("At least two axes are left of an image.")
    kept = tuple(axis for axis in range(len(image.axes)) if axis not in dropped)
    part = Level(
        tuple(stop[axis] - start[axis] for axis in kept),
        tuple(min(geometry.chunks[axis], stop[axis] - start[axis]) for axis in kept),
        tuple(geometry.scale[axis] for axis in kept),
        tuple(geometry.translation[axis] + geometry.scale[axis] * start[axis] for axis in kept),
    )
    channel, channels, rgb = image.channel_axis, image.channels, image.rgb
    if channel is not None:
        channels = channels[start[channel] : stop[channel]]
        rgb = rgb and stop[channel] - start[channel] == geometry.shape[channel]
    return replace(
        image,
        axes=tuple(image.axes[axis] for axis in kept),
        levels=(part,),
        source=_Part(image, level, tuple(start), kept, part),
        channels=channels,
        rgb=rgb,
        origin=None,
    )


Cut: TypeAlias = "int | tuple[int, int]"
"""One pixel of an axis, which is left out then; or from the first up to but without the last."""


def place_in_whole(
    image: Image, level: int, cuts: Mapping[str, Cut]
) -> tuple[Image, int, dict[str, Cut]]:
    """Where a box of an image lies in the image that it is a part of, or the same of any other.

    Args:
        cuts: by name, for every axis.

    Returns:
        The image that is no part of another, the level of it, and the box there, for every axis.
    """
    part = image.source
    if not isinstance(part, _Part) or image.levels != (part.geometry,):  # it was moved
        return image, level, dict(cuts)
    outer: dict[str, Cut] = {}
    for axis, name in enumerate(part.image.axis_names):
        start = part.start[axis]
        cut = cuts[name] if axis in part.kept else 0
        outer[name] = (cut[0] + start, cut[1] + start) if isinstance(cut, tuple) else cut + start
    return place_in_whole(part.image, part.level, outer)


def origin_of(image: Image) -> Origin | None:
    """Where the image that this is a part of was opened, or the image itself."""
    return origin_of(image.source.image) if isinstance(image.source, _Part) else image.origin


@dataclass(frozen=True, slots=True)
class _Part(Source):
    """Chunks that begin where the part does. Each is put together from those that it lies on."""

    image: Image
    level: int
    start: tuple[int, ...]
    kept: tuple[int, ...]
    geometry: Level

    @property
    def provenance(self) -> Provenance:
        """Where the chunks of the image come from."""
        return self.image.source.provenance

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        """The pixels. Chunks of the image that several of the part lie on are read for each."""
        index_of = dict(zip(self.kept, index, strict=True))
        shape = dict(zip(self.kept, self.geometry.chunk_shape(index), strict=True))
        box: list[int | slice] = []
        for axis, start in enumerate(self.start):
            if axis not in index_of:
                box.append(start)
                continue
            low = start + index_of[axis] * self.geometry.chunks[self.kept.index(axis)]
            box.append(slice(low, low + shape[axis]))
        return await self.image.read_async(self.level, box)

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        """The pixels, which are decoded already."""
        assert not isinstance(encoded, bytes | bytearray | memoryview | None)
        return contiguous(encoded)

    def transient_bytes(self, level: int, index: Index) -> int:
        """Eight chunks of the image at once."""
        zero = tuple(0 for _ in self.start)
        own = self.image.chunk_bytes(self.level, zero)
        return 8 * (own + self.image.source.transient_bytes(self.level, zero))

    def codec(self, level: int) -> str:
        """As the image's."""
        return self.image.source.codec(self.level)

    def close(self) -> None:
        """Nothing: the image belongs to who opened it."""
