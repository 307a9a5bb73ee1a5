"""The controls around the canvas, as a person or a screen reader finds them: by role and name."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import expect

from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end.app import App
from tests.server.running import opsin_view


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Two channels, four slices in z; every slice is brighter than the one before."""
    values = np.random.default_rng(4).integers(100, 900, (2, 4, 300, 400), dtype=np.uint16)
    values += np.arange(4, dtype=np.uint16)[:, None, None] * 100
    write_image(image_from_array(values, axes="czyx", name="stack"), tmp_path / "stack.ome.zarr")
    return tmp_path / "stack.ome.zarr"


def settings(app: App, number: int) -> dict[str, Any]:
    found: dict[str, Any] = app.page.evaluate("id => window.opsin.viewer.layer(id)", number)
    return found


def test_layers_are_selected_hidden_shown_alone_and_undone(app: App, stack: Path) -> None:
    app.page.set_viewport_size({"width": 800, "height": 600})
    with opsin_view([stack]) as server:
        app.open(server)
        page = app.page
        names = [layer["name"] for layer in app.scene["layers"]]
        ids = [layer["id"] for layer in app.scene["layers"]]
        rows = page.get_by_role("list", name="Layers").get_by_role("listitem")
        assert [row.strip() for row in rows.all_inner_texts()] == names[::-1], "top layer first"

        def visible() -> list[bool]:
            return [settings(app, number)["visible"] for number in ids]

        eye = page.get_by_role("button", name=f"Show {names[0]}")
        eye.click()
        assert visible() == [False, True]
        expect(eye).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("Control+z")
        assert visible() == [True, True]
        eye.click(modifiers=["Alt"])
        assert visible() == [True, False]
        eye.click(modifiers=["Alt"])
        assert visible() == [True, True]

        page.get_by_role("button", name=f"Select {names[0]}").click()
        expect(page.get_by_role("heading", name=names[0])).to_be_visible()
        page.keyboard.press("v")
        assert visible() == [False, True]
        page.keyboard.press("ArrowUp")
        expect(page.get_by_role("heading", name=names[1])).to_be_visible()


def test_controls_change_the_selected_layer(app: App, stack: Path) -> None:
    app.page.set_viewport_size({"width": 800, "height": 600})
    with opsin_view([stack]) as server:
        app.open(server)
        page = app.page
        top = app.scene["layers"][-1]["id"]
        page.get_by_role("slider", name="Opacity").fill("0.5")
        page.get_by_role("slider", name="Gamma").fill("1")
        page.get_by_role("combobox", name="Blending").select_option("Minimum")
        page.get_by_role("textbox", name="Minimum").fill("250")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Colour map").click()
        page.get_by_role("option", name="viridis").click()
        found = settings(app, top)
        assert (found["opacity"], found["gamma"]) == (0.5, 2)
        assert (found["blending"], found["colormap"]) == ("minimum", "viridis")
        assert found["contrast"][0] == 250

        page.get_by_role("slider", name="Contrast maximum").focus()
        page.keyboard.press("ArrowLeft")
        assert settings(app, top)["contrast"][1] < found["contrast"][1]
        page.get_by_role("textbox", name="Maximum").fill("10")
        page.keyboard.press("Enter")
        assert settings(app, top)["contrast"][1] > 250, "limits never cross"
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Auto").click()
        app.until(f"window.opsin.viewer.layer({top}).contrast[0] !== 250", 10)
        page.get_by_role("button", name="Reset").click()
        assert settings(app, top)["contrast"] == app.scene["layers"][-1]["defaults"]["contrast"]


def test_slices_are_stepped_typed_and_played(app: App, stack: Path) -> None:
    app.page.set_viewport_size({"width": 800, "height": 600})
    with opsin_view([stack]) as server:
        app.open(server)
        page = app.page

        slider = page.get_by_role("slider", name="z", exact=True)

        page.get_by_role("textbox", name="z index").fill("0")
        page.keyboard.press("Enter")
        expect(slider).to_have_value("0")
        page.get_by_role("button", name="Next z").click()
        expect(slider).to_have_value("1")
        page.keyboard.press(".")
        page.keyboard.press("PageDown")
        expect(slider).to_have_value("3")
        expect(page.get_by_role("button", name="Next z")).to_be_disabled()
        page.get_by_role("button", name="Play z").click()
        app.until("window.opsin.viewer.camera.position.z === 1", 20)
        page.get_by_role("button", name="Stop z").click()


def test_a_reload_and_a_link_show_the_same_view(app: App, stack: Path) -> None:
    app.page.set_viewport_size({"width": 800, "height": 600})
    with opsin_view([stack]) as server:
        app.open(server)
        top = app.scene["layers"][-1]["id"]
        app.look(center=[120.0, 150.5], zoom=3.25, position={"z": 2})
        app.set_layer(top, gamma=0.5, colormap="magma")
        before = (app.camera, settings(app, top))
        app.until("location.hash.includes('magma')", 5)
        link = app.page.url
        assert server.token not in link
        app.page.reload()
        app.ready()
        assert (app.camera, settings(app, top)) == before
        app.page.goto(server.origin)
        app.ready()
        assert (app.camera, settings(app, top)) == before, "kept by the server"


def test_a_broken_link_is_told_and_everything_is_shown(app: App, stack: Path) -> None:
    app.page.set_viewport_size({"width": 800, "height": 600})
    with opsin_view([stack]) as server:
        app.open(server)
        whole = app.camera
        broken = '{"version":1,"camera":{"center":[null,1],"zoom":-1},"layers":{"77":{"gamma":2}}}'
        app.page.goto("about:blank")
        app.page.goto(f"{server.origin}/#view={quote(broken)}")
        app.ready()
        assert app.camera == whole
        notices = app.page.get_by_role("region", name="Notices")
        expect(notices).to_contain_text("the camera")
        expect(notices).to_contain_text("not open here")


def test_the_rest_of_the_page(app: App, stack: Path) -> None:
    app.page.set_viewport_size({"width": 800, "height": 600})
    with opsin_view([stack]) as server:
        app.open(server)
        page = app.page
        assert page.title() == "stack — Opsin"
        loader = page.get_by_role("complementary", name="Loader")
        expect(loader).to_contain_text("Settled")
        page.keyboard.press("h")
        expect(loader).to_contain_text("cache")
        expect(page.get_by_role("img", name="Scale bar")).to_be_visible()
        page.mouse.move(500, 250)
        expect(page.get_by_role("status", name="Values")).to_contain_text("stack")
        with page.expect_download() as download:
            page.get_by_role("button", name="Save screenshot").click()
        assert download.value.suggested_filename.startswith("stack-")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
        before = app.size[0]
        page.keyboard.press("p")
        app.until(f"window.opsin.viewer.size[0] > {before}", 10)
        expect(page.get_by_role("region", name="Layer controls")).to_have_count(0)
