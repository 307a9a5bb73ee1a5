"""The models of neuroglancer and viv against what was recorded from the real ones."""

from dataclasses import replace
from pathlib import Path

import pytest
from harness.sim.likeness import likeness
from harness.sim.paths import paths
from harness.sim.recording import RECORDED, read_recording

FILES = sorted(RECORDED.glob("*.json"))


def test_both_are_recorded_on_several_tours() -> None:
    recorded = {(r.peer, r.tour) for r in map(read_recording, FILES)}
    for peer in ("neuroglancer", "viv"):
        assert len([tour for who, tour in recorded if who == peer]) >= 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_model_asks_for_what_the_real_one_did(file: Path) -> None:
    recording = read_recording(file)
    assert file.stat().st_size < 200_000
    found = likeness(paths()[recording.tour], recording)
    assert found.requests == pytest.approx(1, abs=0.1)
    assert found.bytes == pytest.approx(1, abs=0.1)
    assert found.same >= 0.85
    assert found.order >= 0.85
    for made, logged in found.levels.values():
        assert made == pytest.approx(logged, rel=0.2, abs=2)


def test_another_viewer_is_told_from_it() -> None:
    """The comparison can fail: viv's model is not like neuroglancer's log."""
    recording = read_recording(RECORDED / "wander.neuroglancer.json")
    found = likeness(paths()["wander"], replace(recording, peer="viv"))
    assert found.requests < 0.8
    assert found.same < 0.8
