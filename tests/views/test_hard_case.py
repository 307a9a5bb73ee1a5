"""A time series of the shape of Zebrahub: one chunk is larger than sixty bricks, and far away.

791 × 448 × 2174 × 2423 uint16, chunks of 1 × 128 × 362 × 362 (32 MiB), three levels: 3.7 TB.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import numpy as np

from opsin.chunks.loader import Loader
from opsin.chunks.policy import PLAYBACK
from opsin.images.image import Axis, Image, Level
from opsin.images.layer import layers_of
from opsin.images.source import Array, Encoded, Index, Provenance, Source
from opsin.views.scene import Scene
from tests.views.canvas import Canvas, until

SHAPE = (791, 448, 2174, 2423)
CHUNK = (1, 128, 362, 362)
CHUNK_BYTES = 2 * 128 * 362 * 362
BUDGET = 512 << 20
LATENCY = 0.02
SIZE = (700, 600)


def levels() -> tuple[Level, ...]:
    return tuple(
        Level(
            tuple(n if axis == 0 else -(-n >> k) for axis, n in enumerate(SHAPE)),
            CHUNK,
            (1.0, *(2.0**k,) * 3),
            (0.0, *((2**k - 1) / 2,) * 3),
        )
        for k in range(3)
    )


def value(level: int, t: int, z: Array | int, y: Array, x: Array) -> Array:
    found: Array = (level * 7 + t * 13 + z * 101 + y * 3 + x).astype(np.uint16)
    return found


class Far(Source):
    """Chunks that are computed, after a while, and counted."""

    provenance: Provenance = "network"

    def __init__(self) -> None:
        self.levels = levels()
        self.asked: Counter[tuple[int, Index]] = Counter()
        self.cancelled = 0

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        self.asked[level, index] += 1
        try:
            await asyncio.sleep(LATENCY)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return b""

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        geometry = self.levels[level]
        starts = [i * n for i, n in zip(index, CHUNK, strict=True)]
        z, y, x = (
            np.arange(a, a + n, dtype=np.uint16).reshape([-1 if i == k else 1 for i in range(3)])
            for k, (a, n) in enumerate(
                zip(starts[1:], geometry.chunk_shape(index)[1:], strict=True)
            )
        )
        return value(level, index[0], z, y, x)[np.newaxis]

    def transient_bytes(self, level: int, index: Index) -> int:
        return CHUNK_BYTES  # as stored

    def close(self) -> None:
        pass


class Trial:
    def __init__(self, budget: int = BUDGET) -> None:
        self.source = Far()
        axes = (Axis("t", "time"), *(Axis(name, "space") for name in "zyx"))
        image = Image("zebrahub", axes, levels(), np.dtype(np.uint16), self.source)
        self.loader, self.scene = Loader(budget), Scene()
        self.scene.put(0, layers_of(image)[0], self.loader.add(image))
        self.canvas = Canvas(self.loader, self.scene)
        self.canvas.hello()

    def look(self, t: int, z: int, zoom: float = 0.9, y: float = 1100, x: float = 1200) -> None:
        self.canvas.look(
            self.canvas.generation + 1,
            center=[y, x],
            zoom=zoom,
            size=SIZE,
            position={"t": float(t), "z": float(z)},
        )

    async def settled(self) -> None:
        await until(self.canvas.is_settled, 60)
        cache = self.loader.cache
        assert cache.peak <= cache.budget

    def check(self, level: int, t: int, z: int) -> None:
        """What is visible is what the image holds."""
        shape = levels()[level].shape[2:]
        plane = self.canvas.shown(0, level, (t, z), (shape[0], shape[1]))
        y, x = np.ix_(np.arange(shape[0]), np.arange(shape[1]))
        expected = value(level, t, z, y, x)
        shift = (2**level - 1) / 2
        window = []
        for center, size in ((1100, SIZE[1]), (1200, SIZE[0])):
            low, high = ((center + sign * size / 2 / 0.9 - shift) / 2**level for sign in (-1, 1))
            window.append(slice(int(low) + 1, int(high)))
        np.testing.assert_array_equal(plane[tuple(window)], expected[tuple(window)])


def run(test: Callable[[Trial], Awaitable[None]], budget: int = BUDGET) -> None:
    async def main() -> None:
        trial = Trial(budget)
        try:
            async with asyncio.timeout(100):
                await test(trial)
        finally:
            await trial.canvas.leave()
            await trial.loader.close()
        assert trial.loader.in_flight == 0

    asyncio.run(main())


def test_steps_in_z_within_a_chunk_fetch_nothing_more() -> None:
    async def test(trial: Trial) -> None:
        trial.look(300, 200)
        await trial.settled()
        trial.check(0, 300, 200)
        await until(lambda: not trial.loader._jobs, 60)
        asked = sum(trial.source.asked.values())
        for z in range(201, 205):
            trial.look(300, z)
            await trial.settled()
            trial.check(0, 300, z)
        await until(lambda: not trial.loader._jobs, 60)
        assert sum(trial.source.asked.values()) == asked, "128 slices lie in one chunk"

    run(test, 3 * BUDGET)


def test_playing_z_uses_each_chunk_for_several_slices_where_not_all_of_them_fit() -> None:
    async def test(trial: Trial) -> None:
        trial.canvas.stream._view._policy = PLAYBACK
        trial.look(300, 200)
        await trial.settled()
        trial.look(300, 201)
        await trial.settled()
        asked = sum(trial.source.asked.values())
        for z in range(202, 212):
            trial.look(300, z)
            await trial.settled()
            trial.check(0, 300, z)
        assert (sum(trial.source.asked.values()) - asked) / 10 < 12, "each slice needs 20 of them"

    run(test)


def test_playing_time_shows_every_step_under_the_budget() -> None:
    async def test(trial: Trial) -> None:
        for t in range(100, 104):
            trial.look(t, 200, zoom=0.9)
            await trial.settled()
            trial.check(0, t, 200)
        assert trial.loader.cache.peak > BUDGET // 2, "the budget is used"

    run(test)


def test_what_is_left_behind_is_aborted() -> None:
    async def test(trial: Trial) -> None:
        for t in range(200, 240):
            trial.look(t, 200)
            await asyncio.sleep(LATENCY / 4)
        await trial.settled()
        trial.check(0, 239, 200)
        fetched = sum(trial.source.asked.values()) - trial.source.cancelled
        assert trial.source.cancelled > 5
        assert fetched < 200, "40 steps of 24 chunks would be 960"

    run(test)
