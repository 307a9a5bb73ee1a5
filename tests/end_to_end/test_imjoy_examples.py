"""The ImJoy files in examples/, and the templates of `opsin plugins new`, as a person runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import FrameLocator, expect

from opsin.plugins.new_plugin import Template, write_new
from tests.end_to_end.panel import Panel
from tests.server.running import Running, opsin_view

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "tests/data/nuclei/test/images/003.png"
EXAMPLES = ROOT / "examples/plugins"
TEMPLATES: tuple[Template, ...] = ("window", "web-worker", "collection")
WAIT = 30_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("examples")
    names = ("Scatter", "Smooth", "Star", "Steps", "Together")
    files = [EXAMPLES / f"{name}.imjoy.html" for name in names]
    for template in TEMPLATES:
        files.append(folder / f"new-{template}.imjoy.html")
        write_new(files[-1], template)
    flags = [word for file in files for word in ("--plugin", file)]
    with opsin_view([PICTURE, *flags], environment={"OPSIN_DATA": str(folder / "data")}) as running:
        yield running


def window(panel: Panel, name: str) -> FrameLocator:
    windows = panel.page.get_by_role("region", name="Windows", exact=True)
    return windows.get_by_role("tabpanel", name=name).frame_locator("iframe")


def test_a_window_draws_with_a_library_of_its_attachment(panel: Panel) -> None:
    panel.open("Scatter")
    panel.run()
    said = window(panel, "Scatter").locator("#said")
    expect(said).to_have_text("100 points", timeout=WAIT)
    canvas = window(panel, "Scatter").locator("#canvas")
    drawn = canvas.evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, 400, 400).data"
        ".filter((value, place) => place % 4 === 3 && value > 0).length"
    )
    assert 500 < drawn < 100 * 45
    canvas.click(position={"x": 100, "y": 50})
    expect(said).to_have_text(re.compile(r"0\.\d\d, 0\.\d\d"))


def test_python_moves_what_a_window_draws_and_answers_its_clicks(panel: Panel) -> None:
    panel.open("Steps")
    panel.run()
    said = window(panel, "Scatter").locator("#said")
    expect(said).to_have_text("200 points", timeout=WAIT)
    done = panel.page.get_by_text("200 points made 20 steps.").first
    expect(done).to_be_visible(timeout=WAIT)
    window(panel, "Scatter").locator("#canvas").click()
    expect(said).to_have_text(re.compile(r"^\d+ points are near$"))


def test_a_filter_runs_in_a_thread_of_the_browser(panel: Panel) -> None:
    panel.open("Smooth")
    panel.region.get_by_label("Image", exact=True).select_option("None")
    panel.run()
    expect(panel.page.get_by_text("64 × 64 pixels are smooth.").first).to_be_visible(timeout=WAIT)


def test_a_page_that_nobody_sees_draws_a_layer(panel: Panel, tmp_path: Path) -> None:
    panel.open("Star")
    panel.region.get_by_role("textbox", name="Spokes").fill("8")
    panel.region.get_by_role("textbox", name="Pixels along a side").fill("128")
    panel.run()
    made = panel.job().get_by_role("button", name="Show result Star")
    expect(made).to_be_visible(timeout=WAIT)
    layer = panel.result("Star")
    assert layer["levels"][0]["shape"] == [128, 128]
    panel.page.evaluate(
        "id => window.opsin.viewer.scene.layers.forEach(layer =>"
        " window.opsin.viewer.setLayer(layer.id, { visible: layer.id === id }))",
        layer["id"],
    )
    panel.app.look(center=[63.5, 63.5], zoom=1.0)
    panel.app.screenshot(tmp_path / "star.png")
    drawn = panel.app.capture()[..., 0] > 127
    height, width = drawn.shape
    turn = np.arange(720) * np.pi / 360
    around = drawn[
        (height / 2 + 40 * np.sin(turn)).astype(int), (width / 2 + 40 * np.cos(turn)).astype(int)
    ]
    assert (around[1:] & ~around[:-1]).sum() + (around[0] & ~around[-1]) == 8
    assert around.mean() == pytest.approx(0.5, abs=0.05)


def test_templates_run_as_they_are(panel: Panel) -> None:
    panel.open("New window")
    panel.run()
    expect(window(panel, "New window").locator("#said")).to_have_text("12 circles", timeout=WAIT)
    panel.open("New web worker")
    panel.run()
    told = panel.page.get_by_text("There are 9592 primes.").first
    expect(told).to_be_visible(timeout=WAIT)


def test_a_collection_loads_what_it_names(panel: Panel) -> None:
    panel.open("Together")
    panel.run()
    told = panel.page.get_by_text("Together has nothing to run").first
    expect(told).to_be_visible(timeout=WAIT)
    for name in ("Smooth", "Steps"):
        panel.open(name)
        ready = panel.region.get_by_role("region", name=f"{name}: Ready")
        expect(ready).to_be_visible(timeout=WAIT)
