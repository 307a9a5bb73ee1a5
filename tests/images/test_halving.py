"""Halving: means and modes that are exact, against the slow and obvious way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from opsin.images import halving
from opsin.images.halving import halve
from opsin.images.source import Array, Index

INTEGERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]
AXES = [(0, 1), (1, 2), (0, 2), (0, 1, 2), (2,), (0,)]


def blocks(array: Array, axes: tuple[int, ...]) -> Iterator[tuple[Index, list[Any]]]:
    """Each pixel of the result, and the values that it is made of."""
    halved = [-(-n // 2) if axis in axes else n for axis, n in enumerate(array.shape)]
    for place in product(*map(range, halved)):
        box = tuple(
            slice(2 * n, 2 * n + 2) if axis in axes else slice(n, n + 1)
            for axis, n in enumerate(place)
        )
        yield place, array[box].ravel().tolist()


@st.composite
def shapes(draw: Any) -> tuple[int, ...]:
    return tuple(draw(st.integers(1, 5)) for _ in range(3))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_integers_are_the_exact_mean_rounded_half_to_even(data: Any) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(INTEGERS)))
    limits = np.iinfo(dtype)
    few = st.sampled_from([limits.min, limits.max, 0, 1, 2, 3])
    elements = few | arrays.from_dtype(dtype)
    array = data.draw(arrays.arrays(dtype, shapes(), elements=elements))
    axes = data.draw(st.sampled_from(AXES))
    half = halve(array, axes, labels=False)
    assert half.dtype == dtype
    for place, values in blocks(array, axes):
        # round() of a Fraction is exact, and half to even.
        assert int(half[place]) == round(Fraction(sum(values), len(values)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_labels_are_the_mode_ties_to_the_smallest_that_is_not_zero(data: Any) -> None:
    dtype = np.dtype(data.draw(st.sampled_from([*INTEGERS[::2], "i4", "?"])))
    few = st.booleans() if dtype.kind == "b" else st.sampled_from([0, 1, 2, 3, 100])
    array = data.draw(arrays.arrays(dtype, shapes(), elements=few))
    axes = data.draw(st.sampled_from(AXES))
    half = halve(array, axes, labels=True)
    assert half.dtype == dtype
    for place, values in blocks(array, axes):
        votes = Counter(values)
        most = max(votes.values())
        best = min((v for v in votes if votes[v] == most), key=lambda v: (v == 0, v))
        assert half[place] == best


@pytest.mark.parametrize("axes", [(1, 2), (0, 1, 2)])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_floats(dtype: str, axes: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=(2, 7, 6)).astype(dtype)
    array[0, 0, 0] = np.nan
    array[:, 2:4, 2:4] = np.finfo(dtype).max
    half = halve(array, axes, labels=False)
    assert half.dtype == array.dtype
    for place, values in blocks(array, axes):
        exact = float(sum(map(Fraction, values)) / len(values)) if place != (0, 0, 0) else np.nan
        np.testing.assert_array_max_ulp(half[place], np.asarray(exact, dtype), 1)


def test_other_axes_are_kept() -> None:
    array = np.random.default_rng(0).integers(0, 99, (3, 6, 2, 5)).astype(np.uint8)
    half = halve(array, (1, 3), labels=False)
    assert half.shape == (3, 3, 2, 3)
    np.testing.assert_array_equal(half[2, :, 1], halve(array[2, :, 1], (0, 1), labels=False))


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "u8", "f4", "f8", "?"])
@pytest.mark.parametrize("shape", [(1, 33, 18), (9, 4, 7), (6, 1, 1), (40, 2, 2)])
def test_in_pieces_and_into_another_array_it_is_the_same(
    shape: tuple[int, ...], dtype: str, labels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = np.random.default_rng(0).integers(0, 3, shape).astype(dtype)
    for axes in AXES:
        whole = halve(array, axes, labels)
        with monkeypatch.context() as patch:
            patch.setattr(halving, "PIECE", 64)
            np.testing.assert_array_equal(halve(array, axes, labels), whole)
            # Views, as they come of larger arrays and of other orders of axes.
            turned = np.ascontiguousarray(array.T).T
            np.testing.assert_array_equal(halve(turned, axes, labels), whole)
            larger = np.zeros([n + 3 for n in whole.shape], array.dtype)
            target = larger[tuple(slice(2, 2 + n) for n in whole.shape)]
            assert halve(array, axes, labels, target) is target
            np.testing.assert_array_equal(target, whole)
            assert np.count_nonzero(larger) == np.count_nonzero(whole)


def test_the_input_stays_as_it_is() -> None:
    for dtype in (*INTEGERS, "f2", "f4", "f8", "?"):
        for labels in (False, True):
            array = np.random.default_rng(0).integers(0, 9, (8, 8)).astype(dtype)
            before = array.copy()
            halve(array, (0, 1), labels)
            np.testing.assert_array_equal(array, before)
