"""Inputs that lie differently, results that are laid out differently: jobs in a real host."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import ome_zarr_models
import pytest
import zarr
from ome_zarr_models.v05 import Image as OmeImage
from ome_zarr_models.v05 import ImageLabel as OmeLabels

from opsin.chunks.camera import Camera
from opsin.errors import UsageError
from opsin.host.inputs import lazy_part, luminance, read_part
from opsin.host.results import result_image
from opsin.host.selection import Part, Selection, Visible, Whole, select
from opsin.images.image import Image
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.images.write import write_image
from opsin.plugins.formats import read_plugin
from opsin.plugins.manifest import Operation
from tests.host.hosting import ended, hosting, layer, start
from tests.host.plugins import write_plugin
from tests.host.test_blocking import program
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
    write_image(image, tmp_path / "one.ome.zarr", chunks=128)
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


# -------------------------------------------------------------------- how results are laid out

LAID = """
from typing import Annotated

import numpy as np

from opsin.types import Axes, Image, Labels, Table


def plane(image: Image) -> Image:
    return image + 1


def channels(image: Annotated[Image, Axes("cyx")]) -> Annotated[Image, Axes("cyx")]:
    return image[::-1] + 1


def colours(image: Annotated[Image, Axes("yxc")]) -> Annotated[Image, Axes("yxc")]:
    return image[..., ::-1]


def labelled(image: Annotated[Image, Axes("yxc")]) -> Annotated[Labels, Axes("yxc")]:
    return (image > 100).astype(np.int32)


def turned(image: Annotated[Image, Axes("xy")]) -> Annotated[Image, Axes("xy")]:
    return image * 2


def upright(image: Annotated[Image, Axes("zx")]) -> Annotated[Image, Axes("zx")]:
    return image * 2


def film(image: Annotated[Image, Axes("yxt")]) -> Annotated[Image, Axes("yxt")]:
    return image[..., ::-1]


def stack(image: Annotated[Image, Axes("cyx")]) -> Annotated[Image, Axes("yx")]:
    return image.sum(0)


def both(image: Image) -> tuple[Image, Image, Table]:
    return image + 1, image + 2, {"least": [int(image.min())]}
"""

VALID = [
    # (operation, axes of the image, axes of the result, what it is of the image)
    ("plane", "yx", "yx", lambda a: a + 1),
    ("plane", "yxc", "cyx", lambda a: np.moveaxis(a, -1, 0) + 1),
    ("plane", "zctyx", "tczyx", lambda a: a.transpose(2, 1, 0, 3, 4) + 1),
    ("plane", "xyz", "zyx", lambda a: a.transpose(2, 1, 0) + 1),
    ("channels", "czyx", "czyx", lambda a: a[::-1] + 1),
    ("channels", "tzyxc", "tczyx", lambda a: a.transpose(0, 4, 1, 2, 3)[:, ::-1] + 1),
    ("colours", "yxc", "cyx", lambda a: a.transpose(2, 0, 1)[::-1]),
    ("labelled", "zyxc", "czyx", lambda a: a.transpose(3, 0, 1, 2) > 100),
    ("turned", "yx", "xy", lambda a: a.T * 2),
    ("turned", "tzyx", "tzxy", lambda a: a.transpose(0, 1, 3, 2) * 2),
    ("upright", "zyx", "yzx", lambda a: a.transpose(1, 0, 2) * 2),
    ("film", "tzyx", "tzyx", lambda a: a[::-1]),
    ("stack", "ztcyx", "tzyx", lambda a: a.sum(2).transpose(1, 0, 2, 3)),
]  # fmt: skip
SIZES = {"t": 3, "c": 4, "z": 5, "y": 90, "x": 70}


@pytest.mark.parametrize(("operation", "axes", "laid", "expected"), VALID)
def test_what_a_job_writes_is_valid_whatever_the_order_of_axes(
    tmp_path: Path, operation: str, axes: str, laid: str, expected: Any
) -> None:
    shape = [SIZES[name] for name in axes]
    pixels = RANDOM.integers(0, 200, shape, dtype=np.uint16)
    steps = {name: 1.0 + place / 4 for place, name in enumerate("tczyx")}
    write_plugin(tmp_path, LAID)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            image = image_from_array(pixels, axes=axes, scale=[steps[name] for name in axes])
            job = await ended(start(host, tmp_path, operation, image=Layer("one", image)))
            assert job.error is None
            path = job.results[0].path
            model = ome_zarr_models.open_ome_zarr(zarr.open_group(str(path), mode="r"))
            assert isinstance(model, OmeImage | OmeLabels)
            with open_image(path) as result:
                assert "".join(result.axis_names) == laid
                assert result.levels[0].scale == tuple(steps[name] for name in laid)
                np.testing.assert_array_equal(result.read(), expected(pixels))

    run(main(), 60)


def test_calls_are_made_in_the_order_in_which_they_are_written(tmp_path: Path) -> None:
    """So the arrays of one call are in memory, and what is put aside is found again."""
    pixels = RANDOM.integers(0, 200, (3, 2, 30, 40), dtype=np.uint16)
    write_plugin(tmp_path, LAID)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            one = layer(pixels, "ztyx")
            job = await ended(start(host, tmp_path, "both", image=one))
            assert job.error is None
            for number in (0, 1):
                with open_image(job.results[number].path) as result:
                    assert result.axis_names == ("t", "z", "y", "x")
                    expected = pixels.transpose(1, 0, 2, 3) + 1 + number
                    np.testing.assert_array_equal(result.read(), expected)
            rows = job.results[2].path.read_text().splitlines()
            least = [f"{z},{t},{pixels[z, t].min()}" for t in range(2) for z in range(3)]
            assert rows == ["z,t,least", *least]

    run(main(), 60)


@pytest.mark.parametrize(
    ("axes", "size", "loops"),
    [("cyx", {"c": 3, "y": 600, "x": 1100}, ("z",)), ("yxt", {"t": 4, "y": 40, "x": 1030}, ("z",))],
)
def test_one_call_is_read_to_its_end_before_the_next(
    tmp_path: Path, axes: str, size: dict[str, int], loops: tuple[str, ...]
) -> None:
    """What a call gives along an axis that is written before the loop does not wait."""
    shape = {**size, "z": 4}
    names = (*loops, *axes)
    image = image_from_array(
        np.zeros([shape[name] for name in names], np.uint8), axes=names, name="one"
    )
    every = tuple(shape[name] for name in names)
    part = Part(Layer("one", image), 0, (0,) * len(names), every)
    selection = Selection(tuple(axes), loops, {"image": part})
    pixels = RANDOM.integers(0, 200, every, dtype=np.uint8)
    alive: list[weakref.ref[Any]] = []
    most = 0

    async def ask(position: tuple[int, ...]) -> Any:
        nonlocal most
        array = pixels[position].copy()
        most = max(most, 1 + sum(one() is not None for one in alive))
        alive.append(weakref.ref(array))
        return array

    async def main() -> None:
        first = await ask((0,))
        result = result_image(selection, axes, first, ask, name="one", kind="image")
        del first
        path = tmp_path / "out.ome.zarr"
        await asyncio.to_thread(write_image, result, path, chunks=256)
        with open_image(path) as back:
            order = [names.index(name) for name in back.axis_names]
            np.testing.assert_array_equal(back.read(), pixels.transpose(order))

    run(main(), 60)
    assert most <= 2, "one that was just read, and the next"


# -------------------------------------------------------------------- colours


def grey(colours: Any) -> Any:
    red, green, blue = (colours[..., k].astype(float) for k in range(3))
    weighted = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return weighted if colours.dtype.kind == "f" else np.rint(weighted).astype(colours.dtype)


def photo(
    samples: int = 3, dtype: str = "uint8", chunks: tuple[int, int, int] | None = None
) -> Any:
    pixels = RANDOM.integers(0, 255, (60, 70, samples)).astype(dtype)
    image = image_from_array(pixels, axes="yxc", name="photo", chunks=chunks or (32, 32, samples))
    return pixels, replace(image, rgb=True)


@pytest.mark.parametrize("chunks", [(60, 70, 4), (13, 17, 4), (20, 70, 1), (60, 30, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_luminance_is_that_of_the_formula(dtype: str, chunks: tuple[int, int, int]) -> None:
    pixels, image = photo(4, dtype, chunks)
    part = Part(Layer("photo", image), 0, (5, 7, 0), (55, 70, 3))
    expected = grey(pixels)[5:55, 7:]
    for axes, turned in ((("y", "x"), expected), (("x", "y"), expected.T)):
        read = run(read_part(part, axes), 10)
        assert read.dtype == dtype
        np.testing.assert_allclose(read, turned, rtol=1e-6)
        # A lazy part reads the same, in the order of the operation.
        lazy = lazy_part(part, axes)
        (some,) = lazy.read([[[0, 9, 1], [2, 30, 1]]])
        np.testing.assert_array_equal(some, read[:9, 2:30])
    white = np.full((2, 2, 3), np.array(255, dtype))
    assert (luminance(white, 2) == luminance(white[::-1], 2)).all()
    np.testing.assert_allclose(luminance(white, 2), 255, rtol=1e-6)


def test_an_operation_on_planes_gets_the_luminance_of_a_colour_image(tmp_path: Path) -> None:
    pixels, image = photo(4)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            (one,) = layers_of(image)
            for where in (Whole(), visible(1.0, (30, 30))):
                job = await ended(start(host, tmp_path, "bright", where, image=one))
                with open_image(job.results[0].path) as result:
                    assert result.axis_names == ("y", "x")
                    np.testing.assert_array_equal(result.read(), grey(pixels) > 100)
            # One of the colours, if it is asked for; each with the mask made of the luminance.
            green = replace(one, channel=1)
            job = await ended(start(host, tmp_path, "bright", image=green))
            with open_image(job.results[0].path) as result:
                np.testing.assert_array_equal(result.read(), pixels[..., 1] > 100)
                mask = layers_of(result)[0]
                job = await ended(start(host, tmp_path, "inside", image=one, mask=mask))
            with open_image(job.results[0].path) as result:
                expected = np.where(pixels[..., 1] > 100, grey(pixels), 0)
                np.testing.assert_array_equal(result.read(), expected)
            # Also as a further input.
            flat = layer(np.ones((60, 70), np.uint8))
            job = await ended(start(host, tmp_path, "inside", image=flat, mask=one))
            with open_image(job.results[0].path) as result:
                np.testing.assert_array_equal(result.read(), grey(pixels) > 0)
            bright = host.program(host.registry.add(tmp_path / "trial.py"), "bright", {})
            estimate = host.estimate(bright, {"image": one}, Whole())
            assert (estimate.calls, estimate.input_bytes) == (1, 60 * 70)

    run(main(), 60)


@pytest.mark.parametrize("samples", [3, 4])
def test_what_comes_through_in_colour_has_channels_of_these_colours(
    tmp_path: Path, samples: int
) -> None:
    pixels, image = photo(samples)
    write_plugin(tmp_path, LAID)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            (one,) = layers_of(image)
            job = await ended(start(host, tmp_path, "colours", image=one))
            with open_image(job.results[0].path) as result:
                np.testing.assert_array_equal(result.read(), np.moveaxis(pixels, -1, 0)[::-1])
                layers = layers_of(result)
                shown = [
                    (one.colormap, one.contrast, one.blending) for one in layers if one.visible
                ]
                colours = ("red", "green", "blue")
                assert shown == [(colour, (0, 255), "additive") for colour in colours]
                assert len(layers) == samples
            job = await ended(start(host, tmp_path, "labelled", image=one))
            with open_image(job.results[0].path) as result:
                assert result.kind == "labels"

    run(main(), 60)


def test_a_colour_photo_gives_one_result_everywhere(tmp_path: Path) -> None:
    pixels, _ = photo()
    path = tmp_path / "photo.png"
    path.write_bytes(imagecodecs.png_encode(pixels))
    np.save(tmp_path / "photo.npy", pixels)
    done = program(
        tmp_path,
        """
pixels = np.load("photo.npy")
red, green, blue = (pixels[..., k].astype(float) for k in range(3))
grey = np.rint(0.2126 * red + 0.7152 * green + 0.0722 * blue)
for given in ("photo.png", opsin.open_image("photo.png")):
    np.testing.assert_array_equal(opsin.run(trial + ":bright", given), grey > 100)
for options, expected in (([], grey), (["--channel", "1"], pixels[..., 1])):
    out = f"out{len(options)}.ome.zarr"
    words = ["run", trial + ":bright", "photo.png", "-o", out, *options]
    import subprocess
    main = "import sys; from opsin.cli import main; sys.exit(main(sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", main, *words], check=True, capture_output=True)
    np.testing.assert_array_equal(opsin.open_image(out).read(), expected > 100)
""",
    )
    assert (done.returncode, done.stderr) == (0, "")
