"""Planner: what one look wants, of slices or of a volume. Pure.

A view asks the planner of the kind of its last look; it knows the bricks of that kind, and keeps
what has to be remembered from look to look: how the camera moves, what was refined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Protocol, cast

from opsin.chunks.brick import Brick, assemble, brick_chunks, display_dtype, samples
from opsin.chunks.camera import Camera
from opsin.chunks.plan import Motion, Tier, plan
from opsin.chunks.policy import Policy
from opsin.chunks.volume_brick import SIDE, VolumeBrick, volume_assembly, volume_brick_chunks
from opsin.chunks.volume_camera import VolumeCamera
from opsin.chunks.volume_plan import VolumePlan, plan_volume
from opsin.chunks.window import Pace
from opsin.images.layer import Layer
from opsin.images.source import Array, Index
from opsin.views.messages import AnyBrick, Look, VolumeLook

STEPS_EXPIRE = 1.0
"""Seconds between two steps of a slider, at most, that count as one motion."""
MOTION_EXPIRES = 0.5
"""Seconds after which a camera that did not move again counts as standing still."""

APRON = 1
"""Voxels of its neighbours that a canvas keeps around a brick of a volume, on each side."""
WITHOUT_BOUND = 2**62


class AnyWant(Protocol):
    """One wanted brick, of either kind."""

    @property
    def brick(self) -> AnyBrick:
        """Which one."""

    @property
    def tier(self) -> Tier:
        """Why."""

    @property
    def bytes(self) -> int:
        """Of its values."""


class Planner(Protocol):
    """What plans for one kind of look."""

    rests_at: float
    """When playing is over, if no further slice is shown until then."""

    @property
    def displayed(self) -> tuple[str, ...]:
        """The axes that the canvas shows."""

    @property
    def targets(self) -> Mapping[int, int]:
        """The level that each visible layer aims at."""

    @property
    def passing(self) -> bool:
        """Whether these are coarser than they will be once the slices are no longer played."""

    def plan(
        self,
        layers: Mapping[int, Layer],
        held: Set[AnyBrick],
        policy: Policy,
        slots: int,
        pace: Pace | None,
    ) -> Sequence[AnyWant]:
        """What is wanted, most urgent first, held bricks included."""

    def rest(self, now: float) -> bool:
        """Notice at time `now` that playing is over; True: plan again."""


class SlicePlanner:
    """Plans for looks at slices, and follows how the camera moves."""

    def __init__(self, look: Look, now: float) -> None:
        self._camera = look.camera()
        self._looked_at = now
        self._stepped_at = -math.inf
        self.rests_at = math.inf
        self._motion = Motion()
        self.targets: Mapping[int, int] = {}
        self.passing = False

    @property
    def displayed(self) -> tuple[str, str]:
        """See `Planner`."""
        return self._camera.displayed

    def follow(self, look: Look, now: float) -> None:
        """Look somewhere else, at time `now`."""
        camera = look.camera()
        before, elapsed = self._camera, now - self._looked_at
        velocity, zooming = (0.0, 0.0), 0.0
        if look.moving and 0 < elapsed < MOTION_EXPIRES:
            moved = [b - a for a, b in zip(before.center, camera.center, strict=True)]
            if all(map(math.isfinite, moved)):
                velocity = (moved[0] / elapsed, moved[1] / elapsed)
            zooming = math.log2(camera.zoom / before.zoom) / elapsed
        self._motion = self._stepped(
            replace(self._motion, velocity=velocity, zooming=zooming), camera, now
        )
        self._camera, self._looked_at = camera, now

    def plan(
        self,
        layers: Mapping[int, Layer],
        held: Set[AnyBrick],
        policy: Policy,
        slots: int,
        pace: Pace | None,
    ) -> Sequence[AnyWant]:
        """See `Planner`."""
        # Bricks of volumes among the held ones are never asked for.
        slices = cast("Set[Brick]", held)
        made = plan(layers, self._camera, slices, policy, slots, self._motion, pace)
        self.targets, self.passing = made.targets or {}, made.passing
        return made.wants

    def rest(self, now: float) -> bool:
        """See `Planner`."""
        if now < self.rests_at:
            return False
        self.rests_at = math.inf
        self._motion = replace(self._motion, rate=0.0)
        return True

    def _stepped(self, motion: Motion, camera: Camera, now: float) -> Motion:
        """The motion along a slider: which one, which way, and how fast if it goes on."""
        since = now - self._stepped_at
        for name, world in camera.position.items():
            step = world - self._camera.position.get(name, world)
            if step:
                goes_on = name == motion.axis and step * motion.direction > 0
                rate = abs(step) / since if goes_on and 0 < since < STEPS_EXPIRE else 0.0
                self._stepped_at = now
                self.rests_at = now + 2 * since if rate else math.inf
                return replace(motion, axis=name, direction=1 if step > 0 else -1, rate=rate)
        return motion


class VolumePlanner:
    """Plans for looks at volumes; what was refined before stays refined a little longer."""

    rests_at = math.inf
    passing = False

    def __init__(self, look: VolumeLook) -> None:
        self._plan = VolumePlan()
        self.follow(look)

    def follow(self, look: VolumeLook) -> None:
        """Look from somewhere else."""
        self._camera: VolumeCamera = look.camera()
        self._quality = look.quality

    @property
    def displayed(self) -> tuple[str, str, str]:
        """See `Planner`."""
        return self._camera.displayed

    @property
    def targets(self) -> Mapping[int, int]:
        """See `Planner`."""
        return self._plan.targets

    def plan(
        self,
        layers: Mapping[int, Layer],
        held: Set[AnyBrick],
        policy: Policy,
        slots: int,
        pace: Pace | None,
    ) -> Sequence[AnyWant]:
        """See `Planner`."""
        volumes = cast("Set[VolumeBrick]", held)
        # Bricks are counted, not bytes: even small ones take their aprons with them.
        largest = max((slot_bytes(layer) for layer in layers.values()), default=1)
        most = min(policy.bricks, int(slots * policy.slot_share) // largest)
        sharper = replace(
            policy, bricks=max(most, 1), slot_share=1.0, quality=policy.quality * self._quality
        )
        self._plan = plan_volume(layers, self._camera, volumes, sharper, WITHOUT_BOUND, self._plan)
        return self._plan.wants

    def rest(self, now: float) -> bool:
        """See `Planner`."""
        return False


def slot_bytes(layer: Layer) -> int:
    """Bytes that a whole brick of a volume takes on a canvas, apron included."""
    voxels: int = (SIDE + 2 * APRON) ** 3
    return voxels * samples(layer) * display_dtype(layer).itemsize


def chunks_of(layer: Layer, brick: AnyBrick, displayed: tuple[str, ...]) -> Iterator[Index]:
    """Grid indices of the chunks that a brick of either kind is made of."""
    if isinstance(brick, VolumeBrick):
        return volume_brick_chunks(layer, brick, cast("tuple[str, str, str]", displayed))
    return brick_chunks(layer, brick, cast("tuple[str, str]", displayed))


def assembled(
    layer: Layer, brick: AnyBrick, displayed: tuple[str, ...], chunk: Callable[[Index], Array]
) -> Array:
    """Put a brick of either kind together; see `opsin.chunks.brick.assemble`."""
    if isinstance(brick, VolumeBrick):
        whole = volume_assembly(layer, brick, cast("tuple[str, str, str]", displayed))
        for index in sorted(whole.missing):
            whole.add(index, chunk(index))
        return whole.finish()
    return assemble(layer, brick, cast("tuple[str, str]", displayed), chunk)
