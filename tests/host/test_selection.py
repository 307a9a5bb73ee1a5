"""What an operation works on, against plain arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.chunks.camera import Camera
from opsin.errors import UsageError
from opsin.host.selection import Visible, Whole, select
from opsin.images.image import Image
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.images.write import write_image
from opsin.plugins.formats import read_plugin
from opsin.plugins.manifest import Operation
from tests.host.plugins import write_plugin


@pytest.fixture
def operations(tmp_path: Path) -> dict[str, Operation]:
    plugin = read_plugin(write_plugin(tmp_path))
    return {operation.name: operation for operation in plugin.operations}


def layer(shape: tuple[int, ...], axes: str, **about: Any) -> Layer:
    image = image_from_array(np.zeros(shape, np.uint16), axes=axes, name="one", **about)
    return layers_of(image)[0]


def view(center: tuple[float, float], zoom: float, size: tuple[int, int], **where: float) -> Any:
    return Visible(Camera(center, zoom, size, where))


def test_the_visible_region_is_every_pixel_of_which_something_is_seen(
    operations: dict[str, Operation],
) -> None:
    one = layer((100, 200), "yx", scale=(2.0, 2.0), translation=(10.0, 0.0))
    # The canvas shows y from 49 to 69 and x from 30.5 to 50.5; pixel i covers 10+2i±1.
    found = select(operations["bright"], {"image": one}, view((59, 40.5), 1, (20, 20)))
    assert found.first.start == (20, 15)
    assert found.first.stop == (30, 26)
    assert found.shape == (10, 11)
    assert found.first.origin(0) == 50.0
    assert (found.axes, found.loops, found.calls) == (("y", "x"), (), 1)


def test_what_is_visible_is_cut_at_the_edge_and_must_be_something(
    operations: dict[str, Operation],
) -> None:
    one = layer((100, 200), "yx")
    found = select(operations["bright"], {"image": one}, view((0, 0), 1, (20, 20)))
    assert (found.first.start, found.first.stop) == ((0, 0), (11, 11))
    with pytest.raises(UsageError, match=r"Nothing of one is visible"):
        select(operations["bright"], {"image": one}, view((500, 500), 1, (20, 20)))


def test_the_level_is_the_one_that_is_shown(
    operations: dict[str, Operation], tmp_path: Path
) -> None:
    image = image_from_array(np.ones((2000, 3000), np.uint8), name="one")
    write_image(image, tmp_path / "one.ome.zarr", chunks=256)
    with open_image(tmp_path / "one.ome.zarr") as opened:
        (one,) = layers_of(opened)
        for zoom, level in ((2.0, 0), (1.0, 0), (0.5, 1), (0.3, 1), (0.25, 2)):
            found = select(operations["bright"], {"image": one}, view((999, 1499), zoom, (100, 50)))
            assert found.first.level == level
        found = select(operations["bright"], {"image": one}, Whole(2))
        assert found.shape == (500, 750)
        assert found.first.scale(0) == 4
        assert found.first.origin(0) == 1.5
        with pytest.raises(UsageError, match="levels 0 to"):
            select(operations["bright"], {"image": one}, Whole(9))


def test_other_axes_are_looped_over_or_stay_where_the_sliders_are(
    operations: dict[str, Operation],
) -> None:
    one = layer((3, 4, 5, 6, 7), "tczyx", scale=(1, 1, 2, 1, 1), translation=(0, 0, 100, 0, 0))
    assert one.channel == 0
    every = select(operations["bright"], {"image": one}, Whole())
    assert (every.loops, every.loop_shape, every.shape) == (("t", "z"), (3, 5), (6, 7))
    positions = list(every.positions())
    assert len(positions) == every.calls == 15
    assert positions[1] == (0, 1)
    assert every.box("image", (2, 3)).start == (2, 0, 3, 0, 0)
    assert every.box("image", (2, 3)).stop == (3, 1, 4, 6, 7)
    here = select(operations["bright"], {"image": one}, Whole(0, {"t": 1, "z": 104.0}))
    assert (here.loops, here.loop_shape) == (("t", "z"), (1, 1))
    assert here.box("image", (0, 0)).start == (1, 0, 2, 0, 0)
    assert here.first.origin(2) == 104.0
    stack = select(operations["middle"], {"stack": one}, Whole(0, {"t": 1, "z": 104.0}))
    assert (stack.axes, stack.loops, stack.shape) == (("z", "y", "x"), ("t",), (5, 6, 7))
    seen = select(operations["middle"], {"stack": one}, view((2, 2), 1, (2, 2), t=2, z=104.0))
    assert (seen.shape, seen.first.start[0]) == ((5, 3, 3), 2)
    with pytest.raises(UsageError, match="nothing at the position of the sliders"):
        select(operations["bright"], {"image": one}, Whole(0, {"z": 0.0}))
    second = replace(one, channel=2)
    assert select(operations["bright"], {"image": second}, Whole()).first.start[1] == 2
    channels = select(operations["bright"], {"image": replace(one, channel=None)}, Whole())
    assert channels.loops == ("t", "c", "z")


def test_axes_that_are_not_there_are_named(operations: dict[str, Operation]) -> None:
    one = layer((6, 7), "yx")
    with pytest.raises(UsageError, match=r"works on the axes z, y, x, but one has y, x"):
        select(operations["middle"], {"stack": one}, Whole())
    with pytest.raises(UsageError, match=r"needs an image for its input 'image'"):
        select(operations["bright"], {}, Whole())


def test_several_inputs_are_cut_to_the_pixels_that_all_have(
    operations: dict[str, Operation],
) -> None:
    image = layer((4, 100, 100), "tyx", scale=(1, 0.5, 0.5))
    # Labels of the region that begins at row 10 and column 20, at one time point.
    mask = layer((1, 30, 40), "tyx", scale=(1, 0.5, 0.5), translation=(2, 5.0, 10.0))
    found = select(operations["inside"], {"image": image, "mask": mask}, Whole(0, {"t": 2.0}))
    assert found.shape == (30, 40)
    assert found.parts["image"].start == (2, 10, 20)
    assert found.parts["mask"].start == (0, 0, 0)
    assert found.parts["mask"].stop == (1, 30, 40)
    seen = select(
        operations["inside"], {"image": image, "mask": mask}, view((10, 20), 2, (40, 20), t=2.0)
    )
    # Rows 10 to 30 and columns 20 to 60 are seen (with half a pixel at each side).
    assert seen.parts["image"].shape == seen.parts["mask"].shape
    assert seen.parts["image"].start[1:] == (10, 20)
    flat = layer((100, 100), "yx", scale=(0.5, 0.5))
    found = select(operations["inside"], {"image": image, "mask": flat}, Whole())
    assert found.calls == 4
    assert found.box("mask", (3,)).start == (0, 0)
    assert found.box("image", (3,)).start == (3, 0, 0)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"scale": (1.0, 1.0)}, "has no level whose pixels are those of"),
        ({"scale": (0.5, 0.5), "translation": (0.2, 0.0)}, "has no level whose pixels"),
        ({"scale": (0.5, 0.5), "translation": (500.0, 0.0)}, "do not overlap"),
    ],
)
def test_inputs_on_other_pixels_are_refused(
    operations: dict[str, Operation], about: dict[str, Any], message: str
) -> None:
    image = layer((100, 100), "yx", scale=(0.5, 0.5))
    other = layer((100, 100), "yx", **about)
    with pytest.raises(UsageError, match=message):
        select(operations["inside"], {"image": image, "mask": other}, Whole())


def test_images_of_files_are_images(operations: dict[str, Operation]) -> None:
    with open_image("tests/data/volume/img3d.tif") as image:
        assert isinstance(image, Image)
        found = select(operations["bright"], {"image": layers_of(image)[0]}, Whole())
        assert (found.calls, found.shape) == (31, (61, 57))
