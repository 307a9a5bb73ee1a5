"""Volume planner: the bricks of volumes that one canvas wants. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import cast

import numpy as np

from opsin.chunks.brick import display_dtype, samples
from opsin.chunks.policy import Policy
from opsin.chunks.volume_brick import SIDE, VolumeBrick, volume_assembly, volume_brick_chunks
from opsin.chunks.volume_plan import VolumePlan, VolumeWant, plan_volume
from opsin.chunks.window import Pace
from opsin.images.layer import Layer
from opsin.images.source import Array, Index
from opsin.views.image_planner import ImagePlanner
from opsin.views.messages import Look, VolumeLook
from opsin.views.planner import Held

APRON = 1
"""Voxels of its neighbours that a canvas keeps around a brick of a volume, on each side."""
WITHOUT_BOUND = 2**62


class VolumePlanner(ImagePlanner[VolumeBrick]):
    """Plans for looks at volumes; what was refined before stays refined a little longer.

    `layers` are what the layers of the scene are in 3D.
    """

    address = VolumeBrick

    def __init__(self, layers: Mapping[int, Layer], image_numbers: Mapping[int, int]) -> None:
        super().__init__(layers, image_numbers)
        self._look: VolumeLook | None = None
        self._plan = VolumePlan()

    def follow(self, look: Look | VolumeLook, now: float) -> tuple[()]:
        if isinstance(look, VolumeLook):
            self._look, self._camera = look, look.camera()
        else:
            self._look, self._plan, self.targets = None, VolumePlan(), {}
        return ()

    def plan(
        self, held: Held, policy: Policy, slots: int, pace: Pace | None
    ) -> tuple[Sequence[VolumeWant], int]:
        if self._look is None:
            return (), 0
        layers = self._shown(self._look.visible, self._camera.displayed)
        volumes = cast("Set[VolumeBrick]", held.keys())
        # Bricks are counted, not bytes: even small ones take their aprons with them.
        largest = max((slot_bytes(layer) for layer in layers.values()), default=1)
        most = min(policy.bricks, int(slots * policy.slot_share) // largest)
        quality = policy.quality * self._look.quality
        sharper = replace(policy, bricks=max(most, 1), slot_share=1.0, quality=quality)
        self._plan = plan_volume(layers, self._camera, volumes, sharper, WITHOUT_BOUND, self._plan)
        self.targets = self._plan.targets
        return self._plan.wants, 0

    def _grid(self, layer: Layer, brick: VolumeBrick) -> Iterator[Index]:
        return volume_brick_chunks(layer, brick, self._camera.displayed)

    def _values(
        self, layer: Layer, brick: VolumeBrick, chunk: Callable[[Index], Array]
    ) -> tuple[Array, tuple[int, ...], bool]:
        whole = volume_assembly(layer, brick, self._camera.displayed)
        for index in sorted(whole.missing):
            whole.add(index, chunk(index))
        values = whole.finish()
        shape = values.shape[:3]
        if (values == values[0, 0, 0]).all():
            values = np.ascontiguousarray(values[0, 0, 0])
        return values, shape, True


def slot_bytes(layer: Layer) -> int:
    """Bytes that a whole brick of a volume takes on a canvas, apron included."""
    voxels: int = (SIDE + 2 * APRON) ** 3
    return voxels * samples(layer) * display_dtype(layer).itemsize
