"""3D in napari: a block of the right level at the right place, instead of the coarsest level."""

from __future__ import annotations

import os
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from tests.napari_plugin.conftest import ROOT, Stage

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "renderings",
    [
        ["mip", "iso", "translucent"],
        # Each way to render is compiled anew, which takes a while without a graphics card.
        pytest.param(["mip", "average", "additive", "minip", "attenuated_mip"], marks=SLOW),
    ],
)
def test_at_rest_a_volume_looks_like_its_finest_level_opened_eagerly(
    stage: Stage, renderings: list[str]
) -> None:
    seen = stage.play("scenes_volumes:like_eager", renderings=renderings)
    for rendering in renderings:
        assert seen[rendering]["level"] == 0
        assert seen[rendering]["off"][0] <= 0.02, rendering
        assert seen[rendering]["std"] > 0.3, "an empty picture"
    assert seen["mip"]["off"][1] > 0.05, "the levels differ too little"
    assert seen["names"] == ["array"]
    assert seen["planes"] == 0
    assert seen["flat"], "2D is not what it was"


def test_the_block_follows_the_camera_and_something_is_always_seen(stage: Stage) -> None:
    seen = stage.play("scenes_volumes:follows")
    assert seen["levels"] == [2, 1, 1, 0]
    assert min(seen["lit"]) > 60


def test_a_layer_and_its_detail_look_the_same_and_go_together(stage: Stage) -> None:
    seen = stage.play("scenes_volumes:together")
    assert seen.pop("order") == ["array (detail)", "array"]
    assert seen.pop("colours") == "magma"
    assert seen.pop("back") == [0, 255]
    assert (seen.pop("planes"), seen.pop("left")) == (0, 0)
    assert all(seen.values()), seen


def test_every_time_point_and_any_order_of_axes_has_its_block(stage: Stage) -> None:
    seen = stage.play("scenes_volumes:in_time")
    assert seen["values"] == [[0, 5], [0, 6], [0, 7], [0, 6]]
    assert seen["lit"] > 0.003
    assert seen["orders"][0] is not None
    assert seen["orders"][0][0] == 1
    assert seen["orders"][1] is not None
    assert seen["orders"][1][1] == 1


def test_the_mandelbulb_zoomed_deep_in_bounded_memory(stage: Stage) -> None:
    seen = stage.play("scenes_volumes:bulb")
    first, second, third = seen["levels"]
    assert first > second > third
    assert third <= 6
    assert min(seen["std"]) > 5
    assert seen["voxels"] <= 2**19
    assert seen["peak"] <= seen["budget"]


def test_a_stack_without_levels_along_z_gets_them_in_3d_only(stage: Stage) -> None:
    seen = stage.play("scenes_volumes:stack")
    assert seen["deep"][0] == [40, 200, 200]
    assert max(seen["deep"][-1]) <= 128
    assert len(seen["deep"]) > len(seen["flat"])
    assert seen["flat"] == seen["again"] == seen["gone"]
    assert seen["equal"]
    assert seen["level"] == 0
    assert seen["lit"] > 0.01


@SLOW
def test_the_picture_of_the_guide_is_true(stage: Stage, tmp_path: Path) -> None:
    kept, taken = ROOT / "docs" / "images" / "napari-volume.png", tmp_path / "taken.png"
    assert stage.play("scenes_bulb:volume", path=str(taken)) == 13
    if os.environ.get("UPDATE_PICTURES"):
        kept.write_bytes(taken.read_bytes())
    pictures = [imagecodecs.imread(path)[..., :3].astype(int) for path in (kept, taken)]
    assert pictures[0].shape == pictures[1].shape
    difference = np.abs(pictures[0] - pictures[1]).max(axis=2)
    assert (difference > 24).mean() < 0.05, "take it anew with UPDATE_PICTURES=1, and look at it"
