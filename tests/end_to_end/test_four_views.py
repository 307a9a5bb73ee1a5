"""Three slices and the volume, side by side, at one place."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
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
        app.until("window.opsin.panels.every(({ camera }) => camera)")
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


def open_four(app: App) -> None:
    """Show four views, and wait until all are at one place."""
    app.page.keyboard.press("4")
    app.until("window.opsin.panels.length === 3 && window.opsin.panels[2].camera?.volume")
    app.until("window.opsin.panels.every((one) => one.scene?.layers.length && one.size[0])")


def corners(path: str) -> list[list[float]]:
    """Low and high corner, [x, y], of all lines of a path."""
    numbers = np.array([float(at) for at in re.findall(r"[-\d.]+", path)]).reshape(-1, 2)
    return [numbers.min(axis=0).tolist(), numbers.max(axis=0).tolist()]


def test_each_view_has_overlays_of_its_own(app: App) -> None:
    page = app.page
    page.set_viewport_size({"width": 1100, "height": 800})
    with opsin_view([VOLUME]) as server:
        app.open(server)
        page.get_by_role("button", name="Overlays").click()
        for choice in ("Axes", "Bounding boxes", "Time and position", "Colour bars"):
            page.get_by_label(choice, exact=True).check()
        page.keyboard.press("Escape")
        open_four(app)
        app.look(center=[20.0, 33.0], zoom=4.0, position={"z": 12.0})
        expect(page.get_by_role("img", name="Scale bar: 20 px")).to_have_count(4)
        # What holds for all is there once.
        expect(page.locator(".position-stamp")).to_have_count(1)
        expect(page.locator(".colour-bar")).to_have_count(1)

        depth, rows, columns = app.scene["layers"][0]["levels"][0]["shape"]
        extents = {"main": (rows, columns), "below": (depth, columns), "beside": (rows, depth)}
        centers = {"main": (20.0, 33.0), "below": (12.0, 33.0), "beside": (20.0, 12.0)}
        names = {"main": "y, x", "below": "z, x", "beside": "y, z", "volume": "z, y, x"}

        def are_right() -> bool:
            right = []
            for name, extent in extents.items():
                panel = page.locator(f".quad-{name}")
                size = panel.evaluate("(one) => [one.clientWidth, one.clientHeight]")
                low, high = (
                    [
                        (edge - 0.5 - centers[name][axis]) * 4 + size[1 - axis] / 2
                        for axis, edge in ((1, ends[1]), (0, ends[0]))
                    ]
                    for ends in ((0, 0), extent)
                )
                drawn = corners(panel.locator(".bounding-box").get_attribute("d") or "")
                right.append(np.allclose(drawn, [low, high], atol=0.6))
            return all(right)

        def wait_for_boxes() -> None:
            deadline = time.monotonic() + 20
            while not are_right():
                assert time.monotonic() < deadline, "boxes are not around what is there"
                page.wait_for_timeout(50)

        for name, axes in names.items():
            arrows = page.locator(f".quad-{name}").get_by_role("img", name="Axes")
            assert set((arrows.get_attribute("aria-label") or "")[6:].split(", ")) == set(
                axes.split(", ")
            )
        wait_for_boxes()
        path = page.locator(".quad-volume .bounding-box").get_attribute("d") or ""
        assert path.count("M") == 12, "all edges of the volume"

        # A window of another size, in which all still are where they were.
        page.set_viewport_size({"width": 1000, "height": 700})
        wait_for_boxes()

        page.keyboard.press("b")
        expect(page.locator(".brick-outlines")).to_have_count(4)
        expect(page.get_by_role("list", name="Where bricks came from")).to_have_count(1)
        drawn = """() => [...document.querySelectorAll(".brick-outlines")].every((canvas) => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return data.some((value, at) => at % 4 === 3 && value > 0);
        })"""
        app.until(f"({drawn})()")
        page.keyboard.press("b")
        expect(page.locator(".brick-outlines")).to_have_count(0)


def test_the_ring_is_around_the_point_under_the_pointer(app: App, tmp_path: Path) -> None:
    table = tmp_path / "found.csv"
    table.write_text("z,y,x\n5,20,30\n25,60,70\n0,0,0\n40,80,90\n")
    page = app.page
    page.set_viewport_size({"width": 1100, "height": 800})
    with opsin_view([table]) as server:
        app.open(server)
        page.evaluate("window.opsin.viewer.setLayer(0, { thickness: { z: 1 } })")
        open_four(app)
        app.look(center=[60.0, 70.0], zoom=3.0, position={"z": 25.0})
        for number in range(3):
            page.evaluate(f"window.opsin.panels[{number}].settled()")
        for name in ("below", "beside", "volume", "main"):
            panel = page.locator(f".quad-{name}")
            box = panel.bounding_box()
            assert box is not None
            # The middle, which is where the point is.
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            expect(panel.locator(".point-mark")).to_have_count(1)
            expect(page.locator(".point-mark")).to_have_count(1)


def test_what_the_loader_does_is_told_of_all_four(app: App) -> None:
    page = app.page
    with opsin_view([VOLUME]) as server:
        app.open(server)
        open_four(app)
        loader = page.get_by_label("Loader")
        expect(loader).to_contain_text("Settled", timeout=30_000)
        # One of them waits, as if its bricks were long in coming.
        page.evaluate("window.opsin.panels[0].freeze(true)")
        app.look(center=[25.0, 30.0])
        expect(loader).to_contain_text("Loading")
        page.evaluate("window.opsin.panels[0].freeze(false)")
        expect(loader).to_contain_text("Settled", timeout=30_000)

        page.evaluate(
            """() => window.opsin.panels[0].on("stats", (one) => { window.panel = one.settled; })"""
        )
        page.keyboard.press("x")
        page.evaluate("window.opsin.viewer.setCamera({ center: [20, 25] })")
        app.until("window.panel === false")
        page.wait_for_timeout(500)
        assert page.evaluate("window.panel") is False
        page.keyboard.press("x")
        app.until("window.panel === true")


def test_from_3d_the_volume_stays_as_it_was_looked_at(app: App) -> None:
    with opsin_view([VOLUME]) as server:
        app.open(server)
        app.page.keyboard.press("3")
        app.until("window.opsin.viewer.camera.volume")
        app.page.evaluate("window.opsin.viewer.orbitBy(70, 30)")
        turned = app.camera["volume"]["orientation"]
        open_four(app)
        assert "volume" not in app.camera
        app.until("window.opsin.panels[2].camera?.volume")
        looked = app.page.evaluate("window.opsin.panels[2].camera.volume.orientation")
        assert looked == pytest.approx(turned)


def test_what_is_flat_has_one_view(app: App, demo: Path) -> None:
    with opsin_view([demo]) as server:
        app.open(server)
        expect(app.page.get_by_role("button", name="Four views")).to_be_disabled()
        app.page.keyboard.press("4")
        expect(app.page.get_by_role("application")).to_have_count(1)
