"""Three slices and the volume, side by side, at one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.end_to_end.app import App
from tests.server.running import opsin_view

VOLUME = Path(__file__).parents[1] / "data" / "volume" / "img3d.tif"


def places(app: App) -> list[Any]:
    """Where the panels are: [z, y, x] and the zoom."""
    found: list[Any] = app.page.evaluate(
        """() => window.opsin.panels.map(({ camera }) => {
            const { center, position, displayed, zoom, volume } = camera;
            if (volume) return [...volume.center, volume.zoom];
            const at = { ...position, [displayed[0]]: center[0], [displayed[1]]: center[1] };
            return [at.z, at.y, at.x, zoom];
        })"""
    )
    return found


def test_four_views_are_at_one_place_and_share_settings(app: App) -> None:
    page = app.page
    page.set_viewport_size({"width": 1100, "height": 800})
    with opsin_view([VOLUME]) as server:
        app.open(server)
        page.get_by_role("button", name="Four views").click()
        for name in ("Slice along z and x", "Slice along y and z", "Volume"):
            expect(page.get_by_role("application", name=name)).to_be_visible()
        app.until("window.opsin.panels.length === 3 && window.opsin.panels[2].camera?.volume")
        app.look(center=[20.0, 33.0], zoom=8.0, position={"z": 12.0})
        assert places(app) == [[12.0, 20.0, 33.0, 8.0]] * 3
        for number in range(3):
            page.evaluate(f"window.opsin.panels[{number}].settled()")

        before = app.camera
        box = page.get_by_role("application", name="Slice along z and x").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        expect(page.get_by_label("Position", exact=True)).to_contain_text("z 12")
        page.mouse.down()
        page.mouse.move(x - 80, y - 40, steps=4)
        page.mouse.up()
        after = app.camera
        place = [after["position"]["z"], *after["center"], after["zoom"]]
        assert place == pytest.approx([17.0, 20.0, 43.0, 8.0], abs=0.1)
        assert before["center"][0] == after["center"][0]
        assert places(app) == [place] * 3

        page.evaluate("window.opsin.panels[2].orbitBy(40, 0)")
        turned = page.evaluate("window.opsin.panels[2].camera.volume")
        app.until("location.hash.includes('quad')")
        page.wait_for_timeout(500)
        page.reload()
        app.until("window.opsin?.panels.length === 3 && window.opsin.panels[2].camera?.volume")
        app.until("window.opsin.panels.every((one) => one.scene?.layers.length)")
        assert page.evaluate("window.opsin.panels[2].camera.volume") == turned
        assert places(app) == [place] * 3

        page.evaluate("window.opsin.viewer.setLayer(0, { gamma: 0.5 })")
        gammas = page.evaluate("window.opsin.panels.map((one) => one.layer(0).gamma)")
        assert gammas == [0.5] * 3
        page.keyboard.press("4")
        expect(page.get_by_role("application")).to_have_count(1)
        app.settle()
        assert app.size[0] > 700
        app.until("!location.hash.includes('quad')")


def test_what_is_flat_has_one_view(app: App, demo: Path) -> None:
    with opsin_view([demo]) as server:
        app.open(server)
        expect(app.page.get_by_role("button", name="Four views")).to_be_disabled()
        app.page.keyboard.press("4")
        expect(app.page.get_by_role("application")).to_have_count(1)
