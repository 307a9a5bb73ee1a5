"""Synthetic points: the same everywhere, where the tree says, each level a part of the next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import NotFound, OpsinError, Unsupported, UsageError
from opsin.images.points import POSITION
from opsin.images.points.reader import open_points
from opsin.images.synthetic.points import synthetic_points
from tests.images.points.trees import check_tree, everything, levels


@pytest.mark.parametrize(("axes", "size"), [("yx", 4096), ("zyx", (64, 128, 512))])
@pytest.mark.parametrize("count", [1, 8192, 8193, 100_000])
def test_the_tree_holds_all_of_them(axes: str, size: int | tuple[int, ...], count: int) -> None:
    points = synthetic_points(axes, size, count)
    check_tree(points)
    found = everything(points)
    assert len(found) == count
    assert len(np.unique(found[POSITION], axis=0)) == count
    for axis, (low, high) in enumerate(points.extent):
        assert found[POSITION][:, axis].min() >= low
        assert found[POSITION][:, axis].max() <= high
    assert sum(many for _, many in points.tree.level_sizes()) == count
    assert found["value"].min() >= 0
    assert found["value"].max() < 1
    if count > 10_000:
        assert sorted(set(found["kind"])) == [0, 1, 2, 3]
        assert found["value"].mean() == pytest.approx(0.5, abs=0.01)


def test_half_of_the_points_lie_on_either_side_of_each_cut() -> None:
    points = synthetic_points("yx", 10_000, 200_000)
    found = everything(points)[POSITION]
    for cells in levels(points):
        for low, high in zip(cells.low, cells.high, strict=True):
            inside = ((found >= low) & (found < high)).all(axis=1).sum()
            assert inside == pytest.approx(200_000 / len(cells), rel=0.15)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_any_chunk_of_10_to_the_12_lies_in_its_box_and_is_the_same_again(
    data: st.DataObject,
) -> None:
    axes = data.draw(st.sampled_from(["yx", "zyx"]))
    points = synthetic_points(axes)
    assert points.count == 10**12
    last = points.tree.levels - 1
    depth = data.draw(st.integers(0, last))
    way = data.draw(st.integers(0, 2**depth - 1))
    cells = points.tree.root()
    for step in range(depth):  # down the tree, always one cell
        cells, parent = points.tree.children(cells)
        assert parent.tolist() == [0, 0]
        cells = cells.some(cells.grid == way >> (depth - step - 1))
    assert cells.grid.tolist() == [way]
    chunk = points.read(last - depth, (way,))
    assert len(chunk) == cells.count[0] == points.tree.count(last - depth, (way,))
    assert (chunk[POSITION] >= cells.low).all()
    assert (chunk[POSITION] <= cells.high).all()
    again = synthetic_points(axes).read(last - depth, (way,))
    np.testing.assert_array_equal(chunk, again)
    fewer = points.with_properties("kind").read(last - depth, (way,))
    assert fewer.dtype.names == (POSITION, "kind")
    np.testing.assert_array_equal(fewer["kind"], chunk["kind"])


def test_positions_are_as_exact_far_away_as_near() -> None:
    """float32 has steps of 8 pixels there."""
    points = synthetic_points()
    way = 2 ** (points.tree.levels - 1) - 1  # the far corner, or nearly so
    places = points.read(0, (way,))[POSITION]
    assert places.min() > 2**26
    assert np.ptp(np.round(places * 2**20) % 2**20) > 2**19
    assert len(np.unique(places % 1)) > 6000


def test_addresses() -> None:
    with open_points("synthetic:points,axes=zyx,size=64,count=1000") as points:
        assert (points.count, points.axis_names) == (1000, ("z", "y", "x"))
        assert points.extent == ((-0.5, 63.5),) * 3
    with open_points("synthetic:points,size=64x128,count=10") as points:
        assert points.extent[1] == (-0.5, 127.5)


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("points,sise=3", "settings are axes, count and size, as in"),
        ("points,size", "settings are"),
        ("points,size=3,size=3", "settings are"),
        ("points,size=3x4x5", "within 1 to 1073741824 pixels along yx"),
        ("points,size=0", "within 1 to 1073741824 pixels along yx"),
        ("points,count=0", "There can be 1 to 1000000000000 synthetic points, not 0"),
        ("points,count=1e9", "settings are"),
        ("points,axes=xy", "the axes yx or zyx, not 'xy'"),
        ("pointy", "There is no synthetic:pointy"),
    ],
)
def test_mistakes_are_told(formula: str, sentence: str) -> None:
    with pytest.raises((Unsupported, NotFound), match=sentence) as caught:
        open_points(f"synthetic:{formula}")
    assert isinstance(caught.value, OpsinError)
    assert str(caught.value).endswith(".")


def test_settings_are_checked() -> None:
    for settings_ in ({"axes": "tyx"}, {"size": (1, 2, 3)}, {"count": 10**13}):
        with pytest.raises(UsageError):
            synthetic_points(**settings_)
