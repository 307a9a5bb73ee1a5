import math
from collections.abc import Collection
from dataclasses import replace

import pytest
from harness.sim.canvas import COLUMNS, ROWS, Cell, Frame, look
from harness.sim.link import Conditions, Link
from harness.sim.measures import Drawing, Measures
from harness.sim.pyramid import pyramid

from opsin.chunks.camera import Camera
from opsin.images.layer import Layer, layers_of
from opsin.images.source import Index


def layer(axes: str = "yx", size: tuple[int, ...] = (1024, 1024)) -> Layer:
    chunks = tuple(256 if name in "yx" else 1 for name in axes)
    image = pyramid(size, chunks, Link(Conditions(0, 1)), axes=axes, levels=3)
    return layers_of(image)[0]


class Held:
    """Chunks of 256 × 256 that are said to be there."""

    def __init__(self, *held: tuple[int, Index]) -> None:
        self._held = held

    def cell(self, level: int) -> tuple[int, int]:
        return 256, 256

    def held(self, level: int, where: Index) -> Collection[Cell]:
        cells = (index for at, index in self._held if at == level)
        return {(index[-2], index[-1]) for index in cells if index[:-2] == where}


def whole(level: int, side: int) -> list[tuple[int, Index]]:
    return [(level, (row, column)) for row in range(side) for column in range(side)]


CAMERA = Camera((511.5, 511.5), 0.5, (512, 512))
"""Sees all of the image at level 1, two pixels of level 0 per device pixel."""


def test_nothing_held_is_blank_and_one_level_beyond_the_coarsest() -> None:
    frame = look(layer(), CAMERA, Held())
    assert (frame.blank, frame.sharp, frame.at_target) == (1, 0, False)
    assert frame.blur == 2  # of levels 0, 1, 2 the target is 1; nothing counts as level 3
    assert frame.drawn == frozenset()


def test_the_target_is_sharp_and_draws_nothing_else() -> None:
    frame = look(layer(), CAMERA, Held(*whole(1, 2), (2, (0, 0)), (0, (0, 0))))
    assert frame == Frame(True, 1, 0, 0, frozenset(whole(1, 2)))


def test_finer_is_preferred_to_coarser_where_the_target_is_not_there() -> None:
    frame = look(layer(), CAMERA, Held((2, (0, 0)), (0, (0, 0)), (1, (1, 0))))
    assert frame.drawn == {(2, (0, 0)), (0, (0, 0)), (1, (1, 0))}
    assert frame.sharp == pytest.approx(1 / 4 + 1 / 16, abs=0.02)
    assert frame.blur == pytest.approx(1 - frame.sharp)
    assert frame.blank == 0


def test_a_camera_half_beside_the_image_counts_only_what_is_inside() -> None:
    beside = replace(CAMERA, center=(511.5, -0.5))
    frame = look(layer(), beside, Held((1, (0, 0))))
    assert frame.sharp == pytest.approx(0.5, abs=0.02)
    nothing = look(layer(), replace(CAMERA, center=(0, 1e6)), Held())
    assert (nothing.at_target, nothing.blank) == (True, 0)


def test_each_slice_is_its_own() -> None:
    stack = layer("zyx", (8, 1024, 1024))
    held = Held(*[(1, (3, *index)) for _, index in whole(1, 2)])
    for z, sharp in ((3.0, 1.0), (4.0, 0.0)):
        frame = look(stack, replace(CAMERA, position={"z": z}), held)
        assert frame.sharp == sharp
    assert look(stack, replace(CAMERA, position={"z": 99.0}), held).blank == 0  # not in the image


def test_the_points_reach_the_outermost_pixels() -> None:
    """A chunk of which one row of device pixels is seen counts as drawn."""
    camera = Camera((255.5 - 127, 127.5), 1.0, (256, 256))  # rows 0.5 to 256.5 of level 0
    frame = look(layer(), camera, Held((0, (0, 0)), (0, (1, 0))))
    assert frame.drawn == {(0, (0, 0)), (0, (1, 0))}
    assert frame.sharp == 1
    assert COLUMNS * ROWS == 64 * 48


def frame(sharp: float, blank: float = 0.0, blur: float = 0.0) -> Frame:
    return Frame(sharp == 1, sharp, blank, blur, frozenset())


def test_measures_weigh_frames_by_their_time() -> None:
    measures = Measures()
    for seen, seconds in ((frame(0, 1, 3), 0.5), (frame(0.5, 0, 1), 0.5), (frame(1), 1.0)):
        measures.add(seen, seconds)
    result = measures.result(Drawing(), 0.0, 7, 100.0)
    assert result.first_content == 0.5
    assert (result.at_target, result.sharp) == (0.5, 0.625)
    assert (result.blank, result.blur) == (0.25, 1.0)
    assert (result.settle, result.requests, result.bytes) == (1.0, 7, 100.0)


def test_settling_is_taken_from_rests_only() -> None:
    measures = Measures()
    measures.add(frame(0), 0.4)  # no rest: too short
    measures.moved()
    measures.add(frame(0), 0.3)
    measures.add(frame(1), 0.7)  # a rest that settles after 0.3
    measures.moved()
    measures.add(frame(0.5), 0.9)  # a rest that never settles
    assert measures.result(Drawing(), 0.0, 0, 0.0).settle == pytest.approx((0.3 + 0.9) / 2)


def test_waste_is_what_came_and_was_not_drawn() -> None:
    drawing = Drawing()
    assert drawing.waste == 0
    for number in range(4):
        drawing.came((0, (number,)))
    drawing.drew([(0, (0,)), (0, (1,)), (0, (77,))])
    assert drawing.waste == 0.5
    drawing.came((0, (2,)))  # again: the first time was for nothing, and now it is drawn
    drawing.drew([(0, (2,))])
    assert drawing.waste == pytest.approx(2 / 5)
    assert math.isclose(drawing.loaded, 5)
