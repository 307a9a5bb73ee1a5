"""Mosaic: many equal fields as one image, of which every chunk belongs to one field (or to few).

A field that differs from the first fails, with a sentence, and is not drawn in a wrong place. In
reduced levels, where a field is some pixels, one that cannot be read is left empty.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from opsin.errors import Corrupt, OpenError
from opsin.images.image import Image
from opsin.images.reduction import Mean, Pick
from opsin.images.source import Array, Encoded, Index, Source
from opsin.images.store import Store
from opsin.images.waiting import on_thread
from opsin.images.zarr.array import ZarrArray
from opsin.images.zarr.mosaic_fields import Fields, Place
from opsin.images.zarr.mosaic_layout import MosaicLevel

AT_ONCE = 16
"""Fields that one chunk of a reduced level reads at once, if they are small."""
BYTES_AT_ONCE = 16 << 20
"""And so many bytes of them at most, or one."""
KEPT_BYTES = 16 << 20
"""Reduced fields that are kept, so that for the next level not all fields are read again."""
MOST_PIECES = 1 << 14
"""Stored chunks of a field that is loaded at once: a header may claim that each is one pixel."""

_NONE = 2**64 - 1


class Mosaic(Source):
    """The chunks of a mosaic, whose levels are `levels`. Owns the store of the fields.

    Raises:
        OpenError: fields are said to have too many chunks.
    """

    def __init__(
        self,
        store: Store,
        fields: Fields,
        levels: Sequence[MosaicLevel],
        plane: tuple[int, int],
        pick: bool,
        channels: int = 1,
    ) -> None:
        self.fields = fields
        self.levels = tuple(levels)
        self._store = store
        self._plane = plane
        self._pick = pick
        self._channels = channels
        for geometry in levels:
            if geometry.whole and (count := self._count(geometry)) > MOST_PIECES:
                store.close()
                raise OpenError(
                    f"Each field of {store.where} is said to have {count} chunks at level "
                    f"{geometry.number}, which is too many: {MOST_PIECES} can be loaded at once."
                )
        self._kept = _Kept(KEPT_BYTES)
        self._smallest_kept = self._first_kept()

    def __reduce__(self) -> tuple[Any, ...]:
        """The same mosaic, as another process decodes its chunks."""
        plan = (self.levels, self._plane, self._pick, self._channels)
        return Mosaic, (self._store, self.fields, *plan)

    @property
    def provenance(self) -> Literal["disk", "network"]:
        return self._store.provenance

    @property
    def stored_levels(self) -> int:
        """How many levels are stored; those behind them are reduced from the last of these."""
        return sum(not level.k for level in self.levels)

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        geometry = self.levels[level]
        if geometry.k:
            return await self._reduced(geometry, index)
        place, pieces = self._pieces(geometry, index)
        if not pieces or self.fields.wells.at(place) is None:
            return None
        array = await self.fields.checked(place, geometry.number)
        return None if array is None else await _fetched(array, pieces)

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        geometry = self.levels[level]
        if geometry.k:
            assert isinstance(encoded, np.ndarray)
            return encoded
        shape = geometry.level.chunk_shape(index)
        fill = self._array(geometry).metadata.fill
        if encoded is None:
            return np.full(shape, fill)
        place, pieces = self._pieces(geometry, index)
        array = self.fields.at(place, geometry.number)
        parts = _unpacked(encoded, len(pieces))
        if len(parts) == 1:
            chunk = array.decode(pieces[0], parts[0])
            if chunk.shape == shape:
                return chunk
        out = np.full(shape, fill)
        for piece, part in zip(pieces, parts, strict=True):
            chunk = array.decode(piece, part)
            start = _start(piece, pieces[0], array)
            out[tuple(slice(a, a + n) for a, n in zip(start, chunk.shape, strict=True))] = chunk
        return out

    def transient_bytes(self, level: int, index: Index) -> int:
        geometry = self.levels[level]
        array = self._array(geometry)
        codec = array.metadata.codec
        count = self._count(geometry) if geometry.whole else 1
        one = count * codec.stored_limit + codec.size + array.transient_bytes
        if not geometry.k:
            return one
        # Beside a field its sums, of 8 bytes: those of one axis at a time, and all that are kept.
        sums = 9 * count * math.prod(codec.shape)
        return self._at_once(geometry) * (one + sums)

    def close(self) -> None:
        self._store.close()

    def _array(self, geometry: MosaicLevel) -> ZarrArray:
        """The array of this level of the first field."""
        return self.fields.reference.arrays[geometry.number]

    def _pieces(self, geometry: MosaicLevel, index: Index) -> tuple[Place, list[Index]]:
        """The field that a chunk of a stored level lies in, and its chunks that are in the chunk.

        None of them in a gap.
        """
        grid = self.fields.reference.levels[geometry.number].grid
        ranges = [range(i, i + 1) for i in index]
        for axis, count in zip(self._plane, geometry.pieces, strict=True):
            inside = index[axis] % count
            ranges[axis] = range(grid[axis]) if geometry.whole else range(inside, inside + 1)
            if inside >= grid[axis]:
                ranges[axis] = range(0)
        y, x = (
            index[axis] // count for axis, count in zip(self._plane, geometry.pieces, strict=True)
        )
        return (y, x), list(itertools.product(*ranges))

    # -------------------------------------------------------------------------- reduced levels

    async def _reduced(self, geometry: MosaicLevel, index: Index) -> Array:
        """A chunk of a reduced level: each of its fields read and reduced, or remembered."""
        out = np.full(geometry.level.chunk_shape(index), self._array(geometry).metadata.fill)
        first = [index[axis] * n for axis, n in zip(self._plane, geometry.group, strict=True)]
        others = tuple(0 if axis in self._plane else i for axis, i in enumerate(index))
        shape = self.fields.wells.shape
        places = itertools.product(
            *(
                range(start, min(start + n, size))
                for start, n, size in zip(first, geometry.group, shape, strict=True)
            )
        )

        async def work() -> None:
            for row, column in places:
                piece = await self._reduced_field(geometry, (row, column), others)
                if piece is None:
                    continue
                where = [slice(None)] * out.ndim
                for axis, place, start, pitch in zip(
                    self._plane, (row, column), first, geometry.pitch, strict=True
                ):
                    where[axis] = slice((p := (place - start) * pitch), p + piece.shape[axis])
                out[tuple(where)] = piece

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._at_once(geometry)):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return out

    async def _reduced_field(
        self, geometry: MosaicLevel, place: Place, others: Index
    ) -> Array | None:
        """One field, halved k times; None if there is none that can be read.

        Raises:
            Unreachable: it may be there, and a later try may bring it.
        """
        if self.fields.wells.at(place) is None:
            return None
        key = (place, others)
        kept = self._kept.get(key)
        if kept is not None and (not kept or geometry.k in kept):
            return kept.get(geometry.k)
        grid = self.fields.reference.levels[geometry.number].grid
        pieces = list(
            itertools.product(
                *(
                    range(grid[axis]) if axis in self._plane else range(i, i + 1)
                    for axis, i in enumerate(others)
                )
            )
        )
        try:
            array = self.fields.trusted(place, geometry.number)
            encoded = None if array is None else await _fetched(array, pieces)
            if encoded is None:
                # Its well may give names of its own to its fields.
                await self.fields.read_well(place)
                guess, array = array, self.fields.trusted(place, geometry.number)
                if array is not None and (guess is None or array.path != guess.path):
                    encoded = await _fetched(array, pieces)
            if array is None or encoded is None:
                self._kept.add(key, {})
                return None
            found = await on_thread(None, self._reduce, geometry, array, pieces, encoded)
        except Corrupt:
            self._kept.add(key, {})
            return None
        if kept := {k: one for k, one in found.items() if k >= self._smallest_kept}:
            self._kept.add(key, kept)
        return found[geometry.k]

    def _reduce(
        self, geometry: MosaicLevel, array: ZarrArray, pieces: list[Index], encoded: Encoded
    ) -> dict[int, Array]:
        """The field, halved as often as this level wants and as every level that is kept."""
        metadata = array.metadata
        wanted = {level.k for level in self.levels if level.k >= self._smallest_kept}
        kind = Pick if self._pick else Mean
        start = _start(pieces[0], tuple(0 for _ in pieces[0]), array)
        last = _start(pieces[-1], tuple(0 for _ in pieces[0]), array)
        shape = [
            min(b + chunk, size) - a
            for a, b, chunk, size in zip(start, last, metadata.chunks, metadata.shape, strict=True)
        ]
        reductions = {}
        for k in sorted({geometry.k, *wanted} - {0}):
            reduced = tuple(
                -(-n >> k) if axis in self._plane else n for axis, n in enumerate(shape)
            )
            reductions[k] = kind(metadata.dtype, metadata.shape, self._plane, k, start, reduced)
        for piece, part in zip(pieces, _unpacked(encoded, len(pieces)), strict=True):
            chunk = array.decode(piece, part)
            for reduction in reductions.values():
                reduction.add(chunk, _start(piece, tuple(0 for _ in piece), array))
        return {k: reduction.finish() for k, reduction in reductions.items()}

    def _count(self, geometry: MosaicLevel) -> int:
        """Stored chunks of a field that is loaded at once."""
        grid = self.fields.reference.levels[geometry.number].grid
        return math.prod(grid[axis] for axis in self._plane)

    def _at_once(self, geometry: MosaicLevel) -> int:
        size = self._count(geometry) * self._array(geometry).metadata.codec.size
        return max(1, min(AT_ONCE, math.prod(geometry.group), BYTES_AT_ONCE // max(1, size)))

    def _first_kept(self) -> int:
        """The finest reduced level of which all that is shown at a time fits into what is kept."""
        for geometry in self.levels:
            sizes = [
                n if axis in self._plane else min(chunk, n)
                for axis, (n, chunk) in enumerate(
                    zip(geometry.level.shape, geometry.level.chunks, strict=True)
                )
            ]
            size = math.prod(sizes) * self._array(geometry).metadata.dtype.itemsize
            if geometry.k and 2 * size * self._channels <= KEPT_BYTES:
                return geometry.k
        return max(level.k for level in self.levels) + 1


class _Kept:
    """Reduced fields by place and other axes, each at several levels; the oldest go first.

    Nothing at any level stands for a field that cannot be read.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._found: OrderedDict[tuple[Place, Index], dict[int, Array]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[Place, Index]) -> dict[int, Array] | None:
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def add(self, key: tuple[Place, Index], found: dict[int, Array]) -> None:
        with self._lock:
            self._bytes -= self._size(self._found.pop(key, None))
            self._found[key] = found
            self._bytes += self._size(found)
            while self._bytes > self._limit:
                self._bytes -= self._size(self._found.popitem(last=False)[1])

    @staticmethod
    def _size(found: dict[int, Array] | None) -> int:
        return 0 if found is None else 256 + sum(array.nbytes for array in found.values())


async def _fetched(array: ZarrArray, pieces: Sequence[Index]) -> Encoded | None:
    """Stored chunks as one piece of memory: as it is, or behind a table of lengths; None: none."""
    if len(pieces) == 1:
        return await array.fetch(pieces[0])
    tasks: list[asyncio.Task[bytes | None]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(array.fetch(piece)) for piece in pieces]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    parts = [task.result() for task in tasks]
    if all(part is None for part in parts):
        return None
    lengths = (_NONE if part is None else len(part) for part in parts)
    return b"".join([struct.pack(f"<{len(parts)}Q", *lengths), *(part or b"" for part in parts)])


def _unpacked(encoded: Encoded, count: int) -> list[Encoded | None]:
    """The pieces that `_fetched` gave."""
    if count == 1:
        return [encoded]
    assert not isinstance(encoded, np.ndarray)
    view = memoryview(encoded)
    parts: list[Encoded | None] = []
    start = 8 * count
    for length in struct.unpack_from(f"<{count}Q", view):
        parts.append(None if length == _NONE else view[start : start + length])
        start += 0 if length == _NONE else length
    return parts


def _start(piece: Index, first: Index, array: ZarrArray) -> tuple[int, ...]:
    """First pixel of a stored chunk, from that of another."""
    return tuple((i - j) * n for i, j, n in zip(piece, first, array.metadata.chunks, strict=True))


def mosaic_of(image: Image) -> Mosaic | None:
    """The mosaic that an image is, perhaps with derived levels behind its own."""
    source: Any = image.source
    while source is not None and not isinstance(source, Mosaic):
        source = getattr(source, "base", None)
    return source
