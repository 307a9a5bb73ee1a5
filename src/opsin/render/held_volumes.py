"""Held volumes: the bricks of a canvas in 3D."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from opsin.chunks.brick import Assembly
from opsin.chunks.policy import Policy
from opsin.chunks.volume_brick import (
    VolumeBrick,
    volume_assembly,
    volume_brick_chunks,
)
from opsin.chunks.volume_camera import VolumeCamera
from opsin.chunks.volume_plan import VolumePlan, plan_volume
from opsin.errors import BudgetExceeded
from opsin.images.image import Image
from opsin.images.layer import Layer
from opsin.images.points.layer import PointsLayer
from opsin.images.source import Array, Index
from opsin.render.canvas import Picture
from opsin.render.volume import Projection, render_volume
from opsin.render.volume_slots import VolumeSlots

WITHOUT_BOUND = 2**62


class HeldVolumes:
    """Bricks in slots, under a bound of bytes that slots which are free again count in."""

    def __init__(
        self,
        layers: Sequence[Layer | PointsLayer],
        room: int,
        projection: Projection,
        policy: Policy,
        finest: int = 0,
    ) -> None:
        """No brick yet.

        Args:
            layers: what to draw, bottom first.
            room: bytes.
            projection: how to draw it.
            policy: of the plan, which may want all the room.
            finest: the finest level to load.

        Raises:
            BudgetExceeded: there is no room for a brick.
        """
        self._layers = dict(enumerate(layers))
        volumes = {n: one for n, one in self._layers.items() if isinstance(one, Layer)}
        self._volumes: Mapping[int, Layer] = {n: one for n, one in volumes.items() if one.visible}
        self._room = room
        self._projection = projection
        self._finest = finest
        largest = max((VolumeSlots(one, 0).slot_bytes for one in volumes.values()), default=1)
        self._most = min(policy.bricks, room // largest)
        if self._most < 1:
            raise BudgetExceeded(
                f"A brick of a volume takes {largest / 2**20:.1f} MiB, more than there is room "
                "for: give more --memory."
            )
        # The plan counts bricks, which take a slot each, even small ones at a border.
        self._policy = replace(policy, bricks=self._most, slot_share=1.0)
        self._slots = {n: VolumeSlots(one, self._most) for n, one in volumes.items()}
        self._camera: VolumeCamera | None = None
        self.plan = VolumePlan()
        self.here: set[VolumeBrick] = set()

    def want(self, camera: VolumeCamera) -> Sequence[VolumeBrick]:
        """See `canvas.Held`."""
        self._camera = camera
        self.plan = plan_volume(
            self._volumes, camera, self.here, self._policy, WITHOUT_BOUND,
            self.plan, self._finest,
        )  # fmt: skip
        wanted = [want.brick for want in self.plan.wants]
        self._make_room(set(wanted))
        return wanted

    def first(self) -> int:
        """See `canvas.Held`."""
        return len(self.plan.roots)

    def image(self, brick: VolumeBrick) -> Image:
        """See `canvas.Held`."""
        return self._volumes[brick.layer].image

    def level(self, brick: VolumeBrick) -> int:
        """See `canvas.Held`."""
        return brick.level

    def chunks(self, brick: VolumeBrick) -> Iterable[Index]:
        """See `canvas.Held`."""
        return volume_brick_chunks(self._volumes[brick.layer], brick, self._displayed)

    def assembly(self, brick: VolumeBrick) -> Assembly:
        """See `canvas.Held`."""
        return volume_assembly(self._volumes[brick.layer], brick, self._displayed)

    def put(self, brick: VolumeBrick, values: Array) -> None:
        """See `canvas.Held`."""
        self._slots[brick.layer].put(brick, values)
        self.here.add(brick)

    def frame(self) -> Callable[[], Picture]:
        """See `canvas.Held`."""
        assert self._camera is not None, "a canvas looks somewhere first"
        camera, projection = self._camera, self._projection
        slots = {number: slots.frozen() for number, slots in self._slots.items()}
        return lambda: render_volume(self._layers, camera, slots, projection)

    @property
    def _displayed(self) -> tuple[str, str, str]:
        assert self._camera is not None
        return self._camera.displayed

    def _make_room(self, wanted: set[VolumeBrick]) -> None:
        """Let go of what is not wanted, the oldest first, as far as need be."""
        spare = [brick for brick in self.here if brick not in wanted]
        too_many = len(wanted) + len(spare) - self._most
        oldest = (b for slots in self._slots.values() for b in slots.places if b not in wanted)
        for brick in list(oldest)[: max(too_many, 0)]:
            self._slots[brick.layer].drop(brick)
            self.here.discard(brick)
        coming = {
            number: sum(b.layer == number and b not in self.here for b in wanted)
            for number in self._slots
        }
        room = self._room - sum(
            max(slots.nbytes, (len(slots.places) + coming[number]) * slots.slot_bytes)
            for number, slots in self._slots.items()
        )
        if room < 0:
            for slots in self._slots.values():
                slots.shrink()
