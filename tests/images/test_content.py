"""The same pixels have the same identity, wherever they lie; others have another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from opsin.images.content import content_identity
from opsin.images.crop import crop
from opsin.images.image import Image
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.images.waiting import wait_for
from opsin.images.write import write_image

PIXELS = np.random.default_rng(0).integers(0, 4096, (300, 400), dtype=np.uint16)


def identity(image: Image, level: int = 0) -> str:
    return wait_for(content_identity(image, level))


def test_it_does_not_depend_on_how_pixels_are_stored(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS)
    with image_from_array(PIXELS) as memory, open_image(tmp_path / "a.tif") as tiff:
        write_image(memory, tmp_path / "a.ome.zarr", chunks=64)
        with open_image(tmp_path / "a.ome.zarr") as zarr:
            assert len({identity(one) for one in (memory, tiff, zarr)}) == 1
            assert identity(memory).startswith("sha256:")
            assert zarr.origin is not None
            assert zarr.origin.address == str(tmp_path / "a.ome.zarr")
            assert identity(zarr, 1) != identity(zarr)
        part = crop(memory, y=(0, 10))
        assert identity(part) == identity(image_from_array(PIXELS[:10].copy()))


def test_one_other_pixel_type_or_shape_makes_another() -> None:
    other = PIXELS.copy()
    other[7, 7] ^= 1
    images = [PIXELS, other, PIXELS.astype(np.int32), PIXELS.reshape(400, 300), PIXELS.T]
    assert len({identity(image_from_array(one)) for one in images}) == len(images)


def test_of_large_images_some_places_are_looked_at() -> None:
    large = np.zeros((6000, 6000), np.uint16)
    image = image_from_array(large)
    before = identity(image)
    assert before.startswith("sample:")
    large[-1, -1] = 1
    assert identity(image) != before


def test_of_a_formula_it_is_the_address() -> None:
    with open_image("synthetic:mandelbrot") as one, open_image("synthetic:mandelbulb") as other:
        assert identity(one).startswith("formula:")
        near = crop(one, y=(0, 9))
        assert identity(near).startswith("formula:")
        assert len({identity(one), identity(one, 3), identity(other), identity(near)}) == 4
