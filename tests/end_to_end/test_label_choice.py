"""Labels as outlines, one alone, and without some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from playwright.sync_api import expect

from tests.end_to_end.app import App
from tests.server.running import opsin_view

NUCLEI = Path(__file__).parents[1] / "data" / "nuclei" / "test"


def test_labels_are_outlined_hidden_and_shown_alone(app: App) -> None:
    mask = NUCLEI / "masks" / "000.png"
    ids = imagecodecs.png_decode(mask.read_bytes())
    page = app.page
    page.set_viewport_size({"width": 900, "height": 700})
    with opsin_view([NUCLEI / "images" / "000.png"], "--labels", str(mask)) as server:
        app.open(server)
        picture, labels = app.scene["layers"]
        app.set_layer(picture["id"], visible=False)
        app.set_layer(labels["id"], opacity=1)
        app.look(center=[127.5, 127.5], zoom=1)
        width, height = app.size
        left, top = (width - 256) // 2, (height - 256) // 2

        def drawn() -> Any:
            app.settle()
            got = app.capture()[top : top + 256, left : left + 256]
            return got.any(axis=2)

        np.testing.assert_array_equal(drawn(), ids > 0)
        page.locator(f".layer-name[data-layer='{labels['id']}']").click()
        page.get_by_role("slider", name="Contour").fill("2")
        padded = np.pad(ids, 2, mode="edge")
        sides = [
            padded[2 + y : 258 + y, 2 + x : 258 + x] for y, x in ((2, 0), (-2, 0), (0, 2), (0, -2))
        ]
        edge = np.any([side != ids for side in sides], axis=0)
        np.testing.assert_array_equal(drawn(), (ids > 0) & edge)
        page.get_by_role("slider", name="Contour").fill("0")

        y, x = np.argwhere(ids > 0)[len(np.argwhere(ids > 0)) // 2]
        here = ids[y, x]
        box = page.get_by_role("application").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + left + x + 0.5, box["y"] + top + y + 0.5)
        expect(page.get_by_label("Values", exact=True)).to_contain_text(str(here))
        page.keyboard.press("e")
        expect(page.get_by_label("Layer controls")).to_contain_text(f"all but {here}")
        np.testing.assert_array_equal(drawn(), (ids > 0) & (ids != here))
        page.keyboard.press("Control+z")
        np.testing.assert_array_equal(drawn(), ids > 0)
        page.keyboard.press("q")
        np.testing.assert_array_equal(drawn(), ids == here)
        page.wait_for_timeout(500)
        page.reload()
        app.ready()
        np.testing.assert_array_equal(drawn(), ids == here)
        page.locator(f".layer-name[data-layer='{labels['id']}']").click()
        page.get_by_role("button", name="Show all").click()
        np.testing.assert_array_equal(drawn(), ids > 0)
