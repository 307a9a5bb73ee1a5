"""What hand and eye do: drag, wheel, keys, hover; and the same picture without a browser."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from playwright.sync_api import expect

import opsin
from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end.app import App, decode_png
from tests.server.running import OPSIN, opsin_view


@pytest.fixture
def sizes(app: App) -> App:
    app.page.set_viewport_size({"width": 900, "height": 600})
    return app


def test_the_value_under_the_cursor_is_that_of_the_data(sizes: App, demo: Path) -> None:
    app = sizes
    with opsin_view([demo]) as server:
        app.open(server)
        image, labels = app.scene["layers"]
        app.set_layer(labels["id"], visible=True)
        scale = image["levels"][0]["scale"][0]
        pixels = zarr.open_array(demo / "0", mode="r")
        ids = zarr.open_array(demo / "labels/nuclei/0", mode="r")
        app.look(center=[5000.4 * scale, 9000.3 * scale], zoom=2.0 / scale)
        box = app.page.locator("canvas").first.bounding_box()
        assert box is not None
        values = app.page.get_by_role("status", name="Values")
        position = app.page.get_by_role("status", name="Position")
        labelled = 0
        for dx, dy in ((0.5, 0.5), (0.3, 0.7), (0.71, 0.4), (0.6, 0.62), (0.45, 0.33)):
            x, y = round(box["x"] + box["width"] * dx), round(box["y"] + box["height"] * dy)
            centre = [x - box["x"] + 0.5, y - box["y"] + 0.5]  # of the screen pixel there
            at = app.page.evaluate("at => window.opsin.viewer.toWorld(at)", centre)
            row, column = (int(np.floor(world / scale + 0.5)) for world in at)
            app.page.mouse.move(x, y)
            expect(values).to_contain_text(f"demo{np.asarray(pixels[row, column])}L0")
            if ids[row, column]:
                labelled += 1
                expect(values).to_contain_text(f"nuclei{np.asarray(ids[row, column])}L0")
            shown = [float(text) for text in re.findall(r"-?\d+\.?\d*", position.inner_text())]
            np.testing.assert_allclose(shown[:2], at, atol=scale)
            expect(position).to_contain_text("µm")
        assert labelled, "a label was under the cursor"


def test_dragging_keeps_the_point_under_the_cursor_and_so_does_the_wheel(
    sizes: App, demo: Path
) -> None:
    app = sizes
    with opsin_view([demo]) as server:
        app.open(server)
        box = app.page.locator("canvas").first.bounding_box()
        assert box is not None
        x, y = box["x"] + 300, box["y"] + 200

        def world(x: float, y: float) -> list[float]:
            found: list[float] = app.page.evaluate(
                "at => window.opsin.viewer.toWorld(at)", [x - box["x"], y - box["y"]]
            )
            return found

        before, zoom = world(x, y), app.camera["zoom"]
        app.page.mouse.move(x, y)
        app.page.mouse.wheel(0, -500)
        app.until(f"window.opsin.viewer.camera.zoom > {zoom * 1.2}", 10)
        app.settle()
        pixel = 1 / app.camera["zoom"]
        np.testing.assert_allclose(world(x, y), before, atol=pixel)
        app.page.mouse.down()
        app.page.mouse.move(x - 120, y + 60, steps=5)
        app.page.mouse.up()
        np.testing.assert_allclose(world(x - 120, y + 60), before, atol=1.5 * pixel)

        app.page.locator("canvas").first.focus()
        left = app.camera["center"][1]
        app.page.keyboard.press("ArrowRight")
        assert app.camera["center"][1] > left
        zoom = app.camera["zoom"]
        app.page.keyboard.press("+")
        assert app.camera["zoom"] > zoom
        app.page.keyboard.press("Home")
        app.settle()
        extent = app.scene["layers"][0]["levels"][0]
        width = extent["shape"][1] * extent["scale"][1] * app.camera["zoom"]
        assert width <= app.size[0] + 1


def test_the_histogram_and_the_auto_button_follow_the_data(sizes: App, tmp_path: Path) -> None:
    app = sizes
    values = np.random.default_rng(0).normal(1000, 50, (600, 600)).astype(np.uint16)
    write_image(image_from_array(values, axes="yx", name="bell"), tmp_path / "bell.ome.zarr")
    with opsin_view([tmp_path / "bell.ome.zarr"]) as server:
        app.open(server)
        app.set_layer(0, contrast=[0, 4000])
        app.page.get_by_role("button", name="Auto").click()
        app.until("window.opsin.viewer.layer(0).contrast[1] < 2000", 10)
        low, high = app.page.evaluate("window.opsin.viewer.layer(0).contrast")
        assert 750 < low < 950
        assert 1050 < high < 1250


@pytest.mark.parametrize("kind", ["demo", "cells"])
def test_a_snapshot_is_the_same_picture_without_a_browser(
    app: App, demo: Path, tmp_path: Path, kind: str
) -> None:
    path = demo
    if kind == "cells":
        path = next((Path(__file__).parents[1] / "data/cells").glob("*.tif"))
    with opsin_view([path]) as server:
        app.open(server, bare="")
        width, height = app.size
        canvas = app.capture()
        out = tmp_path / "whole.png"
        command = [str(OPSIN), "snapshot", str(path), str(out), "--size", f"{width}x{height}"]
        subprocess.run(command, check=True, timeout=60)
        assert_alike(decode_png(out.read_bytes()), canvas)

        image = app.scene["layers"][0]["levels"][0]
        center = [
            image["translation"][i] + image["scale"][i] * image["shape"][i] * 0.4 for i in (-2, -1)
        ]
        zoom = 0.9 / image["scale"][-1]
        app.look(center=center, zoom=zoom)
        canvas = app.capture()
        place = ["--center", f"{center[0]},{center[1]}", "--zoom", str(zoom)]
        subprocess.run([*command, *place], check=True, timeout=60)
        assert_alike(decode_png(out.read_bytes()), canvas)

        opened = opsin.open_image(path)
        camera = opsin.Camera((center[0], center[1]), zoom, (width, height))
        assert_alike(opsin.snapshot(opened, camera, (width, height)), canvas)
        opened.close()


def assert_alike(got: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    assert got.shape == expected.shape
    assert expected.max() > 60
    difference = np.abs(got.astype(int) - expected.astype(int))
    assert np.percentile(difference, 99.9) <= 2
