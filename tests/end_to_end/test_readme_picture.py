"""The picture in README.md is what Opsin looks like. `UPDATE_PICTURES=1` takes it anew."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser

from tests.end_to_end.app import App, decode_png
from tests.server.running import opsin_view

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "opsin.png"


def test_the_picture_in_the_readme_is_true(browser: Browser, demo: Path, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    app = App(context)
    with opsin_view([demo]) as server:
        app.open(server)
        image, labels = app.scene["layers"]
        scale = image["levels"][0]["scale"][0]
        app.look(center=[5150 * scale, 9300 * scale], zoom=0.8 / scale)
        app.set_layer(labels["id"], visible=True, opacity=0.35)
        app.set_layer(image["id"], contrast=[0, 26000])
        app.page.keyboard.press("h")
        app.page.mouse.move(800, 420)
        app.page.wait_for_timeout(1000)
        app.settle()
        taken = app.screenshot(tmp_path / "opsin.png")
    context.close()
    assert app.errors == []
    if os.environ.get("UPDATE_PICTURES"):
        PICTURE.write_bytes((tmp_path / "opsin.png").read_bytes())
    kept = decode_png(PICTURE.read_bytes())
    assert kept.shape == taken.shape
    difference = np.abs(kept.astype(int) - taken.astype(int)).max(axis=2)
    assert (difference > 24).mean() < 0.05, "take it anew with UPDATE_PICTURES=1, and look at it"
