"""Volumes on the settled canvas are what `opsin.snapshot` draws, whose sampling shares no code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

import opsin
from opsin.chunks.plan import Tier
from opsin.chunks.policy import EXPLORE
from opsin.chunks.volume_camera import VolumeCamera, looking
from opsin.chunks.volume_plan import plan_volume
from opsin.images.layer import Layer, layers_of_all
from opsin.images.memory import image_from_array
from opsin.images.readers import open_images
from opsin.images.write import write_image
from opsin.render import snapshot
from opsin.render.exposure import exposure
from opsin.render.volume import MODES, Projection
from tests.end_to_end.app import App
from tests.end_to_end.conftest import SIZE
from tests.server.running import Running, opsin_view

NUCLEI = Path(__file__).parents[1] / "data" / "volume" / "img3d.tif"
MANDELBULB = "synthetic:mandelbulb"
SIDE = 256
"""Of the window: software GL is slow."""


@pytest.fixture(scope="module")
def nuclei() -> Iterator[Running]:
    with opsin_view([NUCLEI]) as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels of many bricks, with 64 bits; and the nuclei, far away from the origin."""
    folder = tmp_path_factory.mktemp("volumes")
    z, y, x = np.ogrid[:70, :140, :150]
    cells = (z // 20).astype(np.uint64) * 100 + (y // 30) * 10 + x // 30 + 2**40
    ball = ((z % 20 - 10) * 2) ** 2 + (y % 30 - 15) ** 2 + (x % 30 - 15) ** 2 < 150
    labels = image_from_array(
        np.where(ball, cells, 0), axes="zyx", scale=(2, 1, 1), kind="labels", name="blobs"
    )
    write_image(labels, folder / "blobs.ome.zarr")
    far = image_from_array(
        tifffile.imread(NUCLEI), axes="zyx", translation=(2**30, 2**30 + 7, 2**29), name="far"
    )
    write_image(far, folder / "far.ome.zarr")
    z, y, x = np.ogrid[:160, :192, :224]
    waves = (np.sin(z / 9) * np.sin(y / 9) * np.sin(x / 9) + 1) * 100
    levels = image_from_array(waves.astype(np.uint8), axes="zyx", name="waves")
    write_image(levels, folder / "waves.ome.zarr", levels=3, halve="zyx", chunks=64)
    grey = waves[:40, :70, :80].astype(np.uint8)
    colours = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)
    tifffile.imwrite(folder / "colours.tif", colours, photometric="rgb", metadata={"axes": "ZYXS"})
    return folder


def show(app: App, **volume: Any) -> VolumeCamera:
    """Show all in 3D, whole or so many `times` as large; the camera that does."""
    resize(app, (SIDE, SIDE - 16))
    app.page.evaluate(
        """volume => {
            const viewer = window.opsin.viewer;
            viewer.showVolume(true);
            const {times = 1, ...rest} = volume;
            viewer.setCamera({volume: {...viewer.camera.volume, ...rest}});
            viewer.fit();
            const fitted = viewer.camera.volume;
            viewer.setCamera({volume: {...fitted, zoom: fitted.zoom * times}});
        }""",
        volume,
    )
    app.settle()
    return camera_of(app)


def resize(app: App, size: tuple[int, int]) -> None:
    """Make the window as large, and wait until the canvas is."""
    app.page.set_viewport_size({"width": size[0], "height": size[1]})
    app.until(f"window.opsin.viewer.size.join() === '{size[0]},{size[1]}'")


def camera_of(app: App) -> VolumeCamera:
    seen = app.camera["volume"]
    return VolumeCamera(
        tuple(seen["center"]), seen["zoom"], app.size, tuple(seen["orientation"]),
        seen["perspective"],
    )  # fmt: skip


def layers(app: App, address: str | Path) -> list[Layer]:
    """The layers of an image, as the canvas shows its first one."""
    settings = app.page.evaluate("window.opsin.viewer.layer(0)")
    how = {key: settings[key] for key in ("opacity", "gamma", "colormap", "blending")}
    return [
        replace(layer, visible=True, contrast=tuple(settings["contrast"]), **how)
        for layer in layers_of_all(open_images(address))
    ]


def assert_same_picture(got: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """On the foreground within 2 of 255 in the mean, and not shifted by a tenth of a pixel."""
    foreground = np.maximum(got, expected).max(axis=2) > 8
    assert foreground.mean() > 0.05
    difference = np.abs(got.astype(float) - expected)[foreground].mean()
    assert difference < 2, f"the mean difference is {difference:.2f}"
    assert np.hypot(*shift(got, expected)) < 0.1


def shift(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> tuple[float, float]:
    """By phase correlation, with the peak found between pixels by its neighbours."""
    one, two = (np.fft.fft2(picture.sum(axis=2, dtype=float)) for picture in (first, second))
    product = one * two.conj()
    peak = np.fft.ifft2(product / np.maximum(np.abs(product), 1e-9)).real
    at = np.unravel_index(peak.argmax(), peak.shape)
    found = []
    for axis, length in enumerate(peak.shape):
        around = [
            peak[tuple((at[i] + (step if i == axis else 0)) % peak.shape[i] for i in range(2))]
            for step in (-1, 0, 1)
        ]
        low, middle, high = around
        curve = low - 2 * middle + high
        between = 0.0 if abs(curve) < 1e-12 else (low - high) / 2 / curve
        whole = at[axis] if at[axis] <= length // 2 else at[axis] - length
        found.append(float(whole + between))
    return found[0], found[1]


def test_every_projection_of_real_nuclei(app: App, nuclei: Running) -> None:
    app.open(nuclei, bare="")
    app.set_layer(0, colormap="magma", gamma=0.8)
    for mode in MODES:
        camera = show(app, mode=mode, orientation=looking(35, 25), perspective=30)
        shown = layers(app, NUCLEI)
        expected = opsin.snapshot(str(NUCLEI), camera, layers=shown, mode=mode)
        assert_same_picture(app.capture(), expected)


def test_labels_are_solid_and_keep_their_colours(app: App, made: Path) -> None:
    place = made / "blobs.ome.zarr"
    with opsin_view([place]) as server:
        app.open(server, bare="")
        camera = show(app, orientation=looking(-30, 40))
        shown = layers(app, place)
        expected = opsin.snapshot(str(place), camera, layers=shown, mode="mip")
        assert_same_picture(app.capture(), expected)


def test_colours_are_seen_each_by_itself(app: App, made: Path) -> None:
    place = made / "colours.tif"
    with opsin_view([place]) as server:
        app.open(server, bare="")
        camera = show(app, mode="translucent", orientation=looking(20, 15))
        shown = layers(app, place)
        expected = opsin.snapshot(str(place), camera, layers=shown, mode="translucent")
        assert_same_picture(app.capture(), expected)


def test_far_from_the_origin_nothing_shakes(app: App, made: Path) -> None:
    """In float32 there is no place between voxels at 2^30."""
    place = made / "far.ome.zarr"
    with opsin_view([place]) as server:
        app.open(server, bare="")
        camera = show(app, orientation=looking(35, 25), times=1.5)
        first = app.capture()
        expected = opsin.snapshot(str(place), camera, layers=layers(app, place), mode="mip")
        assert_same_picture(first, expected)
        app.page.evaluate("window.opsin.viewer.panBy(8, 0)")
        app.settle()
        difference = np.abs(app.capture()[:, 8:].astype(int) - first[:, :-8])
        assert np.percentile(difference, 99) <= 1


def test_levels_are_mixed_in_one_picture_without_seams(app: App, made: Path) -> None:
    """With perspective what is near is finer than what is far."""
    place = made / "waves.ome.zarr"
    with opsin_view([place]) as server:
        app.open(server, bare="")
        camera = show(
            app, mode="translucent", orientation=looking(20, 15), perspective=110, times=1.2
        )  # fmt: skip
        shown = layers(app, place)
        wants = plan_volume({0: shown[0]}, camera, set(), EXPLORE, 2**40).wants
        levels = {want.brick.level for want in wants if want.tier == Tier.TARGET}
        assert len(levels) > 1
        expected = opsin.snapshot(str(place), camera, layers=shown, mode="translucent")
        assert_same_picture(app.capture(), expected)


def test_the_mandelbulb(app: App) -> None:
    """An exabyte, 2^20 voxels along each side."""
    with opsin_view([MANDELBULB]) as server:
        app.open(server, bare="")
        camera = show(app, orientation=looking(20, 15), quality=0.5)
        shown = layers(app, MANDELBULB)
        policy = replace(snapshot.WHOLE, quality=0.5)
        pictures = exposure(shown, camera, 2**29, policy, Projection("mip"))
        assert_same_picture(app.capture(), list(pictures)[-1])


def test_a_lost_context_comes_back_and_slices_too(app: App, nuclei: Running) -> None:
    app.open(nuclei, bare="")
    slice_before = app.capture()
    show(app, mode="mip")
    before = app.capture()
    app.page.evaluate("window.opsin.viewer.orbitBy(30, 10); window.opsin.viewer.loseContext()")
    app.page.evaluate("window.opsin.viewer.setCamera({volume: null})")
    resize(app, SIZE)
    app.page.evaluate("window.opsin.viewer.fit()")
    app.settle()
    np.testing.assert_array_equal(app.capture(), slice_before)
    show(app, mode="mip", orientation=looking(30, 20))
    assert np.abs(app.capture().astype(int) - before).mean() < 0.1


def test_by_hand_and_by_link(app: App, nuclei: Running) -> None:
    app.open(nuclei)
    page = app.page
    page.keyboard.press("3")
    app.settle()
    assert app.camera["volume"]["mode"] == "mip"
    page.get_by_label("Projection").select_option("translucent")
    page.mouse.move(360, 240)
    before = app.camera["volume"]
    page.mouse.down()
    page.mouse.move(410, 250, steps=3)
    page.mouse.up()
    turned = app.camera["volume"]
    assert turned["orientation"] != before["orientation"]
    assert turned["center"] == before["center"]
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(420, 260, steps=2)
    page.mouse.up()
    page.keyboard.up("Shift")
    moved = app.camera["volume"]
    assert moved["orientation"] == turned["orientation"]
    assert moved["center"] != turned["center"]
    page.mouse.wheel(0, -200)
    app.until(f"window.opsin.viewer.camera.volume.zoom > {moved['zoom']}")
    app.settle()
    page.wait_for_timeout(500)
    picture, camera = app.capture(), app.camera
    page.reload()
    app.ready()
    assert app.camera == camera
    np.testing.assert_array_equal(app.capture(), picture)
    page.keyboard.press("3")
    app.settle()
    assert "volume" not in app.camera
