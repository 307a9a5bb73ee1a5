"""Inputs: the pixels that a call gets, read into memory that its worker sees without a copy."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from opsin.host.lazy_levels import LazyLevels, coarser
from opsin.host.selection import COLOURS, Part, Selection, colour_axis
from opsin.images.image import Level, chunk_origin, copy_overlap
from opsin.images.source import Array, Index
from opsin.images.waiting import on_thread
from opsin.rpc.shared_arrays import empty, release_pages

FETCHES = 8
"""Chunks on their way at once."""
REC_709 = (0.2126, 0.7152, 0.0722)
"""What red, green and blue are of luminance."""
STRIP = 1 << 20
"""Pixels that are mixed at once."""
PAGES_KEPT = 32 << 20
"""Bytes after which the memory that was filled is let go of by this process."""


async def read_part(part: Part, axes: tuple[str, ...]) -> Array:
    """The pixels of a part as a new array along `axes`, in that order, born shared.

    Other axes of the part are one pixel long, and dropped; of colours it is the luminance.

    Raises:
        ReadError: a chunk could not be read.
        BudgetExceeded: there is not so much memory.
    """
    image, level = part.layer.image, part.layer.image.levels[part.level]
    order = [part.names.index(name) for name in axes]
    array = empty([part.shape[axis] for axis in order], image.dtype)
    dropped = _dropped(part, axes)
    colours = colour_axis(part.layer, axes)
    # The same memory with the axes of the image.
    whole = array.reshape([*array.shape, *(1 for _ in dropped)])
    whole = whole.transpose([(order + dropped).index(axis) for axis in range(whole.ndim)])
    slots = asyncio.Semaphore(FETCHES)
    filled = 0

    async def place(indices: list[Index]) -> None:
        nonlocal filled
        async with slots:
            fetched = [await image.source.fetch(part.level, index) for index in indices]

            def decode_and_copy() -> int:
                chunks = [
                    image.source.decode(part.level, index, encoded)
                    for index, encoded in zip(indices, fetched, strict=True)
                ]
                chunk = chunks[0]
                if colours is not None:
                    chunk = luminance(np.concatenate(chunks, colours), colours)
                copy_overlap(whole, part.start, chunk, chunk_origin(level, indices[0]))
                return chunk.nbytes

            filled += await on_thread(None, decode_and_copy)
        if filled > PAGES_KEPT:
            filled = 0
            release_pages(array)

    try:
        async with asyncio.TaskGroup() as group:
            for indices in _together(level, part, colours):
                group.create_task(place(indices))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    release_pages(array)
    return array


def lazy_part(part: Part, axes: tuple[str, ...]) -> LazyLevels:
    """The pixels of a part along `axes`, which the other side of a link reads as it needs them.

    It can have the coarser levels of them, too.
    """
    image, level = part.layer.image, part.layer.image.levels[part.level]
    order = [part.names.index(name) for name in axes]
    colours = colour_axis(part.layer, axes)
    _dropped(part, axes)

    def read(index: tuple[slice, ...]) -> Array:
        box: list[int | slice] = list(part.start)
        steps = []
        for axis, along in zip(order, index, strict=True):
            low, high, step = along.indices(part.shape[axis])
            box[axis] = slice(part.start[axis] + low, part.start[axis] + max(low, high))
            steps.append(slice(None, None, step))
        kept = sorted(order)
        if colours is not None:
            box[colours] = slice(part.start[colours], part.stop[colours])
        array = image.read(part.level, box)
        if colours is not None:
            between = sum(axis < colours for axis in kept)
            array = luminance(array, between).squeeze(between)
        array = array.transpose([kept.index(axis) for axis in order])
        return array[tuple(steps)]

    shape = tuple(part.shape[axis] for axis in order)
    chunks = tuple(level.chunks[axis] for axis in order)
    about = metadata_of(part, axes)
    told = {key: list(about[key]) for key in ("axes", "scale", "translation", "units")}
    return LazyLevels(
        read,
        shape,
        image.dtype,
        chunks,
        {**told, "name": about["name"], "kind": image.kind},
        lambda: (lazy_part(one, axes) for one in coarser(part)),
    )


def input_bytes(selection: Selection) -> int:
    """Bytes of all inputs of one call."""
    total = 0
    for name, part in selection.parts.items():
        shape = selection.box(name, (0,) * len(selection.loops)).shape
        pixels = math.prod(shape[part.names.index(axis)] for axis in selection.axes)
        total += pixels * part.layer.image.dtype.itemsize
    return total


def luminance(colours: Array, axis: int) -> Array:
    """Of red, green and blue along `axis`, which becomes one pixel long. Of the same type.

    The weights are those of Rec. 709, for the values as they are; whole numbers are rounded.
    """
    samples = np.moveaxis(colours, axis, 0)
    out = np.empty(samples.shape[1:], colours.dtype)
    long = int(np.argmax(out.shape))
    step = max(1, STRIP * out.shape[long] // out.size)
    for low in range(0, out.shape[long], step):
        strip = (slice(None),) * long + (slice(low, low + step),)
        total = sum(np.float64(weight) * samples[k][strip] for k, weight in enumerate(REC_709))
        out[strip] = total if out.dtype.kind == "f" else np.rint(total)
    return np.expand_dims(out, axis)


def _dropped(part: Part, axes: tuple[str, ...]) -> list[int]:
    """The axes of a part that a call along `axes` does not see."""
    dropped = [axis for axis, name in enumerate(part.names) if name not in axes]
    colours = colour_axis(part.layer, axes)
    fits = all(part.shape[axis] == (COLOURS if axis == colours else 1) for axis in dropped)
    assert fits, f"{part.shape} is not along {axes}"
    return dropped


def _together(level: Level, part: Part, colours: int | None) -> Iterator[list[Index]]:
    """The chunks of a part; those that differ in colour only together, in its order."""
    if colours is None:
        yield from ([index] for index in level.chunks_in(part.start, part.stop))
        return
    stop = list(part.stop)
    stop[colours] = 1
    for index in level.chunks_in(part.start, stop):
        count = -(-part.stop[colours] // level.chunks[colours])
        yield [(*index[:colours], number, *index[colours + 1 :]) for number in range(count)]


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
