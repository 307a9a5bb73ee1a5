"""Points and tables as inputs of operations in the window, and the script of that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from opsin.images.points.rows import read_rows, write_rows
from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.host.plugins import write_plugin
from tests.host.test_row_inputs import SOURCE
from tests.server.running import opsin_view

CELLS = Path(__file__).parents[1] / "data/nuclei/test/images/003.png"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_points_go_from_operation_to_operation_and_into_a_script(
    app: App, workspace: Path, tmp_path: Path
) -> None:
    """Open points are moved, what comes of them is counted, and the table is summed up."""
    panel = Panel(app)
    places = np.random.default_rng(3).random((300, 2)) * 255
    write_rows({"x": places[:, 1], "y": places[:, 0]}, tmp_path / "found.csv")
    plugin = write_plugin(tmp_path, SOURCE, "rows.py")
    with opsin_view([CELLS, tmp_path / "found.csv"], "--plugin", str(plugin)) as server:
        app.open(server)
        panel.open("Moved")
        expect(panel.region.get_by_text("300 points")).to_be_visible()
        panel.region.get_by_label("By").first.fill("0.5")
        panel.run()
        panel.result("moved")
        panel.open("Count near")
        panel.region.get_by_label("Points").select_option(label="moved")
        panel.region.get_by_label("Radius").first.fill("20")
        panel.run()
        expect(panel.job().get_by_role("link", name="rows")).to_be_visible(timeout=60_000)
        panel.open("Means")
        expect(panel.region.get_by_label("Table")).to_contain_text("Latest: count_near.csv")
        panel.run()
        expect(panel.job().get_by_role("link", name="2 rows")).to_be_visible(timeout=60_000)
        panel.open("Areas")
        expect(panel.region.get_by_text("Shapes cannot be drawn here")).to_be_visible()

        with app.page.expect_download() as download:
            panel.region.get_by_role("button", name="Save as script").click()
        script = tmp_path / "again.py"
        download.value.save_as(script)
        subprocess.run(
            [sys.executable, "-W", "error", script, "--out", "again"],
            cwd=tmp_path, check=True, timeout=120,
            env={**os.environ, "OPSIN_DATA": str(tmp_path / "other")},
        )  # fmt: skip
        made = sorted(workspace.glob("results/*/*.csv"), key=lambda path: path.stat().st_mtime_ns)
        names = ["found-points.csv", "found-table.csv", "found-table_2.csv"]
        for name, path in zip(names, made, strict=True):
            assert (tmp_path / "again" / name).read_bytes() == path.read_bytes(), name
        moved = read_rows(made[0], "points").positions()
        np.testing.assert_array_equal(moved, places + 0.5)
