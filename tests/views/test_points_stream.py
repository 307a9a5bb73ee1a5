"""Points over a stream, from a real index on the disk: what is sent, what fails, what is picked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.chunks.loader import Loader
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.reader import open_points
from opsin.images.points.write import write_points
from opsin.views.scene import Scene
from tests.views.canvas import Canvas, until

COUNT = 30_000


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    y, x = rng.uniform(0, 2048, (2, COUNT))
    path = tmp_path_factory.mktemp("points") / "cells.points"
    kind = np.array(["a", "b"])[np.arange(COUNT) % 2]
    write_points({"y": y, "x": x, "kind": kind, "row": np.arange(COUNT), "nan": x * np.nan}, path)
    return path


def play(points: Points, story: Callable[[Canvas, Loader], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        loader, scene = Loader(2**26), Scene()
        scene.put_points(5, PointsLayer(points.name, points), loader.add)
        canvas = PointsCanvas(loader, scene)
        canvas.hello()
        await story(canvas, loader)
        await canvas.leave()
        await loader.close()

    asyncio.run(run())


class PointsCanvas(Canvas):
    """A canvas that takes points, and keeps them by cell."""

    def __init__(self, loader: Loader, scene: Scene) -> None:
        self.cells: dict[tuple[int, int], list[np.ndarray[Any, Any]]] = {}
        super().__init__(loader, scene)

    async def _send(self, frame: bytes) -> None:
        await super()._send(frame)
        message = self.got[-1]
        if message["type"] == "points":
            start = len(frame) - message["bytes"]
            numbers = np.frombuffer(frame[start:], "<f8")
            count = message["count"]
            columns = [numbers[: 2 * count].reshape(count, 2).T]
            columns += [numbers[2 * count :].reshape(-1, count)]
            _, level, (cell,) = message["key"]
            if message["first"] == 0:
                self.cells[level, cell] = []
            self.cells[level, cell].append(np.concatenate(columns))

    def take(self) -> None:
        parts = self.of("points")
        size = sum(part["bytes"] for part in parts[self.taken :])
        self.taken = len(parts)
        if size:
            self.say(type="ack", bytes=size, evicted=[])


def test_what_is_sent_are_the_points_of_the_index(index: Path) -> None:
    async def story(canvas: Canvas, loader: Loader) -> None:
        assert isinstance(canvas, PointsCanvas)
        how = {"size": 1.0, "properties": ["row", "kind"]}
        canvas.look(1, visible=[5], zoom=0.1, points={"5": how})
        await until(canvas.is_settled)
        canvas.look(2, visible=[5], zoom=0.4, points={"5": how})
        await until(canvas.is_settled)
        stats = canvas.of("stats")[-1]
        assert (
            stats["held"] == stats["wanted"] == len(canvas.of("sample")[-1]["samples"][0]["cells"])
        )
        assert {part["provenance"] for part in canvas.of("points")} <= {"disk", "memory"}
        table = np.concatenate([np.concatenate(parts, 1) for parts in canvas.cells.values()], 1)
        rng = np.random.default_rng(0)
        y, x = rng.uniform(0, 2048, (2, COUNT))
        rows = table[2].astype(int)
        assert len(rows) == len(set(rows)) > 10_000
        np.testing.assert_array_equal(table[:2], [y[rows], x[rows]])
        np.testing.assert_array_equal(table[3], rows % 2)
        # Chunks with these properties only were read, and are counted in the one budget.
        assert loader.cache.used <= loader.cache.budget
        assert stats["cache_bytes"] > 0

    with open_points(index) as points:
        play(points, story)


def test_a_point_is_told_with_all_that_it_has(index: Path) -> None:
    async def story(canvas: Canvas, loader: Loader) -> None:
        canvas.look(1, visible=[5], points={"5": {"size": 4.0}})
        await until(canvas.is_settled)
        key = canvas.of("points")[0]["key"]
        for wrong in (
            {"index": 10**6},
            {"index": -1},
            {"key": [5, 0, [999]]},
            {"key": [9, 0, [0]]},
        ):
            canvas.say(**{"type": "pick", "key": key, "index": 3, **wrong})
        canvas.say(type="pick", key=key, index=7)
        await until(lambda: bool(canvas.of("picked")))
        (told,) = canvas.of("picked")
        assert (told["key"], told["index"]) == (key, 7)
        row = told["properties"]["row"]
        rng = np.random.default_rng(0)
        y, x = rng.uniform(0, 2048, (2, COUNT))
        assert told["position"] == [y[row], x[row]]
        assert told["properties"] == {"row": row, "kind": "ab"[row % 2], "nan": None}

    with open_points(index) as points:
        play(points, story)


def test_cells_that_cannot_be_read_fail_and_the_others_come(index: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.points"
    (damaged / "points").mkdir(parents=True)
    for file in index.rglob("*"):
        if file.is_file():
            (damaged / file.relative_to(index)).write_bytes(file.read_bytes())
    part = next((damaged / "points").iterdir())
    data = bytearray(part.read_bytes())
    data[4:200_000] = bytes(199_996)
    part.write_bytes(data)

    async def story(canvas: Canvas, loader: Loader) -> None:
        canvas.look(1, visible=[5], points={"5": {"size": 1.0}})
        await until(canvas.is_settled)
        stats = canvas.of("stats")[-1]
        assert 0 < stats["failed"] < stats["wanted"]
        assert stats["held"] + stats["failed"] == stats["wanted"]
        assert all(len(message["key"]) == 3 for message in canvas.of("failed"))

    with open_points(damaged) as points:
        play(points, story)


def test_a_layer_that_is_removed_is_sent_no_more(index: Path) -> None:
    async def story(canvas: Canvas, loader: Loader) -> None:
        canvas.look(1, visible=[5])
        await until(canvas.is_settled)
        put_back = canvas.scene.remove(5)
        await until(lambda: canvas.of("scene")[-1]["layers"] == [])
        await until(lambda: canvas.of("sample")[-1]["samples"] == [])
        put_back()
        await until(lambda: len(canvas.of("sample")[-1]["samples"]) == 1)
        await until(canvas.is_settled)
        assert [part["first"] for part in canvas.of("points")].count(0) >= 2  # it is sent again

    with open_points(index) as points:
        play(points, story)
