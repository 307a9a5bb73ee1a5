"""A part of an image: pixels, place, axes, and what is no part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import UsageError
from opsin.images.crop import crop, origin_of, place_in_whole
from opsin.images.image import Image
from opsin.images.memory import image_from_array
from opsin.images.waiting import wait_for

PIXELS = np.arange(2 * 3 * 40 * 50, dtype=np.uint16).reshape(2, 3, 40, 50)


def image(**options: Any) -> Image:
    return image_from_array(
        [PIXELS, PIXELS[:, :, ::2, ::2]],
        axes="czyx",
        scale=(1.0, 2.0, 0.5, 0.25),
        translation=(0.0, 10.0, 3.0, 4.0),
        chunks=(1, 1, 16, 16),
        **options,
    )


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_it_has_the_pixels_and_the_place_of_what_was_cut(data: st.DataObject) -> None:
    level = data.draw(st.sampled_from([0, 1]))
    with image() as whole:
        geometry = whole.levels[level]
        ranges: dict[str, Any] = {}
        index: list[Any] = []
        for axis, name in enumerate("czyx"):
            size = geometry.shape[axis]
            low = data.draw(st.integers(0, size - 1))
            high = data.draw(st.integers(low + 1, size))
            how = data.draw(st.sampled_from(["all", "slice", "pair", *(["one"] * (axis < 2))]))
            index.append({"all": slice(None), "one": low}.get(how, slice(low, high)))
            if how != "all":
                ranges[name] = {"slice": slice(low, high), "pair": (low, high), "one": low}[how]
        part = crop(whole, level, **ranges)
        expected = whole.read(level)[tuple(index)]
        np.testing.assert_array_equal(part.read(), expected)
        kept = [axis for axis in range(4) if not isinstance(index[axis], int)]
        assert part.axis_names == tuple("czyx"[axis] for axis in kept)
        for place, axis in enumerate(kept):
            start = index[axis].start or 0
            assert part.levels[0].scale[place] == geometry.scale[axis]
            world = geometry.translation[axis] + start * geometry.scale[axis]
            assert part.levels[0].translation[place] == pytest.approx(world)
        for chunk in part.levels[0].chunks_in([0] * len(kept), part.shape):
            encoded = wait_for(part.source.fetch(0, chunk))
            assert part.source.decode(0, chunk, encoded).shape == part.levels[0].chunk_shape(chunk)


def test_colours_stay_colours_only_if_all_of_them_are_there() -> None:
    photo = image_from_array(np.zeros((20, 30, 3), np.uint8))
    assert photo.rgb
    assert crop(photo, y=(0, 5)).rgb
    assert not crop(photo, c=(0, 2)).rgb
    red = crop(photo, c=0)
    assert (red.rgb, red.axis_names, red.shape) == (False, ("y", "x"), (20, 30))


@pytest.mark.parametrize(
    ("level", "ranges", "said"),
    [
        (2, {}, "has levels 0 to 1, not 2"),
        (0, {"t": 0}, "has no axis 't'"),
        (0, {"z": 3}, "Pixel 3 is outside of axis z, which has 3"),
        (0, {"z": -4}, "Pixel -4 is outside of axis z"),
        (0, {"y": (5, 5)}, "is no part of it"),
        (0, {"y": slice(0, 9, 2)}, "is no part of it"),
        (0, {"c": 0, "z": 0, "y": 0}, "At least two axes are left"),
    ],
)
def test_what_is_no_part_is_refused(level: int, ranges: dict[str, Any], said: str) -> None:
    with image() as whole, pytest.raises(UsageError, match=said):
        crop(whole, level, **ranges)


def test_what_the_part_is_of_stays_open() -> None:
    with image() as whole:
        crop(whole, z=0).close()
        np.testing.assert_array_equal(whole.read(), PIXELS)
        assert origin_of(crop(crop(whole, z=0), c=0)) is None


def test_a_part_of_a_part_is_a_part_of_the_whole() -> None:
    with image() as whole:
        part = crop(crop(whole, 1, c=1, y=(3, 15), x=(2, 20)), y=(4, 10), z=(1, 3))
        cuts: dict[str, Any] = {"z": (0, 1), "y": (1, 4), "x": 5}
        box: dict[str, Any]
        found, level, box = place_in_whole(part, 0, cuts)
        assert (found, level) == (whole, 1)
        assert box == {"c": 1, "z": (1, 2), "y": (8, 11), "x": 7}
        np.testing.assert_array_equal(crop(whole, level, **box).read(), crop(part, **cuts).read())
        moved = replace(part, levels=(replace(part.levels[0], translation=(0.0, 0.0, 0.0)),))
        assert place_in_whole(moved, 0, cuts) == (moved, 0, cuts)
