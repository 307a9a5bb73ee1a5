"""Blocks: which box of which level is shown in 3D, against voxels that are projected one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.volume_camera import VolumeCamera, looking
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.napari.block import LONGEST, Outlook, ends, geometry, plan_block, region_of
from opsin.napari.focus import Grid, find_focus

SIDE, LEVELS = 256, 5
STRAIGHT = np.eye(3, 4)


def layer_of(side: int = SIDE) -> Layer:
    """A cube with levels; nothing of it is read."""
    arrays = [np.broadcast_to(np.uint8(0), [side >> n] * 3) for n in range(LEVELS)]
    image = image_from_array(
        arrays,
        axes="zyx",
        scale=[[2.0**n] * 3 for n in range(LEVELS)],
        translation=[[(2.0**n - 1) / 2] * 3 for n in range(LEVELS)],
    )
    return layers_of(image)[0]


LAYER = layer_of()

cameras = st.builds(
    VolumeCamera,
    center=st.tuples(*[st.floats(0, SIDE)] * 3),
    zoom=st.floats(0.02, 20),
    size=st.tuples(st.integers(50, 800), st.integers(50, 800)),
    orientation=st.builds(looking, *[st.floats(-180, 180)] * 3),
    perspective=st.sampled_from([0.0, 0.0, 30.0]),
)


@settings(max_examples=30, deadline=None)
@given(camera=cameras, most=st.sampled_from([2**15, 2**18, 2**24]), seed=st.integers(0, 99))
def test_a_block_holds_what_is_seen_around_the_middle_and_no_more_than_it_may(
    camera: VolumeCamera, most: int, seed: int
) -> None:
    outlook = Outlook(camera, STRAIGHT, (0, 1, 2), {})
    block = plan_block(LAYER, outlook, most)
    if block is None:
        return
    assert np.prod(block.shape) <= most
    assert max(block.shape) <= LONGEST
    pixels = camera.zoom * 2**block.level
    assert pixels > 1 or block.level == 0 or pixels * 2 > 1, "it is finer than the screen"
    assert block.lasts(block)
    assert abs(block.covers(LAYER, block) - 1) < 1e-9
    # Voxels in the plane through the camera's centre that are seen.
    right, down, _ = camera.axes
    random = np.random.default_rng(seed).uniform(-0.5, 0.5, (500, 2))
    there = camera.center + (random * camera.size / camera.zoom) @ np.array([right, down])
    inside = ((there >= 0) & (there <= SIDE - 1)).all(1)
    edges = np.array([ends(LAYER, block, axis) for axis in range(3)])
    assert ((there[inside] >= edges[:, 0]) & (there[inside] <= edges[:, 1])).all()


def test_the_region_of_a_block_is_its_pixels() -> None:
    camera = VolumeCamera((128.0, 100.0, 90.0), 0.4, (200, 200))
    block = plan_block(LAYER, Outlook(camera, STRAIGHT, (0, 1, 2), {}), 2**15)
    assert block is not None
    pixels = region_of(LAYER, block).pixels(block.level)
    for axis, own in enumerate(pixels):
        assert own.tolist() == list(range(block.start[axis], block.stop[axis]))
        assert geometry(LAYER, block.level, axis) == (2**block.level, (2**block.level - 1) / 2)


def test_what_is_coarse_enough_has_no_block() -> None:
    far = VolumeCamera((128.0, 128.0, 128.0), 1 / 16, (200, 200))
    beside = VolumeCamera((128.0, 128.0, 9000.0), 2.0, (200, 200))
    for camera in (far, beside):
        assert plan_block(LAYER, Outlook(camera, STRAIGHT, (0, 1, 2), {})) is None


def ball(level: int, radius: float) -> Grid:
    """A ball in the middle of the cube, as a level has it."""
    size = 2**level
    places = (np.arange(SIDE >> level) + 0.5) * size - 0.5 - 127.5
    far = np.sqrt(sum(np.meshgrid(*[places**2] * 3, indexing="ij")))
    values: Any = np.where(far < radius, 200, 0).astype(np.uint8)
    return Grid(values, np.full(3, float(size)), np.full(3, (size - 1) / 2))


@settings(max_examples=20, deadline=None)
@given(orientation=st.builds(looking, *[st.floats(-180, 180)] * 3), zoom=st.floats(20, 60))
def test_what_is_seen_first_is_found_and_better_by_finer_voxels(
    orientation: Any, zoom: float
) -> None:
    camera = VolumeCamera((127.5,) * 3, zoom, (400, 300), orientation)
    outlook = Outlook(camera, STRAIGHT, (0, 1, 2), {})
    coarse = find_focus(outlook, [ball(4, 80)], 100)
    fine = find_focus(outlook, [ball(4, 80), ball(1, 80)], 100)
    assert coarse is not None
    assert fine is not None
    assert abs(coarse.depth + 80) <= coarse.unsure
    assert abs(fine.depth + 80) <= fine.unsure <= 4
    assert find_focus(outlook, [ball(4, 80)], 201) is None


def test_a_finer_grid_that_has_seen_through_is_believed() -> None:
    """Coarse voxels hold something that is not there: what lies behind it is seen first."""
    camera = VolumeCamera((127.5,) * 3, 20.0, (400, 300))
    outlook = Outlook(camera, STRAIGHT, (0, 1, 2), {})
    found = find_focus(outlook, [ball(4, 110), ball(1, 40)], 100)
    assert found is not None
    assert abs(found.depth + 40) <= 4
