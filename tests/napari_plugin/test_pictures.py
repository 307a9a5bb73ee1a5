"""The pictures of the guide are what napari looks like. `UPDATE_PICTURES=1` takes them anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

import opsin.napari
from tests.napari_plugin.conftest import ROOT, Stage

MANIFEST = str(Path(opsin.napari.__file__).with_name("napari.yaml"))


@pytest.fixture
def stage(display: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A napari of which nothing has been seen yet: docks stay as wide as they have once been."""
    stage = Stage(display, tmp_path_factory.mktemp("pictures"))
    yield stage
    stage.close()


@pytest.mark.parametrize(
    "name",
    [
        "points",
        pytest.param("form", marks=pytest.mark.slow),
        pytest.param("debugger", marks=pytest.mark.slow),
    ],
)
def test_the_pictures_of_the_guide_are_true(stage: Stage, tmp_path: Path, name: str) -> None:
    kept, taken = ROOT / "docs" / "images" / f"napari-{name}.png", tmp_path / "taken.png"
    more = {"manifest": MANIFEST} if name == "debugger" else {}
    stage.play(f"scenes_pictures:{name}", path=str(taken), **more)
    if os.environ.get("UPDATE_PICTURES"):
        kept.write_bytes(taken.read_bytes())
    pictures = [imagecodecs.imread(path)[..., :3] for path in (kept, taken)]
    assert pictures[0].shape == pictures[1].shape
    # Docks take a few pixels more or less: what counts is what is where.
    blocks = [one.reshape(20, 40, 32, 40, 3).mean((1, 3)) for one in pictures]
    difference = np.abs(blocks[0] - blocks[1]).max(axis=2)
    assert (difference > 24).mean() < 0.1, "take it anew with UPDATE_PICTURES=1, and look at it"
