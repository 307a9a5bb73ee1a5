"""The other end of a stream, over queues: it asks, keeps bricks with their pixels, and evicts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from opsin.chunks.brick import Brick, brick_side, display_dtype
from opsin.chunks.loader import Loader
from opsin.images.source import Array
from opsin.views.messages import WireBrick, brick_of, decode_frame, encode_frame, wire_key
from opsin.views.scene import Scene
from opsin.views.stream import Stream


class Canvas:
    """A canvas of so many bytes of slots."""

    def __init__(self, loader: Loader, scene: Scene, slots: int = 2**28) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.got: list[dict[str, Any]] = []
        self.bricks: dict[WireBrick, Array] = {}
        self.scene = scene
        self.slots = slots
        self.taken = 0
        self.generation = 0
        self.stream = Stream(loader, scene, self._send, self.inbox.get)
        self.task = asyncio.create_task(self.stream.run())

    async def _send(self, frame: bytes) -> None:
        header, payload = decode_frame(frame)
        message = json.loads(header)
        self.got.append(message)
        if message["type"] == "brick":
            number, level, where, *place = message["key"]
            brick = brick_of((number, level, tuple(where), *place))
            dtype = display_dtype(self.scene.layers[brick.layer]).newbyteorder("<")
            pixels = np.frombuffer(bytes(payload), dtype)
            uniform = pixels.size < np.prod(message["shape"])
            shape = [1] * len(message["shape"]) if uniform else message["shape"]
            pixels = pixels.reshape(*shape, -1)
            self.bricks[brick] = pixels[..., 0] if pixels.shape[-1] == 1 else pixels

    def say(self, **message: Any) -> None:
        self.inbox.put_nowait(encode_frame(message))

    def hello(self, credit: int = 2**28) -> None:
        self.say(type="hello", version=1, slots=self.slots, credit=credit)

    def look(self, generation: int = 1, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "center": [1024, 1024],
            "zoom": 1.0,
            "size": [900, 900],
            "displayed": ["y", "x"],
            "position": {},
            "visible": [0],
        }
        self.generation = generation
        self.say(type="view", generation=generation, **(fields | changes))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.got if message["type"] == kind]

    def take(self) -> None:
        """Acknowledge the bricks that have come meanwhile."""
        bricks = self.of("brick")
        size = sum(brick["bytes"] for brick in bricks[self.taken :])
        self.taken = len(bricks)
        if size:
            self.say(type="ack", bytes=size, evicted=self._evicted())

    def _evicted(self) -> list[Any]:
        """The oldest bricks go, when there are too many."""
        total = sum(pixels.nbytes for pixels in self.bricks.values())
        gone: list[Any] = []
        for brick in list(self.bricks):
            if total <= self.slots:
                break
            total -= self.bricks.pop(brick).nbytes
            gone.append(list(wire_key(brick)))
        return gone

    def is_settled(self) -> bool:
        """Whether the last word is that all of the last view is here. Acknowledges meanwhile."""
        self.take()
        stats = self.of("stats")
        return bool(stats) and stats[-1]["settled"] and stats[-1]["generation"] == self.generation

    def shown(self, layer: int, level: int, where: tuple[int, ...], size: tuple[int, int]) -> Array:
        """A plane of a level, put together from bricks; 0 where there is none."""
        plane = np.zeros(size, display_dtype(self.scene.layers[layer]))
        for brick, pixels in self.bricks.items():
            if isinstance(brick, Brick) and brick[:3] == (layer, level, where):
                side = brick_side(self.scene.layers[layer])
                y, x = brick.row * side, brick.column * side
                plane[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
        return plane

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is not the loop's
            await asyncio.sleep(0.002)
