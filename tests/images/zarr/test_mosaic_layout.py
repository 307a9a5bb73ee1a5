"""Mosaic layout: whatever the levels and chunks of a field, no level puts it elsewhere."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.images.image import Level
from opsin.images.zarr.mosaic_layout import MosaicLevel, Stack, field_places, mosaic_levels

SIDES = st.integers(1, 5000)


@st.composite
def stacks(draw: st.DrawFn, first: Stack | None = None) -> Stack:
    """An image as writers make them: sides rounded up or down, chunks of any size."""
    sides = draw(st.tuples(SIDES, SIDES)) if first is None else first.levels[0].shape[1:]
    pixel = draw(st.floats(0.01, 100)) if first is None else first.levels[0].scale[1]
    factor = draw(st.sampled_from([2, 2, 2, 3, 4]))
    up = draw(st.booleans())
    levels = []
    for level in range(draw(st.integers(1, 5))):
        f = factor**level
        shape = tuple(max(1, -(-n // f) if up else n // f) for n in sides)
        chunks = draw(st.tuples(st.integers(1, 1200), st.integers(1, 1200)))
        by = (f - 1) / 2 * pixel
        levels.append(Level((3, *shape), (1, *chunks), (1, pixel * f, pixel * f), (0, by, by)))
    return Stack(levels, (1, 2), draw(st.sampled_from([1, 2, 8])), draw(st.booleans()))


@settings(max_examples=100, deadline=None)
@given(st.data(), st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_every_level_puts_every_field_at_the_same_place(
    data: st.DataObject, grid: tuple[int, int]
) -> None:
    image = data.draw(stacks())
    every = [image, *data.draw(st.lists(stacks(image), max_size=1))]
    found = mosaic_levels(every, grid)
    pitches = {axis: set() for axis in (1, 2)}  # type: dict[int, set[Fraction]]
    for stack, levels in zip(every, found, strict=True):
        assert levels
        for one in levels:
            check_level(stack, one, grid)
            for direction, axis in enumerate((1, 2)):
                pitches[axis].add(Fraction(one.level.scale[axis]) * one.pitch[direction])
        assert [one.k for one in levels if one.k] == [*range(1, levels[-1].k + 1)]
        assert [one.number for one in levels] == sorted(one.number for one in levels)
    for values in pitches.values():  # in the world; up to how a float is rounded
        assert max(values) / min(values) - 1 < Fraction(1, 2**50)
    first = found[0][0]
    for direction, axis in enumerate((1, 2)):
        side = image.levels[0].shape[axis]
        if all(stack.whole(n) for stack in every for n in range(len(stack.levels))):
            assert first.pitch[direction] <= 1.36 * side + 2


def check_level(stack: Stack, one: MosaicLevel, grid: tuple[int, int]) -> None:
    field, level = stack.levels[one.number], one.level
    for direction, axis in enumerate((1, 2)):
        pitch, side = one.pitch[direction], -(-field.shape[axis] >> one.k)
        assert pitch >= side
        assert level.shape[axis] == (grid[direction] - 1) * pitch + side
        if one.k:
            assert pitch * 2**one.k * field.scale[axis] == pytest.approx(
                pitch * level.scale[axis], rel=1e-3
            )
            starts = [g * level.chunks[axis] for g in range(level.grid[axis])]
            assert all(start % pitch == 0 for start in starts)
        elif one.whole:
            assert level.grid[axis] == grid[direction] or level.grid[axis] == 1 == grid[direction]
            assert level.chunks[axis] in (pitch, level.shape[axis])
        else:
            assert level.chunks[axis] == field.chunks[axis]
            assert pitch == one.pieces[direction] * field.chunks[axis]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_fields_in_a_grid_keep_their_order(count: int, random: Any) -> None:
    columns = random.randint(1, count)
    places = [divmod(n, columns) for n in range(count)]
    random.shuffle(places)
    wobble = [random.uniform(-8, 8) for _ in range(2 * count)]
    positions = [
        (100 * r + wobble[2 * n], 100 * c + wobble[2 * n + 1]) for n, (r, c) in enumerate(places)
    ]
    found, (rows, across) = field_places(positions, (110, 110))
    assert len(set(found)) == count
    assert all(0 <= r < rows and 0 <= c < across for r, c in found)
    if count > 1 and math.ceil(count / columns) * min(columns, count) <= 4 * count:
        assert [*found] == places
    unknown, (rows, across) = field_places([None] * count, (1, 1))
    assert unknown == tuple(divmod(n, across) for n in range(count))
    assert (rows - 1) * across < count <= rows * across
