"""Opsin: its loader, asked for all chunks as a view asks for them, most urgent first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from harness.chunk_readers.measure import Stored, serve

from opsin.chunks.brick import ChunkKey
from opsin.chunks.loader import Loader
from opsin.images.readers import open_image

BUDGET = 4 << 30


class Opsin:
    def __init__(self, stored: Stored) -> None:
        self._loop = asyncio.new_event_loop()
        self._loader = Loader(BUDGET)
        self._loader.add(open_image(stored.path))

    def __call__(self, indices: Sequence[tuple[int, int]]) -> list[Any]:
        return self._loop.run_until_complete(self._read(indices))

    async def _read(self, indices: Sequence[tuple[int, int]]) -> list[Any]:
        loader, arrived = self._loader, asyncio.Event()
        missing = {ChunkKey(0, 0, index) for index in indices}

        def came(key: ChunkKey) -> None:
            missing.discard(key)
            if not missing:
                arrived.set()

        client = loader.client(came)
        client.want([ChunkKey(0, 0, index)] for index in indices)
        await arrived.wait()
        chunks = [loader.get(ChunkKey(0, 0, index)) for index in indices]
        client.close()
        loader.cache.clear()
        return chunks


if __name__ == "__main__":
    serve(Opsin)
