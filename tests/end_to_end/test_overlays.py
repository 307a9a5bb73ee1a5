"""What is drawn over the image: chosen in a menu, right for the view, and kept with it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end.app import App
from tests.server.running import opsin_view

CHOICES = ("Scale bar", "Axes", "Time and position", "Colour bars", "Bounding boxes")


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """Four moments of half a minute each, in micrometres."""
    values = np.random.default_rng(4).integers(100, 900, (4, 300, 400), dtype=np.uint16)
    image = image_from_array(
        values,
        axes="tyx",
        name="movie",
        scale=(30.0, 0.5, 0.5),
        units=("second", "micrometer", "micrometer"),
    )
    write_image(image, tmp_path / "movie.ome.zarr")
    return tmp_path / "movie.ome.zarr"


def test_overlays_are_chosen_and_stay_with_the_view(app: App, movie: Path) -> None:
    app.page.set_viewport_size({"width": 900, "height": 700})
    with opsin_view([movie]) as server:
        app.open(server)
        page = app.page
        bar = page.get_by_role("img", name="Scale bar")
        expect(bar).to_be_visible()
        page.get_by_role("button", name="Overlays").click()
        for choice in CHOICES[1:]:
            page.get_by_label(choice, exact=True).check()
        page.keyboard.press("Escape")
        expect(page.get_by_label("Bounding boxes", exact=True)).not_to_be_visible()

        expect(page.get_by_role("img", name="Axes: y, x")).to_be_visible()
        bars = page.get_by_role("list", name="Colour bars").get_by_role("listitem")
        expect(bars).to_have_count(1)
        low, high = page.evaluate("window.opsin.viewer.layer(0).contrast")
        expect(bars.first).to_contain_text(f"movie{low:g}{high:g}")
        position = page.locator(".position-stamp")
        expect(position).to_have_text("t0 s")
        page.keyboard.press(".")
        expect(position).to_have_text("t30 s")

        app.look(center=[74.75, 99.75], zoom=2.0)
        box = page.locator(".bounding-box")
        corners = re.findall(r"[-\d.]+", box.get_attribute("d") or "")
        width, height = page.evaluate("window.opsin.viewer.size")
        left, top = width / 2 - 200, height / 2 - 150
        expected = [left, top, left + 400, top, left + 400, top, left + 400, top + 300]
        np.testing.assert_allclose([float(at) for at in corners[:8]], expected, atol=0.1)

        page.reload()
        app.ready()
        expect(position).to_have_text("t30 s")
        expect(box).to_be_attached()
        page.get_by_role("button", name="Overlays").click()
        page.get_by_label("Scale bar", exact=True).uncheck()
        expect(bar).not_to_be_visible()


def test_a_view_is_kept_that_was_changed_a_moment_before_the_page_is_loaded_again(
    app: App, movie: Path
) -> None:
    """Though what the server is told then comes too late."""
    with opsin_view([movie]) as server:
        app.open(server)
        page = app.page
        page.route(
            "**/api/view",
            lambda route: route.abort() if route.request.method == "PUT" else route.continue_(),
        )
        page.evaluate("window.opsin.viewer.setCamera({ zoom: 3.5 })")
        page.reload()
        app.ready()
        assert page.evaluate("window.opsin.viewer.camera.zoom") == 3.5
        app.errors[:] = [one for one in app.errors if "ERR_FAILED" not in one]
