"""Slice planner: the slices of images that one canvas wants, and how its camera moves. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import cast

from opsin.chunks.brick import Brick, assemble, brick_chunks
from opsin.chunks.camera import Camera
from opsin.chunks.plan import Motion, Want, plan
from opsin.chunks.policy import Policy
from opsin.chunks.window import Pace
from opsin.images.layer import Layer
from opsin.images.source import Array, Index
from opsin.views.image_planner import ImagePlanner
from opsin.views.messages import Look, VolumeLook
from opsin.views.planner import Held

STEPS_EXPIRE = 1.0
"""Seconds between two steps of a slider, at most, that count as one motion."""
MOTION_EXPIRES = 0.5
"""Seconds after which a camera that did not move again counts as standing still."""


class SlicePlanner(ImagePlanner[Brick]):
    """Plans for looks at slices, and follows how the camera moves."""

    address = Brick

    def __init__(self, layers: Mapping[int, Layer], image_numbers: Mapping[int, int]) -> None:
        super().__init__(layers, image_numbers)
        self._displayed: tuple[str, str] | None = None
        """The axes that the slices which are held are along."""
        self._visible: tuple[int, ...] = ()
        self._motion = Motion()
        self._stand_still(None)

    def follow(self, look: Look | VolumeLook, now: float) -> Collection[int]:
        if not isinstance(look, Look):
            self._stand_still(None)
            return ()
        # Bricks are named alike along any two axes: the canvas drops those of the ones before.
        camera, turned = look.camera(), self._displayed not in (None, look.displayed)
        if self._camera is None or turned:
            self._stand_still(camera)
        else:
            self._move(self._camera, camera, look.moving, now)
        self._looked_at, self._visible, self._displayed = now, look.visible, look.displayed
        return self.layers if turned else ()

    def rest(self, now: float) -> bool:
        if now < self.rests_at:
            return False
        self.rests_at = math.inf
        self._motion = replace(self._motion, rate=0.0)
        return True

    def plan(
        self, held: Held, policy: Policy, slots: int, pace: Pace | None
    ) -> tuple[Sequence[Want], int]:
        if self._camera is None:
            return (), 0
        layers = self._shown(self._visible, self._camera.displayed)
        # Bricks of other kinds among the held ones are never asked for.
        slices = cast("Set[Brick]", held.keys())
        made = plan(layers, self._camera, slices, policy, slots, self._motion, pace)
        self.targets, self.passing = made.targets or {}, made.passing
        return made.wants, 0

    def _grid(self, layer: Layer, brick: Brick) -> Iterator[Index]:
        assert self._displayed is not None
        return brick_chunks(layer, brick, self._displayed)

    def _values(
        self, layer: Layer, brick: Brick, chunk: Callable[[Index], Array]
    ) -> tuple[Array, tuple[int, ...], bool]:
        assert self._displayed is not None
        values = assemble(layer, brick, self._displayed, chunk)
        return values, values.shape[:2], layer.image.kind != "labels"

    def _stand_still(self, camera: Camera | None) -> None:
        """Look from here, wherever the camera was before; None: at no slices."""
        self._camera = camera
        self._looked_at = self._stepped_at = -math.inf
        self._motion = Motion()
        self.rests_at, self.targets, self.passing = math.inf, {}, False

    def _move(self, before: Camera, camera: Camera, moving: bool, now: float) -> None:
        elapsed = now - self._looked_at
        velocity, zooming = (0.0, 0.0), 0.0
        if moving and 0 < elapsed < MOTION_EXPIRES:
            moved = [b - a for a, b in zip(before.center, camera.center, strict=True)]
            if all(map(math.isfinite, moved)):
                velocity = (moved[0] / elapsed, moved[1] / elapsed)
            zooming = math.log2(camera.zoom / before.zoom) / elapsed
        motion = replace(self._motion, velocity=velocity, zooming=zooming)
        self._camera, self._motion = camera, self._stepped(motion, before, camera, now)

    def _stepped(self, motion: Motion, before: Camera, camera: Camera, now: float) -> Motion:
        """The motion along a slider: which one, which way, and how fast if it goes on."""
        since = now - self._stepped_at
        for name, world in camera.position.items():
            step = world - before.position.get(name, world)
            if step:
                goes_on = name == motion.axis and step * motion.direction > 0
                rate = abs(step) / since if goes_on and 0 < since < STEPS_EXPIRE else 0.0
                self._stepped_at = now
                self.rests_at = now + 2 * since if rate else math.inf
                return replace(motion, axis=name, direction=1 if step > 0 else -1, rate=rate)
        return motion
