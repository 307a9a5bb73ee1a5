"""tensorstore, without a cache, some chunks at a time."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from harness.chunk_readers.measure import AT_ONCE, Stored, serve


class TensorStore:
    def __init__(self, stored: Stored) -> None:
        tensorstore: Any = importlib.import_module("tensorstore")
        self._stored = stored
        self._array = tensorstore.open(
            {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{stored.path}/"}}
        ).result()

    def __call__(self, indices: Sequence[tuple[int, int]]) -> list[Any]:
        chunks: list[Any] = []
        waiting: list[Any] = []
        for index in indices:
            waiting.append(self._array[self._stored.box(index)].read())
            if len(waiting) == AT_ONCE:
                chunks.append(waiting.pop(0).result())
        return [*chunks, *(future.result() for future in waiting)]


if __name__ == "__main__":
    serve(TensorStore)
