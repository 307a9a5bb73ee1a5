"""dask: an array with a block for each chunk, computed some at a time on its threads."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from harness.chunk_readers.measure import AT_ONCE, Stored, serve


class Dask:
    def __init__(self, stored: Stored) -> None:
        self._dask: Any = importlib.import_module("dask")
        arrays: Any = importlib.import_module("dask.array")
        self._array = arrays.from_zarr(str(stored.path))
        if self._array.numblocks != (stored.side, stored.side):  # of shards, dask makes blocks
            self._array = arrays.from_zarr(str(stored.path), chunks=(stored.chunk,) * 2)

    def __call__(self, indices: Sequence[tuple[int, int]]) -> list[Any]:
        chunks: list[Any] = []
        for first in range(0, len(indices), AT_ONCE):
            blocks = [self._array.blocks[index] for index in indices[first : first + AT_ONCE]]
            chunks += self._dask.compute(*blocks)
        return chunks


if __name__ == "__main__":
    serve(Dask)
