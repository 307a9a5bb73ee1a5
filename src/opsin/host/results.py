"""Results: what the calls of a run give, as an image that is written while the calls are made.

The writer asks for chunk after chunk; the first chunk of a call makes that call. So a stack of any
length passes through with one call's arrays in memory, and those are let go of page by page.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from opsin.errors import Cancelled, WriteError
from opsin.host.calls import check_alike
from opsin.host.selection import Selection
from opsin.images.draft import draft_name
from opsin.images.image import Axis, Channel, Image, Level
from opsin.images.ome_metadata import axis_type
from opsin.images.points.rows import PARQUET, write_rows
from opsin.images.source import Array, Encoded, Index, Source, contiguous
from opsin.images.write.layout import ORDER, RGBA
from opsin.rpc.shared_arrays import release_pages

CHUNK = 512
"""Rows and columns that are copied at once."""
PAGES_KEPT = 32 << 20
"""Bytes after which the memory that was read is let go of by this process."""

Ask = Callable[[tuple[int, ...]], Awaitable[Array]]


class CallsSource(Source):
    """Chunks of the arrays that calls give, in the order of the calls.

    Args:
        ask: makes the call at a position along the loops; runs on `loop`.
        order: for each axis of the image its place among the loops and the axes of one call.
        loops: how many of these are loops.
        first: what the first call gave.
    """

    def __init__(
        self,
        ask: Ask,
        loop: asyncio.AbstractEventLoop,
        order: Sequence[int],
        loops: int,
        first: Array,
        level: Level,
    ) -> None:
        self._ask = ask
        self._loop = loop
        self._looped = tuple(order.index(place) for place in range(loops))
        self._own = [axis for axis, place in enumerate(order) if place >= loops]
        self._turn = [order[axis] - loops for axis in self._own]
        self._level = level
        self._like = (first.shape, first.dtype)
        self._arrays: dict[tuple[int, ...], Future[Array]] = {}
        self._calling = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._missing: dict[tuple[int, ...], int] = {}
        self._read = 0
        done: Future[Array] = Future()
        done.set_result(first)
        self._arrays[(0,) * loops] = done
        self._per_call = math.prod(level.grid[axis] for axis in self._own)

    @property
    def provenance(self) -> Literal["memory"]:
        return "memory"

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        position = tuple(index[axis] for axis in self._looped)
        found = self._arrays.get(position)
        if found is None and self._closed:
            raise Cancelled("The job was cancelled.")
        if found is None:
            asked = asyncio.run_coroutine_threadsafe(self._checked(position), self._loop)
            found = self._arrays[position] = asked
        array = await asyncio.wrap_future(found)
        places = [(index[axis], self._level.chunks[axis]) for axis in self._own]
        chunk = array.transpose(self._turn)[tuple(slice(i * n, (i + 1) * n) for i, n in places)]
        copied = np.array(chunk, order="C")  # now, so that the memory of the call can go
        self._read += copied.nbytes
        left = self._missing.get(position, self._per_call) - 1
        self._missing[position] = left
        if left == 0:
            del self._arrays[position]  # the writer reads every chunk once
        elif self._read > PAGES_KEPT:
            self._read = 0
            release_pages(array)
        return np.expand_dims(copied, self._looped)

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        return contiguous(np.asarray(encoded))

    def transient_bytes(self, level: int, index: Index) -> int:
        return 0

    def close(self) -> None:
        """Give nothing more, and let go of everything. Idempotent."""
        self._closed = True
        for asked in list(self._arrays.values()):
            asked.cancel()
        self._arrays.clear()

    async def finish(self) -> None:
        """Close, and wait for the call that is being made, in the loop that makes it."""
        self.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _checked(self, position: tuple[int, ...]) -> Array:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._closed:
            raise Cancelled("The job was cancelled.")
        async with self._calling:  # chunks of several calls may be asked for at once
            array = await self._ask(position)
        check_alike(*self._like, array)
        return array


def result_image(
    selection: Selection,
    axes: Sequence[str],
    first: Array,
    ask: Ask,
    *,
    name: str,
    kind: Literal["image", "labels"],
    places: Mapping[str, tuple[float, float]] | None = None,
    rgb: bool = False,
) -> Image:
    """The image that the calls of a selection give, each along `axes`, where its inputs lie.

    `places` are scale and translation along axes on which it says by itself where it lies; `rgb`
    says that the last of `axes` are colours.

    Its axes are in the order that OME-Zarr demands: time, channels, others, space. Axes that the
    inputs do not have begin at 0, with a scale of 1. Colours become channels of these colours.
    """
    part, image = selection.first, selection.first.layer.image
    loops, names = len(selection.loops), (*selection.loops, *axes)
    described = [
        image.axes[part.names.index(one)] if one in part.names else Axis(one, axis_type(one))
        for one in names
    ]
    order = sorted(range(len(names)), key=lambda place: ORDER.index(described[place].type))
    found = [
        part.names.index(names[place]) if names[place] in part.names else None for place in order
    ]
    given = (*selection.loop_shape, *first.shape)
    shape = tuple(given[place] for place in order)
    own = {
        one: (part.scale(axis), part.origin(axis))
        for one, axis in ((names[place], axis) for place, axis in zip(order, found, strict=True))
        if axis is not None
    }
    own |= places or {}
    lies = [own.get(names[place], (1.0, 0.0)) for place in order]
    level = Level(
        shape,
        _chunks(shape, [names[place] for place in order], [place < loops for place in order]),
        tuple(scale for scale, _ in lies),
        tuple(origin for _, origin in lies),
    )
    return Image(
        name,
        tuple(described[place] for place in order),
        (level,),
        first.dtype.newbyteorder("="),
        CallsSource(ask, asyncio.get_running_loop(), order, loops, first, level),
        kind,
        _coloured(first, first.shape[-1]) if rgb else _colours(selection, axes, first),
    )


def _colours(selection: Selection, axes: Sequence[str], first: Array) -> tuple[Channel, ...]:
    """The channels of a result that is as colourful as its input.

    OME-Zarr has no pixels of three samples, but channels of these colours, which look alike.
    """
    image = selection.first.layer.image
    channel = image.channel_axis
    if not image.rgb or channel is None or image.axis_names[channel] not in axes:
        return ()
    return _coloured(first, first.shape[axes.index(image.axis_names[channel])])


def _coloured(first: Array, count: int) -> tuple[Channel, ...]:
    window = None  # that of the type
    if first.dtype.kind == "f":
        window = (0.0, 1.0 if first.max() <= 1 else 255.0)
    return tuple(replace(one, window=window) for one in RGBA[:count])


def _chunks(shape: Sequence[int], names: Sequence[str], looped: Sequence[bool]) -> tuple[int, ...]:
    """Pieces in which the writer asks for the arrays of calls, one call after another.

    It goes along later axes first. So what a call gives along an axis before a loop is one piece:
    otherwise the arrays of all calls would have to wait for their second piece.
    """
    plane = {"y", "x"} if {"y", "x"} <= set(names) else set(names[-2:])
    last = -1
    for axis, one in enumerate(names):
        if looped[axis] and shape[axis] > 1:
            # It goes along planes first of all.
            last = max(last, len(shape) if one in plane else axis)
    sizes = []
    for axis, (one, size) in enumerate(zip(names, shape, strict=True)):
        if looped[axis]:
            sizes.append(1)
        elif one in plane:
            sizes.append(min(CHUNK, size))
        else:
            sizes.append(size if axis < last else 1)
    return tuple(sizes)


def write_table(table: Mapping[str, Any], path: Path) -> int:
    """Write columns as comma-separated values, or as Parquet if the name ends so.

    Returns:
        The number of rows.

    Raises:
        WriteError: the disk does not take it. Nothing is left then.
        Unsupported: pyarrow is missing.
    """
    draft = path.with_name(draft_name(path.name))
    try:
        rows = write_rows(table, draft, parquet=path.suffix.lower() in PARQUET)
        draft.rename(path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return rows


def rows_of(
    kind: str, value: Any, selection: Selection, position: tuple[int, ...]
) -> dict[str, list[Any]]:
    """What one call gave, as columns, preceded by where along the loops it was made.

    That is the number of the call, or, of points, the position in the world. Points get a column
    for each axis, with their position in the world: in pixels of a region that
    nobody remembers they would be of no use. What has other columns too (tracks, vectors) is
    written as it is, in pixels (`column-0`, …).
    """
    is_points = False
    if kind == "table":
        columns = {name: np.asarray(column).tolist() for name, column in value.items()}
    else:
        axes, array = selection.axes, np.asarray(value)
        is_points = kind == "points" and array.ndim == 2
        flat = array.reshape(len(value), -1) if len(value) else np.empty((0, 0))
        if is_points and not len(value):
            flat = array.reshape(0, array.shape[1] or len(axes))
        if is_points and flat.shape[1] == len(axes):
            columns = {
                name: (origin + scale * flat[:, number]).tolist()
                for number, (name, (scale, origin)) in enumerate(_places(selection).items())
            }
        else:
            columns = {f"column-{i}": flat[:, i].tolist() for i in range(flat.shape[1])}
    count = max(map(len, columns.values()), default=0)
    where: dict[str, list[Any]] = {}
    for name, index, size in zip(selection.loops, position, selection.loop_shape, strict=True):
        if size > 1:
            known = name if name not in columns else f"{name} index"
            where[known] = [loop_place(selection, name, index) if is_points else index] * count
    return {**where, **columns}


def loop_place(selection: Selection, name: str, index: int) -> float:
    """World position of a call along an axis over which calls are made."""
    part = selection.first
    axis = part.names.index(name)
    return part.origin(axis) + part.scale(axis) * index


def _places(selection: Selection) -> dict[str, tuple[float, float]]:
    """Scale and translation along the axes of one call; without an image those of the world."""
    if not selection.parts:
        return dict.fromkeys(selection.axes, (1.0, 0.0))
    part = selection.first
    where = {name: part.names.index(name) for name in selection.axes}
    return {name: (part.scale(axis), part.origin(axis)) for name, axis in where.items()}


def counted_axes(selection: Selection) -> dict[str, tuple[float, float]]:
    """Scale and translation along the loops that `rows_of` writes as numbers of calls."""
    if not selection.parts:
        return {}
    found = {}
    part = selection.first
    for name, size in zip(selection.loops, selection.loop_shape, strict=True):
        if size > 1:
            axis = part.names.index(name)
            found[name] = (part.scale(axis), part.origin(axis))
    return found


def join_rows(tables: Sequence[Mapping[str, list[Any]]]) -> dict[str, list[Any]]:
    """Tables of several calls, one after another."""
    names = list(dict.fromkeys(name for table in tables for name in table))
    joined: dict[str, list[Any]] = {name: [] for name in names}
    for table in tables:
        count = max(map(len, table.values()), default=0)
        for name in names:
            joined[name] += table.get(name, [None] * count)
    return joined
