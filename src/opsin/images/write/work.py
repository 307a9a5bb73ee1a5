"""Work: what is left to be read of an image, given out piece by piece as far as there is room."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from opsin.images.pyramid import Spares
from opsin.images.source import Array, Index
from opsin.images.write.filling import Filling
from opsin.images.write.layout import Layout
from opsin.images.write.traversal import Box, boxes

FILLED = 64 << 20
"""Bytes of boxes that are being filled, at most, unless it is only one."""
KEPT = 32 << 20
"""Bytes of chunks of the original that a later box needs too, at most."""


@dataclass(slots=True)
class Piece:
    """One chunk of the original, for one box."""

    index: Index
    """In the order of the axes as written."""
    filling: Filling
    room: _Room
    shared: bool
    """Whether another box needs it too."""


@dataclass(slots=True)
class _Room:
    """What a box takes, until all its pieces are placed."""

    size: int
    pieces: int
    taken: bool = False


class Work:
    """Safe on any thread.

    Args:
        layout: what is written.
        spares: where the memory comes from.
        done: whether each chunk of the finest level is written; booleans in the shape of its grid.
    """

    def __init__(self, layout: Layout, spares: Spares, done: Array | None) -> None:
        self._layout = layout
        self._spares = spares
        self._done = done
        self._pieces = self._all()
        self._next: Piece | None = None
        self._filled = 0
        self._lock = threading.Condition()
        self._stopped = False

    def take(self, wait: bool = True) -> Piece | None:
        """The next piece; None when there is no other.

        Raises:
            BlockingIOError: there is no room for it, and `wait` is false.
        """
        with self._lock:
            while not self._stopped:
                if self._next is None:
                    self._next = next(self._pieces, None)
                piece = self._next
                if piece is None:
                    return None
                room = piece.room
                if room.taken or not self._filled or self._filled + room.size <= FILLED:
                    if not room.taken:
                        room.taken = True
                        self._filled += room.size
                    self._next = None
                    return piece
                if not wait:
                    raise BlockingIOError
                self._lock.wait()
            return None

    def placed(self, piece: Piece) -> None:
        """All that a piece completes is written."""
        room = piece.room
        with self._lock:
            room.pieces -= 1
            if not room.pieces:
                self._filled -= room.size
                self._lock.notify_all()

    def stop(self) -> None:
        """Give out nothing more."""
        with self._lock:
            self._stopped = True
            self._lock.notify_all()

    def _all(self) -> Iterator[Piece]:
        layout = self._layout
        level, original = layout.levels[0], layout.original
        chunk = math.prod(level.chunks) * layout.image.dtype.itemsize
        for box in boxes(layout):
            chunks = [i for i in box.chunks() if self._done is None or not self._done[i]]
            if not chunks:
                continue
            filling = Filling(level, original, chunks, self._spares)
            sources = list(filling.sources())
            room = _Room(len(chunks) * chunk, len(sources))
            for index in sources:
                yield Piece(index, filling, room, self._reaches_out(index, box))

    def _reaches_out(self, index: Index, box: Box) -> bool:
        level, original = self._layout.levels[0], self._layout.original
        return any(
            i * theirs < a * own or min((i + 1) * theirs, size) > min(b * own, size)
            for i, theirs, a, b, own, size in zip(
                index, original.chunks, box.start, box.stop, level.chunks, level.shape, strict=True
            )
        )


@dataclass(slots=True)
class Kept:
    """Chunks of the original that several boxes need, the oldest dropped first. Thread-safe."""

    limit: int = KEPT
    _chunks: OrderedDict[Index, Array] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _size: int = 0

    def take(self, index: Index) -> Array | None:
        """The chunk, if it is kept."""
        with self._lock:
            found = self._chunks.pop(index, None)
            if found is not None:
                self._size -= found.nbytes
            return found

    def add(self, index: Index, chunk: Array) -> None:
        """Keep a chunk as long as there is room."""
        with self._lock:
            if index in self._chunks or chunk.nbytes > self.limit:
                return
            self._chunks[index] = chunk
            self._size += chunk.nbytes
            while self._size > self.limit:
                self._size -= self._chunks.popitem(last=False)[1].nbytes
