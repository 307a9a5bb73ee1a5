"""zarr-python's asynchronous interface, which costs less than its other one.

With the argument `zarrs` its chunks are decoded by zarrs, in Rust.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import zarr
from harness.chunk_readers.measure import AT_ONCE, Stored, serve


class ZarrPython:
    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._loop = asyncio.new_event_loop()
        self._array: Any = self._loop.run_until_complete(zarr.AsyncArray.open(stored.path))

    def __call__(self, indices: Sequence[tuple[int, int]]) -> list[Any]:
        chunks: list[Any] = []
        rest = iter(indices)

        async def work() -> None:
            for index in rest:
                chunks.append(await self._array.getitem(self._stored.box(index)))

        async def works() -> None:
            await asyncio.gather(*(work() for _ in range(AT_ONCE)))

        # Not `asyncio.run`: on its way out it spells every chunk as text, at 0.2 ms each.
        self._loop.run_until_complete(works())
        return chunks


if __name__ == "__main__":
    if sys.argv[1:] == ["zarrs"]:
        zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    serve(ZarrPython)
