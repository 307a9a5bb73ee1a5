"""Filling: the chunks of a box, filled with chunks of the original, each complete at some time."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Collection, Iterator

from opsin.images.image import Level, chunk_origin, copy_overlap
from opsin.images.pyramid import Spares
from opsin.images.source import Array, Index


class Filling:
    """Chunks of one level that are being filled. Safe on any thread.

    Args:
        level: the finest one, as it is written.
        original: the same pixels, as they are read.
        chunks: indices in the level's grid.
        spares: where the memory comes from.
    """

    def __init__(
        self, level: Level, original: Level, chunks: Collection[Index], spares: Spares
    ) -> None:
        self._level = level
        self._original = original
        self._spares = spares
        self._lock = threading.Lock()
        self._blocks: dict[Index, Array] = {}
        self._missing = {
            index: math.prod(len(r) for r in _overlapping(level, index, original))
            for index in chunks
        }

    def sources(self) -> Iterator[Index]:
        """The chunks of the original that these are made of, each once."""
        seen: set[Index] = set()
        for index in self._missing:
            for found in itertools.product(*_overlapping(self._level, index, self._original)):
                if found not in seen:
                    seen.add(found)
                    yield found

    def place(self, source: Index, pixels: Array) -> Iterator[tuple[Index, Array, bool]]:
        """Copy a chunk of the original to where it belongs.

        Yields:
            Each chunk as soon as it is complete (what is done with it then finds it in the
            processor's cache): index, pixels in C order, and whether these are a spare. It is
            not held any longer.
        """
        begins = chunk_origin(self._original, source)
        for index in itertools.product(*_overlapping(self._original, source, self._level)):
            if index not in self._missing:
                continue
            shape = self._level.chunk_shape(index)
            origin = chunk_origin(self._level, index)
            if origin == begins and shape == pixels.shape and pixels.flags.c_contiguous:
                yield index, pixels, False  # as it is
                continue
            with self._lock:
                block = self._blocks.get(index)
                if block is None:
                    block = self._blocks[index] = self._spares.take(shape)
            copy_overlap(block, origin, pixels, begins)
            with self._lock:
                self._missing[index] -= 1
                if self._missing[index]:
                    continue
                del self._blocks[index]
            yield index, block, True


def _overlapping(level: Level, index: Index, other: Level) -> list[range]:
    """The chunks of `other`, along each axis, that overlap a chunk of `level`."""
    found = []
    for i, own, theirs, size in zip(index, level.chunks, other.chunks, level.shape, strict=True):
        start, stop = i * own, min((i + 1) * own, size)
        found.append(range(start // theirs, -(-stop // theirs)))
    return found
