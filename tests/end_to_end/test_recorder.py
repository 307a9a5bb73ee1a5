"""What is done in the window: as a script, undone, changed, and on a whole folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from opsin.images.readers import open_image
from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.server.running import opsin_view

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "examples/plugins"
IMAGES = ROOT / "tests/data/nuclei/test/images"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def made(workspace: Path) -> list[Path]:
    """Results of runs, in the order in which they were made."""
    return sorted(workspace.glob("results/*/*.*"), key=lambda path: path.stat().st_mtime_ns)


def same_pixels(one: Path, other: Path) -> None:
    with open_image(one) as a, open_image(other) as b:
        np.testing.assert_array_equal(a.read(), b.read())
        assert a.levels[0] == b.levels[0]
        assert a.kind == b.kind


def test_steps_become_a_script_and_a_batch_and_can_be_undone_and_changed(
    app: App, workspace: Path, tmp_path: Path
) -> None:
    """Nuclei in the visible region, then a table of them: recorded, repeated, changed."""
    panel = Panel(app)
    shutil.copy(IMAGES / "003.png", tmp_path / "cells.png")
    words = ["--plugin", str(PLUGINS / "nuclei.py"), "--plugin", str(PLUGINS / "count.py")]
    with opsin_view([tmp_path / "cells.png"], *words) as server:
        app.open(server)
        panel.open("Nuclei")
        app.look(center=[128.0, 128.0], zoom=3.0)
        panel.region.get_by_label("Sigma").first.fill("3")
        panel.run()
        nuclei = panel.result("Nuclei")
        panel.open("Measure")
        panel.run()
        expect(panel.job().get_by_role("link", name="rows")).to_be_visible(timeout=60_000)
        labels, table = made(workspace)

        with app.page.expect_download() as download:
            panel.region.get_by_role("button", name="Save as script").click()
        script = tmp_path / "again.py"
        download.value.save_as(script)
        text = script.read_text()
        assert "sigma=3.0" in text
        assert "opsin.crop(image, " in text
        subprocess.run(
            [sys.executable, "-W", "error", script, "--out", "again"],
            cwd=tmp_path, check=True, timeout=120,
            env={**os.environ, "OPSIN_DATA": str(tmp_path / "other")},
        )  # fmt: skip
        same_pixels(tmp_path / "again/cells-labels.ome.zarr", labels)
        assert (tmp_path / "again/cells-table.csv").read_bytes() == table.read_bytes()

        # Ctrl+Z takes back the last step, and the one before with its layer.
        app.page.keyboard.press("Control+z")
        expect(panel.job().get_by_text("undone")).to_be_visible()
        app.page.keyboard.press("Control+z")
        gone = f"!window.opsin.viewer.scene.layers.some(layer => layer.id === {nuclei['id']})"
        app.until(gone)
        app.page.keyboard.press("Control+Shift+z")
        app.page.keyboard.press("Control+Shift+z")
        app.until(f"!({gone})")
        expect(panel.region.get_by_text("undone")).to_have_count(0)

        # The first step with another parameter: the table is made anew, and nothing else.
        panel.job(1).get_by_role("button", name="Change parameters").click()
        expect(panel.region.get_by_role("status").get_by_text("Nuclei · cells")).to_be_visible()
        sigma = panel.region.get_by_label("Sigma").first
        expect(sigma).to_have_value("3")
        sigma.fill("1")
        app.page.screenshot(path=tmp_path / "changing-a-step.png")
        panel.region.get_by_role("button", name="Run with changes").click()
        expect(panel.region.get_by_role("listitem")).to_have_count(4)
        expect(panel.job().get_by_role("link", name="rows")).to_be_visible(timeout=60_000)
        expect(panel.region.get_by_text("undone")).to_have_count(2)
        newer, sizes = made(workspace)[2:]
        with open_image(newer) as image, open_image(labels) as before:
            assert not np.array_equal(image.read(), before.read())
            count = len(np.unique(image.read())) - 1
            assert len(sizes.read_text().splitlines()) == 1 + count

        # The steps that are left, on a folder with a file that is no image.
        folder = tmp_path / "plate"
        folder.mkdir()
        for name in ("003.png", "007.png"):
            shutil.copy(IMAGES / name, folder)
        (folder / "notes.txt").write_text("no image")
        panel.region.get_by_role("button", name="Run on folder").click()
        panel.region.get_by_label("Images in").fill(str(folder))
        panel.region.get_by_role("button", name="Run 2 steps").click()
        expect(panel.job().get_by_text("1 of 3 failed")).to_be_visible(timeout=120_000)
        app.page.screenshot(path=tmp_path / "run-on-folder.png")
        out = tmp_path / "plate results"
        names = sorted(p.name for p in out.iterdir() if not p.name.startswith((".", "script")))
        assert names == [
            f"{number}-{what}"
            for number in ("003", "007")
            for what in ("labels.ome.zarr", "table.csv")
        ]
        same_pixels(out / "003-labels.ome.zarr", newer)
