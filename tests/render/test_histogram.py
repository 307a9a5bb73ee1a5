"""Histograms and automatic contrast."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from opsin.render.histogram import auto_contrast, histogram

ARRAYS = hnp.arrays(
    st.sampled_from(["u1", "i1", "u2", "i4", "u8", "i8", "f4", "f8", "?"]),
    hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=20),
)


@given(ARRAYS, st.integers(1, 300))
def test_histogram_counts_every_finite_value_once(values: Any, bins: int) -> None:
    found = histogram(values, bins)
    assert found.counts.sum() == np.isfinite(values).sum()
    assert 1 <= len(found.counts) <= bins
    assert found.low < found.high or abs(found.low) > 2**53


@given(ARRAYS)
def test_contrast_is_a_range_within_reach(values: Any) -> None:
    low, high = auto_contrast(values)
    assert low < high
    assert math.isfinite(low)
    assert math.isfinite(high)
    if values.dtype.kind in "iu":
        assert isinstance(low, int)
        assert isinstance(high, int)


def test_integers_get_bins_of_whole_numbers() -> None:
    values = np.repeat(np.arange(10, 1010, dtype="u2"), 3)
    found = histogram(values, 256)
    assert (found.low, found.high) == (10, 1010)
    assert set(found.counts) == {12}
    assert len(found.counts) == 250
    small = histogram(np.array([3, 5, 5], "u1"))
    assert small.counts.tolist() == [1, 0, 2]
    extreme = histogram(np.array([-(2**63), 2**63 - 1], "i8"), 2)
    assert extreme.counts.tolist() == [1, 1]


def test_floats_agree_with_numpy() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    counts, _ = np.histogram(values, 64)
    assert np.abs(histogram(values, 64).counts - counts).sum() <= 4


def test_outliers_do_not_spoil_the_contrast() -> None:
    values = np.random.default_rng(0).integers(100, 200, 100_000).astype("u2")
    values[:50] = 65535
    assert auto_contrast(values) == (100, 199)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full(9, 7, "u1"), (7, 8)),
        (np.array([], "u1"), (0, 1)),
        (np.array([np.nan, np.inf]), (0, 1)),
        (np.array([0] * 99_999 + [50], "u2"), (0, 50)),
        (np.array([False, True]), (0, 1)),
    ],
)
def test_odd_values(values: Any, expected: tuple[float, float]) -> None:
    assert auto_contrast(values) == expected
