from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opsin.chunks.volume_levels import for_volumes, in_3d, with_volume_levels
from opsin.images.image import Axis
from opsin.images.layer import layers_of
from opsin.images.memory import image_from_array
from opsin.views.scene import describe
from tests.chunks.volumes import volume

ZYX = ("z", "y", "x")


def test_a_stack_gets_levels_until_it_is_small_along_all_axes() -> None:
    layer = volume((1000, 96, 300), chunk=512)
    deep = in_3d(layer)
    shapes = [level.shape for level in deep.image.levels]
    assert shapes == [(1000, 96, 300), (500, 96, 150), (250, 96, 75), (125, 96, 38)]
    assert deep.image.levels[0] == layer.image.levels[0]
    told = describe(0, layer, deep)
    assert [level.shape for level in told.levels] == shapes[:1]
    assert [level.shape for level in told.deeper] == shapes[1:]
    assert describe(0, layer, layer).deeper == ()


def test_their_voxels_are_means() -> None:
    values = np.arange(140 * 6 * 4, dtype=np.float32).reshape(140, 6, 4)
    image = for_volumes(image_from_array(values, axes="zyx"))
    assert [level.shape[0] for level in image.levels] == [140, 70]
    np.testing.assert_array_equal(image.read(1), values.reshape(70, 2, 6, 4).mean(axis=1))


@pytest.mark.parametrize(
    ("shape", "levels", "factors"),
    [((100, 100, 100), 1, (2, 2, 2)), ((1000, 1000, 1000), 4, (2, 2, 2))],
)
def test_what_is_small_or_has_levels_stays_as_it_is(
    shape: tuple[int, int, int], levels: int, factors: tuple[int, int, int]
) -> None:
    layer = volume(shape, levels=levels, factors=factors)
    assert in_3d(layer) is layer


def test_what_would_take_too_long_and_what_is_no_volume_stays_as_it_is() -> None:
    huge = volume((100_000, 512, 512)).image
    assert for_volumes(huge) is huge
    assert with_volume_levels(huge, ZYX) is not huge
    film = replace(huge, axes=(Axis("t", "time"), *huge.axes[1:]))
    assert for_volumes(film) is film
    assert with_volume_levels(film, ZYX) is film


def test_levels_only_along_y_and_x_are_gone_on_with_along_z() -> None:
    layer = volume((700, 512, 512), levels=3, factors=(1, 2, 2))
    deep = in_3d(layer)
    assert [level.shape for level in deep.image.levels[3:]] == [
        (350, 128, 128), (175, 128, 128), (88, 128, 128),
    ]  # fmt: skip
    assert layers_of(deep.image)[0].level(5).scale == (8.0, 4.0, 4.0)
