"""The clipping box: what it leaves is drawn as in `opsin.snapshot`, and only that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import opsin
from opsin.chunks.volume_camera import looking
from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end.app import App
from tests.end_to_end.volumes import assert_same_picture, layers, show
from tests.server.running import Running, opsin_view

CLIP = ((35.3, 20.0, 90.0), (100.0, 150.7, 1000.0))


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clip") / "waves.zarr"
    z, y, x = np.ogrid[:130, :192, :224]
    values = (np.sin(z / 9) * np.sin(y / 9) * np.sin(x / 9) + 1) * 100
    image = image_from_array(values.astype(np.uint8), axes="zyx", name="waves")
    write_image(image, place, levels=2, halve="zyx", chunks=64)
    return place


@pytest.fixture(scope="module")
def served(waves: Path) -> Iterator[Running]:
    with opsin_view([waves]) as running:
        yield running


def test_what_is_left_is_what_a_snapshot_shows(app: App, waves: Path, served: Running) -> None:
    app.open(served, bare="")
    app.watch()
    how = {"orientation": looking(35, 25), "perspective": 30}
    show(app, mode="mip", **how)
    wanted = app.page.evaluate("window.stats.wanted")
    for mode in ("iso", "translucent"):
        camera = show(app, mode=mode, clip=CLIP, **how)
        assert camera.clip == CLIP
        assert app.page.evaluate("window.stats.wanted") < 0.7 * wanted
        expected = opsin.snapshot(str(waves), camera, layers=layers(app, waves), mode=mode)
        assert_same_picture(app.capture(), expected)


def test_by_hand_by_link_and_back(app: App, served: Running) -> None:
    app.open(served)
    page = app.page
    page.keyboard.press("3")
    app.settle()
    whole = app.capture()
    page.get_by_role("button", name="Clip").click()
    handle = page.get_by_label("z, high end")
    for _ in range(6):
        handle.press("PageDown")
    app.settle()
    low, high = app.camera["volume"]["clip"]
    assert low == [-0.5, -0.5, -0.5]
    assert high == pytest.approx([129.5 - 130 * 300 / 500, 191.5, 223.5])
    clipped = app.capture()
    assert (clipped.max(axis=2) > 8).sum() < 0.9 * (whole.max(axis=2) > 8).sum()
    app.page.wait_for_timeout(500)
    page.reload()
    app.ready()
    assert app.camera["volume"]["clip"] == [low, high]
    np.testing.assert_array_equal(app.capture(), clipped)
    page.get_by_role("button", name="Clip").click()
    page.locator(".clip").get_by_role("button", name="Reset").click()
    app.settle()
    assert app.camera["volume"]["clip"] is None
    np.testing.assert_array_equal(app.capture(), whole)
