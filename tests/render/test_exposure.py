"""Pictures that sharpen, and those of volumes, as a user asks for them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

import opsin
from opsin.chunks.camera import Camera
from opsin.chunks.volume_camera import VolumeCamera, fit_volume, looking
from opsin.errors import Corrupt, UsageError
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.images.points.layer import PointsLayer
from opsin.images.synthetic.points import synthetic_points
from opsin.render.canvas import Picture
from opsin.render.snapshot import sharpen, snapshot
from tests.chunks.pyramid import PyramidSource, pyramid
from tests.chunks.volumes import volume

VOLUME = Path("tests/data/volume/img3d.tif")
NUCLEI = Path("tests/data/nuclei/test/images/000.png")


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = threading.active_count()
    yield
    patience = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < patience:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_a_slice_sharpens_to_its_snapshot() -> None:
    image, source = pyramid((6000, 5000), levels=5, dtype="uint8", delay=0.2)
    view = Camera((3000.0, 2500.0), 0.5, (900, 700))
    layers = [replace(layer, contrast=(0.0, 250.0)) for layer in layers_of(image)]
    pictures = list(sharpen(image, view, layers=layers, every=0.0))
    assert len(pictures) >= 3
    want = snapshot(image, view, layers=layers)
    np.testing.assert_array_equal(pictures[-1], want)
    blur = [float(np.abs(picture.astype(float) - want).mean()) for picture in pictures]
    assert blur[0] > 5
    assert blur == sorted(blur, reverse=True)
    assert all((picture.max(axis=-1) > 0).mean() > 0.9 for picture in pictures)
    assert not source.closed


def test_a_volume_sharpens_to_its_snapshot() -> None:
    layer = replace(volume((300, 260, 280), levels=3), contrast=(0.0, 250.0))
    source = layer.image.source
    assert isinstance(source, PyramidSource)
    view = fit_volume([layer], (150, 150), looking(20, 30))
    want = snapshot(layer.image, view, layers=[layer])
    source.delay = 0.3
    pictures = list(sharpen(layer.image, view, layers=[layer], every=0.0))
    assert len(pictures) >= 3
    np.testing.assert_array_equal(pictures[-1], want)
    seen = want.max(axis=-1) > 20
    assert all((picture.max(axis=-1)[seen] > 0).all() for picture in pictures)
    blur = [float(np.abs(picture.astype(float) - want).mean()) for picture in pictures]
    assert blur == sorted(blur, reverse=True)


def test_pictures_are_not_made_more_often_than_asked() -> None:
    image, _ = pyramid((4000, 4000), levels=4, dtype="uint8", delay=0.01)
    assert len(list(sharpen(image, size=(1500, 1500), every=1000.0))) == 2


def test_whoever_has_seen_enough_leaves_nothing_behind() -> None:
    image, source = pyramid((8192, 8192), levels=5, dtype="uint8", delay=0.02)
    layers = [replace(layers_of(image)[0], contrast=(0.0, 1.0))]
    some = sharpen(image, size=(2000, 2000), layers=layers, every=0.0)
    assert next(iter(some)).shape == (2000, 2000, 3)
    del some
    assert not source.closed
    assert sum(source.finished.values()) < 100


def test_within_a_running_loop() -> None:
    async def run() -> Picture:
        return list(sharpen(VOLUME, size=(30, 30), mode="mip"))[-1]

    assert asyncio.run(run()).max() > 100


def test_what_cannot_be_read_is_said_after_the_last_picture() -> None:
    layer = replace(volume((128, 128, 128), levels=2), contrast=(0.0, 250.0))
    source = layer.image.source
    assert isinstance(source, PyramidSource)
    source.corrupt.add((0, (1, 1, 1)))
    pictures: list[Picture] = []
    with pytest.raises(Corrupt):
        pictures.extend(sharpen(layer.image, size=(128, 128), layers=[layer], mode="mip"))
    with pytest.raises(Corrupt):
        snapshot(layer.image, size=(128, 128), layers=[layer], mode="mip")
    with pytest.raises(Corrupt):
        for picture in sharpen(layer.image, size=(128, 128), layers=[layer], mode="mip"):
            pictures.append(picture)
    assert pictures[-1].max() > 0


def test_a_real_volume_by_its_path() -> None:
    array = tifffile.imread(VOLUME)
    low, high = (float(limit) for limit in np.quantile(array, [0.001, 0.999]))
    picture = opsin.snapshot(VOLUME, size=(57, 61), mode="mip")
    want = ((array.max(axis=0) - low) / (high - low)).clip(0, 1) * 255
    assert np.abs(picture[..., 0] - want).max() <= 3
    turned = opsin.snapshot(
        VOLUME,
        opsin.VolumeCamera((15, 30, 28), 2.0, (100, 80), looking(90), perspective=30),
        mode="translucent",
    )
    assert turned.shape == (80, 100, 3)
    assert turned.max() > 60


def test_volumes_of_other_kinds() -> None:
    rng = np.random.default_rng(4)
    array = rng.integers(1, 200, (2, 3, 20, 22, 24), dtype=np.uint8)
    image = image_from_array(array, axes="tczyx")
    later = VolumeCamera((9.5, 10.5, 11.5), 1.0, (24, 22), position={"t": 1.0})
    picture = snapshot(image, later)
    for channel, colour in enumerate(((0, 1, 1), (1, 0, 1), (1, 1, 0))):
        assert colour[channel % 3] in (0, 1)
    cyan, magenta, yellow = array[1].max(axis=1).astype(int)
    np.testing.assert_array_equal(picture[..., 0], np.minimum(magenta + yellow, 255))
    np.testing.assert_array_equal(picture[..., 1], np.minimum(cyan + yellow, 255))
    assert snapshot(image, replace(later, position={"t": 9.0})).max() == 0
    sideways = VolumeCamera((0.0, 10.5, 11.5), 1.0, (24, 22), displayed=("t", "y", "x"))
    assert snapshot(image, replace(sideways, position={"z": 3.0})).max() > 100


def test_points_lie_over_a_volume() -> None:
    points = synthetic_points("zyx", (31, 61, 57), 2000)
    with opsin.open_image(VOLUME) as image:
        layers: list[Layer | PointsLayer] = [
            *layers_of(image),
            PointsLayer("dots", points, colour="#ff0000", size=3.0),
        ]
        view = fit_volume(layers, (61, 57), looking(30))
        picture = snapshot(image, view, layers=layers, mode="mip")
        alone = snapshot(image, view, layers=layers[:1], mode="mip")
    assert (picture[..., 0] > 250).sum() > 100
    assert (picture == alone).all(axis=-1).sum() > 100


def test_a_stack_without_coarser_levels_is_shown_whole(tmp_path: Path) -> None:
    array = np.zeros((150, 300, 330), np.uint16)
    array[10:20, 20:40, 20:40] = 1000
    array[130:140, 260:290, 280:310] = 2000
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, array)
    picture = snapshot(path, size=(100, 100), mode="mip", memory=48 * 2**20)
    assert picture[13, 9].max() > 20
    assert picture[88, 89].max() > 100


def test_an_exabyte_takes_seconds_and_little_memory() -> None:
    pytest.importorskip("numba")
    with opsin.open_image("synthetic:mandelbulb") as image:
        view = replace(fit_volume(layers_of(image), (48, 48), looking(30, 20), 40))
        picture = snapshot(image, view, mode="iso", threshold=20.0, memory=32 * 2**20)
        assert (picture.max(axis=-1) > 60).mean() > 0.1
        close = replace(view, zoom=view.zoom * 2**6)
        assert snapshot(image, close, mode="mip", memory=32 * 2**20).shape == (48, 48, 3)


def test_requests_that_make_no_sense() -> None:
    view = VolumeCamera((15, 30, 28), 2.0, (100, 80))
    for wrong in (
        {"view": Camera((0.0, 0.0), 1.0, (5, 5)), "mode": "mip"},
        {"view": view, "mode": "xray"},
        {"view": view, "density": -1.0},
        {"view": view, "level": 1},
        {"view": replace(view, displayed=("q", "y", "x"))},
        {"view": view, "size": (0, 5)},
    ):
        with pytest.raises(UsageError):
            snapshot(VOLUME, **wrong)
    with pytest.raises(UsageError, match="no volume"):
        snapshot(NUCLEI, mode="mip")
