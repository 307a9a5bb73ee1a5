"""The choice of graphics memory in 3D: it holds at once, for all canvases, and the next time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end.app import App
from tests.server.running import opsin_view

MIB = 2**20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 MiB that no brick of is empty, and coarser levels."""
    folder = tmp_path_factory.mktemp("memory") / "large.ome.zarr"
    z, y, x = (np.arange(n, dtype=np.uint16) for n in (128, 256, 512))
    values = z[:, None, None] * 61 + y[:, None] * 17 + x * 13
    image = image_from_array(values, axes="zyx", name="large")
    write_image(image, folder, levels=4, halve="zyx", chunks=64)
    return folder


def test_less_memory_is_kept_to_at_once_and_the_next_time(app: App, large: Path) -> None:
    with opsin_view([large]) as server:
        app.open(server)
        resize_and_enter(app)
        app.until(f"{stats(app)}.slotBytes > {34 * MIB}", 120)
        before = app.camera["volume"]
        choice = app.page.get_by_label("Memory")
        assert choice.input_value() == str(512 * MIB)
        choice.select_option(label="32 MiB")
        app.until(f"{stats(app)}.slotBudget === {32 * MIB}")
        app.until(f"{stats(app)}.settled", 120)
        held = app.page.evaluate(f"{stats(app)}.slotBytes")
        assert MIB < held <= 32 * MIB
        assert app.camera["volume"] == before
        assert np.ptp(app.capture()) > 100  # and there is something to see
        app.page.keyboard.press("3")
        app.page.get_by_role("button", name="Four views").click()
        app.until("window.opsin.panels.length === 3")
        assert app.page.evaluate("window.opsin.panels.map(({slots}) => slots)") == [32 * MIB] * 3
        app.page.reload()
        app.ready()
        assert app.page.evaluate("window.opsin.viewer.slots") == 32 * MIB


def stats(app: App) -> str:
    """Where the page keeps what it heard last; asks to hear it, if that was not done."""
    app.page.evaluate(
        """() => {
            if (window.heard) return;
            window.heard = {};
            window.opsin.viewer.on("stats", (one) => Object.assign(window.heard, one));
        }"""
    )
    return "window.heard"


def resize_and_enter(app: App) -> None:
    """In 3D, on a small canvas, all of it at its finest."""
    app.page.set_viewport_size({"width": 800, "height": 330})
    app.page.keyboard.press("3")
    app.page.evaluate(
        """() => {
            const {viewer} = window.opsin;
            viewer.setCamera({volume: {...viewer.camera.volume, zoom: 1}});
        }"""
    )
