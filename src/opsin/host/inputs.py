"""Inputs: the pixels that a call gets, read into memory that its worker sees without a copy."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from opsin.host.selection import Part, Selection
from opsin.images.image import chunk_origin, copy_overlap
from opsin.images.source import Array, Index
from opsin.images.waiting import on_thread
from opsin.rpc.lazy_source import LazySource
from opsin.rpc.shared_arrays import empty, release_pages

FETCHES = 8
"""Chunks on their way at once."""
PAGES_KEPT = 32 << 20
"""Bytes after which the memory that was filled is let go of by this process."""


async def read_part(part: Part, axes: tuple[str, ...]) -> Array:
    """The pixels of a part as a new array along `axes`, in that order, born shared.

    Other axes of the part are one pixel long, and dropped.

    Raises:
        ReadError: a chunk could not be read.
        BudgetExceeded: there is not so much memory.
    """
    image, level = part.layer.image, part.layer.image.levels[part.level]
    order = [part.names.index(name) for name in axes]
    array = empty([part.shape[axis] for axis in order], image.dtype)
    dropped = [axis for axis in range(len(part.shape)) if axis not in order]
    assert all(part.shape[axis] == 1 for axis in dropped), f"{part.shape} is not along {axes}"
    # The same memory with the axes of the image.
    whole = array.reshape([*array.shape, *(1 for _ in dropped)])
    whole = whole.transpose([(order + dropped).index(axis) for axis in range(whole.ndim)])
    slots = asyncio.Semaphore(FETCHES)
    filled = 0

    async def place(index: Index) -> None:
        nonlocal filled
        async with slots:
            encoded = await image.source.fetch(part.level, index)

            def decode_and_copy() -> int:
                chunk = image.source.decode(part.level, index, encoded)
                copy_overlap(whole, part.start, chunk, chunk_origin(level, index))
                return chunk.nbytes

            filled += await on_thread(None, decode_and_copy)
        if filled > PAGES_KEPT:
            filled = 0
            release_pages(array)

    try:
        async with asyncio.TaskGroup() as group:
            for index in level.chunks_in(part.start, part.stop):
                group.create_task(place(index))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    release_pages(array)
    return array


def lazy_part(part: Part, axes: tuple[str, ...]) -> LazySource:
    """The pixels of a part along `axes`, which the other side of a link reads as it needs them."""
    image, level = part.layer.image, part.layer.image.levels[part.level]
    order = [part.names.index(name) for name in axes]
    rest = [part.shape[axis] for axis in range(len(part.shape)) if axis not in order]
    assert set(rest) <= {1}, f"{part.shape} is not along {axes}"

    def read(index: tuple[slice, ...]) -> Array:
        box: list[int | slice] = list(part.start)
        steps = []
        for axis, along in zip(order, index, strict=True):
            low, high, step = along.indices(part.shape[axis])
            box[axis] = slice(part.start[axis] + low, part.start[axis] + max(low, high))
            steps.append(slice(None, None, step))
        kept = sorted(order)
        array = image.read(part.level, box).transpose([kept.index(axis) for axis in order])
        return array[tuple(steps)]

    shape = tuple(part.shape[axis] for axis in order)
    chunks = tuple(level.chunks[axis] for axis in order)
    return LazySource(read, shape, image.dtype, chunks)


def input_bytes(selection: Selection) -> int:
    """Bytes of all inputs of one call."""
    total = 0
    for name, part in selection.parts.items():
        box = selection.box(name, (0,) * len(selection.loops))
        total += math.prod(box.shape) * part.layer.image.dtype.itemsize
    return total


def metadata_of(part: Part, axes: tuple[str, ...]) -> dict[str, Any]:
    """Where the pixels of a part lie, as the fields of `opsin.types.Metadata`."""
    image = part.layer.image
    where = [part.names.index(name) for name in axes]
    return {
        "axes": axes,
        "scale": tuple(part.scale(axis) for axis in where),
        "translation": tuple(part.origin(axis) for axis in where),
        "units": tuple(image.axes[axis].unit for axis in where),
        "level": part.level,
        "channel": part.layer.channel,
        "name": part.layer.name,
    }
