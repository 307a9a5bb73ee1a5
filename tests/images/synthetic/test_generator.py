"""Where pixels lie: exact numbers, against fractions, at both ends of the largest images."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.images.synthetic.generator import Block

SIDES = st.integers(1, 1 << 30)


def block(size: int, level: int, start: int, count: int = 1) -> Block:
    return Block(level, {"y": start, "x": start}, {"y": count, "x": count}, {"y": size, "x": size})


@pytest.mark.parametrize("level", [0, 5, 17, 18])
@pytest.mark.parametrize("side", [1 << 27, 1 << 20])
def test_places_are_exact_where_the_size_is_a_power_of_two(side: int, level: int) -> None:
    last = (side >> level) - 4
    for start in (0, 12345 % (last + 1), last):
        places = block(side, level, start, 4).centred("x", -0.75, 3.25, "yx").tolist()
        step = Fraction(3.25) * 2**level / side
        for i, place in enumerate(places, start):
            # The middle of the pixels of level 0 from i · 2^l on, of 2^l that lie edge to edge.
            assert (
                Fraction(place)
                == Fraction(-0.75) + (i + Fraction(1, 2)) * step - Fraction(3.25) / 2
            )


@given(SIDES, st.integers(0, 30), st.data())
def test_places_are_distinct_and_close_for_any_size(
    side: int, level: int, data: st.DataObject
) -> None:
    level = min(level, (side - 1).bit_length())
    last = -(-side // 2**level) - 1
    i = data.draw(st.integers(0, max(0, last - 1)))
    one = block(side, level, i, 2)
    a, b = one.centred("y", 0.5, 3.0, "yx").tolist()
    step = Fraction(3) * 2**level / side
    exact = Fraction(1, 2) + (i + Fraction(1, 2)) * step - Fraction(3, 2)
    assert abs(Fraction(a) - exact) <= Fraction(2**-51)
    assert abs(Fraction(b - a) - step) <= step / 2**20
    # A place does not depend on where a block begins.
    assert block(side, level, i + 1).centred("y", 0.5, 3.0, "yx").tolist() == [b]


def test_the_longest_side_may_be_longer() -> None:
    sizes = {"y": 100, "x": 400}
    one = Block(0, {"y": 0, "x": 0}, dict(sizes), sizes)
    assert one.centred("y", 0, 3, "yx")[[0, -1]] == pytest.approx([-1.485, 1.485])
    assert one.centred("x", 0, 3, "yx")[[0, -1]] == pytest.approx([-5.985, 5.985])
    assert one.step(3, "yx") == 0.03


def test_axes_that_are_not_in_space_have_no_levels() -> None:
    sizes = {"t": 10, "y": 64, "x": 64}
    one = Block(3, {"t": 4, "y": 1, "x": 0}, {"t": 2, "y": 3, "x": 4}, sizes)
    assert one.first("t").tolist() == [4, 5]
    assert one.turns("t").tolist() == [0.4, 0.5]
    assert one.first("y").tolist() == [8, 16, 24]
    assert one.first("c").tolist() == one.turns("c").tolist() == [0]
    assert one.centred("z", 0.25, 2.0, "z").tolist() == [0.25]
    assert one.shape == (2, 1, 1, 3, 4)
    assert one.depth == 3


@pytest.mark.parametrize(("side", "depth"), [(1, 0), (2, 1), (512, 9), (513, 10), (1 << 27, 27)])
def test_depth(side: int, depth: int) -> None:
    assert block(side, 0, 0).depth == depth
    assert block(side, 3, 0).depth == max(0, depth - 3)


def test_neighbours_at_full_zoom_are_distinct_where_float32_would_not_tell_them_apart() -> None:
    places = block(1 << 27, 0, (1 << 27) - 512, 512).centred("x", -0.75, 3.0, "yx")
    assert len(np.unique(places)) == 512
    assert len(np.unique(places.astype(np.float32))) < 256
