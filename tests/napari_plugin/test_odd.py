"""Odd circumstances in napari: units, turned axes, thick slices, sources that stall."""

from __future__ import annotations

import pytest

from tests.napari_plugin.conftest import Stage


@pytest.mark.parametrize("scene", ["turned", "thick"])
def test_whichever_axes_are_cut_it_looks_as_if_opened_eagerly(stage: Stage, scene: str) -> None:
    seen = stage.play(f"scenes_odd:{scene}")
    assert seen["equal"] == [True] * 4
    assert min(seen["std"]) > 5


def test_layers_in_different_units_show_what_lies_there(stage: Stage) -> None:
    seen = stage.play("scenes_odd:units")
    assert seen["seen"] == seen["true"]
    assert seen["blocks"][0] == seen["blocks"][1]


def test_a_source_that_stalls_holds_nobody_up(stage: Stage) -> None:
    seen = stage.play("scenes_odd:stalls")
    assert seen["longest"] < 2.0
    assert seen["coarse"] > 20
    assert seen["gone"] < 2.5
    assert seen["value"] == [0, seen["true"]]
