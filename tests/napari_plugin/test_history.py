"""What was done in napari: undone, done again, changed, as a script, and on a whole folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from opsin.images.readers import open_image
from opsin.images.source import Array
from tests.napari_plugin.conftest import Stage
from tests.napari_plugin.trial import TRIAL


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "trial.py"
    path.write_text(TRIAL.lstrip())
    return str(path)


def repeated(stage: Stage, script: Path, name: str) -> Array:
    """What a script gives, without a window."""
    environment = {**os.environ, "OPSIN_DATA": str(stage.folder / "data")}
    environment.pop("DISPLAY", None)
    out = script.with_name("out")
    command = [sys.executable, str(script), "--out", str(out)]
    subprocess.run(command, check=True, cwd=script.parent, env=environment, capture_output=True)
    (path,) = out.glob(f"*-{name}.ome.zarr")
    with open_image(path) as image:
        return image.read()


def test_the_last_step_is_undone_and_done_again(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_history:undone", plugin=plugin)
    assert seen["all"] == ["one", "Doubled", "Measured: Labels"]
    assert seen["painted"] == [False, seen["all"]]
    assert seen["after one"] == ["one", "Doubled"]
    assert seen["said"] == "Undone"
    assert seen["buttons"] == [False, True]
    assert seen["after two"] == ["one"]
    assert seen["none left"] == [False, False]
    assert seen["states"] == ["undone", "undone"]
    assert seen["redone"] == [["one", "Doubled"], True, "magma"]
    assert seen["script"] == [True, False]
    assert seen["both"] == seen["all"]
    assert seen["still painted"]
    assert seen["tables"] == [-1, 1]
    assert seen["counts"] == [[True, True], [True, False], [True, True]]
    assert seen["drawn"]


def test_a_changed_step_is_made_anew_with_what_depends_on_it(
    stage: Stage, plugin: str, tmp_path: Path
) -> None:
    script, kept = tmp_path / "again.py", tmp_path / "kept.npy"
    seen = stage.play("scenes_history:changed", plugin=plugin, script=str(script), kept=str(kept))
    assert seen["form"] == ["brighter", 40.0]
    assert "of AS_09125" in seen["needs"]
    assert seen["buttons"] == ["Run again", True, False]
    assert seen["button"] == "Run"
    assert seen["right"] == [True, True]
    assert seen["others"] == [True, 5]
    assert seen["order"][0] == seen["order"][1]
    assert seen["look"] == [0.4, "viridis", False, 1.5, True]
    assert seen["shown"] == [False, False, True, True, True]
    assert seen["said"] == "threshold = 60"
    assert seen["counts"] == [[False, False, True, True, True]]
    assert seen["undone"] == [
        seen["order"][0],
        [True, True, False, False],
        [True, True, True, False, False],
    ]
    assert seen["redone"] == [
        seen["order"][0],
        [False, False, True, True],
        [False, False, True, True, True],
    ]
    assert "threshold=60.0" in script.read_text()
    assert "threshold=40.0" not in script.read_text()
    true = np.load(kept)
    assert true.max() > 0
    assert np.array_equal(repeated(stage, script, "inside_result"), true)


def test_what_is_painted_on_a_result_is_data_of_its_own(
    stage: Stage, plugin: str, tmp_path: Path
) -> None:
    script, kept = tmp_path / "again.py", tmp_path / "kept.npy"
    seen = stage.play("scenes_history:painted", plugin=plugin, script=str(script), kept=str(kept))
    assert seen["editable"]
    assert seen["of the file"]
    assert seen["painted"] > 500
    assert seen["right"]
    assert seen["depends"] == [True]
    text = script.read_text()
    assert ").brighter" not in text, "what was painted is in a file of its own"
    true = np.load(kept)
    assert np.array_equal(repeated(stage, script, "inside_result"), true)
    assert seen["stays"] == [True, True]
    assert seen["names"][1:3] == ["Brighter (anew)", "Brighter"]
    assert seen["anew"]


def test_the_steps_are_done_to_a_folder(stage: Stage, plugin: str, tmp_path: Path) -> None:
    images, out = tmp_path / "some images", tmp_path / "the results"
    images.mkdir()
    pictures = np.random.default_rng(2).integers(0, 99, (2, 60, 70), np.uint8)
    for name, picture in zip("ab", pictures, strict=True):
        tifffile.imwrite(images / f"{name}.tif", picture)
    (images / "broken.tif").write_bytes(b"no image")
    seen = stage.play("scenes_history:on_folder", plugin=plugin, images=str(images), out=str(out))
    assert seen["begins"] == ["Run the step", False]
    assert seen["wrong"] == [f"{images} not is no folder.", False]
    assert seen["proposed"] == f"{images} results"
    assert seen["progress"] == [True, False]
    assert seen["failed"][0] == "failed"
    assert "1 of 3 failed." in seen["failed"][1]
    assert seen["failed"][2]
    assert seen["layers"] == ["AS_09125_050116030001_D03f00d0", "Brighter"]
    assert seen["step"] == [True, False]
    assert seen["done"] == ["done", True, True]
    assert seen["cancelled"] == ["cancelled", ""]
    for name, picture in zip("ab", pictures, strict=True):
        with open_image(out / f"{name}-labels.ome.zarr") as labels:
            assert np.array_equal(labels.read(), picture > 30)


def test_what_cannot_be_made_anew_stays_as_it_was(stage: Stage, plugin: str) -> None:
    seen = stage.play("scenes_history:change_fails", plugin=plugin)
    assert seen["begins"][0] == seen["begins"][1]
    assert seen["anew"][0] == seen["anew"][1] != seen["begins"][1]
    assert seen["states"] == ["done", "failed"]
    assert seen["error"] == "ValueError: there are no labels"
    assert seen["kept"] == [True, True, ["one", "Brighter"]]
    assert seen["empty"] == 0
    assert seen["back"] == [seen["anew"][1], True, True]
    assert seen["first"] == [seen["begins"][1], True, True, True]
    assert seen["stopped"] == [["cancelled", "cancelled"], True, True]
    assert seen["deleted"] == [["one"], True]
    assert seen["cleared"] == [0, 0]
