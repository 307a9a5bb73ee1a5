"""WholeFile: an image whose file can only be read and decoded whole: one chunk."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from opsin.errors import Corrupt
from opsin.images.image import Axis, Image, Level
from opsin.images.source import Array, Encoded, Index, Source, contiguous
from opsin.images.store import Store
from opsin.images.text import shown


@dataclass(frozen=True, slots=True)
class WholeFile(Source):
    """The source of such an image. `shape` is that of the image, two or three axes."""

    store: Store
    """The folder, or what is like one, that the file is in. Closed with the source."""
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    decoder: Callable[[bytes], Array]
    """From the file to an array of that shape and dtype; raises what it likes."""

    @property
    def provenance(self) -> Literal["disk", "network"]:
        """Where the file is."""
        return self.store.provenance

    @property
    def limit(self) -> int:
        """No file of this image is larger: its pixels unpacked, and some room for metadata."""
        return 2 * self._bytes + (64 << 20)

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        """The file."""
        data = await self.store.get(self.key, limit=self.limit)
        if data is None:
            raise Corrupt(f"{shown(self.key)} is there no more: open it again where it is now.")
        return data

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        """The image."""
        try:
            array = self.decoder(bytes(encoded if encoded is not None else b""))
            if array.shape != self.shape or array.dtype != self.dtype:
                raise ValueError(f"it holds {array.shape} {array.dtype}")
        except Exception as error:
            raise Corrupt(
                f"{shown(self.key)} is damaged or truncated and cannot be decoded ({error})."
            ) from error
        return contiguous(array)

    def codec(self, level: int) -> str:
        """The only thing that matters."""
        return "whole file"

    def transient_bytes(self, level: int, index: Index) -> int:
        """The file, which is hardly larger than the pixels, and a copy of the pixels."""
        return 3 * self._bytes

    async def identity(self, level: int) -> str | None:
        """The file's place, and when it was written."""
        stamp = await self.store.stamp(self.key)
        return None if stamp is None else f"{self.store.where}/{self.key} {stamp}"

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    @property
    def _bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def image(self, name: str, rgb: bool) -> Image:
        """The image of one level and one chunk: y, x and, if `rgb`, colour samples."""
        axes = (Axis("y", "space"), Axis("x", "space"), Axis("c", "channel"))[: len(self.shape)]
        ones, zeros = (1.0,) * len(axes), (0.0,) * len(axes)
        level = Level(self.shape, self.shape, ones, zeros)
        return Image(name, axes, (level,), self.dtype, self, rgb=rgb)
