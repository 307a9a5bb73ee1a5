"""Inputs that lie differently, results that are laid out differently: jobs in a real host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.chunks.camera import Camera
from opsin.errors import UsageError
from opsin.host.inputs import lazy_part, read_part
from opsin.host.selection import Part, Visible, Whole, select
from opsin.images.image import Image
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.images.write import write_image
from opsin.plugins.formats import read_plugin
from opsin.plugins.manifest import Operation
from tests.host.hosting import ended, hosting, layer, start
from tests.host.plugins import write_plugin
from tests.rpc.running import run

RANDOM = np.random.default_rng(3)


@pytest.fixture
def operations(tmp_path: Path) -> dict[str, Operation]:
    plugin = read_plugin(write_plugin(tmp_path))
    return {operation.name: operation for operation in plugin.operations}


@pytest.fixture
def pyramid(tmp_path: Path) -> Iterator[Image]:
    pixels = RANDOM.integers(0, 200, (900, 1101), dtype=np.uint16)
    image = image_from_array(pixels, name="one", scale=(0.5, 0.5), translation=(7.0, 0.0))
    write_image(image, tmp_path / "one.ome.zarr", chunk=128)
    with open_image(tmp_path / "one.ome.zarr") as opened:
        yield opened


def visible(zoom: float, center: tuple[float, float] = (200, 250), **position: float) -> Visible:
    return Visible(Camera(center, zoom, (100, 80), position))


# -------------------------------------------------------------------- levels


def test_a_result_goes_with_its_image_at_the_level_where_it_was_made(
    tmp_path: Path, pyramid: Image
) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as host:
            (one,) = layers_of(pyramid)
            job = await ended(start(host, tmp_path, "bright", Whole(2), image=one))
            with open_image(job.results[0].path) as labels:
                (lab,) = layers_of(labels)
                # The image's level 2 is the labels' level 0, also when the labels come first.
                for where, names in (
                    (Whole(2), ("image", "mask")),
                    (visible(0.5), ("image", "mask")),
                    (Whole(0), ("mask", "image")),
                ):
                    given: dict[str, Any] = dict(zip(names, (one, lab), strict=True))
                    job = await ended(start(host, tmp_path, "inside", where, **given))
                    assert job.error is None
                    with open_image(job.results[0].path) as result:
                        level = result.levels[0]
                        assert level.scale == (2.0, 2.0)
                        first = [
                            round((a - b) / 2.0)
                            for a, b in zip(
                                level.translation, pyramid.levels[2].translation, strict=True
                            )
                        ]
                        box = tuple(
                            slice(a, a + n) for a, n in zip(first, result.shape, strict=True)
                        )
                        pixels, mask = pyramid.read(2)[box], labels.read()[box]
                        if names[0] == "mask":
                            pixels, mask = mask, pixels
                        np.testing.assert_array_equal(result.read(), np.where(mask > 0, pixels, 0))
                with pytest.raises(UsageError, match=r"one has levels 0 to \d, not 9"):
                    start(host, tmp_path, "inside", Whole(9), image=one, mask=lab)
                with pytest.raises(UsageError, match=r"no level whose pixels are those of one"):
                    start(host, tmp_path, "inside", Whole(1), image=one, mask=lab)

    run(main(), 60)


def test_the_level_of_the_first_input_is_that_of_all(
    operations: dict[str, Operation], pyramid: Image
) -> None:
    """Its own level is what is seen; the other has no such level of its own to be seen at."""
    (one,) = layers_of(pyramid)
    coarse = layer(np.ones((225, 276), np.uint8), scale=(2.0, 2.0), translation=(7.75, 0.75))
    for zoom in (0.5, 0.3):
        found = select(operations["inside"], {"image": one, "mask": coarse}, visible(zoom))
        assert (found.parts["image"].level, found.parts["mask"].level) == (2, 0)
        assert found.parts["image"].shape == found.parts["mask"].shape
    found = select(operations["inside"], {"image": coarse, "mask": one}, visible(4.0))
    assert (found.parts["image"].level, found.parts["mask"].level) == (0, 2)


# -------------------------------------------------------------------- axes of further inputs


def test_axes_that_the_first_input_lacks_are_not_cut_silently(
    operations: dict[str, Operation],
) -> None:
    inside = operations["inside"]
    flat = layer(np.ones((40, 50), np.uint16))
    mask = replace(layer(np.ones((5, 40, 50), np.uint8), "zyx"), name="mask")
    given = {"image": flat, "mask": mask}
    with pytest.raises(UsageError, match=r"^mask has 5 positions along z, one has none: run on"):
        select(inside, given, Whole())
    with pytest.raises(UsageError, match="5 positions along z"):
        select(inside, given, Visible(Camera((20, 20), 1, (9, 9))))
    # The slider says which, or there is but one.
    assert select(inside, given, Whole(0, {"z": 3.0})).parts["mask"].start == (3, 0, 0)
    seen = select(inside, given, Visible(Camera((20, 20), 1, (9, 9), {"z": 3.0})))
    assert (seen.parts["mask"].start[0], seen.parts["mask"].stop[0]) == (3, 4)
    single = layer(np.ones((1, 40, 50), np.uint8), "zyx")
    assert select(inside, {"image": flat, "mask": single}, Whole()).calls == 1


def test_channels_of_a_further_input_are_chosen_or_refused(
    operations: dict[str, Operation],
) -> None:
    inside = operations["inside"]
    flat = layer(np.ones((40, 50), np.uint16))
    three = image_from_array(np.ones((3, 40, 50), np.uint8), axes="cyx", name="three")
    every, second = Layer("three", three), Layer("second", three, channel=1)
    message = "three has 3 positions along c, {} has {}: choose one of its channels"
    with pytest.raises(UsageError, match=message.format("one", "none")):
        select(inside, {"image": flat, "mask": every}, Whole())
    with pytest.raises(UsageError, match=message.format("second", "one")):
        select(inside, {"image": second, "mask": every}, Whole())
    assert select(inside, {"image": flat, "mask": second}, Whole()).parts["mask"].start[0] == 1
    both = select(inside, {"image": every, "mask": every}, Whole())
    assert [both.box(name, (2,)).start[0] for name in ("image", "mask")] == [2, 2]
    # One channel goes with each of the others.
    both = select(inside, {"image": every, "mask": second}, Whole())
    assert both.calls == 3
    assert [both.box(name, (2,)).start[0] for name in ("image", "mask")] == [2, 1]


def test_a_part_with_axes_too_many_is_not_read() -> None:
    one = layer(np.ones((5, 40, 50), np.uint16), "zyx")
    part = Part(one, 0, (0, 0, 0), (5, 40, 50))
    with pytest.raises(AssertionError, match="not along"):
        run(read_part(part, ("y", "x")), 10)
    with pytest.raises(AssertionError, match="not along"):
        lazy_part(part, ("y", "x"))


def test_a_mask_of_several_planes_and_a_flat_image_in_a_job(tmp_path: Path) -> None:
    pixels = RANDOM.integers(1, 200, (40, 50), dtype=np.uint16)
    planes = RANDOM.integers(0, 2, (5, 40, 50), dtype=np.uint8)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            given: dict[str, Any] = {"image": layer(pixels), "mask": layer(planes, "zyx")}
            job = await ended(start(host, tmp_path, "inside", Whole(0, {"z": 3.0}), **given))
            assert job.error is None
            with open_image(job.results[0].path) as result:
                np.testing.assert_array_equal(result.read(), np.where(planes[3], pixels, 0))
            with pytest.raises(UsageError, match="5 positions along z"):
                start(host, tmp_path, "inside", **given)

    run(main(), 60)
