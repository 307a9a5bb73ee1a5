"""The volume camera: what lies where on the canvas, by arithmetic that shares no code with it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.volume_camera import (
    NEAR,
    Quaternion,
    Triple,
    VolumeCamera,
    depth,
    fit_volume,
    frustum,
    looking,
    pixels_per_unit,
    rays,
    times,
)
from opsin.errors import UsageError
from opsin.images.layer import Layer, layers_of
from tests.chunks.pyramid import pyramid

Floats = npt.NDArray[np.float64]

quaternions = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: math.hypot(*q) > 0.1)
cameras = st.builds(
    VolumeCamera,
    center=st.tuples(*[st.floats(-1000, 2.0**20)] * 3),
    zoom=st.floats(0.01, 100),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    orientation=quaternions,
    perspective=st.sampled_from([0.0, 20.0, 60.0, 120.0]),
)


def on_canvas(camera: VolumeCamera, point: Floats) -> tuple[float, float, float]:
    """Column, row and distance from the eye's plane of a relative point: by quaternions."""
    w, x, y, z = (part / math.hypot(*camera.orientation) for part in camera.orientation)
    vector = (0.0, point[2], point[1], point[0])
    _, right, down, forward = times(times((w, -x, -y, -z), vector), (w, x, y, z))
    scale = camera.zoom
    if camera.perspective:
        away = camera.size[1] / 2 / camera.zoom / math.tan(math.radians(camera.perspective) / 2)
        forward += away
        scale *= away / forward if forward else math.inf
    width, height = camera.size
    return width / 2 + right * scale, height / 2 + down * scale, forward


def layer(*args: object, **kwargs: object) -> Layer:
    return layers_of(pyramid(*args, **kwargs)[0])[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("orientation", "right", "down", "forward"),
    [
        (looking(), (0, 0, 1), (0, 1, 0), (1, 0, 0)),
        (looking(turn=90), (-1, 0, 0), (0, 1, 0), (0, 0, 1)),
        (looking(turn=180), (0, 0, -1), (0, 1, 0), (-1, 0, 0)),
        (looking(tilt=90), (0, 0, 1), (-1, 0, 0), (0, 1, 0)),
        (looking(roll=90), (0, 1, 0), (0, 0, -1), (1, 0, 0)),
        ((math.sqrt(0.5), 0, 0, math.sqrt(0.5)), (0, 1, 0), (0, 0, -1), (1, 0, 0)),
    ],
)
def test_orientations_by_name(
    orientation: Quaternion, right: Triple, down: Triple, forward: Triple
) -> None:
    camera = VolumeCamera((0, 0, 0), 1, (8, 8), orientation)
    np.testing.assert_allclose(camera.axes, [right, down, forward], atol=1e-12)


@given(first=quaternions, second=quaternions)
def test_a_camera_is_not_mirrored_and_turns_add_up(first: Quaternion, second: Quaternion) -> None:
    axes = VolumeCamera((0, 0, 0), 1, (8, 8), first).axes
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes[:, ::-1]) == pytest.approx(1)  # in (x, y, z)
    both = VolumeCamera((0, 0, 0), 1, (8, 8), times(first, second)).axes
    turned = VolumeCamera((0, 0, 0), 1, (8, 8), second).axes
    np.testing.assert_allclose(turned[:, ::-1] @ axes, both, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(camera=cameras, where=st.floats(0, 1), far=st.floats(0, 3))
def test_a_ray_is_what_its_pixel_shows(camera: VolumeCamera, where: float, far: float) -> None:
    origins, directions, starts = rays(camera)
    width, height = camera.size
    assert origins.shape == directions.shape == (height, width, 3)
    assert starts.shape == (height, width)
    row, column = int(where * (height - 1)), int((1 - where) * (width - 1))
    np.testing.assert_allclose(np.hypot.reduce(directions[row, column]), 1)
    start = starts[row, column]
    begin = max(start, -height / camera.zoom)
    point = origins[row, column] + (begin + far * height / camera.zoom) * directions[row, column]
    i, j, away = on_canvas(camera, point)
    assert i == pytest.approx(column + 0.5, abs=1e-6)
    assert j == pytest.approx(row + 0.5, abs=1e-6)
    assert depth(camera, point) == pytest.approx(
        away - (camera.distance if camera.perspective else 0), abs=1e-9 * height / camera.zoom
    )
    if camera.perspective:
        nearest = origins[row, column] + start * directions[row, column]
        assert on_canvas(camera, nearest)[2] == pytest.approx(NEAR * camera.distance)
    band = rays(camera, range(row, row + 1))
    for whole, part in zip((origins, directions, starts), band, strict=True):
        np.testing.assert_array_equal(whole[row : row + 1], part)


@settings(max_examples=60, deadline=None)
@given(camera=cameras, data=st.data())
def test_pixels_per_unit_are_the_lengths_of_short_steps(
    camera: VolumeCamera, data: st.DataObject
) -> None:
    unit = camera.size[1] / camera.zoom
    point = np.array(data.draw(st.tuples(*[st.floats(-1, 1)] * 3))) * unit
    if camera.perspective and on_canvas(camera, point)[2] < 2 * NEAR * camera.distance:
        return
    got = pixels_per_unit(camera, point)
    assert got.shape == (3,)
    for axis in range(3):
        step = np.eye(3)[axis] * 1e-5 * unit
        (i, j, _), (k, m, _) = on_canvas(camera, point - step), on_canvas(camera, point + step)
        expected = math.hypot(k - i, m - j) / (2e-5 * unit)
        assert got[axis] == pytest.approx(expected, rel=1e-3, abs=1e-3 * camera.zoom)
    many = pixels_per_unit(camera, np.array([[point, point], [-point, point]]))
    np.testing.assert_allclose(many[0, 1], got)


@settings(max_examples=80, deadline=None)
@given(camera=cameras, data=st.data())
def test_culling_drops_no_box_that_is_seen(camera: VolumeCamera, data: st.DataObject) -> None:
    unit = max(camera.size) / camera.zoom
    corner = np.array(data.draw(st.tuples(*[st.floats(-2, 2)] * 3))) * unit
    extent = np.array(data.draw(st.tuples(*[st.floats(0.001, 2)] * 3))) * unit
    inside = np.array(data.draw(st.tuples(*[st.floats(0, 1)] * 3)))
    i, j, away = on_canvas(camera, corner + inside * extent)
    near = NEAR * camera.distance if camera.perspective else -math.inf
    seen = 0 <= i <= camera.size[0] and 0 <= j <= camera.size[1] and away >= near
    touched = frustum(camera).touches(corner, corner + extent)
    assert touched or not seen
    many = frustum(camera).touches(np.array([corner, corner]), np.array([corner + extent] * 2))
    assert many.tolist() == [touched, touched]


def test_culling_drops_what_lies_beside_behind_and_before() -> None:
    for perspective in (0.0, 60.0):
        camera = VolumeCamera((5, 5, 5), 2, (100, 80), perspective=perspective)
        planes = frustum(camera)
        for offset, seen in (
            ((0, 0, 0), True),
            ((0, 0, 30), False),
            ((0, -25, 0), False),
            ((9, 0, 24), True),
            ((-100, 0, 0), perspective == 0),
        ):
            low = np.array(offset, float)
            assert bool(planes.touches(low, low + 1)) == seen, (perspective, offset)


@settings(max_examples=40, deadline=None)
@given(
    orientation=quaternions,
    perspective=st.sampled_from([0.0, 30.0, 90.0]),
    size=st.tuples(st.integers(10, 500), st.integers(10, 500)),
)
def test_fit_shows_all_and_not_smaller_than_need_be(
    orientation: Quaternion, perspective: float, size: tuple[int, int]
) -> None:
    volumes = [layer((30, 40, 90), axes="zyx", scale=0.5), layer((10, 70, 20), axes="zyx")]
    camera = fit_volume(volumes, size, orientation, perspective)
    low, high = np.array([-0.5, -0.5, -0.5]), np.array([14.75, 69.5, 44.75])
    np.testing.assert_allclose(camera.center, (low + high) / 2)
    corners = [np.where([k & 4, k & 2, k & 1], high, low) - camera.center for k in range(8)]
    places = np.array([on_canvas(camera, corner) for corner in corners])
    slack = 1e-6
    assert (places[:, :2] >= -slack).all()
    assert (places[:, :2] <= np.array(size) + slack).all()
    edges = np.concatenate([places[:, :2], np.array(size) - places[:, :2]])
    assert np.abs(edges).min() < 1e-6  # something touches the edge
    if perspective:
        assert places[:, 2].min() > 0


def test_fit_stays_at_the_first_of_other_axes_and_wants_a_volume() -> None:
    image = layer((4, 3, 10, 20, 30), axes="tczyx")
    assert fit_volume([image], (100, 100)).position == {"t": 0.0}
    other = fit_volume([layer((5, 20, 30), axes="zyx")], (10, 10), displayed=("y", "z", "x"))
    assert other.center == (9.5, 2, 14.5)
    with pytest.raises(UsageError, match="no axis 'z'"):
        fit_volume([layer((20, 30))], (10, 10))


def test_a_camera_that_cannot_be() -> None:
    camera = VolumeCamera((0, 0, 0), 1, (8, 8))
    for wrong in (
        {"orientation": (0.0, 0.0, 0.0, 0.0)},
        {"perspective": 170.0},
        {"clip": ((0.0, 5.0, 0.0), (1.0, 5.0, 1.0))},
    ):
        with pytest.raises(UsageError):
            replace(camera, **wrong)


def test_a_voxel_at_the_far_end_of_an_exabyte_keeps_its_place() -> None:
    far = 2.0**20
    camera = VolumeCamera((far, far, far), 4, (64, 64), looking(30, 20), 45)
    origins, directions, _ = rays(camera)
    here, _, _ = rays(replace(camera, center=(0.0, 0.0, 0.0)))
    np.testing.assert_array_equal(origins, here)
    assert directions.dtype == np.float64
