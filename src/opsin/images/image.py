"""Image: a multiscale n-dimensional array with axes, and a place in the world for every level."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from opsin.errors import UsageError
from opsin.images.source import Array, Direct, Index, Source
from opsin.images.waiting import on_thread, wait_for

FETCHES = 8
"""Chunks that one call of `read` has on their way at once."""

MOST_HELD = 1 << 20
"""Numbers along an axis that may be held in memory, as `itertools.product` does."""

AxisType = Literal["space", "time", "channel", "other"]
Kind = Literal["image", "labels"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an image: its name (as in OME-NGFF), type and unit."""

    name: str
    type: AxisType
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """The geometry of one resolution level. All tuples have one entry per axis of the image.

    World coordinates follow the pixel-centre convention: the *centre* of pixel `i` lies at
    `translation + scale * i`, its edges half a `scale` to either side.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(
            math.ceil(size / chunk) for size, chunk in zip(self.shape, self.chunks, strict=True)
        )

    def chunk_shape(self, index: Index) -> tuple[int, ...]:
        """Shape of the chunk at `index`, clipped at the end of the level."""
        return clipped(index, self.chunks, self.shape)

    def chunks_in(self, start: Sequence[int], stop: Sequence[int]) -> Iterator[Index]:
        """Indices of the chunks that touch the box from `start` up to but without `stop`."""
        ranges = self._grid_between(start, stop)
        if all(len(each) <= MOST_HELD for each in ranges):
            return itertools.product(*ranges)
        return _places(ranges)

    def chunks_between(self, start: Sequence[int], stop: Sequence[int]) -> int:
        """How many they are."""
        return math.prod(map(len, self._grid_between(start, stop)))

    def _grid_between(self, start: Sequence[int], stop: Sequence[int]) -> list[range]:
        return [
            range(a // chunk, -(-b // chunk))
            for a, b, chunk in zip(start, stop, self.chunks, strict=True)
        ]


def _places(ranges: Sequence[range]) -> Iterator[Index]:
    """The same as `itertools.product`, of which nothing is held: a header may say any shape."""
    if not ranges:
        yield ()
        return
    for first in ranges[0]:
        for others in _places(ranges[1:]):
            yield (first, *others)


@dataclass(frozen=True, slots=True)
class Channel:
    """What a file says of one channel: all but the name may be unknown (None)."""

    name: str
    colour: str | None = None
    """`rrggbb` in hexadecimal digits."""
    window: tuple[float, float] | None = None
    """Contrast limits in data values."""
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Origin:
    """What opens an image again: number `number` of those that are found at an address.

    `address` is one that holds in every working folder. `kind` is what its pixels were said to be
    when it was opened; None: what the file says.
    """

    address: str
    number: int = 0
    kind: Kind | None = None


@dataclass(frozen=True)
class Image:
    """A multiscale image or labels, from any source.

    `axes` are in array order; the level order is from fine to coarse. An image whose last axis is
    `rgb` (a channel axis of 3 or 4 samples that belong to one colour) is shown as one layer; any
    other channel axis gives a layer per channel.
    """

    name: str
    axes: tuple[Axis, ...]
    levels: tuple[Level, ...]
    dtype: np.dtype[np.generic]
    source: Source = field(repr=False, compare=False)
    kind: Kind = "image"
    channels: tuple[Channel, ...] = ()
    rgb: bool = False
    warnings: tuple[str, ...] = ()
    """What was wrong with the file and is worth telling the user, one sentence each."""
    format: str = ""
    """What it was read from, for reports: the name of the reader, and which kind if it has several,
    such as `tiff/ome`; '' for what is not read."""
    origin: Origin | None = field(default=None, compare=False)
    """Where it was opened; None for what a program made."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the finest level."""
        return self.levels[0].shape

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes, in array order."""
        return tuple(axis.name for axis in self.axes)

    def axis(self, name: str) -> int:
        """Position of the axis called `name`, in array order.

        Raises:
            UsageError: the image has no such axis.
        """
        for position, axis in enumerate(self.axes):
            if axis.name == name:
                return position
        raise UsageError(f"{self.name} has no axis {name!r}: its axes are {self.axis_names}.")

    @property
    def channel_axis(self) -> int | None:
        """Position of the channel axis, or None."""
        for position, axis in enumerate(self.axes):
            if axis.type == "channel":
                return position
        return None

    def chunk_bytes(self, level: int, index: Index) -> int:
        """Bytes of one decoded chunk."""
        return math.prod(self.levels[level].chunk_shape(index)) * self.dtype.itemsize

    def read(self, level: int = 0, index: Sequence[int | slice] = ()) -> Array:
        """Read a part of one level into memory, bypassing every cache.

        Args:
            level: 0 is the finest.
            index: one integer or slice (step 1) per leading axis, in pixels of that level; axes
                that are left out are read whole. An integer drops its axis.

        Returns:
            A new array, axes in the image's order.

        Raises:
            UsageError: no such level, or an index outside it.
            ReadError: a chunk could not be read.
        """
        return wait_for(self.read_async(level, index))

    async def read_async(self, level: int = 0, index: Sequence[int | slice] = ()) -> Array:
        """Like `read`, for callers that run an event loop."""
        if not 0 <= level < len(self.levels):
            raise UsageError(f"{self.name} has levels 0 to {len(self.levels) - 1}, not {level}.")
        geometry = self.levels[level]
        start, stop, dropped = _bounds(geometry.shape, index)
        out = np.empty([b - a for a, b in zip(start, stop, strict=True)], self.dtype)
        chunks = geometry.chunks_in(start, stop)
        direct = self.source.direct(level)

        def place(chunk_index: Index, chunk: Array) -> None:
            copy_overlap(out, start, chunk, chunk_origin(geometry, chunk_index))

        if direct is not None:
            await _place_direct(direct, chunks, place)
        else:
            await self._place_fetched(level, chunks, place)
        return out[tuple(0 if axis in dropped else slice(None) for axis in range(out.ndim))]

    async def _place_fetched(
        self, level: int, chunks: Iterator[Index], place: Callable[[Index, Array], None]
    ) -> None:
        async def work() -> None:
            for index in chunks:
                encoded = await self.source.fetch(level, index)
                place(index, await on_thread(None, self.source.decode, level, index, encoded))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(FETCHES):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All of the finest level, for NumPy."""
        pixels = self.read()
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def close(self) -> None:
        """Let go of files and connections."""
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


async def _place_direct(
    direct: Direct, chunks: Iterator[Index], place: Callable[[Index, Array], None]
) -> None:
    """Read chunks on a thread per core, none of which waits for the event loop between two."""
    stopped = False

    def work() -> None:
        nonlocal stopped
        try:
            while not stopped and (index := next(chunks, None)) is not None:
                place(index, direct(index)[0])
        except BaseException:
            stopped = True
            raise

    loop = asyncio.get_running_loop()
    works = [loop.run_in_executor(None, work) for _ in range(os.cpu_count() or 1)]
    try:
        await asyncio.wait(works)
    except asyncio.CancelledError:
        stopped = True
        while not all(one.done() for one in works):  # they write into memory of ours
            with suppress(asyncio.CancelledError):
                await asyncio.wait(works)
        for one in works:
            one.exception()  # looked at, so that asyncio does not complain that nobody did
        raise
    failures = [error for one in works if (error := one.exception()) is not None]
    if failures:
        raise failures[0]


def clipped(index: Index, chunks: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the chunk at `index` of a grid of `chunks`, clipped at the end of `shape`."""
    for i, chunk, size in zip(index, chunks, shape, strict=True):
        if (i + 1) * chunk > size:
            break
    else:  # most of them
        return chunks
    return tuple(
        min(chunk, size - i * chunk) for i, chunk, size in zip(index, chunks, shape, strict=True)
    )


def chunk_origin(level: Level, index: Index) -> tuple[int, ...]:
    """First pixel of the chunk at `index`."""
    return tuple(i * chunk for i, chunk in zip(index, level.chunks, strict=True))


def copy_overlap(
    target: Array, target_start: Sequence[int], piece: Array, piece_start: Sequence[int]
) -> None:
    """Copy `piece` into `target` where they overlap; both are placed by their first pixel."""
    to: list[slice] = []
    frm: list[slice] = []
    for t0, size, p0, extent in zip(
        target_start, target.shape, piece_start, piece.shape, strict=True
    ):
        low, high = max(t0, p0), min(t0 + size, p0 + extent)
        if high <= low:
            return
        to.append(slice(low - t0, high - t0))
        frm.append(slice(low - p0, high - p0))
    target[tuple(to)] = piece[tuple(frm)]


def _bounds(
    shape: tuple[int, ...], index: Sequence[int | slice]
) -> tuple[tuple[int, ...], tuple[int, ...], frozenset[int]]:
    """Start and stop of an index per axis, and the axes that an integer drops."""
    if len(index) > len(shape):
        raise UsageError(f"{len(index)} indices for an image of {len(shape)} axes.")
    start: list[int] = []
    stop: list[int] = []
    dropped: set[int] = set()
    for axis, size in enumerate(shape):
        part = index[axis] if axis < len(index) else slice(None)
        if isinstance(part, slice):
            low, high, step = part.indices(size)
            if step != 1:
                raise UsageError("An image is read with slices of step 1.")
            start.append(low)
            stop.append(max(low, high))
        else:
            position = part + size if part < 0 else part
            if not 0 <= position < size:
                raise UsageError(f"Index {part} is outside axis {axis} of size {size}.")
            start.append(position)
            stop.append(position + 1)
            dropped.add(axis)
    return tuple(start), tuple(stop), frozenset(dropped)
