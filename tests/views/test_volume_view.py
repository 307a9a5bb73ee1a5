"""The server's view of a volume against a pure model of the canvas, under delays and losses."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.brick import ChunkKey
from opsin.chunks.loader import Loader
from opsin.chunks.policy import EXPLORE
from opsin.chunks.volume_brick import VolumeBrick, volume_brick_bytes, volume_brick_shape
from opsin.chunks.volume_camera import looking
from opsin.chunks.volume_levels import for_volumes, in_3d
from opsin.chunks.volume_plan import plan_volume
from opsin.errors import ProtocolError
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.views.messages import AnyBrick, Hello, Look, Lost, VolumeLook
from opsin.views.planner import WITHOUT_BOUND, slot_bytes
from opsin.views.scene import Scene
from opsin.views.view import View
from tests.chunks.volumes import volume
from tests.views import canvas as wire
from tests.views.test_view import Canvas
from tests.views.test_view import look as look_at_slice

CREDIT = 2**20
ZYX = ("z", "y", "x")
EDGE = 500
DEPTH = 3
LAYER = volume((EDGE, EDGE, EDGE), levels=DEPTH, dtype="uint16")


def look(generation: int, **changes: Any) -> VolumeLook:
    fields: dict[str, Any] = {
        "center": (250.0, 250.0, 250.0),
        "zoom": 0.5,
        "size": (320, 240),
        "displayed": ZYX,
        "position": {},
        "visible": (0,),
        "orientation": looking(30, 20),
    }
    return VolumeLook(generation=generation, **(fields | changes))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), room=st.sampled_from([12, 60, 400]))
def test_it_settles_and_no_place_loses_what_covered_it(seed: int, room: int) -> None:
    """`room` is in bricks; each fills a slot, whatever its shape."""
    chance = random.Random(seed)
    view = View({0: LAYER}, {0: 0})
    one = slot_bytes(LAYER)
    canvas = Canvas(room * one)
    view.receive(Hello(1, canvas.slots, CREDIT), 0)
    here: set[ChunkKey] = set()
    roots: set[AnyBrick] = {VolumeBrick(0, DEPTH - 1, (), *place) for place in np.ndindex(2, 2, 2)}
    covered = False
    generation = 0
    current = look(0)
    view.receive(current, 0)
    view.replan(here.__contains__)

    def step(action: str) -> None:
        nonlocal generation, current, covered
        if action == "look":
            generation += 1
            current = look(
                generation,
                center=tuple(chance.uniform(0, EDGE) for _ in range(3)),
                zoom=chance.choice([0.2, 0.5, 1.0, 3.0]),
                orientation=looking(chance.uniform(0, 360), chance.uniform(-90, 90)),
                perspective=chance.choice([0.0, 40.0]),
            )
            view.receive(current, 0)
            view.replan(here.__contains__)
        elif action == "slice":  # and back again: nothing of it is left
            generation += 1
            view.receive(look_at_slice(generation, position={"z": 3.0}), 0)
            view.replan(here.__contains__)
            assert all(len(brick) == 5 for brick, _ in view.pending())
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
            if brick is not None:
                missing = {key for key in view.chunks(brick) if key not in here}
                if missing:
                    view.unready(brick, missing)
                else:
                    assert isinstance(brick, VolumeBrick)
                    size = volume_brick_bytes(LAYER, brick, ZYX)
                    assert brick not in view.held, "a held brick was sent again"
                    canvas.wire.append((brick, size))
                    view.sent(brick, size)
                    assert view.outstanding <= CREDIT or len(canvas.wire) == 1
        elif action == "take" and canvas.wire:
            if view.receive(canvas.take(roots, one), 0):
                view.replan(here.__contains__)
        elif action == "lose":
            canvas.held.clear()
            covered = False
            view.receive(Lost(), 0)
            view.replan(here.__contains__)

        assert view.held == set(canvas.held) | {brick for brick, _ in canvas.wire}
        covered = covered or roots <= set(canvas.held)
        if covered:
            assert roots <= set(canvas.held), "a place lost what covered it"

    for _ in range(160):
        step(
            chance.choices(
                ["look", "slice", "load", "forget", "send", "take", "lose"],
                [3, 0.5, 40, 4, 30, 30, 0.5],
            )[0]
        )
    for _ in range(6000):
        if view.settled and not canvas.wire:
            break
        for action in ("load", "send", "take"):
            step(action)
    assert view.settled
    assert view.counts[0] == view.counts[1]
    assert view.counts[2] == 0
    if room == 400:
        fresh = plan_volume({0: LAYER}, current.camera(), set(), EXPLORE, WITHOUT_BOUND)
        assert view.targets[0] <= fresh.targets[0], "what was finer before may stay"


def test_quality_asks_for_more_or_fewer_voxels_per_device_pixel() -> None:
    targets = []
    for quality in (0.25, 1.0, 4.0):
        view = View({0: LAYER}, {0: 0})
        view.receive(Hello(1, 2**30, CREDIT), 0)
        view.receive(look(0, quality=quality), 0)
        view.replan(lambda _: False)
        targets.append(view.targets[0])
    assert targets == [2, 1, 0]


def test_layers_that_are_no_volume_are_not_shown() -> None:
    flat = layers_of(image_from_array(np.zeros((9, 9), "uint8"), axes="yx"))[0]
    view = View({0: flat, 1: LAYER}, {0: 0, 1: 1})
    view.receive(Hello(1, 2**30, CREDIT), 0)
    view.receive(look(0, visible=(0, 1)), 0)
    view.replan(lambda _: True)
    assert {brick.layer for brick, _ in view.pending()} == {1}


@pytest.mark.parametrize(
    "odd",
    [
        look(0, orientation=(0.0, 0.0, 0.0, 0.0)),
        look(0, orientation=(math.nan, 0.0, 0.0, 0.0)),
        look(0, orientation=(9.0, 0.0, 0.0, 0.0)),
        look(0, perspective=179.0),
        look(0, perspective=-1.0),
        look(0, quality=0.0),
        look(0, quality=math.inf),
        look(0, center=(0.0, math.inf, 0.0)),
        look(0, zoom=0.0),
        look(0, size=(0, 9)),
    ],
)
def test_a_look_that_makes_no_sense_is_refused(odd: VolumeLook) -> None:
    view = View({0: LAYER}, {0: 0})
    view.receive(Hello(1, 2**30, CREDIT), 0)
    with pytest.raises(ProtocolError):
        view.receive(odd, 0)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("image", "uint16"), ("image", "float64"), ("labels", "uint64")]
)
def test_bricks_arrive_as_they_are_and_as_one_value_where_all_are_equal(
    kind: Any, dtype: str
) -> None:
    data = np.random.default_rng(3).integers(1, 999, (70, 65, 130)).astype(dtype)
    data[:64, :64, 64:128] = 7

    def layer() -> Layer:
        return layers_of(image_from_array(data, axes="zyx", kind=kind))[0]

    async def test() -> None:
        loader, scene = Loader(2**26), Scene()
        shown = layer()
        scene.put(0, shown, loader.add(shown.image))
        canvas = wire.Canvas(loader, scene)
        canvas.hello()
        canvas.generation = 5
        canvas.say(
            type="volume", generation=5, center=[35, 32, 65], zoom=1.0, size=[300, 300],
            displayed=ZYX, position={}, visible=[0], orientation=looking(20),
        )  # fmt: skip
        await wire.until(canvas.is_settled)
        heads = {tuple(head["key"][3:]): head for head in canvas.of("brick")}
        assert len(heads) == 2 * 2 * 3
        for place, head in heads.items():
            assert head["key"][:3] == [0, 0, []]
            brick = VolumeBrick(0, 0, (), *place)
            part = data[tuple(slice(at * 64, at * 64 + 64) for at in place)]
            assert tuple(head["shape"]) == volume_brick_shape(shown, brick, ZYX) == part.shape
            assert head["range"] == [part.min(), part.max()]
            got = canvas.bricks[brick]
            assert got.shape == ((1, 1, 1) if place == (0, 0, 1) else part.shape)
            np.testing.assert_array_equal(np.broadcast_to(got, part.shape), part)
        canvas.say(
            type="view", generation=6, center=[32, 65], zoom=1.0, size=[300, 300],
            displayed=["y", "x"], position={"z": 3}, visible=[0],
        )  # fmt: skip
        canvas.generation = 6
        await wire.until(canvas.is_settled)
        assert canvas.of("brick")[-1]["key"] == [0, 0, [3], 0, 0]
        await canvas.leave()
        await loader.close()

    asyncio.run(test())


def test_levels_that_only_volumes_have_are_sent_to_volumes_only() -> None:
    data = np.random.default_rng(5).integers(0, 999, (200, 20, 20)).astype(np.uint16)
    image = image_from_array(data, axes="zyx")

    async def test() -> None:
        loader, scene = Loader(2**26), Scene()
        (layer,) = layers_of(image)
        scene.put(0, layer, loader.add(for_volumes(image), bases=(0,)), in_3d(layer))
        canvas = wire.Canvas(loader, scene)
        canvas.hello()
        await wire.until(lambda: bool(canvas.of("scene")))
        (told,) = canvas.of("scene")[-1]["layers"]
        assert [level["shape"] for level in told["levels"]] == [[200, 20, 20]]
        assert [level["shape"] for level in told["deeper"]] == [[100, 20, 20]]
        canvas.generation = 1
        canvas.say(
            type="volume", generation=1, center=[100, 10, 10], zoom=0.4, size=[90, 90],
            displayed=ZYX, position={}, visible=[0], orientation=looking(90),
        )  # fmt: skip
        await wire.until(canvas.is_settled)
        assert {head["key"][1] for head in canvas.of("brick")} == {1}
        got = canvas.bricks[VolumeBrick(0, 1, (), 1, 0, 0)]
        want = data.reshape(100, 2, 20, 20).mean(axis=1)
        assert np.abs(got - want[64:]).max() <= 0.5
        canvas.generation = 2
        canvas.say(
            type="view", generation=2, center=[10, 10], zoom=0.1, size=[90, 90],
            displayed=["y", "x"], position={"z": 3}, visible=[0],
        )  # fmt: skip
        await wire.until(canvas.is_settled)
        assert canvas.of("brick")[-1]["key"] == [0, 0, [3], 0, 0]
        await canvas.leave()
        await loader.close()

    asyncio.run(test())


def test_looks_of_both_kinds_are_of_one_view() -> None:
    """What a canvas holds of slices is not forgotten while it shows a volume."""
    view = View({0: LAYER}, {0: 0})
    view.receive(Hello(1, 2**30, 2**30), 0)
    flat: Look = look_at_slice(0, position={"z": 3.0})
    view.receive(flat, 0)
    view.replan(lambda _: True)
    while (brick := view.next_brick()) is not None:
        view.sent(brick, 1)
    slices = set(view.held)
    view.receive(look(1), 0)
    view.replan(lambda _: True)
    assert not view.settled
    assert slices <= view.held
    view.receive(flat, 0)
    view.replan(lambda _: True)
    assert view.settled
