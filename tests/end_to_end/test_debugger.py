"""What the loader does, for whoever wants to see it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from playwright.sync_api import expect

import opsin
from opsin.images.points import POSITION
from opsin.images.points.write import write_points
from tests.end_to_end.app import App
from tests.server.running import opsin_view


def test_the_numbers_show_what_was_asked_of_sources(app: App) -> None:
    with opsin_view(["synthetic:cells,size=16384"]) as server:
        app.open(server)
        page = app.page
        page.keyboard.press("h")
        timeline = page.locator(".timeline")
        expect(timeline).to_contain_text(re.compile(r"[1-9]\d* requests, .* in 10 s"))
        numbers = page.locator(".hud-numbers")
        expect(numbers).to_contain_text(re.compile(r"for nothing\d+"))
        page.evaluate(
            """() => {
                window.told = [];
                window.opsin.viewer.on("requests", (some) => window.told.push(...some));
            }"""
        )
        app.look(center=[3000.0, 5000.0], zoom=1.0)
        app.until("window.told.some((one) => one.level === 0 && one.end === 'came')")
        drawn = """() => {
            const canvas = document.querySelector(".timeline-canvas");
            const { width, height } = canvas;
            const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
            return data.some((value, at) => at % 4 === 0 && value > 200 && data[at + 2] < 120);
        }"""
        app.until(f"({drawn})()")
        page.keyboard.press("h")
        expect(timeline).not_to_be_attached()
        page.wait_for_timeout(300)
        page.evaluate("() => { window.told = []; }")
        app.look(center=[9000.0, 9000.0], zoom=1.0)
        assert page.evaluate("window.told") == []


def test_every_brick_is_outlined_and_freezing_shows_what_is_there(app: App) -> None:
    with opsin_view(["synthetic:cells,size=16384,chunk=256"]) as server:
        app.open(server)
        page = app.page
        page.keyboard.press("b")
        expect(page.get_by_role("list", name="Where bricks came from")).to_be_visible()
        page.evaluate(
            """() => window.opsin.viewer.on("outlines", (some) => { window.outlines = some; })"""
        )
        app.look(center=[3000.0, 5000.0], zoom=1.0)
        width, height = app.size
        app.until("window.outlines?.some((one) => one.level === 0)")
        fine = page.evaluate("window.outlines.filter((one) => one.level === 0)")
        assert {one["provenance"] for one in fine} <= {"computed", "memory"}
        area = sum(
            (one["place"]["x1"] - one["place"]["x0"]) * (one["place"]["y1"] - one["place"]["y0"])
            for one in fine
        )
        assert area == width * height, "what is visible is drawn from level 0"

        page.keyboard.press("x")
        expect(page.locator(".hud")).to_contain_text("Frozen")
        page.evaluate("window.opsin.viewer.zoomBy(0.5)")
        app.until("window.outlines.some((one) => one.level > 1)")
        page.wait_for_timeout(500)
        levels = set(page.evaluate("window.outlines.map((one) => one.level)"))
        assert 0 in levels
        assert 1 not in levels, "nothing was loaded for where one looks now"
        page.keyboard.press("x")
        app.settle()
        app.until("window.outlines.some((one) => one.level === 1)")
        page.keyboard.press("b")
        expect(page.get_by_role("list", name="Where bricks came from")).not_to_be_attached()


def test_every_cell_of_points_is_outlined(app: App, tmp_path: Path) -> None:
    z, y, x = np.random.default_rng(3).normal(size=(3, 30_000)) * [[10], [60], [80]]
    write_points({"z": z, "y": y, "x": x}, tmp_path / "cloud.points")
    page = app.page
    with opsin.open_points(tmp_path / "cloud.points") as points:
        cells, boxes = points.tree.root(), []
        while len(cells):
            for grid in cells.grid:
                found = points.read(cells.level, (int(grid),))[POSITION]
                boxes.append((cells.level, found.min(axis=0), found.max(axis=0)))
            cells = points.tree.children(cells)[0]
    assert len(boxes) > 4
    with opsin_view([tmp_path / "cloud.points"]) as server:
        app.open(server)
        page.evaluate(
            """() => window.opsin.viewer.on("outlines", (some) => { window.outlines = some; })"""
        )
        app.set_layer(0, size=1e-9, unit="world")  # so that boxes are those of the points alone
        page.keyboard.press("b")
        page.evaluate("window.opsin.viewer.showVolume(true)")
        app.settle()
        app.until("window.outlines?.some((one) => 'length' in one.place)")
        told = page.evaluate("window.outlines")
        assert {one["provenance"] for one in told} <= {"disk", "memory"}
        assert {one["level"] for one in told} == {level for level, _, _ in boxes}
        whole = 0
        for one in told:
            low, high = np.array(one["place"])
            # Of cells of which only the first points are here, the box is smaller.
            assert any(
                level == one["level"]
                and (low >= first - 1e-6).all()
                and (high <= last + 1e-6).all()
                for level, first, last in boxes
            )
            whole += any(
                np.allclose(low, first) and np.allclose(high, last) for _, first, last in boxes
            )
        assert whole > 0

        app.look(volume=None)
        app.look(center=[0.0, 0.0], zoom=40.0)
        width, height = app.size
        app.until("window.outlines?.every((one) => 'x0' in one.place)")
        told = page.evaluate("window.outlines")
        assert {one["level"] for one in told} == {level for level, _, _ in boxes}
        for one in told:
            place = one["place"]
            assert place["x0"] < width
            assert place["x1"] > 0
            assert place["y0"] < height
            assert place["y1"] > 0
        drawn = """() => {
            const canvas = document.querySelector(".brick-outlines");
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return data.some((value, at) => at % 4 === 3 && value > 0);
        }"""
        app.until(f"({drawn})()")
