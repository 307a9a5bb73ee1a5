"""TiffSource: the chunks of a TIFF image, one layout per level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from opsin.errors import Corrupt, ReadError
from opsin.images.image import Level
from opsin.images.source import (
    Array,
    Direct,
    Encoded,
    Index,
    Reopening,
    Source,
    reopened,
)
from opsin.images.tiff.files import Files
from opsin.images.tiff.layout import Layout
from opsin.images.waiting import on_thread


class TiffSource(Source):
    """Chunks of one image of a TIFF file on this computer."""

    def __init__(
        self,
        files: Files,
        levels: Sequence[Level],
        layouts: Sequence[Layout],
        fill: float,
        reopening: Reopening,
    ) -> None:
        """Take ownership of `files`."""
        self._reopening = reopening
        self._files = files
        self._levels = levels
        self._layouts = layouts
        self._fill = fill

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file again: tifffile's decoders cannot be sent."""
        return reopened, (self._reopening,)

    @property
    def provenance(self) -> Literal["disk"]:
        """Only local files are read."""
        return "disk"

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        """The stored bytes of the segments of a chunk, joined."""
        return await on_thread(None, self._fetch, level, index)

    def direct(self, level: int) -> Direct:
        """Reads and decodes: the file is on this computer."""

        def read(index: Index) -> tuple[Array, int]:
            encoded = self._fetch(level, index)
            return self.decode(level, index, encoded), 0 if encoded is None else len(encoded)

        return read

    def _fetch(self, level: int, index: Index) -> bytes | None:
        layout = self._layouts[level]
        number = layout.file(index)
        name = self._files.name(number)
        try:
            spans = layout.spans(index)
        except Corrupt as error:
            raise Corrupt(f"{name} is damaged: {error}.") from None
        if all(count == 0 for _, count in spans):
            return None
        size = self._files.size(number)
        for offset, count in spans:
            if offset + count > size:
                # Said before reading: a damaged length may be as large as it likes.
                raise Corrupt(
                    f"{name} is cut off: it ends at byte {size}, but {layout.describe(index)} "
                    f"would end at byte {offset + count}."
                )
        parts = [self._files.read(number, offset, count) for offset, count in _merge(spans)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        """The chunk, decoded by tifffile and imagecodecs."""
        layout = self._layouts[level]
        shape = self._levels[level].chunk_shape(index)
        if encoded is None:
            return np.full(shape, self._fill, layout.plan.dtype)
        try:
            return layout.decode(index, shape, encoded)
        except Exception as error:
            # The codecs share no base class, and on damaged bytes raise what they happen to hit.
            name = self._files.name(layout.file(index))
            raise Corrupt(
                f"{name} is damaged: {layout.describe(index)} cannot be decoded ({error})."
            ) from error

    def transient_bytes(self, level: int, index: Index) -> int:
        """Encoded bytes and decoder's buffers; nothing for data that is used as it lies."""
        layout = self._layouts[level]
        geometry = self._levels[level]
        result = layout.plan.dtype.itemsize
        for size in geometry.chunk_shape(index):
            result *= size
        working = layout.transient_bytes(index, result)
        if working == 0:
            return 0
        try:
            # Twice: joining several reads holds the parts and the whole.
            return working + 2 * sum(count for _, count in layout.spans(index))
        except ReadError:
            return working

    def codec(self, level: int) -> str:
        """The compression of its pages."""
        return self._layouts[level].codec

    def close(self) -> None:
        """Let go of the files."""
        self._files.close()


def _merge(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans without the empty ones, those that follow one another joined into one read."""
    merged: list[tuple[int, int]] = []
    for offset, count in spans:
        if count == 0:
            continue
        if merged and sum(merged[-1]) == offset:
            merged[-1] = (merged[-1][0], merged[-1][1] + count)
        else:
            merged.append((offset, count))
    return merged
