"""A stream over queues: what it does with a canvas that is silent, late or gone."""

from __future__ import annotations

import asyncio

import pytest

from opsin.chunks.loader import Loader
from opsin.images.layer import layers_of
from opsin.views import stream as stream_module
from opsin.views.scene import Scene
from tests.chunks.pyramid import pyramid
from tests.views.canvas import Canvas, until


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


def test_a_canvas_that_watches_is_told_of_every_request_once() -> None:
    async def test() -> None:
        loader, scene = world(2**26)
        canvas = Canvas(loader, scene)
        canvas.hello()
        canvas.look()
        await until(canvas.is_settled)
        assert canvas.of("requests") == []
        canvas.say(type="watch", requests=True)
        await until(lambda: bool(canvas.of("requests")))
        canvas.look(2, center=[100, 100])
        await until(canvas.is_settled)
        await until(lambda: not loader._jobs)
        told = [one for message in canvas.of("requests") for one in message["requests"]]
        chunks = [(one["level"], tuple(one["grid"])) for one in told]
        assert len(chunks) == len(set(chunks)) > 10
        assert {one["end"] for one in told} <= {"came", "given up"}
        assert all(0 <= one["took"] <= one["ago"] and one["layer"] == 0 for one in told)
        last = canvas.of("stats")[-1]
        assert last["loaded_bytes"] == loader.cache.committed > 0
        canvas.say(type="watch", requests=False)
        await canvas.leave()
        await loader.close()

    asyncio.run(test())
