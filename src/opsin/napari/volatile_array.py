"""Volatile array: one level of a layer, as napari indexes it. Nothing is read before it has to be.

Indexing only composes indices. What napari draws, it gets at once, as good as it is by then; the
feed tells when there is more. Anything else, such as a plugin that takes `layer.data[0]` or a layer
that is being saved, gets all pixels as they are stored, and waits for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from opsin.errors import UsageError
from opsin.images.source import Array
from opsin.napari.feed import Feed
from opsin.napari.quality import QUALITY
from opsin.napari.region import Places, Region, napari_shape, places_of

if TYPE_CHECKING:
    from opsin.napari.member import Member
    from opsin.napari.placement import Placement

Part: TypeAlias = "int | range"
"""What is taken along one axis: a pixel, which drops the axis, or some."""


class VolatileArray:
    """What NumPy calls an array, of one level: the axes of a layer, and the samples of RGB."""

    def __init__(self, feed: Feed, level: int, parts: Sequence[Part] | None = None) -> None:
        """All of a level, or of each axis a part."""
        self.feed = feed
        self.level = level
        self.placement: Placement | None = None
        """Where the layer is looked at; None: it is in no viewer."""
        self.member: Member | None = None
        """Whose level it is; None: it is a part of one."""
        self._whole = napari_shape(feed.layer, level)
        self._parts: tuple[Part, ...] = (
            tuple(map(range, self._whole)) if parts is None else tuple(parts)
        )

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of the pixels; labels that are true or false are 0 and 1."""
        dtype = self.feed.layer.image.dtype
        return np.dtype(np.uint8) if dtype == np.bool_ else dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return tuple(len(part) for part in self._parts if isinstance(part, range))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Of all pixels in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a single pixel")
        return self.shape[0]

    def __repr__(self) -> str:
        name = self.feed.layer.name
        return f"<level {self.level} of {name!r}: {self.dtype} of shape {self.shape}>"

    def __getitem__(self, key: Any) -> Any:
        """A part, not read yet; of anything but integers and slices, the pixels themselves."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in [one for one in keys if not isinstance(one, np.ndarray)]:
            place = keys.index(Ellipsis)
            keys[place : place + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        plain = all(isinstance(one, int | np.integer | slice) for one in keys)
        if not plain or any(isinstance(one, bool) for one in keys):
            return np.asarray(self)[key]
        if len(keys) > self.ndim:
            raise IndexError(f"{len(keys)} indices for an array of {self.ndim} axes")
        rest = iter(keys)
        parts: list[Part] = []
        for part in self._parts:
            parts.append(part[next(rest, slice(None))] if isinstance(part, range) else part)
        view = VolatileArray(self.feed, self.level, parts)
        view.placement = self.placement
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        pixels = self._pixels()
        if pixels.dtype == np.bool_:
            pixels = pixels.view(np.uint8)
        if dtype is not None and pixels.dtype != dtype:
            return pixels.astype(dtype)
        return pixels.copy() if copy else pixels

    def _pixels(self) -> Array:
        if 0 in self.shape:
            return np.zeros(self.shape, self.feed.layer.image.dtype)
        placement, feed = self.placement, self.feed
        if placement is None or not feed.open or not self._is_drawn(placement):
            found = feed.read(self._region({}))
        elif placement.asleep:
            return np.broadcast_to(np.zeros((), feed.layer.image.dtype), self.shape)
        elif placement.previewed(self.level):
            found = feed.plane(self._region({}))
        elif placement.layer is None:
            found = feed.peek(self._region({}))
        elif (drawn := placement.drawn(self.level, self._parts)) is None:
            found = feed.read(self._region({}))
        elif placement.unfit:
            # One voxel, which napari takes as well: all of it may be more than it can draw.
            samples = self.shape[-1:] if feed.layer.image.rgb else ()
            return np.zeros([1] * (self.ndim - len(samples)) + list(samples), self.dtype)
        elif drawn.thumbnail:
            found = feed.plane(self._region(drawn.exact))
        else:
            found = feed.look(self._as_coarse_as_asked(self._region(drawn.exact)))
        shown: Array = found.reshape(self.shape)
        return shown

    def _is_drawn(self, placement: Placement) -> bool:
        """Whether napari may be about to draw it.

        It takes a level without an index once, of a new layer: the coarsest, for the thumbnail.
        """
        if any(isinstance(part, range) and part.step < 0 for part in self._parts):
            return False
        return self.member is None or placement.previewed(self.level)

    def _as_coarse_as_asked(self, region: Region) -> Region:
        """Seen at a coarser level, if all layers are to be. A finer one would show no more."""
        coarsest = len(region.levels) - 1
        return region.at(min(region.level + max(QUALITY.coarser, 0), coarsest))

    def _region(self, exact: dict[int, float]) -> Region:
        """What has to be read.

        Args:
            exact: places on axes that are not drawn, in pixels of the finest level, where they are
                known better than by the pixel of this level.
        """
        layer = self.feed.layer
        image, finest = layer.image, napari_shape(layer, 0)
        places: list[Places] = [np.zeros(1)] * len(image.axes)
        kept = [*layer.kept_axes]
        if len(self._parts) > len(kept) and image.channel_axis is not None:
            kept.append(image.channel_axis)
        for number, (axis, part) in enumerate(zip(kept, self._parts, strict=True)):
            if axis == image.channel_axis:
                pixels = part if isinstance(part, range) else [part]
                places[axis] = np.asarray(pixels, np.float64)
            elif number in exact:
                places[axis] = np.array([exact[number]])
            else:
                pixels = part if isinstance(part, range) else [part]
                _check(pixels)
                places[axis] = places_of(finest[number], self._whole[number], pixels)
        if image.channel_axis is not None and not image.rgb:
            places[image.channel_axis] = np.array([float(layer.channel or 0)])
        return Region(image.levels, self.level, tuple(places), image.channel_axis)


def _check(pixels: Sequence[int]) -> None:
    if len(pixels) > 1 << 28:
        raise UsageError(f"An array with {len(pixels)} pixels along an axis fits no memory.")
