"""Zarr image: what an image looks like as OME-Zarr 0.5 to other programs. Pure: documents and keys.

Nothing is written. The documents are made from the image, and a key of a chunk says which box of
which level is its content.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from opsin.images.image import Channel, Image, Level
from opsin.images.layer import NAMED, Layer
from opsin.images.source import Array, Index
from opsin.images.write.codec import CodecName, Stored, codec_of
from opsin.images.write.layout import Layout, ordered
from opsin.images.write.metadata import Document, documents_of, labels_group

LARGEST = 4 << 20
"""Bytes of a chunk, at most: larger ones of the source are cut."""
SMALLEST = 256
"""Pixels of a chunk along y and x, at least: smaller ones of the source are put together."""

_COLOURS = {name: colour for colour, name in NAMED.items()}
_CHUNK = re.compile(r"([0-9]{1,3})/c((?:/(?:0|[1-9][0-9]{0,15}))+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Piece:
    """The content of a chunk: a box of one level, in the order of the image's own axes."""

    level: int
    start: Index
    stop: Index


class ZarrImage:
    """One image, or labels, as a group of OME-Zarr.

    Booleans become uint8, which more programs know. Chunks are those of the source, where they are
    neither large nor small, of one channel and one time point.

    Raises:
        UsageError: OME-Zarr has no such axes.
    """

    def __init__(self, image: Image, codec: CodecName = "none") -> None:
        placed, self._order = ordered(image)
        dtype = np.dtype(np.uint8) if image.dtype == np.bool_ else image.dtype.newbyteorder("=")
        whole = {i for i, axis in enumerate(placed.axes) if axis.type == "space"}
        plane = {i for i, axis in enumerate(placed.axes) if axis.name in ("y", "x")}
        levels = tuple(
            replace(level, chunks=_chunks(level, dtype.itemsize, whole, plane))
            for level in placed.levels
        )
        self._image = replace(placed, levels=levels, dtype=dtype)
        self._rgb = image.rgb
        self._codec = codec
        self._encode = codec_of(codec, dtype).encode

    @property
    def levels(self) -> tuple[Level, ...]:
        """As served, with the axes in OME-Zarr's order."""
        return self._image.levels

    def documents(
        self, layers: Sequence[Layer] = (), labels: Sequence[str] = ()
    ) -> dict[str, Document]:
        """The documents of this group and its arrays, by key.

        The group's holds those of the arrays too, as zarr-python consolidates metadata: over HTTP
        nothing can be listed.

        Args:
            layers: as which it is shown: their contrast and colours become those of its channels.
            labels: names of labels that lie in it.
        """
        image = self._image
        if image.kind == "image" and layers:
            image = replace(image, channels=_channels(image, layers, rgb=self._rgb))
        layout = Layout(
            image=image,
            order=self._order,
            original=image.levels[0],
            steps=(),
            halved=(),
            shards=None,
            codec=self._codec,
            ome="0.5",
        )
        found = documents_of(layout)
        arrays = {key.removesuffix("/zarr.json"): d for key, d in found.items() if "/" in key}
        if labels:
            (group,) = labels_group("0.5", labels).values()
            found["labels/zarr.json"] = arrays["labels"] = group
        found["zarr.json"]["consolidated_metadata"] = {
            "kind": "inline",
            "must_understand": False,
            "metadata": arrays,
        }
        return found

    def piece(self, key: str) -> Piece | None:
        """What the chunk at `key`, such as `0/c/3/5`, holds; None if there is no such chunk."""
        match = _CHUNK.fullmatch(key)
        if match is None or str(int(match[1])) != match[1] or int(match[1]) >= len(self.levels):
            return None
        number = int(match[1])
        level = self.levels[number]
        index = tuple(map(int, match[2][1:].split("/")))
        if len(index) != len(level.shape) or any(
            i >= count for i, count in zip(index, level.grid, strict=True)
        ):
            return None
        start = [0] * len(index)
        stop = [0] * len(index)
        for axis, original in enumerate(self._order):
            start[original] = index[axis] * level.chunks[axis]
            stop[original] = min(start[original] + level.chunks[axis], level.shape[axis])
        return Piece(number, tuple(start), tuple(stop))

    def chunk_bytes(self, level: int) -> int:
        """Bytes of a chunk of a level, not compressed."""
        return math.prod(self.levels[level].chunks) * self._image.dtype.itemsize

    def encode(self, level: int, box: Array) -> Stored:
        """The bytes of a chunk from the box that it holds. What sticks out of the level is 0."""
        chunk = box.transpose(self._order)
        chunks = self.levels[level].chunks
        if chunk.dtype == np.bool_:
            chunk = chunk.view(np.uint8)
        if chunk.shape != chunks:
            whole = np.zeros(chunks, chunk.dtype)
            whole[tuple(map(slice, chunk.shape))] = chunk
            chunk = whole
        return self._encode(np.ascontiguousarray(chunk))


def _chunks(level: Level, itemsize: int, space: set[int], plane: set[int]) -> tuple[int, ...]:
    """Sizes of served chunks."""
    sizes = [min(n, size) for n, size in zip(level.chunks, level.shape, strict=True)]
    for axis in range(len(sizes)):
        if axis not in space:
            sizes[axis] = 1
        elif axis in plane and sizes[axis] < SMALLEST:
            sizes[axis] = min(-(-SMALLEST // sizes[axis]) * sizes[axis], level.shape[axis])
    while math.prod(sizes) * itemsize > LARGEST:
        longest = max(range(len(sizes)), key=lambda axis: sizes[axis])
        sizes[longest] = 1 << ((sizes[longest] - 1).bit_length() - 1)  # the next power of two
    return tuple(sizes)


def _channels(image: Image, layers: Sequence[Layer], *, rgb: bool) -> tuple[Channel, ...]:
    """The channels of an image, with colours and contrast as its layers have them."""
    axis = image.channel_axis
    count = 1 if axis is None else image.shape[axis]
    shown = {layer.channel or 0: layer for layer in layers}
    channels: list[Channel] = []
    for number in range(count):
        known = image.channels[number] if number < len(image.channels) else None
        if known is None:
            known = Channel(f"channel {number}" if count > 1 else image.name)
        layer = layers[0] if rgb else shown.get(number)
        if layer is not None:
            colour = _COLOURS.get(layer.colormap, layer.colormap.removeprefix("#"))
            known = replace(
                known,
                window=_window(layer, known),
                colour=known.colour or (colour if re.fullmatch("[0-9a-f]{6}", colour) else None),
            )
        channels.append(known)
    return tuple(channels)


def _window(layer: Layer, known: Channel) -> tuple[float, float] | None:
    window: Any = layer.contrast or known.window
    return window if window is not None and all(map(math.isfinite, window)) else None
