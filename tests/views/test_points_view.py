"""The points of a canvas, as the server knows them, against a model of the canvas."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.brick import ChunkKey
from opsin.chunks.points_plan import PointsBrick, plan_points
from opsin.chunks.sight import Sight
from opsin.chunks.volume_camera import looking
from opsin.errors import ProtocolError
from opsin.images.points import POSITION, Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.memory import points_from_table
from opsin.images.synthetic.points import synthetic_points
from opsin.views.messages import (
    Ack,
    Hello,
    Look,
    VolumeLook,
    WireBrick,
    decode_message,
    encode_frame,
    wire_key,
)
from opsin.views.points_messages import BYTES, PointsLook
from opsin.views.points_planner import AHEAD, LEAD, PointsPlanner
from opsin.views.view import View
from tests.views.model import Model

SIDE = 1 << 16
COUNT = 200_000
CREDIT = 1 << 20


def made() -> Points:
    return synthetic_points(size=SIDE, count=COUNT)


def look(generation: int, **changes: Any) -> Look:
    fields: dict[str, Any] = {
        "center": (SIDE / 2, SIDE / 2),
        "zoom": 900 / SIDE,
        "size": (900, 700),
        "displayed": ("y", "x"),
        "position": {},
        "visible": (0,),
    }
    return Look(generation=generation, **(fields | changes))


@dataclass
class Numbers:
    """Of points in the loader, by the properties that they have."""

    known: dict[tuple[int, tuple[str, ...]], int] = field(default_factory=dict)

    def __call__(self, layer: int, properties: tuple[str, ...]) -> int:
        return self.known.setdefault((layer, properties), len(self.known))


def view_of(layers: Mapping[int, PointsLayer]) -> tuple[View, PointsPlanner]:
    planner = PointsPlanner(layers, Numbers())
    return View([planner]), planner


class Canvas:
    """What a canvas does: it adds points to those it has, and lets go of cells as a whole."""

    def __init__(self, slots: int, planner: PointsPlanner, chance: random.Random) -> None:
        self.slots = slots
        self.held: dict[WireBrick, int] = {}
        self.known: set[WireBrick] = set()
        """What of it counts, since it has the properties that are drawn now."""
        self.wire: deque[tuple[WireBrick, int]] = deque()
        self._parts: deque[tuple[int, int, int]] = deque()
        """Generation, first and last-plus-one point of what is on the wire."""
        self._since = 0
        self._planner = planner
        self._chance = chance

    def turn(self, generation: int) -> None:
        self._since = generation
        self.known.clear()

    def send(self, view: View, brick: WireBrick) -> int:
        assert isinstance(brick, PointsBrick)
        first, stop = view.held.get(brick, 0), self._planner.amount(brick)
        assert first < stop, "what is held was sent again"
        self._parts.append((view.generation, first, stop))
        self.wire.append((brick, (stop - first) * self._planner.point_bytes(0)))
        return self.wire[-1][1]

    def take(self) -> Ack:
        brick, size = self.wire.popleft()
        generation, first, stop = self._parts.popleft()
        here = self.held.get(brick, 0) if brick in self.known else 0
        if generation >= self._since and (first == 0 or here >= first):
            self.held[brick] = stop
            self.known.add(brick)
        evicted = []
        while sum(self.held.values()) > self.slots:
            gone = self._chance.choice(sorted(self.held))
            del self.held[gone]
            if gone in self.known:
                self.known.discard(gone)
                evicted.append(gone)
        return Ack(size, tuple(map(wire_key, evicted)))

    def lose(self) -> None:
        pass


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), slots=st.sampled_from([20_000, 10**7]))
def test_it_settles_to_what_is_planned_whatever_the_canvas_lets_go_of(
    seed: int, slots: int
) -> None:
    chance = random.Random(seed)
    view, planner = view_of({0: PointsLayer("made", made())})
    canvas = Canvas(slots, planner, chance)
    model = Model(view, canvas, 2**28, CREDIT, chance)
    properties: tuple[str, ...] = ()
    size = 4.0
    current = look(0)
    model.look(current)
    for generation in range(1, 301):
        event = model.any_of(look=4, recolour=2, lose=1)
        if event in ("look", "recolour"):
            if event == "recolour":
                properties = chance.choice([(), ("value",), ("kind", "value")])
                if properties != planner.properties(0):
                    canvas.turn(generation)
            size = chance.choice([2.0, 4.0])
            current = look(
                generation,
                center=(chance.uniform(0, SIDE), chance.uniform(0, SIDE)),
                zoom=chance.choice([0.01, 0.05, 0.3, 5.0]),
                points={"0": PointsLook(size, properties=properties)},
            )
            model.look(current)
        model.step(event)
    canvas.slots = 10**9  # from now on there is room
    model.settle(4000)
    (sample,) = planner.samples
    asked = PointsLayer("made", made().with_properties(*properties), size=size)
    plan = plan_points(asked, current.camera())
    assert [cell.count for cell in sample.cells] == [want.count for want in plan.wants]
    for want in plan.wants:
        brick = PointsBrick(0, want.brick.level, want.brick.grid)
        assert brick in canvas.known
        assert canvas.held[brick] >= want.count
    wanted, held, failed = view.counts
    assert (wanted, failed) == (held, 0)


def settle(view: View, planner: PointsPlanner) -> list[tuple[PointsBrick, int, int]]:
    """Send all that is wanted; each cell with its first new point and its end."""
    sent = []
    view.replan(lambda _: True)
    while (brick := view.next_brick()) is not None:
        assert isinstance(brick, PointsBrick)
        sent.append((brick, view.held.get(brick, 0), planner.amount(brick)))
        view.sent(brick, 1)
        view.receive(Ack(1), 0)
    return sent


def test_a_closer_look_adds_points_and_sends_none_twice() -> None:
    view, planner = view_of({0: PointsLayer("made", made())})
    view.receive(Hello(1, 2**28, 2**28), 0)
    view.receive(look(0), 0)
    before = settle(view, planner)
    assert before[0][0].level == made().tree.levels - 1  # the coarsest is first
    view.receive(look(1, zoom=2 * 900 / SIDE), 0)
    more = settle(view, planner)
    held = {brick: stop for brick, _, stop in before}
    assert more
    assert all(first == held.get(brick, 0) for brick, first, _ in more)
    view.receive(look(2), 0)
    assert settle(view, planner) == []


def test_who_zooms_in_fast_finds_points_wherever_they_stop() -> None:
    """By 3000 times in a second, where a look takes 0.2 s and 20 cells come per second."""
    points = synthetic_points()
    layer = PointsLayer("made", points)
    view, planner = view_of({0: layer})
    view.receive(Hello(1, 2**28, 2**28), 0)
    side, frames, late = 2.0**27, 20, 4
    here: set[ChunkKey] = set()
    chunks: dict[tuple[int, int], Any] = {}

    def looking_at(frame: int) -> Look:
        closer = 3000 ** (min(max(frame, 0), frames) / frames)
        center = tuple(at + (side / 2 - at) / closer for at in (0.62 * side, 0.55 * side))
        moving = 0 < frame < frames
        return look(frame, center=center, zoom=400 / side * closer, size=(480, 400), moving=moving)

    def receive(frame: int, most: int) -> None:
        view.receive(looking_at(frame), frame / frames)
        view.replan(here.__contains__)
        for (key,) in view.chunk_wants():
            if key not in here and most:
                here.add(key)
                view.chunk_changed(key)
                most -= 1
        while (brick := view.next_brick()) is not None:
            view.sent(brick, 1)
            view.receive(Ack(1), 0)

    def seen(frame: int) -> int:
        """Of the points that the canvas holds and may draw."""
        sight, (sample,) = Sight(layer, looking_at(frame).camera()), planner.samples
        count = 0
        for level, cell, wanted, _, _ in map(msgspec.structs.astuple, sample.cells):
            first = min(view.held.get(PointsBrick(0, level, (cell,)), 0), wanted)
            if (level, cell) not in chunks:
                chunks[level, cell] = points.source.decode(level, (cell,), None)[POSITION]
            count += int(sight.points(chunks[level, cell][:first]).sum())
        return count

    receive(0, 1000)
    found = []
    for frame in range(1, frames + late):
        receive(frame - late, 1)
        found.append(seen(frame))
    assert min(found) > 150, found
    receive(frames, 1000)
    assert view.settled
    plan = plan_points(layer, looking_at(frames).camera())
    (sample,) = planner.samples
    assert [cell.count for cell in sample.cells] == [want.count for want in plan.wants]


@pytest.mark.parametrize("orientation", [None, looking(30, 20)])
def test_cells_ahead_lie_where_the_zoom_leads_to(orientation: Any) -> None:
    dimensions = 2 if orientation is None else 3
    points = synthetic_points(axes="zyx"[-dimensions:], size=SIDE, count=10**12)
    view, planner = view_of({0: PointsLayer("made", points)})
    view.receive(Hello(1, 2**28, 2**28), 0)
    target = (SIDE * 0.7, SIDE * 0.3, SIDE * 0.2)[:dimensions]
    for number, closer in enumerate((1.0, 4.0, 16.0)):
        fields: dict[str, Any] = {
            "center": tuple(at + (SIDE / 2 - at) / closer for at in target),
            "zoom": closer * 0.01,
            "displayed": tuple("zyx"[-dimensions:]),
            "moving": True,
        }
        look_at = look(number, **fields)
        if orientation is not None:
            flat = {name: getattr(look_at, name) for name in look_at.__struct_fields__[:7]}
            look_at = VolumeLook(**flat, moving=True, orientation=orientation)  # type: ignore[assignment]
        view.receive(look_at, number / 4)
        view.replan(lambda _: False)
    ahead = planner._ahead()
    assert ahead is not None
    rate = 4 / 0.5
    assert ahead.zoom == pytest.approx(0.16 * 2 ** (rate * LEAD))
    closer = ahead.zoom / 0.01
    for got, at in zip(ahead.center, target, strict=True):
        assert got == pytest.approx(at + (SIDE / 2 - at) / closer)
    wanted = [brick for brick, _ in view.pending()]
    there = {want.brick for want in plan_points(planner.layers[0], ahead, most=AHEAD).wants}
    plan = {want.brick for want in plan_points(planner.layers[0], look_at.camera()).wants}
    assert there <= {*wanted}
    last = max(wanted.index(brick) for brick in there - plan)
    coarsest = points.tree.levels - 1
    others = [brick for brick in plan - there if brick.level < coarsest]
    assert last < min(map(wanted.index, others)), "and is wanted first"


def test_other_properties_are_asked_for_and_the_size_decides_how_many() -> None:
    view, planner = view_of({0: PointsLayer("made", made(), most=None)})
    view.receive(Hello(1, 2**28, 2**28), 0)
    view.receive(look(0, points={"0": PointsLook(4.0)}), 0)
    first = settle(view, planner)
    assert planner.properties(0) == ()
    view.receive(look(1, points={"0": PointsLook(4.0, properties=("value", "no"))}), 0)
    assert planner.properties(0) == ("value",)
    assert [brick for brick, _, _ in settle(view, planner)] == [brick for brick, _, _ in first]
    before = planner.samples[0].most
    view.receive(look(2, points={"0": PointsLook(1.0, properties=("value",))}), 0)
    settle(view, planner)
    assert planner.samples[0].most > before


def test_a_slice_says_from_where_to_where() -> None:
    table = {"t": [0.0, 1, 2], "z": [0.0, 5, 9], "y": [1.0, 2, 3], "x": [1.0, 2, 3]}
    view, planner = view_of({3: PointsLayer("three", points_from_table(table))})
    view.receive(Hello(1, 2**28, 2**28), 0)
    here = {"center": (2.0, 2.0), "zoom": 10.0, "visible": (3,)}
    thick = {"3": PointsLook(4.0, thickness={"z": 4.0, "no": 1.0})}
    view.receive(look(0, position={"t": 1.0, "z": 5.0}, points=thick, **here), 0)
    settle(view, planner)
    (sample,) = planner.samples
    assert sample.slab == {"t": (0.5, 1.5), "z": (3.0, 7.0)}
    view.receive(look(1, position={"t": 1.0, "z": 5.0}, **here), 0)
    settle(view, planner)
    assert planner.samples[0].slab == {"t": (0.5, 1.5)}
    view.receive(look(2, position={"t": 1.0}, displayed=("z", "no"), **here), 0)
    settle(view, planner)
    assert planner.samples == ()


def test_points_leave_room_for_images() -> None:
    view, planner = view_of({0: PointsLayer("made", made(), most=10**6)})
    view.receive(Hello(1, 2**22, 2**28), 0)
    view.receive(look(0), 0)
    sent = settle(view, planner)
    assert 0 < sum(stop - first for _, first, stop in sent) * 2 * BYTES <= 2**20


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0.0},
        {"size": float("inf")},
        {"size": 4.0, "unit": "mile"},
        {"size": 4.0, "properties": ["a", "b", "c"]},
        {"size": 4.0, "properties": ["a", "a"]},
        {"size": 4.0, "thickness": {"z": -1.0}},
    ],
)
def test_a_look_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    fields = {name: getattr(look(0), name) for name in look(0).__struct_fields__[:7]}
    message = {"type": "view", **fields, "points": {"0": wrong}}
    with pytest.raises(ProtocolError):
        decode_message(encode_frame(json.loads(json.dumps(message))))


def test_keys_of_points_are_checked() -> None:
    for key in ([0, 1, [2, 3]], [0, 1, []], [0, 1, 2], [[0], 1, [2]]):
        with pytest.raises(ProtocolError):
            decode_message(encode_frame({"type": "ack", "bytes": 0, "evicted": [key]}))
    good = decode_message(encode_frame({"type": "ack", "bytes": 0, "evicted": [[0, 1, [2]]]}))
    assert isinstance(good, Ack)
    for index in ("x", None):
        with pytest.raises(ProtocolError):
            decode_message(encode_frame({"type": "pick", "key": [0, 1, [2]], "index": index}))
    assert np.isfinite(good.bytes)
