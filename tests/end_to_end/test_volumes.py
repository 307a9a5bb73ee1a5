"""Volumes on the settled canvas are what `opsin.snapshot` draws, whose sampling shares no code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

import opsin
from opsin.chunks.plan import Tier
from opsin.chunks.policy import EXPLORE
from opsin.chunks.volume_camera import looking
from opsin.chunks.volume_plan import plan_volume
from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from opsin.render.volume import MODES
from tests.end_to_end.app import App
from tests.end_to_end.conftest import SIZE
from tests.end_to_end.volumes import assert_same_picture, drawn, layers, resize, show
from tests.server.running import Running, opsin_view

NUCLEI = Path(__file__).parents[1] / "data" / "volume" / "img3d.tif"
MANDELBULB = "synthetic:mandelbulb"


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


@pytest.mark.parametrize("turn", [0, pytest.param(60, marks=pytest.mark.slow)])
def test_straight_along_an_axis(app: App, made: Path, turn: float) -> None:
    """Rays that never leave a plane of voxels: dividing by their direction gives no number."""
    place = made / "waves.ome.zarr"
    with opsin_view([place]) as server:
        app.open(server, bare="")
        camera = show(app, mode="mip", orientation=looking(turn, 0))
        shown = layers(app, place)
        expected = opsin.snapshot(str(place), camera, layers=shown, mode="mip")
        assert_same_picture(app.capture(), expected)


def test_the_mandelbulb(app: App) -> None:
    """An exabyte, 2^20 voxels along each side."""
    with opsin_view([MANDELBULB]) as server:
        app.open(server, bare="")
        camera = show(app, orientation=looking(20, 15), quality=0.5)
        shown = layers(app, MANDELBULB)
        assert_same_picture(app.capture(), drawn(shown, camera, 0.5, mode="mip"))


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
    page.mouse.move(380, 130)  # between the toolbar and the bar of the volume
    before = app.camera["volume"]
    page.mouse.down()
    page.mouse.move(430, 140, steps=3)
    page.mouse.up()
    turned = app.camera["volume"]
    assert turned["orientation"] != before["orientation"]
    assert turned["center"] == before["center"]
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(440, 150, steps=2)
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
