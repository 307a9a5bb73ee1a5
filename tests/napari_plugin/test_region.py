"""Regions: which pixels lie where napari draws, against plain arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.window import Pace
from opsin.images.layer import layers_of
from opsin.images.memory import image_from_array
from opsin.napari.feed import Feed
from opsin.napari.member import Member
from opsin.napari.region import Region, places_of
from opsin.napari.tile import Tile
from opsin.napari.volatile_array import VolatileArray
from opsin.napari.wants import Motion, base_of, followed, wanted, wanted_ahead
from tests.napari_plugin.pyramids import as_napari_draws, by_mean, by_stride, image_of, picture

RANDOM = np.random.default_rng(2)


def region_of(levels: Any, level: int, **named: Any) -> tuple[Any, Region]:
    image = image_of(levels, chunks=(*(1,) * (levels[0].ndim - 2), 16, 16), **named)
    places = tuple(
        places_of(n, m, range(m))
        for n, m in zip(image.shape, image.levels[level].shape, strict=True)
    )
    return image, Region(image.levels, level, places)


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(9, 150),
    width=st.integers(9, 150),
    stride=st.booleans(),
    level=st.integers(0, 2),
    order=st.randoms(use_true_random=False),
)
def test_a_tile_is_the_level_where_napari_draws_it(
    height: int, width: int, stride: bool, level: int, order: Any
) -> None:
    levels = (by_stride if stride else by_mean)(picture(height, width), 3)
    image, region = region_of(levels, level, stride=stride)
    with image:
        tile = Tile(image, region)
        chunks = sorted(tile.missing)
        order.shuffle(chunks)
        for index in chunks:
            assert not tile.complete
            start = [i * 16 for i in index]
            y, x = (slice(s, s + 16) for s in start)
            tile.add(index, levels[level][y, x])
        assert tile.complete
        assert np.array_equal(tile.picture(), as_napari_draws(levels, stride)[level])


def test_a_tile_in_the_making_is_coarse_where_nothing_has_come() -> None:
    levels = by_mean(picture(64, 64), 2)
    image, region = region_of(levels, 0)
    with image:
        tile = Tile(image, region)
        tile.fill(
            [
                (
                    1,
                    [
                        ((i, j), levels[1][i * 16 :, j * 16 :][:16, :16])
                        for i in range(2)
                        for j in range(2)
                    ],
                )
            ]
        )
        tile.add((1, 2), levels[0][16:32, 32:48])
        expected = levels[1].repeat(2, 0).repeat(2, 1)
        assert np.array_equal(tile.picture()[:16], expected[:16])
        expected[16:32, 32:48] = levels[0][16:32, 32:48]
        assert np.array_equal(tile.picture(), expected)


INDEX = st.one_of(
    st.integers(-4, 3),
    st.builds(
        slice,
        st.none() | st.integers(-9, 9),
        st.none() | st.integers(-9, 9),
        st.sampled_from((None, 1, 2, -1, -3)),
    ),
)


@settings(max_examples=60, deadline=None)
@given(keys=st.lists(st.lists(INDEX, max_size=3), min_size=1, max_size=3), dots=st.booleans())
def test_indexing_is_that_of_numpy(keys: list[list[Any]], dots: bool) -> None:
    array = RANDOM.integers(0, 9, (4, 5, 6))
    with image_from_array(array, axes="zyx") as image:
        (layer,) = layers_of(image)
        own: Any = Member(layer).levels[0]
        for key in keys:
            index = (..., *key) if dots else tuple(key)
            try:
                expected = array[index]
            except IndexError:
                try:
                    own = own[index]
                except IndexError:
                    return
                raise AssertionError("NumPy refuses that") from None
            array, own = expected, own[index]
            assert own.shape == array.shape
            assert own.ndim == array.ndim
            assert own.size == array.size
        assert np.array_equal(np.asarray(own), array)


def test_nothing_is_read_by_indexing() -> None:
    class Untouchable:
        shape, dtype, ndim = (1 << 27, 1 << 27), np.dtype(np.uint8), 2
        chunks = (512, 512)

        def __getitem__(self, key: Any) -> Any:
            raise AssertionError("it was read")

    with image_from_array(Untouchable(), axes="yx") as image:
        view = VolatileArray(Feed(layers_of(image)[0]), 0)[17:, 3:-5][1 << 20 :, 8]
        assert view.shape == ((1 << 27) - 17 - (1 << 20),)
        assert view.dtype == np.uint8


def stack_region(z: float) -> Region:
    levels = by_mean(picture(20, 128, 96), 3)
    image, region = region_of(levels, 0)
    image.close()
    return Region(region.levels, 0, (np.array([z]), *region.places[1:]))


def test_the_base_comes_first_and_the_rest_from_the_middle_out() -> None:
    region = stack_region(3.0)
    wants = list(wanted(region, near=True))
    base = [(2, (3, i, j)) for i in range(2) for j in range(2)]
    assert sorted(wants[:4]) == base
    assert {level for level, _ in wants[4:]} == {0}
    assert len(wants[4:]) == 8 * 6
    assert wants[4][1][1:] in {(3, 2), (3, 3), (4, 2), (4, 3)}
    assert wants[-1][1][1:] in {(0, 0), (0, 5), (7, 0), (7, 5)}


def test_planes_are_wanted_ahead_where_the_slider_goes() -> None:
    here = stack_region(3.0)
    there = stack_region(4.0)
    motion = followed(here, there, 0.1)
    assert motion == Motion(0, 1.0, 0.1)
    ahead = list(wanted_ahead(there, motion, Pace()))
    assert {index[0] for _, index in ahead} == {5, 6, 7}
    assert followed(here, here, 0.1) is None
    assert followed(None, here, 0.1) is None
    assert followed(here, stack_region(19.0), 0.1) == Motion(0, 1.0, 0.1)
    assert list(wanted_ahead(stack_region(0.0), Motion(0, -1.0, 0.1), Pace())) == []
    assert list(wanted_ahead(there, None, Pace())) == []


def test_a_base_of_many_chunks_is_wanted_where_it_is_looked_at() -> None:
    levels = by_mean(picture(1024, 1024), 2)
    image, region = region_of(levels, 0)
    image.close()
    part = Region(region.levels, 0, tuple(p[100:150] for p in region.places))
    assert base_of(part).box(1) == ((50, 50), (75, 75))
