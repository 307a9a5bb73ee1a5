"""The picture in README.md is what Opsin looks like. `UPDATE_PICTURES=1` takes it anew."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.end_to_end.app import App, decode_png
from tests.end_to_end.panel import Panel
from tests.server.running import opsin_view

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "images" / "opsin.png"
NUCLEI = ROOT / "examples" / "plugins" / "nuclei.py"


def test_the_picture_in_the_readme_is_true(
    browser: Browser, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    app = App(context)
    with opsin_view([demo], "--plugin", str(NUCLEI)) as server:
        app.open(server)
        panel = Panel(app)
        panel.open("Nuclei")
        app.page.set_viewport_size({"width": 1280, "height": 800})
        image = app.scene["layers"][0]
        scale = image["levels"][0]["scale"][0]
        app.look(center=[5150 * scale, 9300 * scale], zoom=0.8 / scale)
        app.set_layer(image["id"], contrast=[0, 26000])
        panel.run()
        labels = panel.result("Nuclei")
        app.set_layer(labels["id"], opacity=0.5)
        app.page.keyboard.press("h")
        app.page.mouse.move(600, 420)
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
