"""The server's view against a pure model of the canvas, under random delays and losses."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.brick import Brick, brick_bytes
from opsin.chunks.camera import target_level
from opsin.chunks.plan import visible_bricks
from opsin.errors import ProtocolError
from opsin.images.layer import Layer, layers_of
from opsin.views.messages import Ack, AnyBrick, Hello, Look, Lost, Retry, WireBrick
from opsin.views.slice_planner import SlicePlanner
from opsin.views.view import View
from opsin.views.volume_planner import VolumePlanner
from tests.chunks.pyramid import pyramid
from tests.views.model import ImageCanvas, Model

CREDIT = 2 * 2**20


def look(generation: int, **changes: Any) -> Look:
    fields: dict[str, Any] = {
        "center": (2000.0, 2000.0),
        "zoom": 1.0,
        "size": (900, 700),
        "displayed": ("y", "x"),
        "position": {},
        "visible": (0,),
    }
    return Look(generation=generation, **(fields | changes))


def stack() -> dict[int, Layer]:
    image, _ = pyramid((6, 4096, 4096), axes="zyx", levels=4)
    return {0: layers_of(image)[0]}


def view_of(layers: Mapping[int, Layer]) -> View:
    numbers = {number: number for number in layers}
    return View([SlicePlanner(layers, numbers), VolumePlanner(layers, numbers)])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), slots=st.sampled_from([8, 24, 256]))
def test_it_settles_to_the_target_and_never_loses_a_parent_before_its_children(
    seed: int, slots: int
) -> None:
    chance = random.Random(seed)
    layers = stack()
    layer = layers[0]
    view = view_of(layers)
    covered = False
    current = look(0)

    def base() -> set[WireBrick]:
        level = len(layer.image.levels) - 1
        return {b for _, _, b in visible_bricks(layer, 0, current.camera(), level)}

    def size(brick: WireBrick) -> int:
        assert isinstance(brick, Brick)
        return brick_bytes(layer, brick, ("y", "x"))

    canvas = ImageCanvas(slots * 2**20, size, base)
    model = Model(view, canvas, canvas.slots, CREDIT, chance)
    model.look(current)
    for _ in range(300):
        event = model.any_of(look=4)
        if event == "look":
            before = current
            current = look(
                before.generation + 1,
                center=(chance.uniform(0, 4000), chance.uniform(0, 4000)),
                zoom=chance.choice([0.1, 0.3, 1.0, 3.0]),
                position={"z": float(chance.randrange(6)) if chance.random() < 0.3 else 2.0},
                moving=chance.random() < 0.5,
            )
            model.look(current)
            covered = covered and current.position == before.position
        model.step(event)
        assert view.held.keys() == canvas.there
        covered = (covered and event != "lose") or base() <= set(canvas.held)
        if covered:
            assert base() <= set(canvas.held), "an area lost its parent"
    if view.rest(math.inf):
        model.replan()
    model.settle(4000)
    level = view.targets[0]
    camera = current.camera()
    assert level == target_level(layer, camera) or slots == 8
    assert {b for _, _, b in visible_bricks(layer, 0, camera, level)} <= set(canvas.held)
    wanted, held, failed = view.counts
    assert (wanted, failed) == (held, 0)


def test_without_credit_nothing_is_sent_and_one_brick_may_exceed_it() -> None:
    view = view_of(stack())
    view.receive(Hello(1, 2**28, 1), 0)
    view.receive(look(0), 0)
    view.replan(lambda _: True)
    first = view.next_brick()
    assert first is not None
    view.sent(first, 1000)
    assert view.next_brick() is None
    view.receive(Ack(1000), 0)
    assert view.next_brick() not in (None, first)


def test_a_failed_brick_is_settled_until_it_is_tried_again() -> None:
    view = view_of(stack())
    view.receive(Hello(1, 2**28, 2**28), 0)
    view.receive(look(0), 0)
    view.replan(lambda _: True)
    bad = view.next_brick()
    assert bad is not None
    view.fail(bad, "no")
    while (brick := view.next_brick()) is not None:
        view.sent(brick, 1)
    assert view.settled
    assert view.counts[2] == 1
    view.receive(Retry(), 0)
    view.replan(lambda _: True)
    assert not view.settled
    assert view.next_brick() == bad


@pytest.mark.parametrize(
    "messages",
    [
        [look(0)],
        [Ack(0)],
        [Hello(1, 10, 10), Hello(1, 10, 10)],
        [Hello(2, 10, 10)],
        [Hello(1, 10, 10), Ack(1)],
        [Hello(1, 10, 10), Ack(-1)],
        [Hello(1, 10, 10), look(0, zoom=0.0)],
        [Hello(1, 10, 10), look(0, zoom=float("nan"))],
        [Hello(1, 10, 10), look(0, center=(float("inf"), 0.0))],
        [Hello(1, 10, 10), look(0, size=(0, 5))],
        [Hello(1, 10, 10), look(0, size=(10**6, 5))],
    ],
)
def test_a_message_that_makes_no_sense_is_refused(messages: list[Any]) -> None:
    view = view_of(stack())
    with pytest.raises(ProtocolError):
        for message in messages:
            view.receive(message, 0)


def test_layers_and_axes_that_do_not_exist_show_nothing() -> None:
    view = view_of(stack())
    view.receive(Hello(1, 2**28, 2**28), 0)
    for odd in (
        look(0, visible=(5,)),
        look(1, displayed=("q", "x")),
        look(2, displayed=("x", "x")),
    ):
        view.receive(odd, 0)
        view.replan(lambda _: True)
        assert view.next_brick() is None
        assert view.settled


def test_slices_along_other_axes_share_nothing_with_those_before() -> None:
    layers = stack()
    view = view_of(layers)
    view.receive(Hello(1, 2**28, 2**28), 0)
    view.receive(look(1), 0)
    view.replan(lambda _: True)
    sent: list[tuple[AnyBrick, int]] = []
    while (brick := view.next_brick()) is not None:
        assert isinstance(brick, Brick)
        sent.append((brick, brick_bytes(layers[0], brick, ("y", "x"))))
        view.sent(*sent[-1])
    first = {brick for brick, _ in sent}
    assert view.held.keys() == first
    view.fail(Brick(0, 0, (2,), 7, 7), "gone")
    view.receive(look(2, displayed=("z", "x"), position={"y": 100.0}), 1)
    view.replan(lambda _: True)
    assert view.held == {}
    assert view.failed == {}
    (chunk, *_), *_ = view.chunk_wants()
    assert chunk.grid[1] == 0, "of the row that is looked at"
    view.receive(Lost(), 1)
    assert view.held == {}, "what is under way is dropped by the canvas"
    view.receive(Ack(sum(size for _, size in sent), ()), 1)
    assert view.outstanding == 0
    brick = view.next_brick()
    assert isinstance(brick, Brick)
    view.sent(brick, brick_bytes(layers[0], brick, ("z", "x")))
    view.receive(Lost(), 2)
    assert view.held == {brick: 1}
