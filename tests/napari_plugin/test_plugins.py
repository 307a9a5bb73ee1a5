"""Plugins in napari: forms that are filled, jobs with progress and cancel, results as layers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import opsin.napari
from opsin.images.readers import open_image
from opsin.napari.reader import get_reader
from tests.napari_plugin.conftest import ROOT, Stage
from tests.napari_plugin.trial import LONG, TRIAL

MANIFEST = Path(opsin.napari.__file__).with_name("napari.yaml")


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "trial.py"
    path.write_text(TRIAL.lstrip())
    return str(path)


def test_a_form_is_filled_and_the_result_is_that_of_the_function(stage: Stage) -> None:
    seen = stage.play("scenes_plugins:nuclei")
    assert seen["kind"] == "Labels"
    assert seen["name"] == "Nuclei"
    assert seen["equal"]
    assert seen["count"] > 20
    assert (seen["scale"], seen["translate"]) == ([0.5, 0.5], [7, 3])
    assert seen["units"] == ["micrometer"] * 2
    assert "Nuclei (Nuclei)" in seen["menu"]
    assert any("Nuclei: " in one for one in seen["bars"])
    assert seen["left"] == 0
    assert seen["said"].startswith("Done")


@pytest.mark.parametrize("ours", [True, False])
def test_what_is_visible_is_worked_on_at_the_level_that_is_drawn(
    stage: Stage, plugin: str, ours: bool
) -> None:
    seen = stage.play("scenes_plugins:visible", plugin=plugin, ours=ours)
    assert [part for part, _ in seen["levels"]] == [level for _, level in seen["levels"]]
    assert len({part for part, _ in seen["levels"]}) == 2
    assert seen["equal"] == [True, True]
    assert max(seen["off"]) < 1.5, "in pixels of the level"
    assert seen["share"] <= 1


@pytest.mark.parametrize("ours", [True, False])
def test_results_lie_over_layers_of_any_order_of_axes(
    stage: Stage, plugin: str, ours: bool
) -> None:
    seen = stage.play("scenes_plugins:stack", plugin=plugin, ours=ours)
    assert seen["one"]
    assert seen["one_at"] == [[4.0, 1.0, 0.0, 0.0], [1, 1, 20, 30]]
    assert seen["all"]
    assert seen["place"][0] == seen["place"][1] == [2.0, 1.0, 0.5, 0.5]
    assert seen["highest"]
    assert seen["sides"] == [[[3, 2, 20, 30], 2], [[3, 2, 20, 30], 3]]


def test_a_plugin_that_fails_says_why_and_stops_nothing_else(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:failing", plugin=plugin)
    assert seen["state"] == "failed"
    assert seen["said"] == "Failed: FileNotFoundError: no model"
    assert "in fails" in seen["traceback"]
    assert seen["readable"]
    assert len(seen["told"]) == 1
    assert seen["layers"] == 1
    assert seen["after"] == ["done", "done"]


def test_a_job_makes_progress_and_can_be_cancelled(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:cancelled", plugin=plugin)
    value, text, bars = seen["shown"]
    assert value > 0
    assert "turns" in text
    assert bars[0] > 0
    assert seen["state"] == "cancelled"
    assert seen["took"] < 5
    assert seen["said"].startswith("Cancelled")
    assert (seen["layers"], seen["bars"], seen["workers"]) == (1, 0, 0)


def test_what_cannot_be_run_is_said_in_the_form(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:refused", plugin=plugin)
    assert seen["nothing"] == "Image: no image is open."
    assert seen["no labels"].startswith("Mask: no labels are open.")
    assert "one is turned or sheared" in seen["turned"]
    assert "one is mirrored" in seen["mirrored"]
    assert seen["away"] == "Nothing of one is visible: move it into view."
    assert "In a grid" in seen["grid"]


def test_labels_painted_by_hand_are_given_as_they_were(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:painted", plugin=plugin)
    assert seen["painted"] > 5
    assert seen["equal"]


def test_every_kind_of_parameter_has_a_field_and_arrives(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:fields", plugin=plugin)
    assert seen["begins"] == {
        "sigma": 2.0,
        "tiny": 1e-6,
        "count": 3,
        "tidy": False,
        "note": "one",
        "file": "model.onnx",
        "method": "otsu",
        "edge": "NEAREST",
        "limit": None,
    }
    assert seen["controls"]["sigma"] == "FloatSpinBox"
    assert seen["bounds"] == [0, 20, 0.25]
    assert seen["label"] == "Sigma (px)"
    assert seen["tooltip"] == "how much.\nAt least 0, at most 20"
    assert seen["state"] == "done"
    given = [
        "2.75",
        "3e-06",
        "12",
        "True",
        "'two words'",
        f"PosixPath('{ROOT}/some/where.txt')",
        "'li'",
    ]
    assert seen["got"] == [*given, "<Edge.MIRROR: 1>", "4"]


def test_points_and_tables(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:rows", plugin=plugin)
    assert seen["world"] == [[3.0 * z, 5 + 0.5 * (10 + z), 0.5 * (20 + z)] for z in range(3)]
    assert seen["features"] == {"index": [1], "sum": [200]}
    assert seen["tables"] == 1


def test_a_plugin_that_is_opened_is_kept(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:dropped", manifest=str(MANIFEST), path=plugin)
    assert seen == {
        "layers": 0,
        "kept": ["trial.py"],
        "dock": "Trial",
        "shown": "doubled",
        "listed": True,
    }


def test_a_form_follows_its_file(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:followed", plugin=plugin)
    assert seen["fields"] == ["size", "name", "most"]
    assert seen["most"] == 5


def test_long_forms_scroll_and_run_stays_in_sight(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text(LONG)
    seen = stage.play("scenes_plugins:long_form", plugin=str(path))
    assert seen["window"] == 700
    assert seen["scrolls"]
    assert (seen["first"], seen["run"], seen["card"]) == (True, True, True)
    assert seen["last"] == [False, True]
    assert seen["labels"] == 1, "all fields begin on one line"


def test_plugins_are_listed_by_version_and_source_and_removed(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "trial.py"
    path.write_text(TRIAL.lstrip().replace('name = "Trial"', 'name = "Trial"\n# version = "1.2"'))
    seen = stage.play("scenes_plugins:removed", manifest=str(MANIFEST), path=str(path))
    beside = str(tmp_path / "beside.py")
    assert seen["rows"] == [
        ["<b>Trial 1.2</b>", "trial.py (kept by Opsin)"],
        ["<b>Beside 1.2</b>", beside],
    ]
    assert seen["asked"].startswith("Remove Trial 1.2? Its file is deleted")
    assert seen["kept"] == [False, True]
    assert seen["gone"] == [["Trial"], ["Trial"]]
    assert seen["beside"] == [True, 0, True]
    assert seen["left"] == [
        0,
        "Plugins are files of Python or ImJoy. Drop one on napari, or add one here.",
    ]


def test_a_trusted_plugin_runs_in_the_process_of_napari(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:trusted", plugin=plugin)
    assert seen["equal"]
    assert "in process" in seen["said"]
    assert seen["goes on"]
    assert seen["checks"] == [False, True, False, False, False]
    states, levels = zip(*seen["jobs"], strict=True)
    assert states == ("done", "done", "cancelled", "done")
    assert levels[1:3] == ("in", "in")
    assert "in" not in (levels[0], levels[3])
    assert "numpy" in seen["why"]
    assert "pip install 'numpy" in seen["why"]


def test_what_goes_wrong_leaves_nothing_behind(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_plugins:lost", plugin=plugin)
    assert seen["state"] == "failed"
    assert "there is no version ==99.0 of six" in seen["said"]
    assert seen["log"]
    assert seen["left"] == [0, 1]
    assert seen["right"] == ["done", True]
    assert seen["again"]
    assert seen["bars"] == 0


def test_what_was_run_is_a_script_that_gives_the_same(
    stage: Stage, plugin: str, tmp_path: Path
) -> None:
    script, kept = tmp_path / "again.py", tmp_path / "kept.npy"
    seen = stage.play("scenes_plugins:recorded", plugin=plugin, script=str(script), kept=str(kept))
    assert seen["front_ends"] == ["napari"]
    environment = {**os.environ, "OPSIN_DATA": str(stage.folder / "data")}
    out = tmp_path / "out"
    command = [sys.executable, str(script), "--out", str(out)]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
    (path,) = out.glob("*-inside*.ome.zarr")
    with open_image(path) as image:
        again = image.read()
    true = np.load(kept)
    assert true.max() > 0
    assert np.array_equal(again, true)


def test_scripts_are_no_plugins(tmp_path: Path, plugin: str) -> None:
    script = tmp_path / "script.py"
    script.write_text("print('hello')\n")
    assert get_reader(str(script)) is None
    assert get_reader(plugin) is not None
    script.write_text("from opsin.types import Image\ndef broken(:\n")
    assert get_reader(str(script)) is not None, "it is told what is wrong"
