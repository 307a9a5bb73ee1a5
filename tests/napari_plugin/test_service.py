"""napari as a peer: another process finds it, shows it arrays and gets some."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import opsin.napari
from opsin.errors import UsageError
from tests.napari_plugin.conftest import ROOT, Stage

CELLS = Path(__file__).parents[1] / "data/cells/AS_09125_050116030001_D03f00d0.tif"


def test_arrays_go_both_ways(stage: Stage) -> None:
    seen = stage.play("scenes_service:arrays")
    assert seen["names"] == ["cells"]
    assert seen["right"]
    assert seen["equal"]
    assert seen["kept"] == ["cells", "spots"]
    assert [one["kind"] for one in seen["layers"]] == ["image", "labels", "points"]
    image = seen["layers"][0]
    assert (image["shape"], image["dtype"]) == ([512, 512], "uint16")
    assert (image["scale"], image["translate"]) == ([2, 3], [5, 6])
    assert seen["about"]["pid"] == seen["pid"]
    assert seen["about"]["layers"] == ["cells", "ids", "spots"]
    assert seen["errors"][0] == (
        "UsageError: napari has no layer called none: it has cells, ids, spots."
    )
    assert seen["errors"][1].startswith("UsageError: There is no option colour: there are ")


def test_points_are_shown_with_their_features_and_as_a_sample_if_they_are_many(
    stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "found.csv"
    path.write_text("x,y,area\n1,2,3\n4,5,6\n")
    seen = stage.play("scenes_service:points", path=str(path))
    assert (seen["array"], seen["columns"], seen["many"]) == (["plain"], ["spots"], ["many"])
    assert (seen["file"], seen["opened"], seen["made"]) == (["found"], ["found [1]"], ["made"])
    assert (seen["spots"], seen["kinds"]) == ([[1, 4], [3, 6]], ["a", "c"])
    assert (seen["units"], seen["axes"]) == (["micrometer"] * 2, ["y", "x"])
    assert sorted(seen["world"]) == [[7, 9], [8, 1]]
    # With two that mark the corners of all.
    assert (seen["counts"]["found"], seen["counts"]["plain"]) == (4, 2)
    assert 1000 < seen["counts"]["many"] <= 10_002
    assert [error.partition(":")[0] for error in seen["errors"]] == [
        "Unsupported", "UsageError", "NotFound", "UsageError", "UsageError"
    ]  # fmt: skip
    assert "rename the columns that hold positions to y and x" in seen["errors"][0]


def test_files_and_lazy_arrays_are_progressive(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "cells.tif"
    shutil.copy(CELLS, path)
    seen = stage.play("scenes_service:progressive", path=str(path))
    assert seen["kinds"] == ["Image"] * 4
    assert seen["levels"] == [True, True]
    assert seen["equal"]
    assert seen["scale"] == [2, 2]


def test_what_the_guide_shows_works(stage: Stage) -> None:
    text = (ROOT / "docs" / "guides" / "napari.md").read_text()
    section = text.partition("\n## Other programs\n")[2].partition("\n## ")[0]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ") or not line]
    assert any("get_layer" in line for line in lines)
    seen = stage.play("scenes_service:guide", block="\n".join(lines))
    assert seen == ["noise", "bright", "brightest"]


def test_it_is_found_while_it_is_there(stage: Stage) -> None:
    seen = stage.play("scenes_service:comes_and_goes")
    assert seen == {"before": 0, "during": [True], "after": 0}


@pytest.mark.usefixtures("runtime_folder")
def test_where_none_is_running() -> None:
    with pytest.raises(UsageError, match=r"^No napari that works with Opsin is running on this"):
        opsin.napari.connect()
