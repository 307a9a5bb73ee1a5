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

from opsin.chunks.loader import Loader
from opsin.chunks.policy import EXPLORE
from opsin.chunks.volume_brick import VolumeBrick, volume_brick_bytes, volume_brick_shape
from opsin.chunks.volume_camera import looking
from opsin.chunks.volume_levels import for_volumes, in_3d
from opsin.chunks.volume_plan import plan_volume
from opsin.errors import ProtocolError
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.views.messages import Hello, Look, VolumeLook, WireBrick
from opsin.views.scene import Scene
from opsin.views.volume_planner import WITHOUT_BOUND, slot_bytes
from tests.chunks.volumes import volume
from tests.views import canvas as wire
from tests.views.model import ImageCanvas, Model
from tests.views.test_view import look as look_at_slice
from tests.views.test_view import view_of

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
    view = view_of({0: LAYER})
    one = slot_bytes(LAYER)
    roots: set[WireBrick] = {VolumeBrick(0, DEPTH - 1, (), *at) for at in np.ndindex(2, 2, 2)}

    def size(brick: WireBrick) -> int:
        assert isinstance(brick, VolumeBrick)
        return volume_brick_bytes(LAYER, brick, ZYX)

    canvas = ImageCanvas(room * one, size, lambda: roots, one)
    model = Model(view, canvas, canvas.slots, CREDIT, chance)
    covered = False
    current = look(0)
    model.look(current)
    for generation in range(1, 161):
        event = model.any_of(look=3, slice=0.5)
        if event == "look":
            current = look(
                generation,
                center=tuple(chance.uniform(0, EDGE) for _ in range(3)),
                zoom=chance.choice([0.2, 0.5, 1.0, 3.0]),
                orientation=looking(chance.uniform(0, 360), chance.uniform(-90, 90)),
                perspective=chance.choice([0.0, 40.0]),
            )
            model.look(current)
        elif event == "slice":  # and back again: nothing of it is left
            model.look(look_at_slice(generation, position={"z": 3.0}))
            assert all(len(brick) == 5 for brick, _ in view.pending())
            model.look(current)
        model.step(event)
        assert view.held.keys() == canvas.there
        covered = (covered and event != "lose") or roots <= set(canvas.held)
        if covered:
            assert roots <= set(canvas.held), "a place lost what covered it"
    model.settle(6000)
    assert view.counts[0] == view.counts[1]
    assert view.counts[2] == 0
    if room == 400:
        fresh = plan_volume({0: LAYER}, current.camera(), set(), EXPLORE, WITHOUT_BOUND)
        assert view.targets[0] <= fresh.targets[0], "what was finer before may stay"


def test_quality_asks_for_more_or_fewer_voxels_per_device_pixel() -> None:
    targets = []
    for quality in (0.25, 1.0, 4.0):
        view = view_of({0: LAYER})
        view.receive(Hello(1, 2**30, CREDIT), 0)
        view.receive(look(0, quality=quality), 0)
        view.replan(lambda _: False)
        targets.append(view.targets[0])
    assert targets == [2, 1, 0]


def test_layers_that_are_no_volume_are_not_shown() -> None:
    flat = layers_of(image_from_array(np.zeros((9, 9), "uint8"), axes="yx"))[0]
    view = view_of({0: flat, 1: LAYER})
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
    view = view_of({0: LAYER})
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
    view = view_of({0: LAYER})
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
    assert slices <= view.held.keys()
    view.receive(flat, 0)
    view.replan(lambda _: True)
    assert view.settled
