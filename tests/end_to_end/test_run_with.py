"""What a layer or a table can be run with: found from there, and run on it, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.host.plugins import write_plugin
from tests.host.test_row_inputs import SOURCE
from tests.server.running import Running, opsin_view

ROOT = Path(__file__).parents[2]
STACK = ROOT / "tests/data/volume/img3d.tif"
SMOOTH = ROOT / "examples/plugins/Smooth.imjoy.html"
WAIT = 30_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("run-with")
    environment = {"OPSIN_DATA": str(folder / "data")}
    flags = ("--plugin", write_plugin(folder, SOURCE, "rows.py"), "--plugin", SMOOTH)
    with opsin_view([STACK, *flags], environment=environment) as running:
        yield running


@pytest.fixture
def panel(app: App, server: Running) -> Panel:
    panel = Panel(app)
    app.page.set_viewport_size({"width": 1280, "height": 760})
    app.page.add_locator_handler(app.page.get_by_role("button", name="Not now"), Locator.click)
    app.open(server)
    return panel


def test_a_layer_is_run_with_a_plugin_of_imjoy_and_its_array_becomes_a_layer(panel: Panel) -> None:
    page = panel.page
    page.locator("canvas").first.click()
    page.keyboard.press("Shift+R")
    palette = page.get_by_role("dialog", name="Run with img3d")
    expect(palette).to_be_visible()
    page.keyboard.type("smoo")
    expect(palette.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(palette).not_to_be_visible()
    chosen = panel.region.get_by_label("Image", exact=True)
    expect(chosen.locator("option:checked")).to_have_text("img3d")
    panel.region.get_by_role("radio", name="Whole image").check()
    expect(panel.region.get_by_text("All", exact=False).filter(has_text="slices")).to_have_count(0)
    panel.run()
    shape = panel.app.scene["layers"][0]["levels"][0]["shape"]
    told = page.get_by_text(f"{shape[-2]} × {shape[-1]} pixels are smooth.").first
    expect(told).to_be_visible(timeout=WAIT)
    layer = panel.result("Smooth")
    given = panel.app.scene["layers"][0]["levels"][0]
    assert layer["levels"][0]["shape"][-2:] == given["shape"][-2:]
    assert layer["levels"][0]["scale"][-2:] == given["scale"][-2:]
    expect(panel.job().get_by_role("button", name="Show result Smooth")).to_be_visible()


def test_the_button_of_a_layer_says_what_takes_it_and_what_does_not(panel: Panel) -> None:
    page = panel.page
    page.get_by_role("button", name="Select img3d").click()
    page.get_by_role("button", name="Run something with img3d").click()
    palette = page.get_by_role("dialog", name="Run with img3d")
    expect(palette.get_by_role("option", name="Smooth")).to_be_visible()
    page.keyboard.type("nothing is called so")
    expect(palette.get_by_text("Nothing is called that.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(palette).not_to_be_visible()
