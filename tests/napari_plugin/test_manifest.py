"""The manifest: what it says is there, and napari opens files and samples through it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import opsin.napari
from opsin.napari.reader import get_reader
from tests.napari_plugin.conftest import Stage

MANIFEST = Path(opsin.napari.__file__).with_name("napari.yaml")
DATA = Path(__file__).parents[1] / "data"
CHECK = """
import json, sys
from npe2 import PluginManifest
manifest = PluginManifest.from_file(sys.argv[1])
manifest.validate_imports()
contributions = manifest.contributions
print(json.dumps({
    "name": manifest.name,
    "readers": [one.filename_patterns for one in contributions.readers],
    "samples": [one.key for one in contributions.sample_data],
    "widgets": [one.display_name for one in contributions.widgets],
}))
"""


def test_all_that_the_manifest_names_is_there() -> None:
    command = [sys.executable, "-W", "ignore", "-c", CHECK, str(MANIFEST)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert told == {
        "name": "opsin",
        "readers": [["*"]],
        "samples": ["mandelbrot", "mandelbulb"],
        "widgets": ["Plugins", "Loader"],
    }


def test_files_are_opened_through_the_reader(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "cells.tif"
    shutil.copy(DATA / "cells" / "AS_09125_050116030001_D03f00d0.tif", path)
    seen = stage.play("scenes_manifest:opened", manifest=str(MANIFEST), path=str(path))
    assert seen["kind"] == "Image"
    assert seen["equal"]
    assert seen["std"] > 10


def test_what_cannot_be_opened_is_said_in_a_sentence(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "cells.tif"
    path.write_bytes(b"not a picture at all")
    said = stage.play("scenes_manifest:refused", manifest=str(MANIFEST), path=str(path))
    assert "cells.tif" in said


@pytest.mark.parametrize("key", ["mandelbrot", "mandelbulb"])
def test_samples_are_seen_at_any_depth_without_waiting(stage: Stage, key: str) -> None:
    seen = stage.play("scenes_manifest:sample", manifest=str(MANIFEST), key=key)
    assert len(set(seen["levels"])) >= 2
    assert min(seen["spread"]) > 5, "something is drawn"
    assert seen["longest"] < 1, "input waited"


def test_nothing_is_no_path() -> None:
    assert get_reader([]) is None
    assert get_reader("") is None
