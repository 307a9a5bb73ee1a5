"""Points planner: the points that one canvas wants. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opsin.chunks.brick import ChunkKey
from opsin.chunks.camera import Camera
from opsin.chunks.plan import Tier
from opsin.chunks.points_plan import LEAST_ROOM, OVERHEAD, PointsBrick, PointsWant, plan_points
from opsin.chunks.policy import Policy
from opsin.chunks.volume_camera import VolumeCamera
from opsin.chunks.window import Pace
from opsin.images.points.layer import PointsLayer
from opsin.images.source import Array
from opsin.views.messages import Look, VolumeLook
from opsin.views.planner import Held, Payload, Planner
from opsin.views.points_messages import (
    BYTES,
    LayerSample,
    PointsLook,
    PointsMessage,
    SampleCell,
    SampleMessage,
    points_payload,
)

BESIDE = 0.05
"""Cells of which no larger part of the points is seen are sent last: far inside, that are all but
the finest."""

SLOT_SHARE = 0.25
"""Of a canvas's slots, that all points may fill."""

FLIGHT = 0.5
"""Seconds of looks from which it is known how fast a camera zooms in, and to where."""
SHORTEST = 0.1
"""Looks that come sooner after each other were held up on their way."""
FAST = 1.0
"""Doublings of the zoom per second from which on cells are asked for ahead of the camera: below it,
there are points of coarser cells all over the view."""
LEAD = 0.4
"""Seconds after which the canvas has what is asked for now."""
LEAST, FURTHEST = 3.0, 8.0
"""Doublings of the zoom that cells are asked for ahead, at least and at most."""
AHEAD = 1000
"""Points that are asked for there: enough that a view is not empty."""

NumberOf = Callable[[int, tuple[str, ...]], int]
"""The number in the loader of a layer's points with some properties."""


@dataclass(frozen=True, slots=True)
class CellWant:
    """The first points of a cell, that are wanted."""

    brick: PointsBrick
    tier: Tier
    bytes: int
    """Of those that the canvas does not hold."""


class PointsPlanner(Planner[PointsBrick, PointsLayer]):
    """Plans which points are shown. What is held of a cell are its first points."""

    address = PointsBrick
    behind = True
    lasts = True

    def __init__(self, layers: Mapping[int, PointsLayer], number_of: NumberOf) -> None:
        """Plan for these layers by id; `number_of` gives numbers in the loader."""
        super().__init__(layers)
        self._number_of = number_of
        self._looks: dict[int, PointsLook] = {}
        self._visible: tuple[int, ...] = ()
        self._flight: list[tuple[float, Camera | VolumeCamera]] = []
        """Cameras of the present motion and when they were looked from, the last one included."""
        self._counts: dict[PointsBrick, int] = {}
        self.samples: tuple[LayerSample, ...] = ()
        self._told: tuple[LayerSample, ...] = ()

    def follow(self, look: Look | VolumeLook, now: float) -> set[int]:
        camera, self._visible = look.camera(), look.visible
        self._flight = [
            (then, before)
            for then, before in self._flight
            if look.moving and now - then < FLIGHT and before.displayed == camera.displayed
        ]
        self._flight.append((now, camera))
        before = {number: self.properties(number) for number in self.layers}
        looks = look.points or {}
        self._looks = {int(number): one for number, one in looks.items() if number.isdecimal()}
        return {n for n, names in before.items() if names != self.properties(n)}

    def plan(
        self, held: Held, policy: Policy, slots: int, pace: Pace | None
    ) -> tuple[Sequence[CellWant], int]:
        (_, camera), ahead = self._flight[-1], self._ahead()
        shown = self._shown(self._visible, camera.displayed)
        room = int(slots * SLOT_SHARE) // max(len(shown), 1)
        wants: list[tuple[bool, CellWant]] = []
        samples: list[LayerSample] = []
        self._counts.clear()
        total = 0
        for number in shown:
            layer, most = self._asked(number), self._asked(number).most_on(*camera.size)
            own, size = layer.points.dtype.itemsize, self.point_bytes(number)
            usual = max(OVERHEAD * most, LEAST_ROOM)
            bound = min(usual, room // size) * own
            planned = plan_points(layer, camera, number=number, most=most, room=bound).wants
            cells = {want.brick: (want, Tier.TARGET) for want in planned}
            if ahead is not None:
                for want in plan_points(layer, ahead, number=number, most=AHEAD, room=bound).wants:
                    if want.brick not in cells or want.count > cells[want.brick][0].count:
                        cells[want.brick] = want, Tier.COARSE
            samples.append(
                _sample(number, layer, camera, [want for want, _ in cells.values()], most)
            )
            for brick, (want, tier) in cells.items():
                missing = max(want.count - held.get(brick, 0), 0)
                if brick.level == layer.points.tree.levels - 1:
                    tier = Tier.BASE
                beside = tier == Tier.TARGET and want.seen < BESIDE * want.count
                wants.append((beside, CellWant(brick, tier, missing * size)))
                self._counts[brick] = want.count
                total += want.count * size
        wants.sort(key=lambda ranked: (ranked[1].tier, ranked[0]))  # stable
        self.samples = tuple(samples)
        return tuple(want for _, want in wants), total

    def amount(self, brick: PointsBrick) -> int:
        return self._counts.get(brick, 0)

    def news(self, generation: int) -> SampleMessage | None:
        """Which points are shown, if that has changed."""
        if self.samples == self._told:
            return None
        self._told = self.samples
        return SampleMessage(generation, self.samples)

    def chunks(self, brick: PointsBrick) -> Iterator[ChunkKey]:
        image = self._number_of(brick.layer, self.properties(brick.layer))
        yield ChunkKey(image, brick.level, brick.grid)

    def message(
        self,
        generation: int,
        brick: PointsBrick,
        chunks: Mapping[ChunkKey, Array],
        held: int,
        from_memory: bool,
    ) -> tuple[PointsMessage, Payload]:
        (chunk,) = chunks.values()
        points = chunk[held : self.amount(brick)]
        payload = points_payload(points)
        source = self.layers[brick.layer].points.source
        header = PointsMessage(
            generation=generation,
            key=(brick.layer, brick.level, (brick.grid[0],)),
            first=held,
            count=len(points),
            properties=self.properties(brick.layer),
            bytes=len(payload),
            provenance="memory" if from_memory else source.provenance,
        )
        return header, payload

    def properties(self, number: int) -> tuple[str, ...]:
        """The properties of a layer whose values the canvas draws."""
        layer, look = self.layers[number], self._looks.get(number)
        if look is not None:
            known = {one.name for one in layer.points.properties}
            return tuple(name for name in look.properties if name in known)
        drawn = (layer.colour_by, layer.size_by)
        return tuple(dict.fromkeys(name for name in drawn if name is not None))

    def point_bytes(self, number: int) -> int:
        """Bytes of a point on the canvas."""
        return BYTES * (len(self.layers[number].axes) + len(self.properties(number)))

    def _ahead(self) -> Camera | VolumeCamera | None:
        """Where the camera will be if it goes on zooming in this fast; None: it does not.

        Of a view that is much deeper than those before hardly any point is held.
        """
        (then, before), (now, camera) = self._flight[0], self._flight[-1]
        rate = (math.log2(camera.zoom) - math.log2(before.zoom)) / max(now - then, SHORTEST)
        if rate < FAST:
            return None
        # Where the middle of the canvas is as far from what stays where it is as it will be.
        closer = 2 ** -min(max(rate * LEAD, LEAST), FURTHEST)
        left = (1 - closer) * before.zoom / (camera.zoom - before.zoom)
        center = [b + left * (b - a) for a, b in zip(before.center, camera.center, strict=True)]
        there: Any = tuple(center)
        return replace(camera, center=there, zoom=camera.zoom / closer)

    def _asked(self, number: int) -> PointsLayer:
        """A layer as the canvas draws it."""
        layer, look = self.layers[number], self._looks.get(number)
        points = layer.points.with_properties(*self.properties(number))
        if look is None:
            return replace(layer, points=points)
        thickness = {**layer.thickness, **look.thickness}
        known = {name: length for name, length in thickness.items() if name in points.axis_names}
        return replace(layer, points=points, size=look.size, unit=look.unit, thickness=known)


def _sample(
    number: int,
    layer: PointsLayer,
    camera: Camera | VolumeCamera,
    wants: Sequence[PointsWant],
    most: int,
) -> LayerSample:
    slab = {
        name: layer.slab(name, camera.position[name])
        for name in layer.points.axis_names
        if name not in camera.displayed and name in camera.position
    }
    return LayerSample(
        number,
        most,
        {name: ends for name, ends in slab.items() if ends != (float("-inf"), float("inf"))},
        tuple(
            SampleCell(want.brick.level, want.brick.grid[0], want.count, want.start, want.stop)
            for want in wants
        ),
    )
