"""Tile: the pixels of a region in the making. The best that has come, at any time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from opsin.images.image import Image, chunk_origin
from opsin.images.source import Array, Index
from opsin.napari.region import Region, put


class Tile:
    """Chunks of the region's own level as they come, over what coarser levels have there."""

    def __init__(self, image: Image, region: Region) -> None:
        """A tile without any pixel."""
        self._image = image
        self.region = region
        self._pixels = region.pixels(region.level)
        self._fine = np.zeros(region.shape, image.dtype)
        self._known: Array | None = None
        self._coarse: Array | None = None
        self.chunks = frozenset(region.chunks(region.level))
        """Grid indices of the chunks that it is made of."""
        self.missing = set(self.chunks)
        """Grid indices of chunks that have neither come nor failed."""
        self.failed: set[Index] = set()

    @property
    def complete(self) -> bool:
        """Whether nothing more is to come."""
        return not self.missing

    def add(self, index: Index, chunk: Array) -> None:
        """Take a chunk of the region's level."""
        if index not in self.missing:
            return
        self.missing.discard(index)
        origin = chunk_origin(self._image.levels[self.region.level], index)
        part = put(self._fine, self._pixels, chunk, origin)
        if self.missing or self.failed or self._known is not None:
            if self._known is None:
                self._known = np.zeros(self.region.shape, np.bool_)
            self._known[part] = True

    def fail(self, index: Index) -> None:
        """A chunk of the region's level cannot be had: what is coarser stays."""
        if index in self.missing:
            self.missing.discard(index)
            self.failed.add(index)

    def fill(self, levels: Iterable[tuple[int, Iterable[tuple[Index, Array]]]]) -> None:
        """Take what coarser levels have, from the coarsest on, instead of what they had before."""
        coarse = np.zeros(self.region.shape, self._image.dtype)
        for level, chunks in levels:
            pixels = self.region.pixels(level)
            for index, chunk in chunks:
                put(coarse, pixels, chunk, chunk_origin(self._image.levels[level], index))
        self._coarse = coarse

    def picture(self) -> Array:
        """The pixels as they are now, axes in the image's order. It does not change any more."""
        if self.complete and not self.failed:
            picture = self._fine
        elif self._coarse is None:
            picture = self._fine.copy()
        else:
            picture = self._coarse.copy()
            if self._known is not None:
                np.copyto(picture, self._fine, where=self._known)
        picture.flags.writeable = False
        return picture
