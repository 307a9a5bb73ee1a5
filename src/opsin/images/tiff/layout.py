"""Layout: where in a TIFF file the chunks of one level lie, and how they are decoded.

A page is five-dimensional: separate samples, depth, rows, columns, interleaved samples. A level is
`outer` axes, one page for each of their positions, and then those of the five that it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from opsin.errors import Corrupt, ReadError
from opsin.images.source import Array, Encoded, Index, contiguous
from opsin.images.virtual_grid import virtual_chunks

BAND_BYTES = 1 << 20
"""Pieces of data without tiles are made about this large: many files have strips of a few KiB."""

Span: TypeAlias = tuple[int, int]
"""Offset and length of stored bytes; length 0 for bytes that are not stored (all fill value)."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where the segments (tiles or strips) of one page lie."""

    offsets: Sequence[int]
    counts: Sequence[int]
    jpeg_tables: bytes | None = None
    file: int = 0
    """Number of the file that holds it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The shape of a level in terms of its pages."""

    outer: tuple[int, ...]
    shaped: tuple[int, int, int, int, int]
    """Separate samples, depth, rows, columns, interleaved samples of every page."""
    dims: tuple[int, ...]
    """Which of the five are axes of the level; the others have size 1."""
    dtype: np.dtype[np.generic]
    """In native byte order."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the level."""
        return (*self.outer, *(self.shaped[d] for d in self.dims))

    def chunks(self, piece: tuple[int, int, int, int, int]) -> tuple[int, ...]:
        """Chunk shape of a level whose pages are cut into pieces of this size."""
        sizes = (min(piece[d], self.shaped[d]) for d in self.dims)
        return (*(1 for _ in self.outer), *(max(1, size) for size in sizes))

    def locate(self, index: Index) -> tuple[int, tuple[int, ...]]:
        """Number of the page that holds a chunk, and the chunk's place in its 5-D grid."""
        number = 0
        for i, size in zip(index, self.outer, strict=False):
            number = number * size + i
        place = [0] * 5
        for d, i in zip(self.dims, index[len(self.outer) :], strict=True):
            place[d] = i
        return number, tuple(place)


class Layout(Protocol):
    """The chunks of one level."""

    plan: Plan
    chunks: tuple[int, ...]

    @property
    def codec(self) -> str:
        """How pages are compressed, for people."""

    def file(self, index: Index) -> int:
        """Number of the file that holds a chunk."""

    def spans(self, index: Index) -> list[Span]:
        """Where the bytes of a chunk lie, in the order in which `decode` wants them joined.

        Raises:
            Corrupt: the file does not say; the message reads on from "The file is damaged: ".
            ReadError: they are in a file that is missing.
        """

    def decode(self, index: Index, shape: tuple[int, ...], data: Encoded) -> Array:
        """The chunk, of exactly this shape. Raises any Exception for bytes that are not one."""

    def transient_bytes(self, index: Index, result: int) -> int:
        """Memory beside the result and the encoded bytes while decoding."""

    def describe(self, index: Index) -> str:
        """What a chunk is in the file, for error messages."""


class Bands:
    """Uncompressed pages without gaps: bands of rows, cut wherever it suits by arithmetic."""

    codec = "raw"

    def __init__(
        self,
        plan: Plan,
        bases: Sequence[int],
        stored: np.dtype[np.generic],
        files: Sequence[int],
    ) -> None:
        """Take, of every page, the offset of its first byte, and the number of its file.

        `stored` is the dtype with the byte order of the files.
        """
        self.plan = plan
        self._bases = bases
        self._stored = stored
        self._files = files
        samples = plan.shaped[4]
        self._pixel = samples * plan.dtype.itemsize
        self._rows, self._columns, _ = virtual_chunks(plan.shaped[2:], plan.dtype.itemsize)
        self.chunks = plan.chunks((1, 1, self._rows, self._columns, samples))

    def file(self, index: Index) -> int:
        """That of its page."""
        return self._files[self.plan.locate(index)[0]]

    def spans(self, index: Index) -> list[Span]:
        """One span, for the rows of a band lie together; if long rows are cut, one per row."""
        page, (sample, depth, band, across, _) = self.plan.locate(index)
        _, depths, rows, columns, _ = self.plan.shaped
        top, left = band * self._rows, across * self._columns
        count = min(self._rows, rows - top)
        start = ((sample * depths + depth) * rows + top) * columns + left
        first = self._bases[page] + start * self._pixel
        if self._columns == columns:
            return [(first, count * columns * self._pixel)]
        run, step = min(self._columns, columns - left) * self._pixel, columns * self._pixel
        return [(first + row * step, run) for row in range(count)]

    def decode(self, index: Index, shape: tuple[int, ...], data: Encoded) -> Array:
        """The rows of a band: no copy where the file has the computer's byte order."""
        return contiguous(np.frombuffer(data, self._stored).reshape(shape))

    def transient_bytes(self, index: Index, result: int) -> int:
        """Nothing where the result is a view of what was read in one piece."""
        whole = self._columns == self.plan.shaped[3]
        return 0 if self._stored.isnative and whole else result

    def describe(self, index: Index) -> str:
        """The rows and the page."""
        page, place = self.plan.locate(index)
        first = place[2] * self._rows
        return f"rows {first} to {min(first + self._rows, self.plan.shaped[2]) - 1} of page {page}"


class Segments:
    """Tiles, or strips (short ones in groups), decoded by tifffile's decoder of their page."""

    def __init__(
        self,
        plan: Plan,
        pages: Sequence[Page | None],
        segment: tuple[int, int, int, int],
        tiled: bool,
        decoder: Callable[..., Any],
        jpeg_header: bytes | None,
        fill: float,
        codec: str,
        lost: str = "",
    ) -> None:
        """Take the pages (None: not stored) and the shape of a segment.

        A segment is depth × rows × columns × samples. `lost` names the missing files that pages
        which are not stored are in, if they are.
        """
        self.plan = plan
        self._pages = pages
        self._tiled = tiled
        self._decoder = decoder
        self._jpeg_header = jpeg_header
        self._fill = fill
        self.codec = codec
        self._lost = lost
        _, depths, rows, columns, samples = plan.shaped
        depth, height, width, _ = (max(1, size) for size in segment)
        height = height if tiled else min(height, rows)
        self._segment_bytes = depth * height * width * samples * plan.dtype.itemsize
        self._group = 1 if tiled else max(1, BAND_BYTES // max(1, self._segment_bytes))
        self._grid = (
            math.ceil(depths / depth),
            math.ceil(rows / height),
            math.ceil(columns / width),
        )
        self._height = height
        self.chunks = plan.chunks((1, depth, height * self._group, width, samples))

    def _numbers(self, index: Index) -> tuple[Page | None, range]:
        """The page of a chunk and the numbers of its segments there."""
        page, (sample, z, y, x, _) = self.plan.locate(index)
        depths, heights, widths = self._grid
        row = (sample * depths + z) * heights
        first, last = y * self._group, min((y + 1) * self._group, heights)
        numbers = range((row + first) * widths + x, (row + last - 1) * widths + x + 1, widths)
        return (self._pages[page] if page < len(self._pages) else None), numbers

    def file(self, index: Index) -> int:
        """That of its page."""
        page, _ = self._numbers(index)
        return 0 if page is None else page.file

    def spans(self, index: Index) -> list[Span]:
        """One span per segment."""
        page, numbers = self._numbers(index)
        if page is None and self._lost:
            number, _ = self.plan.locate(index)
            raise ReadError(f"Plane {number} is in a file that is missing: {self._lost}.")
        if page is None:
            return [(0, 0) for _ in numbers]
        if numbers[-1] >= min(len(page.offsets), len(page.counts)):
            raise Corrupt(f"the file does not say where {self.describe(index)} is")
        spans = ((int(page.offsets[n]), int(page.counts[n])) for n in numbers)
        return [(offset, count) if offset > 0 else (0, 0) for offset, count in spans]

    def decode(self, index: Index, shape: tuple[int, ...], data: Encoded) -> Array:
        """Segments decoded one by one, clipped, and set one below the other."""
        page, numbers = self._numbers(index)
        options: dict[str, Any] = {}
        if page is not None and page.jpeg_tables is not None:
            options["jpegtables"] = page.jpeg_tables
        if self._jpeg_header is not None:
            options["jpegheader"] = self._jpeg_header
        want = self._five(shape)
        if len(numbers) == 1:
            return self._clip(self._decoder(data, numbers[0], **options)[0], want).reshape(shape)
        out = np.empty(want[1:], self.plan.dtype)
        whole = data if isinstance(data, bytes) else bytes(data)
        position = 0
        for k, (number, (_, count)) in enumerate(zip(numbers, self.spans(index), strict=True)):
            top = k * self._height
            rows = min(self._height, want[2] - top)
            target = out[:, top : top + rows]
            if count == 0:
                target[...] = self._fill
                continue
            part = whole[position : position + count]
            position += count
            array = self._decoder(part, number, **options)[0]
            target[...] = self._clip(array, (1, want[1], rows, want[3], want[4]))
        return out.reshape(shape)

    def transient_bytes(self, index: Index, result: int) -> int:
        """A segment as decompressed, and once more as unpredicted, swapped or clipped."""
        return 2 * self._segment_bytes

    def describe(self, index: Index) -> str:
        """The segments and the page."""
        page, _ = self.plan.locate(index)
        _, numbers = self._numbers(index)
        noun = "tile" if self._tiled else "strip"
        if len(numbers) == 1:
            return f"{noun} {numbers[0]} of page {page}"
        return f"{noun}s {numbers[0]} to {numbers[-1]} of page {page}"

    def _five(self, shape: tuple[int, ...]) -> tuple[int, int, int, int, int]:
        sizes = [1] * 5
        for d, size in zip(self.plan.dims, shape[len(self.plan.outer) :], strict=True):
            sizes[d] = size
        return (sizes[0], sizes[1], sizes[2], sizes[3], sizes[4])

    def _clip(self, array: Array, want: tuple[int, int, int, int, int]) -> Array:
        """The part of a decoded segment that lies inside the page: tiles at the edge stand out."""
        if array.dtype != self.plan.dtype:
            raise ValueError(f"it holds {array.dtype}, not {self.plan.dtype}")
        part = array[tuple(slice(0, size) for size in want[1:])]
        if part.shape != want[1:]:
            raise ValueError(f"it has shape {array.shape}, not {want[1:]}")
        return contiguous(part)
