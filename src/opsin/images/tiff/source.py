"""TiffSource: the chunks of a TIFF image, one layout per level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from opsin.errors import Corrupt, Unreachable
from opsin.images.image import Level
from opsin.images.local_file import LocalFile
from opsin.images.source import Array, Direct, Encoded, Index, Source
from opsin.images.tiff.layout import Layout
from opsin.images.waiting import on_thread


class TiffSource(Source):
    """Chunks of one image of a TIFF file on this computer."""

    def __init__(
        self,
        name: str,
        file: LocalFile,
        levels: Sequence[Level],
        layouts: Sequence[Layout],
        fill: float,
    ) -> None:
        """Take ownership of `file`."""
        self._name = name
        self._file = file
        self._levels = levels
        self._layouts = layouts
        self._fill = fill

    @property
    def provenance(self) -> Literal["disk"]:
        """Only local files are read."""
        return "disk"

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        """The stored bytes of the segments of a chunk, joined."""
        spans = self._spans(level, index)
        return None if spans is None else await on_thread(None, self._read, spans)

    def direct(self, level: int) -> Direct:
        """Reads and decodes: the file is on this computer."""

        def read(index: Index) -> tuple[Array, int]:
            spans = self._spans(level, index)
            encoded = None if spans is None else self._read(spans)
            return self.decode(level, index, encoded), 0 if encoded is None else len(encoded)

        return read

    def _spans(self, level: int, index: Index) -> list[tuple[int, int]] | None:
        """Where the bytes of a chunk lie; None if they are not stored."""
        layout = self._layouts[level]
        try:
            spans = layout.spans(index)
        except Corrupt as error:
            raise Corrupt(f"{self._name} is damaged: {error}.") from None
        if all(count == 0 for _, count in spans):
            return None
        for offset, count in spans:
            if offset + count > self._file.size:
                # Said before reading: a damaged length may be as large as it likes.
                raise Corrupt(
                    f"{self._name} is cut off: it ends at byte {self._file.size}, but "
                    f"{layout.describe(index)} would end at byte {offset + count}."
                )
        return _merge(spans)

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
            raise Corrupt(
                f"{self._name} is damaged: {layout.describe(index)} cannot be decoded ({error})."
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
        except Corrupt:
            return working

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read(self, spans: Sequence[tuple[int, int]]) -> bytes:
        try:
            parts = [self._file.read(offset, count) for offset, count in spans]
        except OSError as error:
            raise Unreachable(f"{self._name} cannot be read: {error.strerror or error}.") from error
        return parts[0] if len(parts) == 1 else b"".join(parts)


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
