"""The dock of the loader: its numbers are right, its knobs work, chunks are outlined."""

from __future__ import annotations

from pathlib import Path

import opsin.napari
from tests.napari_plugin.conftest import Stage
from tests.napari_plugin.trial import TRIAL

MANIFEST = str(Path(opsin.napari.__file__).with_name("napari.yaml"))
CHUNK = 128 * 128 * 2


def test_numbers_and_outlines_are_those_of_the_file(stage: Stage, tmp_path: Path) -> None:
    seen = stage.play("scenes_loader:numbers", manifest=MANIFEST, folder=str(tmp_path))
    assert seen["outlined"] == seen["touched"] > 4
    assert seen["whence"] == ["disk"]
    assert seen["used"] % CHUNK == 0
    assert seen["used"] >= (seen["touched"] + 1) * CHUNK
    assert seen["read"] >= seen["used"], "the file has no other chunks than these"
    hits, misses, requests, waiting = seen["counts"]
    assert hits + misses >= seen["touched"]
    assert (requests, waiting) == (0, 0)
    assert seen["levels"][0] == [seen["levels"][1]]
    assert " of " in seen["texts"][0]
    assert seen["texts"][1] == "<b>Settled</b>"
    assert seen["lines"][0] == seen["lines"][1]
    assert seen["colour"] == seen["disk"]
    assert seen["edges"] == seen["true"]
    assert seen["selected"] == ["pyramid"]
    assert seen["budget"][0] == seen["budget"][1]
    assert seen["again"][0] > 0, "what was seen before is here"
    assert seen["left"] == ["pyramid"]


def test_chunks_of_a_volume_are_outlined_as_boxes(stage: Stage) -> None:
    seen = stage.play("scenes_loader:solid", manifest=MANIFEST)
    assert seen["levels"] == [0]
    assert 0 < seen["fine"] <= 8
    assert seen["sides"] == 3
    assert seen["flat"] == 0


def test_memory_and_quality_can_be_set(stage: Stage) -> None:
    seen = stage.play("scenes_loader:knobs", manifest=MANIFEST)
    assert seen["used"][0] > 16 << 20, "there was something to let go of"
    assert seen["used"][1] <= 16 << 20
    assert seen["budget"][0] == seen["budget"][1]
    assert seen["levels"][0] == [seen["levels"][1] + 2]
    assert seen["sharper"] > 1
    assert seen["equal"]


def test_nothing_is_read_while_it_is_frozen(stage: Stage) -> None:
    seen = stage.play("scenes_loader:frozen", manifest=MANIFEST)
    assert seen["more"] == 0
    assert seen["state"] == "<b>Frozen</b>"
    assert seen["std"] > 20, "what is here is shown"
    assert seen["sharper"] > 1
    assert seen["then"] > 0


def test_what_failed_is_marked_and_can_be_tried_again(stage: Stage) -> None:
    seen = stage.play("scenes_loader:failed", manifest=MANIFEST)
    assert seen["said"].startswith("2 chunks failed. ")
    assert "The disk is on fire" in seen["said"]
    assert seen["shown"]
    assert seen["states"] == ["disk", "disk", "failed", "failed"]


def test_jobs_stand_in_the_dock(stage: Stage, tmp_path: Path) -> None:
    plugin = tmp_path / "trial.py"
    plugin.write_text(TRIAL.lstrip())
    seen = stage.play("scenes_loader:jobs", manifest=MANIFEST, plugin=str(plugin))
    assert len(seen["cards"]) == 1
    is_it, said = seen["cards"][0]
    assert is_it
    assert said.startswith("Done")
    assert seen["left"] == 0
