"""The loading ideas of viv: the level to be shown over the coarsest one, first in, first out.

After viv's MultiscaleImageLayer and deck.gl's Tileset2D: the coarsest level is loaded whole, at
once. Over it, ten tiles are loaded at a time in the order in which they came into sight; one that
waits is dropped if it is out of sight when its turn comes. Tiles are kept up to five times as many
as are in sight. Another slice replaces everything; of the one before, nothing is kept. Viv means to
abort what loads and is out of sight while more than ten wait or load, but in 0.21 the signal does
not reach the request: it goes on, and what comes is shown unless it was asked for again meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from itertools import count
from typing import Any

from harness.sim.link import Chunk
from harness.sim.rival import BUDGET, Rival
from harness.sim.sight import Sight, sight
from harness.sim.simulate import World

from opsin.chunks.camera import Camera, slice_index, target_level
from opsin.images.source import Index

REQUESTS = 10
KEPT = 5
"""Tiles that are kept, per tile in sight."""

Place = tuple[int, int, int]
"""Level, row and column: a tile of whichever slice is shown."""


@dataclass(slots=True)
class _Tile:
    place: Place
    selected: bool = False
    visible: bool = False
    load: int = 0
    """Number of the load whose result counts."""
    loading: bool = False
    """That load waits for its turn, or is under way, and was not given up."""
    stale: bool = True
    """What it shows is of another slice, or nothing."""
    content: Chunk | None = None
    """What it shows."""


@dataclass(slots=True)
class _Turn:
    """A tile's place among those that load. If it is asked for again, both loads share it."""

    tile: _Tile
    loads: list[tuple[int, Chunk]]
    under_way: bool = False


class Viv(Rival):
    def __init__(self, world: World, budget: int = BUDGET) -> None:
        super().__init__(world, budget)
        self._camera: Camera | None = None
        self._slice: Index | None = None
        self._tiles: dict[Place, _Tile] = {}
        self._selected: list[_Tile] = []
        self._turns: dict[int, _Turn] = {}
        """By the identity of their tile, in the order in which they came."""
        self._issuing = False
        self._numbers = count(1)
        self._base: set[Chunk] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self, camera: Camera, moving: bool) -> None:
        self._camera = camera
        where = slice_index(self.layer, 0, camera)
        if where != self._slice:
            self._slice = where
            self._load_base(camera)
            self._reload()
        self._update()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The coarsest level

    def _load_base(self, camera: Camera) -> None:
        level = self.levels - 1
        seen = sight(self.layer, camera, level)
        if seen is None:
            return
        rows, columns = (range(count) for count in self.layer.level(level).grid[-2:])
        chunks = [(level, (*seen.rest, row, column)) for row in rows for column in columns]
        self._run(self._bring_base(chunks))

    async def _bring_base(self, chunks: list[Chunk]) -> None:
        await asyncio.gather(*map(self._load, chunks))
        before, self._base = self._base, set(chunks)
        for chunk in chunks:
            self.keep(chunk)
        for chunk in before - self._base:
            self._let_go(chunk)

    # Tiles

    def _reload(self) -> None:
        """The slice is another one."""
        for place, tile in list(self._tiles.items()):
            if tile not in self._selected:
                del self._tiles[place]
                self._clear(tile)
                continue
            tile.loading, tile.stale = False, True

    def _update(self) -> None:
        camera = self._camera
        if camera is None:
            return
        seen = sight(self.layer, camera, target_level(self.layer, camera))
        self._select(seen)
        self._mark_visible()
        self._prune()
        self._forget()

    def _select(self, seen: Sight | None) -> None:
        for before in self._selected:
            before.selected = False
        self._selected = []
        if seen is None:
            return
        for column in range(*seen.columns):
            for row in range(*seen.rows):
                place = (seen.level, row, column)
                tile = self._tiles.get(place)
                if tile is None:
                    tile = self._tiles[place] = _Tile(place)
                tile.selected = True
                self._selected.append(tile)
                if tile.stale and not tile.loading:
                    self._ask(tile, (seen.level, (*seen.rest, row, column)))

    def _ask(self, tile: _Tile, chunk: Chunk) -> None:
        tile.load, tile.loading = next(self._numbers), True
        turn = self._turns.get(id(tile))
        if turn is None:
            self._turns[id(tile)] = _Turn(tile, [(tile.load, chunk)])
        elif turn.under_way:
            self._run(self._bring(turn, tile.load, chunk))
        else:
            turn.loads.append((tile.load, chunk))
        self._issue()

    def _issue(self) -> None:
        """Let tiles begin, soon."""
        if not self._issuing:
            self._issuing = True
            asyncio.get_running_loop().call_soon(self._issue_now)

    def _issue_now(self) -> None:
        self._issuing = False
        free = REQUESTS - sum(turn.under_way for turn in self._turns.values())
        if free <= 0:
            return
        waiting = [turn for turn in self._turns.values() if not turn.under_way]
        for turn in waiting:
            if not turn.tile.selected:
                turn.tile.loading = False
                del self._turns[id(turn.tile)]
        for turn in [turn for turn in waiting if turn.tile.selected][:free]:
            turn.under_way = True
            for number, chunk in turn.loads:
                self._run(self._bring(turn, number, chunk))

    async def _bring(self, turn: _Turn, number: int, chunk: Chunk) -> None:
        await self._load(chunk)
        tile = turn.tile
        if self._turns.get(id(tile)) is turn:
            del self._turns[id(tile)]
            self._issue()
        if number != tile.load:
            return  # it was asked for again
        tile.loading = tile.stale = False
        if self._tiles.get(tile.place) is tile:
            self._show(tile, chunk)
            self._update()

    def _mark_visible(self) -> None:
        """Of a tile that is not there yet, the nearest ancestor is shown, else its descendants."""
        for tile in self._tiles.values():
            tile.visible = False
        children: dict[Place, list[_Tile]] = {}
        for tile in self._tiles.values():
            if (parent := self._ancestor(tile)) is not None:
                children.setdefault(parent.place, []).append(tile)
        for tile in self._selected:
            stands: _Tile | None = tile
            while stands is not None and stands.content is None:
                stands = self._ancestor(stands)
            if stands is not None:
                stands.visible = True
                continue
            below = list(children.get(tile.place, ()))
            while below:
                child = below.pop()
                if child.content is None:
                    below += children.get(child.place, ())
                child.visible = child.content is not None

    def _ancestor(self, tile: _Tile) -> _Tile | None:
        level, row, column = tile.place
        for coarser in range(level + 1, self.levels):
            row, column = row // 2, column // 2
            found = self._tiles.get((coarser, row, column))
            if found is not None:
                return found
        return None

    def _prune(self) -> None:
        going = [tile for tile in self._tiles.values() if tile.loading]
        surplus = len(going) - REQUESTS
        for tile in going:
            if surplus <= 0:
                return
            if not tile.selected and not tile.visible:
                tile.loading = False
                surplus -= 1

    def _forget(self) -> None:
        most = KEPT * len(self._selected)
        for place, tile in list(self._tiles.items()):
            if len(self._tiles) <= most:
                return
            if not tile.visible and not tile.selected:
                del self._tiles[place]
                self._clear(tile)

    # What can be drawn

    def _show(self, tile: _Tile, chunk: Chunk) -> None:
        before, tile.content = tile.content, chunk
        self.keep(chunk)
        if before is not None and before != chunk:
            self._let_go(before)

    def _clear(self, tile: _Tile) -> None:
        before, tile.content = tile.content, None
        if before is not None:
            self._let_go(before)

    def _let_go(self, chunk: Chunk) -> None:
        level, index = chunk
        tile = self._tiles.get((level, index[-2], index[-1]))
        if (
            chunk in self.here
            and chunk not in self._base
            and (tile is None or tile.content != chunk)
        ):
            self.drop(chunk)
