"""The floor: open, read, close and a decoder of imagecodecs, on one thread, all known before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import imagecodecs
import numpy as np
from harness.chunk_readers.measure import PER_SHARD, Stored, serve


class Floor:
    def __init__(self, stored: Stored) -> None:
        self._shape = (stored.chunk, stored.chunk)
        self._codec = stored.codec.removeprefix("sharded_")
        self._where = dict(_places(stored))

    def __call__(self, indices: Sequence[tuple[int, int]]) -> list[Any]:
        return [self._read(*self._where[index]) for index in indices]

    def _read(self, path: str, start: int, length: int) -> Any:
        fd = os.open(path, os.O_RDONLY)
        data = os.pread(fd, length, start)
        os.close(fd)
        if self._codec == "raw":
            return np.frombuffer(data, np.uint16).reshape(self._shape)
        out = np.empty(2 * self._shape[0] * self._shape[1], np.uint8)
        decode: Any = imagecodecs.zstd_decode if self._codec == "zstd" else imagecodecs.blosc_decode
        decode(data, out=out)
        return out.view(np.uint16).reshape(self._shape)


def _places(stored: Stored) -> Iterator[tuple[tuple[int, int], tuple[str, int, int]]]:
    """File, first byte and length of every chunk."""
    for y, x in stored.indices:
        path = stored.path / "c"
        if not stored.codec.startswith("sharded_"):
            path = path / f"{y}" / f"{x}"
            yield (y, x), (str(path), 0, path.stat().st_size)
            continue
        path = path / f"{y // PER_SHARD}" / f"{x // PER_SHARD}"
        count = PER_SHARD**2
        table = np.frombuffer(path.read_bytes()[-16 * count - 4 : -4], np.uint64).reshape(count, 2)
        start, length = table[y % PER_SHARD * PER_SHARD + x % PER_SHARD]
        yield (y, x), (str(path), int(start), int(length))


if __name__ == "__main__":
    serve(Floor)
