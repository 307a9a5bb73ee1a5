"""Points in napari: a sample that follows the view; few ones as if they were opened eagerly."""

from __future__ import annotations

from pathlib import Path

from tests.napari_plugin.conftest import Stage


def test_few_points_look_as_if_they_were_opened_eagerly(stage: Stage, tmp_path: Path) -> None:
    seen = stage.play("scenes_points:eager", folder=str(tmp_path))
    assert seen["kind"] == "Points"
    assert seen["features"] == ["intensity", "shape"]
    assert seen["by"] == "colormap"
    for off, lit in seen["off"][:3]:
        assert lit > 0.002
        assert off < 0.02 * lit
    off, lit = seen["off"][3]  # in 3D it is not the same one of two that lies before the other
    assert off < 0.2 * lit


def test_of_many_points_a_sample_is_drawn_that_follows_the_view(
    stage: Stage, tmp_path: Path
) -> None:
    seen = stage.play("scenes_points:many", folder=str(tmp_path))
    assert seen["foreign"] == 0, "points are drawn that lie elsewhere"
    assert max(seen["counts"]) <= 10_000
    assert seen["counts"][1:] == seen["true"][1:], "some are left out where all can be drawn"
    assert 5_000 < seen["counts"][0] < seen["true"][0]
    assert 100 < seen["in_3d"] <= 10_002
    assert seen["rolled"][0] > 10
    assert seen["rolled"][1] <= 0.51
    assert seen["again"] > 2
    assert seen["peak"] <= 64 << 20
    assert seen["known"] == ["Image"]


def test_words_are_colours_and_a_radius_is_a_size(stage: Stage, tmp_path: Path) -> None:
    seen = stage.play("scenes_points:dressed", folder=str(tmp_path))
    assert seen["name"] == "cells"
    assert seen["colours"] == [1, 1, 1]
    assert seen["different"] == 3
    low, high = seen["sizes"]
    assert 2 <= low < high - 1
    assert high <= 8.001
