"""The points of a canvas, as the server knows them, against a model of the canvas."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.brick import ChunkKey
from opsin.chunks.points_plan import PointsBrick, plan_points
from opsin.errors import ProtocolError
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.memory import points_from_table
from opsin.images.synthetic.points import synthetic_points
from opsin.views.messages import Ack, Hello, Look, Lost, decode_message, encode_frame, wire_key
from opsin.views.points_messages import BYTES, PointsLook
from opsin.views.points_view import PointsView
from opsin.views.view import View

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


def view_of(layers: Mapping[int, PointsLayer]) -> View:
    return View({}, {}, points=PointsView(layers, Numbers()))


class Canvas:
    """What a canvas does: it adds points to those it has, and lets go of cells as a whole."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.held: dict[PointsBrick, int] = {}
        self.known: set[PointsBrick] = set()
        """What of it counts, since it has the properties that are drawn now."""
        self.since = 0
        self.wire: deque[tuple[int, PointsBrick, int, int, int]] = deque()
        self.dropped = 0

    def turn(self, generation: int) -> None:
        self.since = generation
        self.known.clear()

    def take(self, chance: random.Random) -> Ack:
        generation, brick, first, stop, size = self.wire.popleft()
        here = self.held.get(brick, 0) if brick in self.known else 0
        if generation >= self.since and (first == 0 or here >= first):
            self.held[brick] = stop
            self.known.add(brick)
        else:
            self.dropped += 1
        evicted = []
        while sum(self.held.values()) > self.slots:
            gone = chance.choice(sorted(self.held))
            del self.held[gone]
            if gone in self.known:
                self.known.discard(gone)
                evicted.append(gone)
        return Ack(size, tuple(map(wire_key, evicted)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), slots=st.sampled_from([20_000, 10**7]))
def test_it_settles_to_what_is_planned_whatever_the_canvas_lets_go_of(
    seed: int, slots: int
) -> None:
    chance = random.Random(seed)
    layers = {0: PointsLayer("made", made())}
    view, canvas = view_of(layers), Canvas(slots)
    view.receive(Hello(1, 2**28, CREDIT), 0)
    here: set[ChunkKey] = set()
    properties: tuple[str, ...] = ()
    generation = 0
    current = look(0)
    view.receive(current, 0)
    view.replan(here.__contains__)

    def step(action: str) -> None:
        nonlocal generation, properties, current
        if action in ("look", "recolour"):
            generation += 1
            if action == "recolour":
                properties = chance.choice([(), ("value",), ("kind", "value")])
                canvas.turn(generation) if properties != view.points.properties(0) else None
            current = look(
                generation,
                center=(chance.uniform(0, SIDE), chance.uniform(0, SIDE)),
                zoom=chance.choice([0.01, 0.05, 0.3, 5.0]),
                points={"0": PointsLook(chance.choice([2.0, 4.0]), properties=properties)},
            )
            view.receive(current, 0)
            view.replan(here.__contains__)
        elif action == "load":
            wanted = [key for group in view.chunk_wants() for key in group if key not in here]
            if wanted:
                here.add(wanted[0])
                view.chunk_changed(wanted[0])
        elif action == "forget" and here:
            here.discard(chance.choice(sorted(here)))
        elif action == "send":
            brick = view.next_brick()
            if brick is None:
                return
            assert isinstance(brick, PointsBrick)
            missing = {key for key in view.chunks(brick) if key not in here}
            if missing:
                view.unready(brick, missing)
                return
            first, stop = view.points.missing(brick)
            assert first < stop, "what is held was sent again"
            size = (stop - first) * BYTES * (2 + len(properties))
            canvas.wire.append((view.generation, brick, first, stop, size))
            view.sent(brick, size)
            assert view.outstanding <= CREDIT or len(canvas.wire) == 1
        elif action == "take" and canvas.wire:
            if view.receive(canvas.take(chance), 0):
                view.replan(here.__contains__)
        elif action == "lose":
            view.receive(Lost(), 0)
            view.replan(here.__contains__)

    for _ in range(300):
        step(
            chance.choices(
                ["look", "recolour", "load", "forget", "send", "take", "lose"],
                [4, 2, 40, 4, 30, 30, 1],
            )[0]
        )
    canvas.slots = 10**9  # from now on there is room
    for _ in range(4000):
        if view.settled and not canvas.wire:
            break
        for action in ("load", "send", "take"):
            step(action)
    assert view.settled
    (sample,) = view.points.samples
    asked = PointsLayer("made", made().with_properties(*properties), size=_size(current))
    plan = plan_points(asked, current.camera())
    assert [cell.count for cell in sample.cells] == [want.count for want in plan.wants]
    for want in plan.wants:
        brick = PointsBrick(0, want.brick.level, want.brick.grid)
        assert brick in canvas.known
        assert canvas.held[brick] >= want.count
    wanted, held, failed = view.counts
    assert (wanted, failed) == (held, 0)


def _size(current: Look) -> float:
    return current.points["0"].size if current.points else 4.0


def settle(view: View) -> list[tuple[PointsBrick, int, int]]:
    """Send all that is wanted; each cell with its first new point and its end."""
    sent = []
    view.replan(lambda _: True)
    while (brick := view.next_brick()) is not None:
        assert isinstance(brick, PointsBrick)
        sent.append((brick, *view.points.missing(brick)))
        view.sent(brick, 1)
        view.receive(Ack(1), 0)
    return sent


def test_a_closer_look_adds_points_and_sends_none_twice() -> None:
    view = view_of({0: PointsLayer("made", made())})
    view.receive(Hello(1, 2**28, 2**28), 0)
    view.receive(look(0), 0)
    before = settle(view)
    assert before[0][0].level == made().tree.levels - 1  # the coarsest is first
    view.receive(look(1, zoom=2 * 900 / SIDE), 0)
    more = settle(view)
    held = {brick: stop for brick, _, stop in before}
    assert more
    assert all(first == held.get(brick, 0) for brick, first, _ in more)
    view.receive(look(2), 0)
    assert settle(view) == []


def test_other_properties_are_asked_for_and_the_size_decides_how_many() -> None:
    view = view_of({0: PointsLayer("made", made(), most=None)})
    view.receive(Hello(1, 2**28, 2**28), 0)
    view.receive(look(0, points={"0": PointsLook(4.0)}), 0)
    first = settle(view)
    assert view.points.properties(0) == ()
    view.receive(look(1, points={"0": PointsLook(4.0, properties=("value", "no"))}), 0)
    assert view.points.properties(0) == ("value",)
    assert [brick for brick, _, _ in settle(view)] == [brick for brick, _, _ in first]
    before = view.points.samples[0].most
    view.receive(look(2, points={"0": PointsLook(1.0, properties=("value",))}), 0)
    settle(view)
    assert view.points.samples[0].most > before


def test_a_slice_says_from_where_to_where() -> None:
    table = {"t": [0.0, 1, 2], "z": [0.0, 5, 9], "y": [1.0, 2, 3], "x": [1.0, 2, 3]}
    view = view_of({3: PointsLayer("three", points_from_table(table))})
    view.receive(Hello(1, 2**28, 2**28), 0)
    here = {"center": (2.0, 2.0), "zoom": 10.0, "visible": (3,)}
    thick = {"3": PointsLook(4.0, thickness={"z": 4.0, "no": 1.0})}
    view.receive(look(0, position={"t": 1.0, "z": 5.0}, points=thick, **here), 0)
    settle(view)
    (sample,) = view.points.samples
    assert sample.slab == {"t": (0.5, 1.5), "z": (3.0, 7.0)}
    view.receive(look(1, position={"t": 1.0, "z": 5.0}, **here), 0)
    settle(view)
    assert view.points.samples[0].slab == {"t": (0.5, 1.5)}
    view.receive(look(2, position={"t": 1.0}, displayed=("z", "no"), **here), 0)
    settle(view)
    assert view.points.samples == ()


def test_points_leave_room_for_images() -> None:
    view = view_of({0: PointsLayer("made", made(), most=10**6)})
    view.receive(Hello(1, 2**22, 2**28), 0)
    view.receive(look(0), 0)
    sent = settle(view)
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
