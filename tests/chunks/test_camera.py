import math

import numpy as np
import pytest

from opsin.chunks.camera import Camera, extent, fit, slice_index, target_level
from opsin.images.layer import layers_of
from tests.chunks.pyramid import pyramid


def test_fit_shows_a_layer_whole() -> None:
    image, _ = pyramid((1000, 3000), scale=0.5)
    (layer,) = layers_of(image)
    assert extent(layer) == (-0.25, -0.25, 499.75, 1499.75)
    camera = fit([layer], (600, 600))
    assert camera.center == pytest.approx((249.75, 749.75))
    assert camera.zoom == pytest.approx(600 / 1500)
    y0, x0, y1, x1 = camera.rect
    assert x0 == pytest.approx(-0.25)
    assert x1 == pytest.approx(1499.75)
    assert y0 <= -0.25
    assert y1 >= 499.75


def test_the_target_level_is_the_coarsest_with_a_data_pixel_per_device_pixel() -> None:
    image, _ = pyramid((4096, 4096), levels=5)
    (layer,) = layers_of(image)
    for zoom, level in ((4, 0), (1, 0), (0.51, 0), (0.5, 1), (0.3, 1), (0.25, 2), (0.01, 4)):
        camera = Camera((2048, 2048), zoom, (512, 512))
        assert target_level(layer, camera) == level
        chosen = image.levels[level].scale[0] * zoom
        assert chosen <= 1 or level == 0


def test_a_level_that_is_coarse_along_one_axis_only_is_not_fine_enough() -> None:
    image, _ = pyramid((4096, 4096), levels=3, axes="yx")
    (layer,) = layers_of(image)
    squeezed = layer.level(1)
    assert squeezed.scale == (2, 2)
    assert target_level(layer, Camera((0, 0), 0.5, (10, 10))) == 1


def test_slices_follow_pixel_centres_and_end_at_outer_edges() -> None:
    image, _ = pyramid((5, 64, 64), axes="zyx", levels=2, scale=2.0)
    (layer,) = layers_of(image)
    expected = {-1.0: 0, -1.1: None, 0.0: 0, 0.99: 0, 1.0: 1, 8.9: 4, 9.0: 4, 9.1: None}
    for world, index in expected.items():
        found = slice_index(layer, 0, Camera((0, 0), 1, (1, 1), {"z": world}))
        assert found == (None if index is None else (index,)), world
    assert slice_index(layer, 1, Camera((0, 0), 1, (1, 1), {})) == (0,)


def test_pixels_keep_their_place_at_2_to_the_27() -> None:
    image, _ = pyramid((2**27, 2**27), levels=18)
    (layer,) = layers_of(image)
    camera = fit([layer], (512, 512))
    assert target_level(layer, camera) == 17
    corner = math.nextafter(2**27, 0)
    assert np.isfinite(Camera((corner, corner), 100, (512, 512)).rect).all()
