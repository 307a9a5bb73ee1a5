"""Rival: the part that models of other viewers share: requests, and what they brought."""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from harness.sim.canvas import Cell, Frame
from harness.sim.link import Chunk
from harness.sim.simulate import World
from harness.sim.virtual_loop import VirtualCores

from opsin.chunks.camera import Camera
from opsin.images.source import Index

BUDGET = 512 * 2**20
CORES = 4
DECODING = 0.001
"""Seconds of one core for a chunk."""


class Rival:
    """Loads chunks as a subclass says, and draws them as Opsin's canvas would.

    Only what is loaded, in which order, what is aborted and what is kept are a rival's own ideas;
    time and memory to decode and to draw are the same for all.
    """

    def __init__(self, world: World, budget: int = BUDGET) -> None:
        self.revision = 0
        self.layer = world.layer
        self.image = world.image
        self.levels = len(world.image.levels)
        self.budget = budget
        self.here: dict[Chunk, int] = {}
        """Chunks that can be drawn, and their bytes, the oldest first."""
        self.bytes = 0
        self.loading: dict[Chunk, asyncio.Task[None]] = {}
        self._cores = VirtualCores(CORES, DECODING)
        self._planes: dict[tuple[int, Index], set[Cell]] = {}

    # What `simulate` calls

    @abstractmethod
    def look(self, camera: Camera, moving: bool) -> None:
        """The camera is here now."""

    def cell(self, level: int) -> tuple[int, int]:
        chunks = self.layer.level(level).chunks
        return chunks[-2], chunks[-1]

    def held(self, level: int, where: Index) -> set[Cell]:
        chunks = self.layer.level(level).chunks[:-2]
        rest = tuple(at // chunk for at, chunk in zip(where, chunks, strict=True))
        return self._planes.get((level, rest), set())

    def drew(self, frame: Frame) -> None:
        pass

    async def close(self) -> None:
        tasks = list(self.loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What a subclass uses

    def start(self, chunk: Chunk) -> None:
        """Ask for a chunk."""
        task = asyncio.get_running_loop().create_task(self._load(chunk))
        self.loading[chunk] = task
        task.add_done_callback(lambda _: self._ended(chunk, task))

    def abort(self, chunk: Chunk) -> None:
        """Stop asking for a chunk."""
        self.loading.pop(chunk).cancel()

    @abstractmethod
    def arrived(self, chunk: Chunk) -> None:
        """A chunk came: keep it, or not."""

    def keep(self, chunk: Chunk) -> None:
        """From now on it can be drawn."""
        if chunk in self.here:
            return
        level, index = chunk
        self.here[chunk] = self.size(chunk)
        self.bytes += self.here[chunk]
        self._planes.setdefault((level, index[:-2]), set()).add((index[-2], index[-1]))
        self.revision += 1

    def drop(self, chunk: Chunk) -> None:
        """From now on it cannot be drawn any more."""
        level, index = chunk
        self.bytes -= self.here.pop(chunk)
        self._planes[level, index[:-2]].discard((index[-2], index[-1]))
        self.revision += 1

    def size(self, chunk: Chunk) -> int:
        return self.image.chunk_bytes(*chunk)

    async def _load(self, chunk: Chunk) -> None:
        level, index = chunk
        encoded = await self.image.source.fetch(level, index)
        decode = self.image.source.decode
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._cores, decode, level, index, encoded)

    def _ended(self, chunk: Chunk, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self.loading.get(chunk) is not task:
            return
        del self.loading[chunk]
        self.arrived(chunk)
