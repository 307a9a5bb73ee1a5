"""Opsin as it is: the real view, planner, queue, loader and cache; only the canvas is a model."""

from __future__ import annotations

import asyncio
import math

from harness.sim.canvas import Cell, Frame
from harness.sim.simulate import World
from harness.sim.slots import Slots
from harness.sim.virtual_loop import VirtualCores

from opsin.chunks.brick import Brick, ChunkKey, brick_bytes, brick_side
from opsin.chunks.camera import Camera
from opsin.chunks.loader import Loader
from opsin.chunks.policy import Policy
from opsin.images.source import Index
from opsin.views.messages import Ack, Hello, Look
from opsin.views.slice_planner import SlicePlanner
from opsin.views.view import View

BUDGET = 512 * 2**20
SLOTS = 256 * 2**20
CREDIT = 4 * 2**20
CORES = 4
DECODING = 0.001
"""Seconds of one core for a chunk."""
LAYER = 0


class OpsinViewer:
    """One canvas on one loader, on one computer: only the store is far away."""

    def __init__(self, world: World, policy: Policy, budget: int = BUDGET) -> None:
        self.revision = 0
        cores = VirtualCores(CORES, DECODING)
        self._layer = world.layer
        self._loader = Loader(budget, executor=cores, fetches=policy.fetches)
        self._number = self._loader.add(world.image)
        planner = SlicePlanner({LAYER: world.layer}, {LAYER: self._number})
        self._view = View([planner], policy)
        self._client = self._loader.client(self._chunk_changed)
        self._canvas = Slots(SLOTS, len(world.image.levels) - 1)
        self._camera: Camera | None = None
        self._generation = 0
        self._sending = False
        self._view.receive(Hello(1, SLOTS, CREDIT), 0.0)

    @property
    def budget(self) -> int:
        return self._loader.cache.budget

    @property
    def peak(self) -> int:
        """The most bytes of chunks that were kept or on their way."""
        return self._loader.cache.peak

    @property
    def bytes_read(self) -> int:
        return self._loader.bytes_read

    def look(self, camera: Camera, moving: bool) -> None:
        self._camera = camera
        self._generation += 1
        message = Look(
            generation=self._generation,
            center=camera.center,
            zoom=camera.zoom,
            size=camera.size,
            displayed=camera.displayed,
            position=dict(camera.position),
            visible=(LAYER,),
            moving=moving,
        )
        self._view.receive(message, asyncio.get_running_loop().time())
        self._plan()
        self._send()
        if self._view.rests_at < math.inf:
            asyncio.get_running_loop().call_at(self._view.rests_at, self._rest)

    def cell(self, level: int) -> tuple[int, int]:
        side = brick_side(self._layer)
        return side, side

    def held(self, level: int, where: Index) -> set[Cell]:
        return self._canvas.planes.get((level, where), set())

    def drew(self, frame: Frame) -> None:
        self._canvas.drew(frame.drawn)

    async def close(self) -> None:
        self._client.close()
        await self._loader.close()

    def _plan(self) -> None:
        self._view.replan(lambda key: key in self._loader.cache, self._loader.pace([self._number]))
        self._client.want(self._view.chunk_wants())

    def _rest(self) -> None:
        if self._view.rest(asyncio.get_running_loop().time()):
            self._plan()
            self._send()

    def _chunk_changed(self, key: ChunkKey) -> None:
        self._view.chunk_changed(key)
        if not self._sending:  # once for all that come together
            self._sending = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        """Hand over what is complete to the canvas, which takes it at once."""
        self._sending = False
        sent = False
        while (brick := self._view.next_brick()) is not None:
            missing = {key for key in self._view.chunks(brick) if self._loader.get(key) is None}
            if missing:
                self._view.unready(brick, missing)
                continue
            assert self._camera is not None
            assert isinstance(brick, Brick), "of slices"
            size = brick_bytes(self._layer, brick, self._camera.displayed)
            self._view.sent(brick, size)
            parts = ((key.level, key.grid) for key in self._view.chunks(brick))
            evicted = self._canvas.put(brick, size, parts)
            keys = tuple((b.layer, b.level, b.slice, b.row, b.column) for b in evicted)
            if self._view.receive(Ack(size, keys), asyncio.get_running_loop().time()):
                self._plan()
            self.revision += 1
            sent = True
        if sent:
            self._client.want(self._view.chunk_wants())
