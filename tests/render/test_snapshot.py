"""Snapshots of real files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from opsin.chunks.camera import Camera, fit
from opsin.errors import NotFound, UsageError, WriteError
from opsin.images.derived import with_derived_levels
from opsin.images.layer import layers_of
from opsin.images.readers import open_image
from opsin.render.histogram import auto_contrast
from opsin.render.snapshot import save_png, snapshot

NUCLEI = Path("tests/data/nuclei/test/images/000.png")


def test_a_file_at_its_own_size_is_itself() -> None:
    picture = snapshot(NUCLEI, size=(256, 256))
    assert picture.shape == (256, 256, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[..., 0], imagecodecs.png_decode(NUCLEI.read_bytes()))
    assert snapshot(str(NUCLEI)).shape == (512, 512, 3)
    view = Camera((100, 100), 2, (64, 32))
    assert snapshot(NUCLEI, view).shape == (32, 64, 3)
    assert snapshot(NUCLEI, view, (10, 20)).shape == (20, 10, 3)


def test_contrast_is_read_off_the_shown_plane() -> None:
    volume = tifffile.imread("tests/data/volume/img3d.tif")
    with open_image("tests/data/volume/img3d.tif") as image:
        (layer,) = layers_of(image)
        view = replace(fit([layer], (57, 61)), position={"z": 20})
        low, high = auto_contrast(volume[20])
        expected = ((volume[20] - float(low)) / (high - low)).clip(0, 1) * 255
        picture = snapshot(image, view)
        np.testing.assert_allclose(picture[..., 0], expected, atol=0.51)
        assert snapshot(image, replace(view, position={"z": 99})).max() == 0


def test_a_large_image_is_averaged_not_skipped_over(tmp_path: Path) -> None:
    tile = imagecodecs.png_decode(NUCLEI.read_bytes())
    array = np.tile(tile, (16, 16))
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, array, tile=(512, 512), compression="zlib")
    expected = np.round(array.reshape(1024, 4, 1024, 4).sum(axis=(1, 3)) / 16)  # half to even
    picture = snapshot(path, size=(1024, 1024))
    np.testing.assert_array_equal(picture[..., 0], expected)
    with open_image(path) as image:
        skipped = snapshot(image, size=(1024, 1024), level=0)
        inner = array.reshape(1024, 4, 1024, 4)[:, 1:3, :, 1:3].mean(axis=(1, 3))
        np.testing.assert_allclose(skipped[..., 0], inner, atol=0.51)
        closeup = snapshot(image, Camera((1000.5, 2000.5), 1, (100, 50)))
        np.testing.assert_array_equal(closeup[..., 0], array[976:1026, 1951:2051])


def test_cells_as_channels(tmp_path: Path) -> None:
    paths = sorted(Path("tests/data/cells").glob("*.tif"))
    stack = np.stack([tifffile.imread(path) for path in paths])
    path = tmp_path / "cells.ome.tif"
    colours = [0xFF0000FF, 0x00FF00FF, 0x0000FFFF]
    tifffile.imwrite(
        path,
        stack,
        photometric="minisblack",
        metadata={"axes": "CYX", "Channel": {"Color": colours, "Name": ["a", "b", "c"]}},
    )
    picture = snapshot(path)
    np.testing.assert_array_equal(picture, stack.transpose(1, 2, 0))


def test_bad_requests() -> None:
    with pytest.raises(NotFound):
        snapshot("tests/data/none.tif")
    with pytest.raises(UsageError, match="levels are 0 to 0"):
        snapshot(NUCLEI, level=1)
    with pytest.raises(UsageError, match="0 × 5"):
        snapshot(NUCLEI, size=(0, 5))
    with open_image(NUCLEI) as image, pytest.raises(UsageError, match="no layer"):
        snapshot(image, layers=[])


def test_given_layers_are_drawn() -> None:
    with with_derived_levels(open_image(NUCLEI)) as image:
        (layer,) = layers_of(image)
        picture = snapshot(image, size=(256, 256), layers=[replace(layer, colormap="#00ff00")])
        assert picture[..., 0].max() == 0
        assert picture[..., 1].max() > 50


def test_saving_is_whole_or_not_at_all(tmp_path: Path) -> None:
    picture = snapshot(NUCLEI, size=(64, 64))
    path = tmp_path / "a.png"
    path.write_bytes(b"before")
    save_png(picture, path)
    np.testing.assert_array_equal(imagecodecs.png_decode(path.read_bytes()), picture)
    with pytest.raises(WriteError, match="cannot be written"):
        save_png(picture, tmp_path / "none" / "a.png")
    with pytest.raises(WriteError):
        save_png(picture, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
