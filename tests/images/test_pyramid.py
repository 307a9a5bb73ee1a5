"""Pyramids: means and modes that are exact, against the slow and obvious way."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from opsin.images.memory import image_from_array
from opsin.images.pyramid import Pyramid, halve, pyramid_levels
from opsin.images.source import Array, Index

INTEGERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]


def blocks(array: Array) -> Any:
    for y in range(0, array.shape[0], 2):
        for x in range(0, array.shape[1], 2):
            yield (y // 2, x // 2), array[y : y + 2, x : x + 2].ravel().tolist()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_integers_are_the_exact_mean_rounded_half_to_even(data: Any) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(INTEGERS)))
    shape = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    limits = np.iinfo(dtype)
    few = st.sampled_from([limits.min, limits.max, 0, 1, 2, 3])
    array = data.draw(arrays.arrays(dtype, shape, elements=few | arrays.from_dtype(dtype)))
    half = halve(array, (0, 1), labels=False)
    assert half.dtype == dtype
    for place, values in blocks(array):
        # round() of a Fraction is exact, and half to even.
        assert int(half[place]) == round(Fraction(sum(values), len(values)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_labels_are_the_mode_ties_to_the_smallest_that_is_not_zero(data: Any) -> None:
    dtype = np.dtype(data.draw(st.sampled_from([*INTEGERS[::2], "i4", "?"])))
    shape = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    few = st.booleans() if dtype.kind == "b" else st.sampled_from([0, 1, 2, 3, 100])
    array = data.draw(arrays.arrays(dtype, shape, elements=few))
    half = halve(array, (0, 1), labels=True)
    assert half.dtype == dtype
    for place, values in blocks(array):
        votes = Counter(values)
        most = max(votes.values())
        best = min((v for v in votes if votes[v] == most), key=lambda v: (v == 0, v))
        assert half[place] == best


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_floats(dtype: str) -> None:
    array = np.random.default_rng(0).normal(size=(7, 6)).astype(dtype)
    array[0, 0] = np.nan
    array[2:4, 2:4] = np.finfo(dtype).max
    half = halve(array, (0, 1), labels=False)
    assert half.dtype == array.dtype
    for place, values in blocks(array):
        exact = float(sum(map(Fraction, values)) / len(values)) if place != (0, 0) else np.nan
        np.testing.assert_array_max_ulp(half[place], np.asarray(exact, dtype), 1)


def test_other_axes_are_kept() -> None:
    array = np.random.default_rng(0).integers(0, 99, (3, 6, 2, 5)).astype(np.uint8)
    half = halve(array, (1, 3), labels=False)
    assert half.shape == (3, 3, 2, 3)
    np.testing.assert_array_equal(half[2, :, 1], halve(array[2, :, 1], (0, 1), labels=False))


def test_places_of_levels_are_pixel_centres() -> None:
    image = image_from_array(
        np.zeros((3, 1000, 37)), axes="zyx", scale=(2, 0.5, 0.25), translation=(7, 10, -1)
    )
    levels = pyramid_levels(image, (1, 2), (1, 64, 64), None)
    assert [level.shape for level in levels] == [
        (3, 1000, 37), (3, 500, 19), (3, 250, 10), (3, 125, 5), (3, 63, 3)
    ]  # fmt: skip
    for k, level in enumerate(levels):
        assert level.scale == (2, 0.5 * 2**k, 0.25 * 2**k)
        shift = (2**k - 1) / 2
        assert level.translation == (7, 10 + shift * 0.5, -1 + shift * 0.25)
    assert len(pyramid_levels(image, (1, 2), (1, 64, 64), 9)) == 9


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_chunks_in_any_order_make_the_same_levels(data: Any) -> None:
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    array = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    image = image_from_array(array)
    levels = pyramid_levels(image, (0, 1), (4, 4), None)
    outs = [np.zeros(level.shape, np.uint8) for level in levels]
    seen: set[tuple[int, Index]] = set()

    def write(level: int, index: Index, block: Array) -> None:
        assert (level, index) not in seen
        seen.add((level, index))
        assert block.shape == levels[level].chunk_shape(index)
        y, x = (4 * i for i in index)
        outs[level][y : y + 4, x : x + 4] = block

    pyramid = Pyramid(levels, (0, 1), False, write)
    order = data.draw(st.permutations(list(levels[0].chunks_in((0, 0), shape))))
    written = sum(
        pyramid.place((y, x), array[4 * y : 4 * y + 4, 4 * x : 4 * x + 4]) for y, x in order
    )
    assert written == len(seen) == sum(np.prod(level.grid) for level in levels)
    expected = array
    for out in outs:
        np.testing.assert_array_equal(out, expected)
        expected = halve(expected, (0, 1), labels=False)
