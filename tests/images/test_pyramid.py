"""Pyramids: where levels lie, and chunks that come in any order."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.images.halving import halve
from opsin.images.image import Axis
from opsin.images.memory import image_from_array
from opsin.images.pyramid import Pyramid, Spares, pyramid_levels
from opsin.images.source import Array, Index


def test_places_of_levels_are_pixel_centres() -> None:
    image = image_from_array(
        np.zeros((3, 1000, 37)), axes="zyx", scale=(2, 0.5, 0.25), translation=(7, 10, -1)
    )
    levels, steps = pyramid_levels(image, (1, 2), (1, 64, 64), None)
    assert steps == ((1, 2),) * 4
    assert [level.shape for level in levels] == [
        (3, 1000, 37), (3, 500, 19), (3, 250, 10), (3, 125, 5), (3, 63, 3)
    ]  # fmt: skip
    for k, level in enumerate(levels):
        assert level.scale == (2, 0.5 * 2**k, 0.25 * 2**k)
        shift = (2**k - 1) / 2
        assert level.translation == (7, 10 + shift * 0.5, -1 + shift * 0.25)
    assert len(pyramid_levels(image, (1, 2), (1, 64, 64), 9)[0]) == 9


@pytest.mark.parametrize(
    ("scale", "deep"),
    [
        ((1, 1, 1), [True] * 5),
        ((1.4, 1, 1), [True] * 5),  # at most √2
        ((1.5, 1, 1), [False, True, True, True, True]),
        ((5, 1, 1), [False, False, True, True, True]),
        ((5, 2, 0.5), [False, False, True, True, True]),  # as 5 to 1
        ((0.3, 1, 1), [True] * 5),
    ],
)
def test_z_is_halved_once_pixels_are_about_cubes(scale: Any, deep: list[bool]) -> None:
    image = image_from_array(np.zeros((64, 64, 64)), axes="zyx", scale=scale, translation=(3, 0, 0))
    levels, steps = pyramid_levels(image, (0, 1, 2), (2, 2, 2), 6)
    assert [0 in step for step in steps] == deep
    assert all({1, 2} <= set(step) for step in steps)
    halved = 0
    for level, also in zip(levels, [False, *deep], strict=True):
        halved += also
        assert level.shape[0] == 64 >> halved
        assert level.scale[0] == scale[0] * 2**halved
        assert level.translation[0] == 3 + (2**halved - 1) / 2 * scale[0]
    last = levels[-1].scale
    assert 2**-0.5 <= last[0] / (last[1] * last[2]) ** 0.5 <= 2**0.5 or scale[0] < 0.5


def test_z_of_another_unit_is_halved_each_time_and_one_pixel_never() -> None:
    image = image_from_array(
        np.zeros((5, 64, 64)), axes="zyx", scale=(900, 1, 1), units=("nanometer", None, None)
    )
    levels, _ = pyramid_levels(image, (0, 1, 2), (2, 2, 2), None)
    assert [level.shape[0] for level in levels] == [5, 3, 2, 1, 1, 1]
    assert levels[-1].scale == (7200, 32, 32)


def test_levels_end_when_one_fits_into_a_chunk() -> None:
    image = image_from_array(np.zeros((100, 30, 30)), axes="zyx")
    assert image.axes[0] == Axis("z", "space")
    levels, _ = pyramid_levels(image, (0, 1, 2), (16, 16, 16), None)
    assert [level.shape for level in levels] == [
        (100, 30, 30), (50, 15, 15), (25, 8, 8), (13, 4, 4)
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chunks_in_any_order_make_the_same_levels(data: Any) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 20)] * 3))
    axes = data.draw(st.sampled_from([(1, 2), (0, 1, 2)]))
    array = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    chunks = (2, 4, 6)
    scale = (data.draw(st.sampled_from([1, 2, 4])), 1, 1)
    image = image_from_array(array, axes="zyx", scale=scale)
    levels, steps = pyramid_levels(image, axes, chunks, None)
    outs = [np.zeros(level.shape, np.uint8) for level in levels]
    seen: set[tuple[int, Index]] = set()

    def box(index: Index) -> tuple[slice, ...]:
        return tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, chunks, strict=True))

    def write(level: int, index: Index, block: Array) -> None:
        assert (level, index) not in seen
        seen.add((level, index))
        assert block.shape == levels[level].chunk_shape(index)
        outs[level][box(index)] = block

    spares = Spares(chunks, np.dtype(np.uint8))
    pyramid = Pyramid(levels, steps, False, write, spares)
    order = data.draw(st.permutations(list(levels[0].chunks_in((0, 0, 0), shape))))
    written = 0
    for index in order:
        block = spares.take(levels[0].chunk_shape(index))
        block[:] = array[box(index)]
        written += pyramid.place(index, block, spare=True)
    assert written == len(seen) == sum(np.prod(level.grid) for level in levels)
    expected = array
    for out, step in zip(outs, [*steps, ()], strict=True):
        np.testing.assert_array_equal(out, expected)
        expected = halve(expected, step, labels=False) if step else expected


def test_what_was_written_before_counts_for_its_parents_only() -> None:
    array = np.arange(64, dtype=np.uint8).reshape(8, 8)
    image = image_from_array(array)
    levels, steps = pyramid_levels(image, (0, 1), (2, 2), None)
    written: dict[tuple[int, Index], Array] = {}

    def write(level: int, index: Index, block: Array) -> None:
        written[level, index] = block.copy()

    pyramid = Pyramid(levels, steps, False, write, Spares((2, 2), array.dtype))
    counts = [
        pyramid.place((y, x), array[2 * y : 2 * y + 2, 2 * x : 2 * x + 2], written=True)
        for y, x in product(range(4), repeat=2)
    ]
    assert sum(counts) == len(written) == 5
    assert {level for level, _ in written} == {1, 2}
    np.testing.assert_array_equal(
        written[2, (0, 0)], halve(halve(array, (0, 1), False), (0, 1), False)
    )
