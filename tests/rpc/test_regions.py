"""Regions: every index means what it means to NumPy, and pieces are the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.rpc.regions import blocks_of, region_of, shape_of, slices_of, split
from tests.rpc.arrays import data_of, indices


@settings(max_examples=300, deadline=None)
@given(st.data(), st.lists(st.integers(0, 9), max_size=4).map(tuple))
def test_regions_mean_what_numpy_means(data: st.DataObject, shape: tuple[int, ...]) -> None:
    array = data_of(*shape)
    index = data.draw(indices(shape))
    region, finish = region_of(index, shape)
    for (start, stop, step), side in zip(region, shape, strict=True):
        assert 0 <= start <= stop <= side
        assert step >= 1
    part = array[slices_of(region)]
    assert part.shape == shape_of(region)
    np.testing.assert_array_equal(part[finish], array[index])

    largest = data.draw(st.integers(1, 20))
    grid = data.draw(st.one_of(st.none(), st.tuples(*[st.integers(1, 5)] * len(shape))))
    whole, times = np.zeros_like(part), np.zeros(part.shape, int)
    for place, piece in split(region, largest, grid):
        assert np.prod(shape_of(piece)) <= largest
        whole[place] = array[slices_of(piece)]
        times[place] += 1
    np.testing.assert_array_equal(whole, part)
    assert (times == 1).all()

    if grid is not None:
        needed = np.zeros(shape, bool)
        for box in blocks_of(region, grid):
            area = [slice(a * side, b * side) for (a, b, _), side in zip(box, grid, strict=True)]
            needed[tuple(area)] = True
        assert needed[slices_of(region)].all()


@pytest.mark.parametrize(
    "index", [3, -4, (0, 0, 0), (..., ...), None, [1], "x", 1.0, True, np.array([True])]
)
def test_other_indices_are_refused(index: Any) -> None:
    with pytest.raises(IndexError):
        region_of(index, (3, 4))


def test_cuts_lie_on_the_grid() -> None:
    pieces = [piece for _, piece in split(((3, 40, 1), (0, 10, 1)), 100, (8, 5))]
    assert [piece[0][:2] for piece in pieces] == [(3, 8), (8, 16), (16, 24), (24, 32), (32, 40)]
