"""Arranged: an image with its axes in another order, as napari lays layers over each other.

napari knows axes by their place from the end only. A result has the axes that OME-Zarr has, in its
order, and none that the operation took away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from opsin.images.image import Axis, Image, Level
from opsin.images.source import Array, Direct, Encoded, Index, Provenance, Source, contiguous

ONE = (1.0, 0.0)


class ArrangedSource(Source):
    """Chunks of another source, turned.

    Args:
        source: which; closed with this one.
        order: for each axis its number in the source; None for one that is not there.
    """

    def __init__(self, source: Source, order: Sequence[int | None]) -> None:
        self._source = source
        self._kept = [axis for axis in order if axis is not None]
        self._places = [place for place, axis in enumerate(order) if axis is not None]
        self._new = tuple(place for place, axis in enumerate(order) if axis is None)

    @property
    def provenance(self) -> Provenance:
        return self._source.provenance

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        return await self._source.fetch(level, self._index(index))

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        return self._turned(self._source.decode(level, self._index(index), encoded))

    def direct(self, level: int) -> Direct | None:
        direct = self._source.direct(level)
        if direct is None:
            return None

        def turned(index: Index) -> tuple[Array, int]:
            chunk, count = direct(self._index(index))
            return self._turned(chunk), count

        return turned

    def transient_bytes(self, level: int, index: Index) -> int:
        """With the chunk before it is turned."""
        return 2 * self._source.transient_bytes(level, self._index(index))

    def codec(self, level: int) -> str:
        return self._source.codec(level)

    async def identity(self, level: int) -> str | None:
        return await self._source.identity(level)

    def close(self) -> None:
        self._source.close()

    def _index(self, index: Index) -> Index:
        own = [0] * len(self._kept)
        for place, axis in zip(self._places, self._kept, strict=True):
            own[axis] = index[place]
        return tuple(own)

    def _turned(self, chunk: Array) -> Array:
        return contiguous(np.expand_dims(chunk.transpose(self._kept), self._new))


def arranged(
    image: Image,
    names: Sequence[str],
    places: Mapping[str, tuple[float, float]] | None = None,
) -> Image:
    """The image with its axes in the order of `names`, so far as it has them.

    An axis that it lacks is one pixel long if it has one before; axes that are not among `names`
    come first.

    Args:
        image: which; it is closed with the one that is returned.
        names: of the axes of the layer that it is laid over.
        places: scale and translation along axes that it lacks; otherwise 1 and 0.
    """
    own, channel = image.axis_names, image.channel_axis
    shown = [name for name in own if channel is None or name != own[channel]]
    first = next((place for place, name in enumerate(names) if name in shown), len(names))
    order: list[str] = [name for name in own if name not in names or name not in shown]
    order += names[first:]
    if order == list(own):
        return image
    axes = [own.index(name) if name in own else None for name in order]
    beside = [(places or {}).get(name, ONE) for name in order]

    def along(values: tuple[float, ...], kind: int) -> tuple[float, ...]:
        return tuple(
            lacking[kind] if axis is None else values[axis]
            for axis, lacking in zip(axes, beside, strict=True)
        )

    def counts(values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(1 if axis is None else values[axis] for axis in axes)

    return replace(
        image,
        axes=tuple(
            Axis(name, "other") if axis is None else image.axes[axis]
            for axis, name in zip(axes, order, strict=True)
        ),
        levels=tuple(
            Level(
                counts(level.shape),
                counts(level.chunks),
                along(level.scale, 0),
                along(level.translation, 1),
            )
            for level in image.levels
        ),
        source=ArrangedSource(image.source, axes),
    )
