"""Layout: what is written of an image, and how: axes, levels, chunks, shards. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from opsin.errors import UsageError
from opsin.images.image import Axis, Channel, Image, Level
from opsin.images.pyramid import Steps, pyramid_levels
from opsin.images.write.codec import IMAGE, LABELS, CodecName
from opsin.images.write.options import SHARD_LIMIT, OmeVersion, Options

CHUNK_LIMIT = 1 << 30
"""Bytes of a chunk."""
CHUNKS_LIMIT = 1 << 26
"""Of the finest level: which ones are written is known of each."""
FLAT, DEEP = 512, (64, 128, 128)
"""Pixels of a chunk along the axes that are halved, if these are two or three."""
ORDER = ("time", "channel", "other", "space")
"""Types of axes as they follow each other in OME-Zarr."""
RGBA = (
    Channel("red", "ff0000"),
    Channel("green", "00ff00"),
    Channel("blue", "0000ff"),
    Channel("alpha", "ffffff", visible=False),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """What is written of one image. All tuples are in the order of the axes as written."""

    image: Image
    """As it is written: its axes, channels and levels. Its source is that of the original."""
    order: tuple[int, ...]
    """For each axis, which one of the original it is."""
    original: Level
    """The finest level of the original, its chunks too."""
    steps: Steps
    """The axes that are halved, from level to level."""
    halved: tuple[int, ...]
    """All of these, the two of the plane last; none where the levels were not made by halving."""
    shards: tuple[int, ...] | None
    codec: CodecName
    ome: OmeVersion

    @property
    def levels(self) -> tuple[Level, ...]:
        """From fine to coarse; the chunks are those that are compressed as one."""
        return self.image.levels

    @property
    def files(self) -> tuple[int, ...]:
        """Chunks of a file along each axis: one, or those of a shard."""
        chunks = self.levels[0].chunks
        if self.shards is None:
            return (1,) * len(chunks)
        return tuple(outer // inner for outer, inner in zip(self.shards, chunks, strict=True))

    @property
    def grids(self) -> tuple[tuple[int, ...], ...]:
        """Files of each level along each axis."""
        return tuple(
            tuple(-(-n // per) for n, per in zip(level.grid, self.files, strict=True))
            for level in self.levels
        )


def layout_of(image: Image, options: Options) -> Layout:
    """How an image is written: as `ordered` gives it.

    Raises:
        UsageError: it cannot be written so.
    """
    whole, order = ordered(image)
    finest = whole.levels[0]
    written = replace(whole, levels=(finest,))
    halved = _halved(written, options)
    chunks, shards = _sizes(written, halved, options, together=image.rgb)
    levels, steps = pyramid_levels(written, halved, chunks, options.levels)
    _check_chunks(written, chunks, {axis for step in steps for axis in step})
    if (count := math.prod(levels[0].grid)) > CHUNKS_LIMIT:
        raise UsageError(
            f"{image.name} would have {count} chunks, more than the {CHUNKS_LIMIT} that can be "
            "written: give larger ones."
        )
    return Layout(
        replace(written, levels=levels),
        order,
        finest,
        steps,
        halved,
        shards,
        options.codec or (LABELS if image.kind == "labels" else IMAGE),
        options.ome,
    )


def ordered(image: Image) -> tuple[Image, tuple[int, ...]]:
    """The image with its axes in the order that OME-Zarr demands, and which ones they were before.

    That is time, channels, another one, space. Pixels of several samples become channels in their
    colours, which look alike. The source is still that of the original.

    Raises:
        UsageError: OME-Zarr has no such axes.
    """
    order = _order(image)
    axes = tuple(image.axes[axis] for axis in order)
    _check_axes(image.name, axes)
    levels = tuple(_ordered(level, order) for level in image.levels)
    channels = image.channels
    if image.rgb and image.channel_axis is not None and not channels:
        channels = _colours(image)
    placed = replace(image, axes=axes, levels=levels, channels=channels, rgb=False, warnings=())
    return placed, order


def _order(image: Image) -> tuple[int, ...]:
    """By type. Axes of one type stay as they are."""
    types = [ORDER.index(axis.type) for axis in image.axes]
    return tuple(sorted(range(len(types)), key=lambda axis: types[axis]))


def _check_axes(name: str, axes: Sequence[Axis]) -> None:
    types = [axis.type for axis in axes]
    said = ", ".join(axis.name for axis in axes)
    if not 2 <= types.count("space") <= 3:
        raise UsageError(f"{name} has the axes {said}, but needs two or three in space.")
    if len(axes) > 5:
        raise UsageError(f"{name} has {len(axes)} axes ({said}), but OME-Zarr has at most 5.")
    for kind in ("time", "channel", "other"):
        if types.count(kind) > 1:
            what = "that are neither time, channels nor space" if kind == "other" else f"of {kind}"
            raise UsageError(f"{name} has several axes {what} ({said}), but OME-Zarr has one.")


def _ordered(level: Level, order: Sequence[int]) -> Level:
    parts = (level.shape, level.chunks, level.scale, level.translation)
    shape, chunks, scale, translation = (tuple(part[axis] for axis in order) for part in parts)
    return Level(shape, chunks, scale, translation)  # type: ignore[arg-type]


def _colours(image: Image) -> tuple[Channel, ...]:
    """What the samples of a pixel are as channels."""
    assert image.channel_axis is not None
    window = (0.0, 1.0) if image.dtype.kind == "f" else None  # that of the type
    return tuple(replace(one, window=window) for one in RGBA[: image.shape[image.channel_axis]])


def _halved(image: Image, options: Options) -> tuple[int, ...]:
    """The axes that are halved, the two of the plane last: those that are named.

    Where there are no y and x, and nothing else is asked for, the last two in space.
    """
    space = [axis for axis, entry in enumerate(image.axes) if entry.type == "space"]
    names = {image.axis_names[axis]: axis for axis in space}
    if options.halve == ("y", "x") and not {"y", "x"} <= names.keys():
        return space[-2], space[-1]
    missing = [name for name in options.halve if name not in names]
    if missing:
        raise UsageError(
            f"{image.name} cannot be halved along {missing[0]}: its axes in space are "
            f"{', '.join(names)}."
        )
    found = [axis for axis in space if image.axis_names[axis] in options.halve]
    if {"y", "x"} <= names.keys():
        found.sort(key=lambda axis: image.axis_names[axis] in ("y", "x"))
    return tuple(found)


def _sizes(
    image: Image, halved: tuple[int, ...], options: Options, together: bool
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Chunks and shards; no larger than the image, where one of them is enough.

    `together`: all channels lie in one chunk, where nothing else is asked for.
    """
    shape = image.levels[0].shape
    count, channel = len(shape), image.channel_axis
    chunks = _along(options.chunks or (FLAT,), halved, count, "chunks")
    if options.chunks is None and len(halved) == 3:
        for axis, size in zip(halved, DEEP, strict=True):
            chunks[axis] = size
    if together and channel is not None and (options.chunks is None or len(options.chunks) == 1):
        chunks[channel] = shape[channel]
    clipped = tuple(min(chunk, size) for chunk, size in zip(chunks, shape, strict=True))
    if options.shards is None:
        return clipped, None
    shards = _along(options.shards, halved, count, "shards")
    if len(options.shards) == 1:
        shards = [n if axis in halved else chunks[axis] for axis, n in enumerate(shards)]
    if any(outer % inner for outer, inner in zip(shards, chunks, strict=True)):
        outer, inner = (" × ".join(map(str, part)) for part in (shards, chunks))
        raise UsageError(
            f"Shards of {outer} pixels are not whole numbers of chunks, which have {inner}."
        )
    per_shard = tuple(
        min(outer // inner, -(-size // inner))
        for outer, inner, size in zip(shards, chunks, shape, strict=True)
    )
    if (number := math.prod(per_shard)) > SHARD_LIMIT:
        raise UsageError(f"A shard of {number} chunks is too large: at most {SHARD_LIMIT}.")
    return clipped, tuple(n * chunk for n, chunk in zip(per_shard, clipped, strict=True))


def _check_chunks(image: Image, chunks: Sequence[int], halved: Collection[int]) -> None:
    for axis in halved:
        if chunks[axis] % 2 and chunks[axis] < image.levels[0].shape[axis]:
            raise UsageError(
                f"Chunks of {chunks[axis]} pixels cannot be halved along "
                f"{image.axis_names[axis]}: give an even number."
            )
    if math.prod(chunks) * image.dtype.itemsize > CHUNK_LIMIT:
        said = " × ".join(map(str, chunks))
        raise UsageError(f"Chunks of {said} pixels are too large: at most 1 GiB each.")


def _along(sizes: tuple[int, ...], halved: tuple[int, ...], count: int, what: str) -> list[int]:
    """Sizes along all axes, 1 where none is given."""
    if len(sizes) == 1:
        return [sizes[0] if axis in halved else 1 for axis in range(count)]
    if len(sizes) > count:
        raise UsageError(f"{len(sizes)} sizes of {what} for an image of {count} axes.")
    return [1] * (count - len(sizes)) + list(sizes)


def describes(layout: Layout) -> dict[str, object]:
    """All that decides what is written, but the pixels, as JSON can hold it."""
    image = layout.image
    return {
        "name": image.name,
        "kind": image.kind,
        "dtype": np.dtype(image.dtype).str,
        "axes": [[axis.name, axis.type, axis.unit] for axis in image.axes],
        "channels": [[one.name, one.colour, one.window, one.visible] for one in image.channels],
        "order": layout.order,
        "levels": [
            [level.shape, level.chunks, level.scale, level.translation] for level in layout.levels
        ],
        "steps": layout.steps,
        "shards": layout.shards,
        "codec": layout.codec,
        "ome": layout.ome,
    }
