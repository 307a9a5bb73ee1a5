"""Installed plugins of napari in the window, and layers that are sent to a running napari."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect
from scipy.ndimage import gaussian_filter

from opsin.images.readers import open_image
from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.napari_plugin.conftest import Stage, display  # noqa: F401 # a fixture
from tests.plugins import napari_trial
from tests.server.running import Running, opsin_view

CELLS = Path(__file__).parents[1] / "data/cells/AS_09125_050116030001_D03f00d0.tif"


@pytest.fixture
def server(
    tmp_path: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    """A server that has the plugin of the tests installed, and napari, if any, in its folder."""
    napari_trial.write(tmp_path / "site")
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    with opsin_view([CELLS]) as server:
        yield server


def test_a_plugin_of_napari_runs_from_its_form(app: App, server: Running, tmp_path: Path) -> None:
    panel = Panel(app)
    app.open(server)
    app.page.get_by_role("button", name="Plugins", exact=True).click()
    item = panel.region.get_by_role("listitem", name="Trial", exact=True)
    expect(item.get_by_text("napari", exact=True)).to_be_visible()
    refused = item.get_by_role("note", name="Panel")
    expect(refused).to_contain_text("It needs a viewer: open it in napari.")
    app.screenshot(tmp_path / "plugins_of_napari.png")
    panel.open("Smooth")
    sigma = panel.region.get_by_role("textbox", name="Width")
    expect(sigma).to_have_value("2")
    panel.region.get_by_role("combobox", name="Mode").select_option("mirror")
    panel.region.get_by_role("radio", name="Whole image").check()
    app.screenshot(tmp_path / "form_of_napari.png")
    panel.run()
    layer = panel.result(f"{CELLS.stem} smooth")
    assert layer["kind"] == "image"
    (path,) = (tmp_path / "data/results").glob("*/smooth.ome.zarr")
    with open_image(path) as made, open_image(CELLS) as image:
        expected = gaussian_filter(image.read().astype("f4"), 2.0, mode="mirror")
        np.testing.assert_allclose(made.read(), expected, rtol=1e-6)
    app.screenshot(tmp_path / "result_of_napari.png")


def test_sample_data_needs_no_layer(app: App, server: Running) -> None:
    panel = Panel(app)
    app.open(server)
    panel.open("Two blobs")
    expect(panel.region.get_by_text("Run on")).to_have_count(0)
    panel.run()
    layer = panel.result("blobs")
    assert layer["levels"][0]["shape"] == [6, 16, 16]
    assert layer["levels"][0]["translation"] == [5, 0, 0]


def test_a_layer_is_sent_to_napari(
    app: App,
    server: Running,
    display: str,  # noqa: F811 # the fixture
    runtime_folder: Path,
    tmp_path: Path,
) -> None:
    app.open(server)
    send = app.page.get_by_role("button", name=f"Send {CELLS.stem} to napari")
    send.click()
    expect(app.page.get_by_text("No napari that works with Opsin is running")).to_be_visible()
    stage = Stage(display, runtime_folder)  # where the server looks for it
    try:
        assert stage.play("scenes_service:offered") == stage.process.pid
        seen: list[object] = []
        waiting = threading.Thread(
            target=lambda: seen.extend(stage.play("scenes_service:waited", seconds=120, until=1))
        )
        waiting.start()
        send.click()
        expect(app.page.get_by_text("is open in napari.")).to_be_visible(timeout=120_000)
        app.screenshot(tmp_path / "sent_to_napari.png")
        waiting.join()
        (layer,) = seen
        assert isinstance(layer, dict)
        assert (layer["kind"], layer["source"]) == ("Image", CELLS.name)
        assert layer["shown"] > 10, "it is drawn"
        stage.play("scenes_service:ended")
    finally:
        stage.close()
