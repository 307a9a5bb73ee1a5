"""Lazy arrays with levels: what others get of an image of which they read what they show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from opsin.host.inputs import lazy_part, read_part
from opsin.host.lazy_levels import LazyLevels, coarser
from opsin.host.lazy_types import register
from opsin.host.selection import Part
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.rpc.peer import Peer
from opsin.rpc.transports.memory import pair
from tests.rpc.running import run

RANDOM = np.random.default_rng(8)


def pyramid() -> tuple[list[Any], Layer]:
    """Two channels of planes, and each level as an array."""
    levels = [RANDOM.integers(0, 99, (2, 40 >> k, 64 >> k), dtype=np.uint16) for k in range(3)]
    image = image_from_array(levels, axes="cyx", name="cells", scale=(1, 0.5, 0.25))
    return levels, next(one for one in layers_of(image) if one.channel == 1)


def test_a_part_is_what_touches_it_at_every_level() -> None:
    levels, layer = pyramid()
    part = Part(layer, 0, (1, 6, 9), (2, 18, 33))
    found = list(coarser(part))
    assert [(one.level, one.start, one.stop) for one in found] == [
        (1, (1, 3, 4), (2, 9, 17)),
        (2, (1, 1, 2), (2, 5, 9)),
    ]
    lazy = lazy_part(part, ("y", "x"))
    entries = lazy.levels()
    assert [entry["array"].shape for entry in entries] == [(12, 24), (6, 13), (4, 7)]
    assert entries[0]["array"] is lazy
    for entry, one, pixels in zip(entries, [part, *found], levels, strict=True):
        rows, columns = (slice(*two) for two in list(zip(one.start, one.stop, strict=True))[1:])
        (whole,) = entry["array"].read([[[0, n, 1] for n in entry["array"].shape]])
        np.testing.assert_array_equal(whole, pixels[1, rows, columns])
        np.testing.assert_array_equal(whole, run(read_part(one, ("y", "x")), 10))
        # The edges of what they hold are at most a pixel apart.
        assert entry["axes"] == ["y", "x"]
        step = np.array(entry["scale"])
        first = np.array(entry["translation"]) - step / 2
        last = first + step * entry["array"].shape
        assert (abs(first - [6 * 0.5 - 0.25, 9 * 0.25 - 0.125]) < step).all()
        assert (abs(last - [18 * 0.5 - 0.25, 33 * 0.25 - 0.125]) < step).all()
    assert [entry["name"] for entry in entries] == [layer.name] * 3
    # Each is a beginning of its own.
    assert len(entries[1]["array"].levels()) == 2


@pytest.mark.parametrize("index", range(40))
def test_one_pixel_of_an_axis_that_is_not_seen_stays_one(index: int) -> None:
    levels = [RANDOM.integers(0, 99, (40 >> k, 16 >> k, 16 >> k)).astype("u1") for k in range(3)]
    (layer,) = layers_of(image_from_array(levels, axes="zyx"))
    entries = lazy_part(Part(layer, 0, (index, 0, 0), (index + 1, 16, 16)), ("y", "x")).levels()
    assert [entry["array"].shape for entry in entries] == [(16, 16), (8, 8), (4, 4)]
    for shift, entry in enumerate(entries):
        (plane,) = entry["array"].read([[[0, n, 1] for n in entry["array"].shape]])
        np.testing.assert_array_equal(plane, levels[shift][index >> shift])


def test_steps_that_are_no_round_numbers_do_not_add_pixels() -> None:
    levels = [np.zeros((300 // 3**k,), np.uint8) for k in range(4)]
    image = image_from_array(levels, axes="x", scale=(0.1,))
    (layer,) = layers_of(image)
    for start in range(0, 270, 27):
        found = list(coarser(Part(layer, 0, (start,), (start + 27,))))
        assert [one.shape for one in found] == [(9,), (3,), (1,)]


def test_the_other_side_of_a_link_has_them_and_gives_them_on() -> None:
    """Of 281 TB, the coarsest level."""
    register()

    with open_image("synthetic:mandelbulb,size=65536") as image:
        whole = replace(image, name="bulb")

        class Owner:
            def image(self) -> Any:
                return whole

            def taken(self, array: Any) -> bool:
                return isinstance(array, LazyLevels)

        async def main() -> None:
            ours, theirs = pair()
            async with Peer(ours, Owner()), Peer(theirs) as client:
                root = await client.root()
                array = await root.image()
                assert array.shape == (1 << 16,) * 3
                assert await root.taken(array)
                levels = await array._held.peer.call(array._held, "levels", [], {})
                assert levels[0]["axes"] == ["z", "y", "x"]
                last = levels[-1]
                assert (last["name"], last["kind"]) == ("bulb", "image")
                pixels = await last["array"].read()
                np.testing.assert_array_equal(pixels, image.read(len(levels) - 1))

        run(main(), 30)
