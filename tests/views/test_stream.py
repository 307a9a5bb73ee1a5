"""A stream over queues: what it does with a canvas that is silent, late or gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from opsin.chunks.loader import Loader
from opsin.images.layer import layers_of
from opsin.views import stream as stream_module
from opsin.views.messages import decode_frame, encode_frame
from opsin.views.scene import Scene
from opsin.views.stream import Stream
from tests.chunks.pyramid import pyramid


class Canvas:
    """The other end of a stream."""

    def __init__(self, loader: Loader, scene: Scene) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.got: list[dict[str, Any]] = []
        self.taken = 0
        self.stream = Stream(loader, scene, self._send, self.inbox.get)
        self.task = asyncio.create_task(self.stream.run())

    async def _send(self, frame: bytes) -> None:
        header, _ = decode_frame(frame)
        self.got.append(json.loads(header))

    def say(self, **message: Any) -> None:
        self.inbox.put_nowait(encode_frame(message))

    def look(self, generation: int = 1, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "center": [1024, 1024],
            "zoom": 1.0,
            "size": [900, 900],
            "displayed": ["y", "x"],
            "position": {},
            "visible": [0],
        }
        self.say(type="view", generation=generation, **(fields | changes))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.got if message["type"] == kind]

    def take(self) -> None:
        """Acknowledge the bricks that have come meanwhile."""
        bricks = self.of("brick")
        size = sum(brick["bytes"] for brick in bricks[self.taken :])
        self.taken = len(bricks)
        if size:
            self.say(type="ack", bytes=size, evicted=[])

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is not the loop's
            await asyncio.sleep(0.005)


def world(budget: int, chunk: int = 256) -> tuple[Loader, Scene]:
    image, _ = pyramid((2048, 2048), chunk=chunk, levels=3)
    loader, scene = Loader(budget), Scene()
    scene.put(0, layers_of(image)[0], loader.add(image))
    return loader, scene


def test_a_silent_canvas_gives_its_memory_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "PATIENCE", 0.2)

    async def test() -> None:
        brick = 512 * 512 * 2
        loader, scene = world(2 * brick)
        silent, other = Canvas(loader, scene), Canvas(loader, scene)
        silent.say(type="hello", version=1, slots=2**28, credit=1)
        silent.look()
        await until(lambda: len(silent.of("brick")) == 1)
        other.say(type="hello", version=1, slots=2**28, credit=2**28)
        other.look()

        def settled() -> bool:
            other.take()  # else it would be as silent as the first, where time is short
            return any(stats["settled"] for stats in other.of("stats"))

        await until(settled)
        assert len(silent.of("brick")) == 1
        first = silent.of("brick")[0]
        silent.say(type="ack", bytes=first["bytes"], evicted=[])
        await until(lambda: len(silent.of("brick")) == 2)
        await silent.leave()
        await other.leave()
        await loader.close()

    asyncio.run(test())


def test_a_canvas_that_leaves_while_there_is_news_is_let_go() -> None:
    async def test() -> None:
        loader, scene = world(2**26)
        canvas = Canvas(loader, scene)
        canvas.say(type="hello", version=1, slots=2**28, credit=2**28)
        canvas.look()
        await until(lambda: any(stats["settled"] for stats in canvas.of("stats")))
        await asyncio.sleep(0.05)  # it waits for news
        scene.notify("info", "news")
        canvas.task.cancel()
        done, _ = await asyncio.wait([canvas.task], timeout=5)
        assert done
        await loader.close()

    asyncio.run(test())


def test_a_brick_whose_chunks_do_not_fit_together_fails_with_what_to_do() -> None:
    async def test() -> None:
        loader, scene = world(3 * 256 * 256 * 2)
        canvas = Canvas(loader, scene)
        canvas.say(type="hello", version=1, slots=2**28, credit=2**28)
        canvas.look()
        await until(lambda: any(stats["settled"] for stats in canvas.of("stats")))
        assert canvas.of("failed")
        assert all("--memory" in message["reason"] for message in canvas.of("failed"))
        await canvas.leave()
        await loader.close()

    asyncio.run(test())


def test_layers_that_open_one_by_one_come_together() -> None:
    async def test() -> None:
        loader, scene = world(2**26)
        canvas = Canvas(loader, scene)
        canvas.say(type="hello", version=1, slots=2**28, credit=2**28)
        await until(lambda: len(canvas.of("scene")) == 1)
        image, _ = pyramid((64, 64))
        for number in range(1, 50):
            scene.put(number, layers_of(image)[0], 0)
            await asyncio.sleep(0.002)
        await until(lambda: len(canvas.of("scene")[-1]["layers"]) == 50)
        assert len(canvas.of("scene")) <= 4
        await canvas.leave()
        await loader.close()

    asyncio.run(test())
