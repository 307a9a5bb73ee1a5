"""Slots: what a canvas of Opsin holds, as web/src/viewer/slots.ts keeps it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.sim.canvas import Cell
from harness.sim.link import Chunk

from opsin.chunks.brick import Brick
from opsin.images.source import Index


class Slots:
    """Bricks within a budget of bytes; what was drawn longest ago goes first.

    `pinned_level`, the coarsest, stays.
    """

    def __init__(self, budget: int, pinned_level: int) -> None:
        self.planes: dict[tuple[int, Index], set[Cell]] = {}
        self._budget = budget
        self._pinned_level = pinned_level
        self._bytes = 0
        self._held: dict[Brick, int] = {}
        self._drawn: dict[Brick, int] = {}
        self._parts: dict[Brick, tuple[Chunk, ...]] = {}
        self._made_of: dict[Chunk, set[Brick]] = {}
        self._frame = 0

    def put(self, brick: Brick, size: int, parts: Iterable[Chunk]) -> list[Brick]:
        """Hold a brick; the bricks that had to go for it."""
        self._bytes += size
        self._held[brick] = size
        self._drawn[brick] = self._frame
        self._parts[brick] = tuple(parts)
        for chunk in self._parts[brick]:
            self._made_of.setdefault(chunk, set()).add(brick)
        self.planes.setdefault((brick.level, brick.slice), set()).add((brick.row, brick.column))
        return list(self._evict()) if self._bytes > self._budget else []

    def drew(self, chunks: Iterable[Chunk]) -> None:
        """These were drawn in the present frame."""
        self._frame += 1
        for chunk in chunks:
            for brick in self._made_of.get(chunk, ()):
                self._drawn[brick] = self._frame

    def _evict(self) -> Iterable[Brick]:
        for brick in sorted(self._held, key=self._drawn.__getitem__):
            if self._bytes <= self._budget:
                return
            if brick.level != self._pinned_level:
                self._drop(brick)
                yield brick

    def _drop(self, brick: Brick) -> None:
        self._bytes -= self._held.pop(brick)
        del self._drawn[brick]
        for chunk in self._parts.pop(brick):
            self._made_of[chunk].discard(brick)
            if not self._made_of[chunk]:
                del self._made_of[chunk]
        plane = self.planes[brick.level, brick.slice]
        plane.discard((brick.row, brick.column))
        if not plane:
            del self.planes[brick.level, brick.slice]
