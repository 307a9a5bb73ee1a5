"""Images in napari: progressive, and at rest the same as opened eagerly."""

from __future__ import annotations

import pytest

from tests.napari_plugin.conftest import Stage


@pytest.mark.parametrize(
    ("stride", "shape"), [(False, (2048, 2048)), (False, (2047, 1501)), (True, (2047, 1501))]
)
def test_pictures_are_those_of_the_same_data_opened_eagerly(
    stage: Stage, stride: bool, shape: tuple[int, int]
) -> None:
    levels = stage.play("scenes_images:pyramid", stride=stride, shape=shape)
    assert set(levels) >= {0, 1}, "several levels were compared"


def test_levels_that_lie_where_napari_draws_them_are_not_touched(stage: Stage) -> None:
    stage.play("scenes_images:exactly_raw")


def test_a_slow_source_is_seen_coarsely_at_once_and_exactly_at_rest(stage: Stage) -> None:
    seen = stage.play("scenes_images:slow")
    assert seen["exact"]
    assert seen["first_differs"], "it waited for everything"
    assert seen["first_off"] < 40, "the first picture is not that of the coarsest level"
    assert seen["redraws"] <= 8
    assert seen["longest"] < 0.25


def test_each_step_of_a_slider_shows_the_plane_that_lies_there(stage: Stage) -> None:
    seen = stage.play("scenes_images:stack")
    fine = [5 * z + 50 for z in range(9)]
    # Coarse plane k has its centre between the fine ones 2k and 2k + 1.
    coarse = [11 * (z // 2) + 101 for z in range(9)]
    assert seen["levels"] == {"0": fine, "1": coarse}
    assert seen["units"] == ["micrometer"] * 3
    assert seen["scale"] == [2.0, 0.5, 0.5]
    assert seen["translate"] == [10.0, 0.0, 0.0]
    assert seen["labels"] == ["z", "y", "x"]
    assert seen["extent"] == [[10.0, 0, 0], [26.0, 299.5, 299.5]]


def test_channels_are_layers_with_their_colours_and_units(stage: Stage) -> None:
    seen = stage.play("scenes_images:channels")
    units = ["second", "micrometer", "micrometer", "micrometer"]
    assert seen["told"] == [
        ["channel 0 · cells", "cyan", "additive", units],
        ["channel 1 · cells", "magenta", "additive", units],
    ]
    assert seen["std"] > 20
    assert seen["equal"]


def test_colours_are_those_of_the_same_data_opened_eagerly(stage: Stage) -> None:
    assert set(stage.play("scenes_images:colours")) == {0, 1, 2}


def test_others_never_read_what_is_not_complete(stage: Stage) -> None:
    stage.play("scenes_images:whole")


def test_layers_share_one_budget_and_are_right_when_it_is_too_small(stage: Stage) -> None:
    seen = stage.play("scenes_images:memory")
    assert seen["right"]
    assert seen["budget"] / 2 < seen["peak"] <= seen["budget"]


def test_a_hidden_layer_reads_nothing_and_one_that_comes_back_works(stage: Stage) -> None:
    seen = stage.play("scenes_images:hidden")
    assert seen["asked"] == 0
    assert seen["std"] > 20
    assert seen["equal"]


def test_planes_that_were_seen_are_not_read_again(stage: Stage) -> None:
    there, back = stage.play("scenes_images:revisits")
    assert there == 9 * 5, "four chunks of each plane and one of its base, but for the first plane"
    assert back == 0


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(stage: Stage) -> None:
    seen = stage.play("scenes_images:broken")
    assert len(seen["said"]) == 1
    assert "The disk is on fire" in seen["said"][0]
    assert seen["values"] == seen["true"]


def test_with_slicing_in_threads_the_picture_is_the_same(stage: Stage) -> None:
    assert stage.play("scenes_images:in_threads")


@pytest.mark.parametrize(("name", "stride"), [("uint64", True), ("int32", False), ("bool", True)])
def test_labels_are_those_of_the_same_data_opened_eagerly(
    stage: Stage, name: str, stride: bool
) -> None:
    seen = stage.play("scenes_images:labels", name=name, stride=stride)
    assert seen["kind"] == "Labels"
    assert seen["equal"] == [True] * 3
    assert set(seen["levels"]) >= {0, 1}
    assert seen["std"] > 5
    assert seen["value"] == seen["true"]


def test_labels_of_one_level(stage: Stage) -> None:
    assert stage.play("scenes_images:small_labels")
