"""Random walks over random images, through planner, loader and stream, to several canvases."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.brick import Brick, brick_side
from opsin.chunks.camera import target_level
from opsin.chunks.loader import Loader
from opsin.chunks.plan import visible_bricks
from opsin.chunks.policy import POLICIES
from opsin.images.layer import layers_of
from opsin.images.source import Array
from opsin.views.messages import Look
from opsin.views.scene import Scene
from tests.chunks.pyramid import PyramidSource, pyramid, values
from tests.views.canvas import Canvas, until

BUDGET = 10 << 20
"""Four of the largest chunks, which one brick may need at once, and some more."""


class Walk:
    """Some images, one loader, and canvases that look at them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.loader = Loader(BUDGET, fetches=self.chance.choice([1, 3, 12]))
        self.scene = Scene()
        self.sources: list[PyramidSource] = []
        self.depth = self.chance.randrange(1, 5)
        for number in range(self.chance.randrange(1, 4)):
            size = (self.chance.randrange(600, 2500), self.chance.randrange(600, 2500))
            image, source = pyramid(
                (self.depth, *size),
                axes="zyx",
                chunk=self.chance.choice([100, 256, 700]),
                levels=self.chance.randrange(1, 5),
                dtype=self.chance.choice(["uint8", "uint16", "float32"]),
                delay=self.chance.choice([0.0, 0.001]),
                provenance=self.chance.choice(["disk", "network"]),
            )
            self.sources.append(source)
            self.scene.put(number, layers_of(image)[0], self.loader.add(image))
        self.canvases = [
            Canvas(self.loader, self.scene) for _ in range(self.chance.randrange(1, 3))
        ]
        policy = self.chance.choice([*POLICIES.values()])
        for canvas in self.canvases:
            canvas.stream._view._policy = policy
            canvas.hello(credit=self.chance.choice([1, 2**20, 2**24]))

    def look(self, canvas: Canvas) -> dict[str, Any]:
        visible = [n for n in self.scene.layers if self.chance.random() < 0.8] or [0]
        changes: dict[str, Any] = {
            "center": [self.chance.uniform(-100, 2600), self.chance.uniform(-100, 2600)],
            "zoom": self.chance.choice([0.1, 0.4, 1.0, 2.5]),
            "size": [self.chance.randrange(1, 500), self.chance.randrange(1, 400)],
            "position": {"z": float(self.chance.randrange(self.depth))},
            "visible": visible,
            "moving": self.chance.random() < 0.5,
        }
        canvas.look(canvas.generation + 1, **changes)
        return {**changes, "displayed": ["y", "x"]}

    async def run(self) -> None:
        last: dict[int, dict[str, Any]] = {}
        for _ in range(self.chance.randrange(2, 9)):
            for number, canvas in enumerate(self.canvases):
                last[number] = self.look(canvas)
                if self.chance.random() < 0.5:
                    canvas.take()
            await asyncio.sleep(self.chance.choice([0, 0.001, 0.01]))
            self.check()
        for number, canvas in enumerate(self.canvases):
            await until(lambda canvas=canvas: canvas.is_settled(), 60)  # type: ignore[misc]
            self.check_pixels(canvas, last[number])
        await until(self.is_idle, 60)  # what is loaded ahead ends too
        assert self.loader.in_flight == 0
        assert self.loader._queue.first(self.loader._is_due) is None
        self.check()

    def is_idle(self) -> bool:
        for canvas in self.canvases:
            canvas.take()
        waiting = [list(canvas.stream._view.pending()) for canvas in self.canvases]
        return not any(waiting) and not self.loader._jobs

    def check(self) -> None:
        cache = self.loader.cache
        assert cache.used + cache.reserved <= BUDGET
        assert cache.peak <= BUDGET

    def check_pixels(self, canvas: Canvas, look: dict[str, Any]) -> None:
        """All that is visible is there, at the target level, and is what the image holds."""
        fields = {**look, "center": tuple(look["center"]), "size": tuple(look["size"])}
        camera = Look(generation=0, **fields).camera()
        quality = canvas.stream._view._policy.quality
        for number in look["visible"]:
            layer = self.scene.layers[number]
            aimed = Look(generation=0, **{**fields, "zoom": look["zoom"] * quality}).camera()
            level = canvas.stream._view.targets.get(number)
            assert level == target_level(layer, aimed), "there are slots for all of it"
            for _, _, brick in visible_bricks(layer, number, camera, level):
                np.testing.assert_array_equal(canvas.bricks[brick], self.pixels(brick))

    def pixels(self, brick: Brick) -> Array:
        layer = self.scene.layers[brick.layer]
        shape, side = layer.level(brick.level).shape, brick_side(layer)
        start = (brick.slice[0], brick.row * side, brick.column * side)
        stop = [min(a + n, s) for a, n, s in zip(start, (1, side, side), shape, strict=True)]
        found = values(brick.level, start, tuple(stop), self.sources[brick.layer].dtype)
        return found.reshape(found.shape[1:])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_view_settles_to_the_pixels_of_its_target_level(seed: int) -> None:
    async def main() -> None:
        walk = Walk(seed)
        delivered = 0
        for canvas in walk.canvases:
            view = canvas.stream._view
            send = canvas.stream._send

            async def checked(frame: bytes, view: Any = view, send: Any = send) -> None:
                nonlocal delivered
                if view._under_way and b'"type":"brick"' in frame[:60]:
                    delivered += 1
                    brick = view._under_way[-1][0]
                    assert brick in {want.brick for want in view._wants}, "nobody wants it"
                await send(frame)

            canvas.stream._send = checked
        try:
            async with asyncio.timeout(150):
                await walk.run()
            sent = sum(len(canvas.of("brick")) for canvas in walk.canvases)
            assert delivered == sent, "each was looked at; there is none where nothing is seen"
            for canvas in walk.canvases:
                assert not canvas.task.done()
        finally:
            for canvas in walk.canvases:
                await canvas.leave()
            await walk.loader.close()

    asyncio.run(main())
