"""Points in pictures: where they are, how large, in which colour, over what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opsin.chunks.camera import Camera
from opsin.chunks.points_plan import PointsBrick
from opsin.chunks.volume_camera import VolumeCamera, looking
from opsin.errors import UsageError
from opsin.images.layer import Layer
from opsin.images.memory import image_from_array
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.memory import points_from_table
from opsin.images.source import Array
from opsin.render import labels
from opsin.render.colormaps import lut
from opsin.render.points import draw_points, shown_only
from opsin.render.snapshot import snapshot

FOUR = {"z": [0.0, 10, 20, 30], "y": [10.0, 10, 30, 30], "x": [10.0, 30, 10, 30]}


def points(**more: object) -> Points:
    return points_from_table({**FOUR, **more}, name="four")


CAMERA = Camera((20.0, 20.0), 10.0, (400, 400))


def middle(picture: Array, y: float, x: float) -> list[int]:
    """The colour where this world position is, in a picture of `CAMERA`."""
    found: list[int] = picture[round((y - 20) * 10 + 200), round((x - 20) * 10 + 200)].tolist()
    return found


def test_points_are_where_they_are() -> None:
    picture = snapshot(points(), CAMERA)
    lit = picture.any(axis=2)
    for y, x in zip(FOUR["y"], FOUR["x"], strict=True):
        assert middle(picture, y, x) == [255, 255, 255]
    assert lit.sum() == pytest.approx(4 * np.pi * 2.5**2, rel=0.3)  # 4 pixels wide, and the edges
    rows, columns = np.nonzero(lit)
    assert (rows.mean(), columns.mean()) == (199.5, 199.5)


def test_size_is_of_the_screen_or_of_the_world() -> None:
    layer = PointsLayer("four", points(), size=2, unit="world")
    for zoom in (5, 10):
        camera = replace(CAMERA, zoom=float(zoom))
        picture = snapshot(layer.points, camera, layers=[layer])
        assert (picture / 255).sum() / 3 == pytest.approx(4 * np.pi * zoom**2, rel=0.05)
        picture = snapshot(layer.points, camera, layers=[replace(layer, unit="screen", size=8)])
        assert (picture / 255).sum() / 3 == pytest.approx(4 * np.pi * 4**2, rel=0.05)


def test_discs_reach_into_the_picture_from_outside() -> None:
    beside = Camera((20.0, 5.0), 10.0, (98, 400))  # ends at x = 9.9
    for unit, size in (("screen", 20.0), ("world", 2.0)):
        layer = PointsLayer("four", points(), size=size, unit=unit)  # type: ignore[arg-type]
        picture = snapshot(layer.points, beside, layers=[layer])
        (lit,) = np.nonzero(np.any(picture, axis=(0, 2)))
        assert lit.min() == 89  # 10 pixels before x = 10


def test_colours_come_from_a_property() -> None:
    table = points(height=[0.0, 1.0, 4.0, np.nan], kind=["b", "a", "c", "b"])
    places = list(zip(FOUR["y"], FOUR["x"], strict=True))
    by_height = PointsLayer("four", table, colour_by="height", colormap="magma")
    picture = snapshot(table, CAMERA, layers=[by_height])
    for place, t in zip(places[:3], (0, 0.25, 1), strict=True):
        assert middle(picture, *place) == lut("magma")[int(t * 255 + 0.5)].tolist()
    assert middle(picture, *places[3]) == [0, 0, 0], "NaN is not drawn"
    narrow = replace(by_height, contrast=(0.0, 1.0), gamma=2.0, colormap="gray")
    picture = snapshot(table, CAMERA, layers=[narrow])
    assert [middle(picture, *place)[0] for place in places[:3]] == [0, 255, 255]
    by_kind = PointsLayer("four", table, colour_by="kind")
    picture = snapshot(table, CAMERA, layers=[by_kind])
    for place, number in zip(places, (2, 1, 3, 2), strict=True):
        expected = labels.colours(np.array([number])) * 255
        np.testing.assert_allclose(middle(picture, *place), expected[0], atol=1)
    one = replace(by_kind, colour_by=None, colour="#ff8000", opacity=0.5)
    assert middle(snapshot(table, CAMERA, layers=[one]), *places[0]) == [128, 64, 0]


def test_only_what_is_drawn_is_read() -> None:
    table = points(height=[0.0] * 4, kind=["b"] * 4)
    layer = PointsLayer("four", table, colour_by="height")
    read: list[tuple[str, ...]] = []

    def reading(one: Points, brick: PointsBrick) -> Array:
        chunk = one.read(brick.level, brick.grid)
        read.append(chunk.dtype.names or ())
        return chunk

    draw_points(np.zeros((400, 400, 3), "f4"), shown_only(layer), CAMERA, reading)
    assert read == [("position", "height")]
    draw_points(np.zeros((400, 400, 3), "f4"), replace(layer, visible=False), CAMERA, reading)
    assert len(read) == 1


def test_points_lie_over_images_in_the_order_of_the_layers() -> None:
    image = image_from_array(np.full((41, 41), 255, np.uint8))
    below = Layer("image", image, contrast=(0, 255))
    dots = PointsLayer("four", points(), colour="#ff0000")
    picture = snapshot(image, CAMERA, layers=[below, dots])
    assert middle(picture, 10, 10) == [255, 0, 0]
    assert middle(picture, 20, 20) == [255, 255, 255]
    hidden = snapshot(image, CAMERA, layers=[dots, below])
    assert middle(hidden, 10, 10) == [255, 255, 255]
    added = replace(dots, colour="#800000", blending="additive")
    dark = replace(below, contrast=(0, 510))
    assert middle(snapshot(image, CAMERA, layers=[dark, added]), 10, 10) == [255, 128, 128]


def test_size_by_a_property_goes_from_a_quarter_to_the_whole() -> None:
    table = points(area=[1.0, np.nan, 2.0, 3.0], kind=["a", "b", "c", "a"])
    layer = PointsLayer("four", table, size=80, size_by="area", colour_by="kind")

    def widths(layer: PointsLayer) -> list[int]:
        lit = snapshot(layer.points, CAMERA, layers=[layer]).max(axis=2) > 0
        places = [(100, 100), (100, 300), (300, 100), (300, 300)]  # rows and columns
        return [int(lit[row, column - 60 : column + 60].sum()) for row, column in places]

    assert widths(layer) == [20, 20, 50, 80]
    assert widths(replace(layer, unit="world", size=8)) == [20, 20, 50, 80]
    assert widths(replace(layer, size_by="kind")) == [20, 50, 80, 20]
    deep = VolumeCamera((0, 20.0, 20), 10.0, (400, 400))
    picture = snapshot(table, deep, layers=[layer])
    assert [int(picture[300, 200:].any(axis=1).sum())] == [80]
    with pytest.raises(UsageError, match="no property 'mass'"):
        widths(replace(layer, size_by="mass"))


def test_a_slice_shows_what_is_near() -> None:
    layer = PointsLayer("four", points(), thickness={"z": 12.0})
    camera = replace(CAMERA, position={"z": 5.0})
    picture = snapshot(layer.points, camera, layers=[layer])
    seen = [middle(picture, y, x) != [0, 0, 0] for y, x in zip(FOUR["y"], FOUR["x"], strict=True)]
    assert seen == [True, True, False, False]


def test_in_3d_what_is_near_lies_in_front() -> None:
    table = points_from_table(
        {"z": [0.0, 20], "y": [10.0, 10], "x": [10.0, 10], "kind": ["near", "far"]}
    )
    layer = PointsLayer("two", table, size=8, colour_by="kind")
    canvas = np.zeros((100, 100, 3), np.float32)
    camera = VolumeCamera((10, 10, 10), 1.0, (100, 100))
    for turn, kind in ((0, 2), (180, 1)):
        canvas[:] = 0
        draw_points(canvas, layer, replace(camera, orientation=looking(turn)))
        np.testing.assert_allclose(canvas[50, 50], labels.colours(np.array([kind]))[0], atol=1e-5)
    canvas[:] = 0
    draw_points(canvas, layer, replace(camera, orientation=looking(90)))  # along x
    lit = np.nonzero(canvas.any(axis=2))
    assert (lit[1].min(), lit[1].max()) == (36, 63)  # 20 apart, each 8 wide
    deep = replace(camera, perspective=90.0)
    world = replace(layer, unit="world", size=4)
    sizes = []
    for orientation in (looking(0), looking(180)):
        canvas[:] = 0
        draw_points(canvas, world, replace(deep, orientation=orientation))
        sizes.append(canvas.any(axis=2).sum())
    assert sizes[0] == sizes[1] > 20  # of the near one: 10 / 8 as large


def test_what_makes_no_sense_is_said() -> None:
    layer = PointsLayer("four", points(height=[1.0] * 4))
    cases = {
        "size 0": {"size": 0.0},
        "with 0 points": {"most": 0},
        "translucent or additive, not 'opaque'": {"blending": "opaque"},
        "no property 'mass'": {"colour_by": "mass"},
        "no colour map 'grau'": {"colour_by": "height", "colormap": "grau"},
    }
    for message, change in cases.items():
        with pytest.raises(UsageError, match=message):
            snapshot(layer.points, CAMERA, layers=[replace(layer, **change)])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not drawn by levels"):
        snapshot(layer.points, CAMERA, level=0)
    flat = points_from_table({"y": [1.0], "x": [2.0]})
    with pytest.raises(UsageError, match="it has no axis 'z'"):
        snapshot(flat, replace(CAMERA, displayed=("z", "x")))


def test_one_point_fits_into_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("x,y\n5,5\n")
    picture = snapshot(path, size=(51, 51))
    assert picture[25, 25].tolist() == [255, 255, 255]
    assert picture[:10].max() == 0
