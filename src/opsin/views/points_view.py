"""Points view: the layers of points of one canvas as the server knows them. Pure.

A part of `View`: it plans which points are shown, and knows how many of each cell the canvas holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from opsin.chunks.brick import ChunkKey
from opsin.chunks.camera import Camera
from opsin.chunks.plan import Tier
from opsin.chunks.points_plan import LEAST_ROOM, OVERHEAD, PointsBrick, PointsPlan, plan_points
from opsin.chunks.volume_camera import VolumeCamera
from opsin.images.points.layer import PointsLayer
from opsin.views.points_messages import BYTES, LayerSample, Pick, PointsLook, SampleCell

BESIDE = 0.05
"""Cells of which no larger part of the points is seen are sent last: far inside, that are all but
the finest."""

SLOT_SHARE = 0.25
"""Of a canvas's slots, that all points may fill."""

NumberOf = Callable[[int, tuple[str, ...]], int]
"""The number in the loader of a layer's points with some properties."""


@dataclass(frozen=True, slots=True)
class CellWant:
    """The first points of a cell, that are wanted."""

    brick: PointsBrick
    tier: Tier
    count: int
    """So many."""
    bytes: int
    """Of those that the canvas does not hold."""


class PointsView:
    """What a canvas holds and wants of layers of points.

    Args:
        layers: all layers of points of the scene by id.
        number_of: gives numbers in the loader.
    """

    def __init__(self, layers: Mapping[int, PointsLayer], number_of: NumberOf) -> None:
        self.layers = layers
        self._number_of = number_of
        self._looks: dict[int, PointsLook] = {}
        self.held: dict[PointsBrick, int] = {}
        """How many points of each cell the canvas holds, or is being sent."""
        self.wants: tuple[CellWant, ...] = ()
        self._counts: dict[PointsBrick, int] = {}
        self.samples: tuple[LayerSample, ...] = ()

    # What happened

    def follow(self, looks: Mapping[str, PointsLook]) -> set[int]:
        """Draw layers like this; the layers of whose points nothing held counts any more."""
        numbered = {int(number): look for number, look in looks.items() if number.isdecimal()}
        before = {number: self.properties(number) for number in self.layers}
        self._looks = numbered
        changed = {n for n, names in before.items() if names != self.properties(n)}
        self.held = {brick: n for brick, n in self.held.items() if brick.layer not in changed}
        return changed

    def scene_changed(self) -> None:
        """Layers came or went: forget cells of those that are gone."""
        self.held = {brick: n for brick, n in self.held.items() if brick.layer in self.layers}

    def sent(self, brick: PointsBrick) -> None:
        """All that is wanted of a cell is on its way to the canvas."""
        self.held[brick] = self._counts[brick]

    def evicted(self, brick: PointsBrick) -> None:
        """The canvas has let go of a cell."""
        self.held.pop(brick, None)

    # What to do

    def plan(self, visible: Iterable[int], camera: Camera | VolumeCamera, slots: int) -> int:
        """Plan for a camera.

        Returns:
            The bytes that all that is wanted takes on the canvas.
        """
        shown = [n for n in visible if n in self.layers and self._shows(n, camera)]
        room = int(slots * SLOT_SHARE) // max(len(shown), 1)
        wants: list[tuple[bool, CellWant]] = []
        samples: list[LayerSample] = []
        self._counts.clear()
        total = 0
        for number in shown:
            layer, most = self._asked(number), self._asked(number).most_on(*camera.size)
            own, size = layer.points.dtype.itemsize, self.point_bytes(number)
            usual = max(OVERHEAD * most, LEAST_ROOM)
            planned = plan_points(
                layer, camera, number=number, most=most, room=min(usual, room // size) * own
            )
            samples.append(_sample(number, layer, camera, planned, most))
            coarsest = layer.points.tree.levels - 1
            for want in planned.wants:
                missing = max(want.count - self.held.get(want.brick, 0), 0)
                tier = Tier.BASE if want.brick.level == coarsest else Tier.TARGET
                beside = want.seen < BESIDE * want.count
                wants.append((beside, CellWant(want.brick, tier, want.count, missing * size)))
                self._counts[want.brick] = want.count
                total += want.count * size
        wants.sort(key=lambda ranked: (ranked[1].tier, ranked[0]))  # stable
        self.wants = tuple(want for _, want in wants)
        self.samples = tuple(samples)
        return total

    def missing(self, brick: PointsBrick) -> tuple[int, int]:
        """Of the points that are wanted of a cell, the first that is not held, and the end."""
        return self.held.get(brick, 0), self._counts.get(brick, 0)

    def lacks(self, brick: PointsBrick) -> bool:
        """Whether more of a cell is wanted than is held."""
        first, stop = self.missing(brick)
        return first < stop

    def holds(self, pick: Pick) -> bool:
        """Whether the canvas holds the point that it asks for."""
        return 0 <= pick.index < self.held.get(pick.brick, 0)

    def chunk(self, brick: PointsBrick) -> ChunkKey:
        """The chunk that a brick is of."""
        image = self._number_of(brick.layer, self.properties(brick.layer))
        return ChunkKey(image, brick.level, brick.grid)

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

    def _asked(self, number: int) -> PointsLayer:
        """A layer as the canvas draws it."""
        layer, look = self.layers[number], self._looks.get(number)
        points = layer.points.with_properties(*self.properties(number))
        if look is None:
            return replace(layer, points=points)
        thickness = {**layer.thickness, **look.thickness}
        known = {name: length for name, length in thickness.items() if name in points.axis_names}
        return replace(layer, points=points, size=look.size, unit=look.unit, thickness=known)

    def _shows(self, number: int, camera: Camera | VolumeCamera) -> bool:
        names = self.layers[number].points.axis_names
        return set(names).issuperset(camera.displayed) and len(set(camera.displayed)) == len(
            camera.displayed
        )


def _sample(
    number: int,
    layer: PointsLayer,
    camera: Camera | VolumeCamera,
    planned: PointsPlan,
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
            for want in planned.wants
        ),
    )
