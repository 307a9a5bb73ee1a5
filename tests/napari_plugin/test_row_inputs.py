"""Points, shapes and tables of napari as inputs of operations, and the script of that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.host.plugins import write_plugin
from tests.host.test_row_inputs import SOURCE
from tests.napari_plugin.conftest import Stage


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    return str(write_plugin(tmp_path, SOURCE, "rows.py"))


def test_points_go_from_operation_to_operation_and_into_a_script(
    stage: Stage, plugin: str, tmp_path: Path
) -> None:
    script = tmp_path / "again.py"
    seen = stage.play(
        "scenes_row_inputs:steps",
        plugin=plugin,
        script=str(script),
        picture=str(tmp_path / "form.png"),
    )
    assert seen["works_on"]
    assert seen["shown"] == dict.fromkeys(("work", "region", "level", "slices"), False)
    # In the world of napari, without the one that is hidden.
    assert seen["world"] == [[12.5, 6.5], [13.5, 6.5], [26.5, 27.5]]
    assert seen["near"] == [1, 1, 0]
    assert seen["features"] == {"y": pytest.approx(17.0), "x": 13.0, "weight": 2.5}
    subprocess.run(
        [sys.executable, "-W", "error", script, "--out", "out"],
        cwd=tmp_path,
        check=True,
        env={**os.environ, "OPSIN_DATA": str(stage.folder / "data")},
    )
    made = sorted((tmp_path / "out").glob("*.csv"))
    assert len(made) == 3
    for again, path in zip(made, seen["paths"], strict=True):
        assert again.read_bytes() == Path(path).read_bytes()


def test_shapes_points_on_images_and_samples(stage: Stage, plugin: str, tmp_path: Path) -> None:
    places = np.random.default_rng(1).random((20_000, 2)) * 100
    table = tmp_path / "many.csv"
    table.write_text("y,x\n" + "".join(f"{y},{x}\n" for y, x in places.tolist()))
    seen = stage.play("scenes_row_inputs:others", plugin=plugin, table=str(table))
    assert seen["areas"] == [16.0, 9.0]
    assert seen["below"] == [2 * 20 + 4, 6 * 20 + 8]
    # All of them, not those that are drawn.
    assert (seen["ours"], seen["origin"]) == (20_000, str(table))
    assert seen["shifted"] == pytest.approx(places[:, 0].min() + 5 + 1)
    assert "is turned or sheared" in seen["turned"]
    assert seen["none"] == "Points: no layer of points is open."
