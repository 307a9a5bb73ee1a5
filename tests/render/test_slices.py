"""Rendering against the rules once more, pixel by pixel in plain Python, and against scipy."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from opsin.chunks.camera import Camera, fit, slice_index, target_level
from opsin.errors import UsageError
from opsin.images.image import Axis, Image, Level
from opsin.images.layer import Blending, Layer
from opsin.images.source import Array, Source
from opsin.render import slices
from opsin.render.colormaps import lut
from opsin.render.labels import colours
from opsin.render.slices import render

Levels = dict[int, Array]
RANDOM = np.random.default_rng(5)
NO_SOURCE = cast(Source, None)


def layer_of(
    arrays: list[Array],
    axes: str = "yx",
    kind: Literal["image", "labels"] = "image",
    scale: float = 1.0,
    shift: float = 0.0,
    rgb: bool = False,
    mean: bool = True,
) -> tuple[Layer, Levels]:
    """A layer of in-memory levels, each half the one before along y and x."""
    levels = []
    for number, array in enumerate(arrays):
        factors = [2**number if name in "yx" else 1 for name in axes]
        levels.append(
            Level(
                array.shape,
                array.shape,
                tuple(scale * f for f in factors),
                tuple(shift + ((f - 1) / 2 * scale if mean else 0) for f in factors),
            )
        )
    types = {"y": "space", "x": "space", "z": "space", "c": "channel", "t": "time"}
    described = tuple(Axis(name, types[name]) for name in axes)  # type: ignore[arg-type]
    image = Image("a", described, tuple(levels), arrays[0].dtype, NO_SOURCE, kind=kind, rgb=rgb)
    return Layer("a", image, contrast=(0, 255)), dict(enumerate(arrays))


def reader(data: dict[int, Levels] | Levels) -> slices.Read:
    def read(layer: Layer, level: int, start: tuple[int, ...], stop: tuple[int, ...]) -> Array:
        arrays = data.get(id(layer.image), data)
        array = cast(Levels, arrays)[level]
        assert all(0 <= a < b <= n for a, b, n in zip(start, stop, array.shape, strict=True))
        return array[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]

    return read


def pyramid(array: Array, count: int) -> list[Array]:
    arrays = [array]
    for _ in range(count - 1):
        arrays.append(np.ascontiguousarray(arrays[-1][::2, ::2]))
    return arrays


def plain(layer: Layer, arrays: Levels, camera: Camera, background: float = 0.0) -> Array:
    """The rules for one grey layer or labels of axes y and x, one device pixel at a time."""
    width, height = camera.size
    out = np.full((height, width, 3), background)
    number = target_level(layer, camera)
    array, level, finest = arrays[number], layer.level(number), layer.level(0)
    nearest = layer.image.kind == "labels" or any(s * camera.zoom > 1 + 1e-6 for s in level.scale)
    table = lut(layer.colormap) / 255
    for j in range(height):
        for i in range(width):
            world = (
                camera.center[0] + (j + 0.5 - height / 2) / camera.zoom,
                camera.center[1] + (i + 0.5 - width / 2) / camera.zoom,
            )
            fine = [(w - t) / s for w, t, s in zip(
                world, finest.translation, finest.scale, strict=True)]  # fmt: skip
            if not all(-0.5 <= f < n - 0.5 for f, n in zip(fine, finest.shape, strict=True)):
                continue
            p = [(w - t) / s for w, t, s in zip(
                world, level.translation, level.scale, strict=True)]  # fmt: skip
            if nearest:
                at = [min(max(math.floor(q + 0.5), 0), n - 1) for q, n in zip(
                    p, level.shape, strict=True)]  # fmt: skip
                value = array[at[0], at[1]]
            else:
                value = 0.0
                for dy in (0, 1):
                    for dx in (0, 1):
                        y, x = math.floor(p[0]) + dy, math.floor(p[1]) + dx
                        weight = abs(1 - dy - p[0] % 1) * abs(1 - dx - p[1] % 1)
                        if weight > 0:
                            y, x = (min(max(q, 0), n - 1) for q, n in zip(
                                (y, x), level.shape, strict=True))  # fmt: skip
                            value += weight * float(array[y, x])
            d = out[j, i]
            if layer.image.kind == "labels":
                a = layer.opacity if value else 0
                c = colours(np.array([value]))[0]
            else:
                assert layer.contrast is not None
                low, high = layer.contrast
                t = float(value > low) if low == high else (float(value) - low) / (high - low)
                a = 0 if math.isnan(value) else layer.opacity
                t = 0 if math.isnan(t) else min(max(t, 0), 1) ** layer.gamma
                c = table[math.floor(t * 255 + 0.5)]
            if layer.blending == "translucent":
                out[j, i] = c * a + d * (1 - a)
            elif layer.blending == "additive":
                out[j, i] = np.minimum(d + c * a, 1)
            elif a > 0:
                out[j, i] = c  # of one layer, which has nothing below it: minimum too
    return out


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_every_pixel_follows_the_rules(data: st.DataObject) -> None:
    kind: Literal["image", "labels"] = data.draw(st.sampled_from(["image", "labels"]))
    dtype = "u2" if kind == "labels" else data.draw(st.sampled_from(["u1", "u2", "f4"]))
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    array = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 256, shape)
    layer, arrays = layer_of(
        pyramid(array.astype(dtype), data.draw(st.integers(1, 3))),
        kind=kind,
        scale=data.draw(st.sampled_from([1.0, 0.3, 2.5])),
        shift=data.draw(st.sampled_from([0.0, -7.25, 1000.5])),
        mean=data.draw(st.booleans()),
    )
    low = data.draw(st.integers(0, 200))
    layer = replace(
        layer,
        opacity=data.draw(st.sampled_from([0.0, 0.4, 1.0])),
        contrast=(low, low + data.draw(st.integers(0, 99))),
        gamma=data.draw(st.sampled_from([0.5, 1.0, 2.2])),
        colormap=data.draw(st.sampled_from(["gray", "gray_r", "#ff8000"])),
        blending=cast(
            Blending,
            data.draw(st.sampled_from(["translucent", "additive", "opaque", "minimum"])),
        ),
    )
    camera = fit([layer], data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30))))
    camera = replace(
        camera,
        zoom=camera.zoom * data.draw(st.sampled_from([0.3, 1.0, 1.7, 5.0])),
        center=(camera.center[0] + data.draw(st.floats(-5, 5)), camera.center[1]),
    )
    background = data.draw(st.sampled_from([0.0, 0.25]))
    got = render([layer], camera, reader(arrays), background=(background,) * 3)
    expected = plain(layer, arrays, camera, background) * 255
    # A value on the edge between two colours, and a position between two pixels, may fall to
    # either side by rounding; nothing else may differ.
    off = (np.abs(got - expected) > 1.51).any(axis=2)
    assert off.mean() <= 0.02 or off.sum() <= 1


def test_reduced_images_are_bilinear_as_scipy_has_it() -> None:
    array = ndimage.gaussian_filter(RANDOM.normal(size=(300, 400)), 3).astype("f4")
    layer, arrays = layer_of([array])
    layer = replace(layer, contrast=(float(array.min()), float(array.max())))
    camera = Camera((150.3, 200.7), 0.83, (220, 180))
    y = 150.3 + (np.arange(180) + 0.5 - 90) / 0.83
    x = 200.7 + (np.arange(220) + 0.5 - 110) / 0.83
    grid = np.stack(np.meshgrid(y, x, indexing="ij"))
    values = ndimage.map_coordinates(array, grid, order=1)
    assert layer.contrast is not None
    low, high = layer.contrast
    expected = (values - low) / (high - low) * 255
    got = render([layer], camera, reader(arrays))
    assert np.abs(got[..., 0] - expected).max() <= 0.6
    assert (got == got[..., :1]).all()


def test_one_to_one_shows_the_pixels_themselves() -> None:
    array = RANDOM.integers(0, 256, (40, 60)).astype("u1")
    layer, arrays = layer_of([array], scale=0.25)
    camera = fit([layer], (60, 40))
    assert camera.zoom == 4
    np.testing.assert_array_equal(render([layer], camera, reader(arrays))[..., 1], array)


def test_magnified_images_are_blocks() -> None:
    array = RANDOM.integers(0, 256, (8, 8)).astype("u1")
    layer, arrays = layer_of([array])
    got = render([layer], fit([layer], (80, 80)), reader(arrays))
    np.testing.assert_array_equal(got[..., 0], np.kron(array, np.ones((10, 10))))


def test_nan_is_transparent_only_where_it_weighs() -> None:
    array = np.full((4, 4), 255, "f4")
    array[1, 1] = np.nan
    layer, arrays = layer_of([array])
    exact = render([layer], fit([layer], (4, 4)), reader(arrays), background=(0, 0, 1))
    np.testing.assert_array_equal(exact[..., 0] == 0, np.isnan(array))
    shifted = replace(fit([layer], (4, 4)), center=(2.0, 1.5))
    between = render([layer], shifted, reader(arrays))
    np.testing.assert_array_equal(np.argwhere(between[..., 0] == 0)[:2], [[0, 1], [1, 1]])


def test_colour_and_its_alpha() -> None:
    array = RANDOM.integers(0, 65536, (12, 10, 4)).astype("u2")
    layer, arrays = layer_of([array], "yxc", rgb=True)
    layer = replace(layer, contrast=(1000, 60000), gamma=2, opacity=0.5)
    t = ((array[..., :3] - 1000.0) / 59000).clip(0, 1) ** 2
    a = 0.5 * array[..., 3:] / 65535
    for size in ((10, 12), (5, 6)):
        got = render([layer], fit([layer], size), reader(arrays), background=(1, 1, 1))
        if size == (10, 12):
            np.testing.assert_allclose(got, (t * a + 1 - a) * 255, atol=0.51)
    opaque, whole = layer_of([array[..., :3]], "yxc", rgb=True)
    opaque = replace(opaque, contrast=(0, 65535))
    got = render([opaque], fit([opaque], (5, 6)), reader(whole))
    blocks = array[..., :3].reshape(6, 2, 5, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(got, blocks / 65535 * 255, atol=0.51)


def test_channels_and_positions_on_other_axes() -> None:
    array = RANDOM.integers(0, 256, (4, 3, 10, 2, 12)).astype("u1")
    layer, arrays = layer_of([array], "tzycx")
    camera = fit([layer], (12, 10))
    camera = replace(camera, position={"t": 2, "z": 1.4})
    assert slice_index(layer, 0, camera) == (2, 1)
    layer = replace(layer, channel=1)
    got = render([layer], camera, reader(arrays))
    np.testing.assert_array_equal(got[..., 0], array[2, 1, :, 1, :])
    away = replace(camera, position={"t": 9})
    assert not render([layer], away, reader(arrays)).any()


def test_other_planes_and_swapped_axes() -> None:
    array = RANDOM.integers(0, 256, (5, 6, 7)).astype("u1")
    layer, arrays = layer_of([array], "zyx")
    for displayed, position, expected in (
        (("z", "x"), {"y": 3.0}, array[:, 3, :]),
        (("x", "z"), {"y": 3.0}, array[:, 3, :].T),
    ):
        camera = fit([layer], (expected.shape[1], expected.shape[0]), displayed)
        camera = replace(camera, position=position)
        got = render([layer], camera, reader(arrays))
        np.testing.assert_array_equal(got[..., 0], expected)


def test_layers_are_stacked_in_order() -> None:
    red, reds = layer_of([np.full((4, 4), 255, "u1")])
    blue, blues = layer_of([np.full((4, 4), 255, "u1")])
    data = {id(red.image): reds, id(blue.image): blues}
    red = replace(red, colormap="red")
    camera = fit([red], (4, 4))

    def pixel(blending: Blending, visible: bool = True) -> list[int]:
        above = replace(blue, colormap="blue", opacity=0.4, blending=blending, visible=visible)
        return [int(v) for v in render([red, above], camera, reader(data))[0, 0]]

    assert pixel("translucent") == [153, 0, 102]
    assert pixel("additive") == [255, 0, 102]
    assert pixel("opaque") == [0, 0, 255]
    assert pixel("minimum") == [0, 0, 0]
    assert pixel("opaque", visible=False) == [255, 0, 0]


def test_a_large_level_is_drawn_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    array = RANDOM.integers(0, 256, (200, 300)).astype("u1")
    layer, arrays = layer_of([array])
    camera = fit([layer], (30, 20))
    whole = render([layer], camera, reader(arrays), level=0)
    sizes: list[int] = []

    def read(layer: Layer, level: int, start: tuple[int, ...], stop: tuple[int, ...]) -> Array:
        sizes.append((stop[0] - start[0]) * (stop[1] - start[1]))
        return reader(arrays)(layer, level, start, stop)

    monkeypatch.setattr(slices, "MOST_PIXELS", 5000)
    np.testing.assert_array_equal(render([layer], camera, read, level=0), whole)
    assert max(sizes) <= 5000
    assert len(sizes) > 5


def test_what_cannot_be_drawn() -> None:
    layer, arrays = layer_of([np.zeros((4, 4), "u1")])
    camera = fit([layer], (4, 4))
    with pytest.raises(UsageError, match="contrast"):
        render([replace(layer, contrast=None)], camera, reader(arrays))
    with pytest.raises(UsageError, match="colour map"):
        render([replace(layer, colormap="nope")], camera, reader(arrays))
    with pytest.raises(UsageError, match="no axis 'z'"):
        render([layer], replace(camera, displayed=("z", "x")), reader(arrays))
