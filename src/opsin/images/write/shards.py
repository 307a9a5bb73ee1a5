"""Shards: the encoded chunks of shards that are not complete, and how a shard is stored.

A shard (zarr 3, `sharding_indexed`) is a file of chunks, one after another in C order, and behind
them an index: where each begins and how long it is, and a checksum (crc32c) of that.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from opsin.images.source import Index
from opsin.images.write.codec import Stored
from opsin.images.zarr.codecs import crc32c
from opsin.images.zarr.shards import MISSING

KEPT_BYTES = 48 << 20
"""Encoded chunks that wait in memory; further ones wait in files."""
PIECE = 4 << 20


class ShardMemory:
    """How much all shards of a write together keep in memory."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._left = limit
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether there is room for so many bytes, which are taken then."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        with self._lock:
            self._left += size


class Shard:
    """One shard that is being filled. Not safe on several threads."""

    def __init__(self, chunks: int, missing: int, spill: Path, memory: ShardMemory) -> None:
        """A shard with places for `chunks`, of which `missing` lie in the array."""
        self._missing = missing
        self._held: dict[int, bytes] = {}
        self._spilled: dict[int, tuple[int, int]] = {}
        self._chunks = chunks
        self._spill = spill
        self._file: io.FileIO | None = None
        self._end = 0
        self._memory = memory

    def add(self, place: int, stored: Stored | None) -> bool:
        """Take a chunk, None for one that is not stored. Returns whether this was the last one."""
        if stored is not None:
            if self._memory.take(len(stored)):
                self._held[place] = bytes(stored)
            else:
                if self._file is None:
                    self._file = io.FileIO(self._spill, "w+")
                self._file.seek(self._end)
                write_all(self._file.fileno(), stored)
                self._spilled[place] = (self._end, len(stored))
                self._end += len(stored)
        self._missing -= 1
        return not self._missing

    @property
    def is_something(self) -> bool:
        """Whether any of its chunks is stored."""
        return bool(self._held or self._spilled)

    def write(self, descriptor: int) -> int:
        """Write it to a new file; returns the size of that."""
        index = np.full((self._chunks, 2), MISSING, "<u8")
        end = 0
        for place in sorted({*self._held, *self._spilled}):
            begin = end
            for piece in self._pieces(place):
                write_all(descriptor, piece)
                end += len(piece)
            index[place] = begin, end - begin
        stored = index.tobytes()
        write_all(descriptor, stored + crc32c(stored).to_bytes(4, "little"))
        return end + len(stored) + 4

    def close(self) -> None:
        """Let go of memory and files. Idempotent."""
        self._memory.give(sum(map(len, self._held.values())))
        self._held.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
            self._spill.unlink(missing_ok=True)

    def _pieces(self, place: int) -> Iterator[Stored]:
        if place in self._held:
            yield self._held[place]
            return
        assert self._file is not None
        start, length = self._spilled[place]
        self._file.seek(start)
        while length:
            piece = self._file.read(min(length, PIECE))
            if not piece:
                raise OSError("what was put aside is gone")
            yield piece
            length -= len(piece)


class Shards:
    """The shards of one array. Safe on several threads.

    Args:
        grid: chunks of the array along each axis.
        per_shard: chunks of a shard along each axis.
        spill: what files for what does not stay in memory begin with.
        memory: shared by all arrays.
    """

    def __init__(
        self, grid: Sequence[int], per_shard: tuple[int, ...], spill: str, memory: ShardMemory
    ) -> None:
        self._grid = grid
        self._per_shard = per_shard
        self._spill = spill
        self._memory = memory
        self._lock = threading.Lock()
        self._open: dict[Index, tuple[Shard, threading.Lock]] = {}

    def add(self, index: Index, stored: Stored | None) -> tuple[Index, Shard] | None:
        """Put a chunk into its shard; the shard, if it is now complete."""
        of = tuple(i // n for i, n in zip(index, self._per_shard, strict=True))
        inside = [i % n for i, n in zip(index, self._per_shard, strict=True)]
        place = int(np.ravel_multi_index(inside, self._per_shard))
        with self._lock:
            found = self._open.get(of)
            if found is None:
                existing = 1
                for i, n, size in zip(of, self._per_shard, self._grid, strict=True):
                    existing *= min(n, size - i * n)
                spill = Path(f"{self._spill}.{'.'.join(map(str, of))}")
                count = int(np.prod(self._per_shard))
                found = Shard(count, existing, spill, self._memory), threading.Lock()
                self._open[of] = found
        shard, lock = found
        with lock:
            if not shard.add(place, stored):
                return None
        with self._lock:
            del self._open[of]
        return of, shard

    def close(self) -> None:
        """Let go of the shards that are not complete. Idempotent."""
        with self._lock:
            left = list(self._open.values())
            self._open.clear()
        for shard, _ in left:
            shard.close()


def write_all(descriptor: int, data: Stored) -> int:
    """Write all of it, and return its size: the system may take less at once."""
    written = os.write(descriptor, data)
    if written < len(data):
        view = memoryview(data)
        while written < len(view):
            written += os.write(descriptor, view[written:])
    return written
