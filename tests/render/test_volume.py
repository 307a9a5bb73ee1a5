"""Volumes drawn from bricks, against slow arithmetic on the whole array that shares no code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.octree import octree
from opsin.chunks.policy import EXPLORE
from opsin.chunks.volume_brick import SIDE, VolumeBrick
from opsin.chunks.volume_camera import NEAR, VolumeCamera, fit_volume, looking
from opsin.chunks.volume_plan import plan_volume
from opsin.images.image import Level
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.images.source import Array
from opsin.render import colormaps, labels
from opsin.render.volume import DENSITY, MODES, Mode, Projection, render_volume
from opsin.render.volume_slots import VolumeSlots
from tests.chunks.volumes import volume

Floats = npt.NDArray[np.float64]
VOLUME = Path("tests/data/volume")


@cache
def nuclei() -> Array:
    return tifffile.imread(VOLUME / "img3d.tif")


@cache
def masks() -> Array:
    return tifffile.imread(VOLUME / "mask3d.tif")


def layer_of(array: Array, scale: Sequence[float] = (1, 1, 1), **changes: object) -> Layer:
    """A layer of axes z, y, x, with contrast limits for all values."""
    kind: Literal["image", "labels"] = "labels" if changes.pop("labels", False) else "image"
    axes = "zyxc" if array.ndim == 4 else "zyx"
    image = image_from_array(
        array, axes=axes, scale=[*scale, 1][: array.ndim], translation=[5, -3, 2, 0][: array.ndim],
        kind=kind,
    )  # fmt: skip
    image = replace(image, rgb=array.ndim == 4)
    (layer,) = layers_of(image)
    if kind == "image":
        changes.setdefault("contrast", (float(array.min()), float(array.max())))
    return replace(layer, **changes)  # type: ignore[arg-type]


def slots_of(layer: Layer, arrays: Sequence[Array], bricks: Sequence[VolumeBrick]) -> VolumeSlots:
    """Slots that hold bricks, cut out of the levels' arrays."""
    slots = VolumeSlots(layer, len(bricks) + 3)
    for brick in bricks:
        box = tuple(slice(place * SIDE, (place + 1) * SIDE) for place in brick[3:])
        slots.put(brick, arrays[brick.level][box])
    return slots


def all_bricks(array: Array, level: int = 0) -> list[VolumeBrick]:
    counts = [-(-n // SIDE) for n in array.shape[:3]]
    return [VolumeBrick(0, level, (), *place) for place in np.ndindex(*counts)]


def draw(layer: Layer, array: Array, camera: VolumeCamera, *how: object) -> npt.NDArray[np.uint8]:
    return render_volume(
        {0: layer},
        camera,
        {0: slots_of(layer, [array], all_bricks(array))},
        Projection(*how),  # type: ignore[arg-type]
    )


# The reference


def lines_of_sight(camera: VolumeCamera) -> tuple[Floats, Floats, Floats]:
    """World origins, unit directions and starts of (height, width) rays, by quaternions."""
    w, x, y, z = np.array(camera.orientation) / math.hypot(*camera.orientation)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    width, height = camera.size
    j, i = np.indices((height, width))
    right, down = (i + 0.5 - width / 2) / camera.zoom, (j + 0.5 - height / 2) / camera.zoom
    flat = np.stack([right, down, np.zeros_like(right)], axis=-1)
    center = np.array(camera.center)
    if not camera.perspective:
        forward = np.broadcast_to([0.0, 0.0, 1.0], flat.shape)
        origins, directions = ((part @ turn.T)[..., ::-1] for part in (flat, forward))
        return origins + center, directions, np.full(right.shape, -np.inf)
    away = height / 2 / camera.zoom / math.tan(math.radians(camera.perspective) / 2)
    towards = flat + np.array([0, 0, away])
    length = np.linalg.norm(towards, axis=-1)
    eye = center - away * (np.array([0, 0, 1]) @ turn.T)[::-1]
    directions = (towards @ turn.T)[..., ::-1] / length[..., np.newaxis]
    return np.broadcast_to(eye, flat.shape), directions, NEAR * length


def samples(
    level: Level, finest: Level, camera: VolumeCamera
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Places in voxels (steps, height, width, 3), their lengths, and which of them there are."""
    origins, directions, starts = lines_of_sight(camera)
    scale, first = np.array(finest.scale[:3]), np.array(finest.translation[:3])
    low = first - scale / 2
    high = low + scale * np.array(finest.shape[:3])
    with np.errstate(all="ignore"):
        a, b = (low - origins) / directions, (high - origins) / directions
    parallel = np.abs(directions) < 1e-14
    among = (origins >= low) & (origins < high)
    near = np.where(parallel, np.where(among, -np.inf, np.inf), np.fmin(a, b)).max(axis=-1)
    far = np.where(parallel, np.where(among, np.inf, -np.inf), np.fmax(a, b)).min(axis=-1)
    near = np.maximum(near, starts)
    hit = far > near
    near, far = np.where(hit, near, 0), np.where(hit, far, 0)
    own = np.array(level.scale[:3])
    speeds = np.abs(directions) / own
    step = 0.5 / speeds.max(axis=-1)
    fastest = speeds.argmax(axis=-1)[..., np.newaxis]
    with np.errstate(all="ignore"):
        meets = (np.array(level.translation[:3]) - origins) / directions  # the first voxel's middle
    base = np.take_along_axis(meets, fastest, -1)[..., 0] - step / 2
    begin = np.floor((near - base) / step + 1e-6)
    count = int(((far - base) / step - begin).max()) + 2
    cell = begin + np.arange(count)[:, np.newaxis, np.newaxis]
    start = np.maximum(base + cell * step, near)
    stop = np.minimum(base + (cell + 1) * step, far)
    middle = base + (cell + 0.5) * step
    slack = 1e-6 * step
    whole = (middle > start + slack) & (middle < stop - slack)
    middle = np.where(whole, middle, (start + stop) / 2)
    counts = hit & (stop - start > slack)
    middle, length = np.where(counts, middle, 0), np.where(counts, stop - start, 0)
    points = origins + middle[..., np.newaxis] * directions
    return (points - np.array(level.translation[:3])) / own, length, counts


def linear(array: Array, places: Floats) -> Floats:
    """Trilinear, the border repeated."""
    last = np.array(array.shape) - 1
    total = np.zeros(places.shape[:-1])
    for corner in np.ndindex(2, 2, 2):
        base = np.floor(places)
        weight = np.where(corner, places - base, 1 - (places - base)).prod(axis=-1)
        z, y, x = np.moveaxis((base + corner).clip(0, last).astype(int), -1, 0)
        total += weight * array[z, y, x]
    return total


def expected(
    layer: Layer, array: Array, camera: VolumeCamera, mode: Mode, density: float | None = None
) -> Floats:
    """The canvas between 0 and 255, not rounded; on black."""
    level = layer.level(0)
    places, length, counts = samples(level, level, camera)
    values = linear(array, places)
    assert layer.contrast is not None
    low, high = layer.contrast
    table = colormaps.lut(layer.colormap) / 255

    def bright(v: Floats) -> Floats:
        return ((v - low) / (high - low)).clip(0, 1) ** layer.gamma

    some = np.logical_or.reduce(counts, axis=0)
    if mode == "translucent":
        density = DENSITY * camera.zoom / min(camera.size) if density is None else density
        t = np.where(counts, bright(values), 0)
        passing = np.exp(-t * density * length)
        before = np.cumprod(np.concatenate([np.ones((1, *t.shape[1:])), passing]), axis=0)[:-1]
        share = (before * (1 - passing))[..., np.newaxis]
        colour = (share * table[np.floor(t * 255 + 0.5).astype(int)]).sum(axis=0)
        canvas: Floats = colour * layer.opacity * 255
        return canvas
    if mode == "mip":
        flat = np.where(counts, values, -np.inf).max(axis=0)
    elif mode == "minip":
        flat = np.where(counts, values, np.inf).min(axis=0)
    else:
        flat = (values * length).sum(axis=0) / np.maximum(length.sum(axis=0), 1e-12)
    colour = table[np.floor(bright(np.where(some, flat, low)) * 255 + 0.5).astype(int)]
    return np.where(some[..., np.newaxis], colour * layer.opacity, 0) * 255


VIEWS = [
    (looking(), 0.0),
    (looking(turn=90), 0.0),
    (looking(tilt=90), 0.0),
    (looking(31, 22, 13), 0.0),
    (looking(-140, -35), 40.0),
]


@pytest.mark.parametrize("mode", ["mip", "minip", "average", "translucent"])
@pytest.mark.parametrize(("orientation", "perspective"), VIEWS)
def test_a_real_volume_against_slow_arithmetic(
    mode: Mode, orientation: tuple[float, float, float, float], perspective: float
) -> None:
    array = nuclei()
    layer = layer_of(array, (2.5, 1, 1.2), colormap="viridis", gamma=0.8, opacity=0.9)
    camera = fit_volume([layer], (60, 48), orientation, perspective)
    got = draw(layer, array, camera, mode).astype(float)
    want = expected(layer, array, camera, mode)
    assert want.max() > 50
    off = np.abs(got - want).max(axis=-1)
    assert np.quantile(off, 0.99) <= 1.6  # a step of the colour map, where a value is on its edge
    assert off.max() <= 6
    assert off.mean() < 0.6


def test_a_view_along_an_axis_is_the_maximum_of_numpy() -> None:
    array = nuclei()
    most = float(array.max())
    layer = layer_of(array, contrast=(0.0, most))
    camera = fit_volume([layer], (57, 61))
    shifted = replace(camera, center=(camera.center[0] + 3.3, *camera.center[1:]))
    for view in (camera, shifted):
        got = draw(layer, array, view)[..., 0]
        np.testing.assert_array_equal(got, np.floor(array.max(axis=0) / most * 255 + 0.5))
    above = fit_volume([layer], (57, 31), looking(tilt=90))
    got = draw(layer, array, above)[::-1, :, 0]
    np.testing.assert_array_equal(got, np.floor(array.max(axis=1) / most * 255 + 0.5))


def test_a_clipping_box_leaves_what_lies_in_it() -> None:
    array = nuclei()
    most = float(array.max())
    layer = layer_of(array, contrast=(0.0, most))
    camera = fit_volume([layer], (57, 61))
    low, high = np.array((2, 10, 20)), np.array((9, 50, 41))
    edge = np.array((5, -3, 2)) - 0.5
    clip = (tuple((edge + low).tolist()), tuple((edge + high).tolist()))
    got = draw(layer, array, replace(camera, clip=clip))[..., 0]
    part = slice(low[1], high[1]), slice(low[2], high[2])
    beside = got.copy()
    beside[part] = 0
    assert beside.max() == 0
    # Half a voxel beyond the last middle values lean towards those of the next one.
    for reach, compare in ((0, np.greater_equal), (1, np.less_equal)):
        seen = array[low[0] - reach : high[0] + reach, *part].max(axis=0)
        assert compare(got[part], np.floor(seen / most * 255 + 0.5)).all()
    away = ((1e6, -1e6, -1e6), (2e6, 1e6, 1e6))
    assert draw(layer, array, replace(camera, clip=away)).max() == 0


def test_opacity_is_per_length_in_the_world() -> None:
    solid = np.full((70, 40, 40), 100, np.uint8)
    layer = layer_of(solid, (0.5, 1, 1), contrast=(0.0, 100.0))
    camera = fit_volume([layer], (10, 10))
    want = 255 * (1 - math.exp(-0.04 * 35))
    assert draw(layer, solid, camera, "translucent", 0.04)[5, 5, 0] == pytest.approx(want, abs=1)
    coarse = layer_of(solid[::2, ::2, ::2], (1, 2, 2), contrast=(0.0, 100.0))
    got = draw(coarse, solid[::2, ::2, ::2], camera, "translucent", 0.04)[5, 5, 0]
    assert got == pytest.approx(want, abs=1)


def test_volumes_of_many_bricks_have_no_seams() -> None:
    rng = np.random.default_rng(1)
    array = rng.integers(0, 256, (70, 150, 131), dtype=np.uint8)
    layer = layer_of(array, contrast=(0.0, 255.0))
    for orientation, perspective in VIEWS[3:]:
        camera = replace(fit_volume([layer], (40, 30), orientation, perspective), zoom=1.7)
        modes: tuple[Mode, ...] = ("average", "mip")
        for mode in modes:
            got = draw(layer, array, camera, mode).astype(float)
            want = expected(layer, array, camera, mode)
            assert np.abs(got - want).max() <= 1.01


def test_a_brick_that_is_empty_shows_what_its_neighbour_has_at_the_border() -> None:
    array = np.zeros((20, 20, 128), np.uint8)
    array[:, :, 64] = 200  # the first column of the second brick
    array[5, 5, 64] = 0
    layer = layer_of(array, contrast=(0.0, 200.0))
    whole = fit_volume([layer], (64, 80), looking(0))
    camera = replace(whole, zoom=8.0)
    for mode in MODES[:4]:
        got = draw(layer, array, camera, mode, 1.0).astype(float)
        want = expected(layer, array, camera, mode, 1.0)
        assert np.abs(got - want).max() <= 1.01
        middle = got[:, 24:32].max(axis=(0, 2))
        assert mode == "minip" or (np.diff(middle) > 0).sum() > 2  # it rises to the border


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_every_type_is_drawn(dtype: str) -> None:
    array = (nuclei() // 300).astype(dtype)
    layer = layer_of(array)
    camera = fit_volume([layer], (30, 30), looking(20, 30))
    want = expected(layer, array, camera, "mip")
    assert np.abs(draw(layer, array, camera) - want).max() <= 1.01


def test_nan_is_left_out_and_what_has_no_share_does_not_count() -> None:
    array = np.zeros((20, 20, 20), np.float32)
    array[5, 10, 10] = 1
    layer = layer_of(array, contrast=(0.0, 1.0))
    camera = fit_volume([layer], (20, 20))
    clean = draw(layer, array, camera)
    array[12, 10, 10] = np.nan
    array[:, 0, 0] = np.nan
    got = draw(layer, array, camera)
    assert got[10, 10, 0] == clean[10, 10, 0] == 255
    assert (got == clean).all()
    on_white = render_volume(
        {0: layer}, camera, {0: slots_of(layer, [array], all_bricks(array))}, background=(1, 1, 1)
    )
    assert on_white[0, 0].tolist() == [255, 255, 255]
    assert on_white[1, 1].tolist() == [0, 0, 0]


def test_a_surface_is_where_the_threshold_is_and_lit_from_the_eye() -> None:
    z, y, x = np.indices((60, 60, 60)) - 29.5
    ball = (100 - 4 * np.sqrt(z * z + y * y + x * x)).clip(0).astype(np.float32)
    layer = layer_of(ball, contrast=(0.0, 100.0))
    for orientation in (looking(), looking(50, 20)):
        camera = fit_volume([layer], (120, 120), orientation)
        got = draw(layer, ball, camera, "iso", None, 40.0)[..., 0] / 255  # radius 15
        j, i = np.indices((120, 120)) + 0.5 - 60
        aside = np.hypot(i, j) / camera.zoom
        cosine = np.sqrt((1 - (aside / 15) ** 2).clip(0))
        inside = aside < 14.5
        np.testing.assert_allclose(got[inside], (0.3 + 0.7 * cosine)[inside], atol=0.05)
        assert (got[aside > 15.5] == 0).all()


def test_beside_nan_a_surface_is_lit_by_the_side_that_is_known() -> None:
    z = np.indices((30, 40, 40))[0]
    slope = (100 - 5.0 * z).clip(0).astype(np.float32)[::-1].copy()
    layer = layer_of(slope, contrast=(0.0, 100.0))
    camera = fit_volume([layer], (40, 40), looking(30, 20))
    clean = draw(layer, slope, camera, "iso", None, 52.0)
    assert clean.max() > 200
    slope[20:24, ::2, ::2] = np.nan  # behind the surface, which lies at 19.4
    got = draw(layer, slope, camera, "iso", None, 52.0)
    seen = np.minimum(got, clean)[..., 0] > 0
    assert seen.sum() > 0.9 * (clean[..., 0] > 0).sum()
    assert np.abs(got.astype(int) - clean)[seen].mean() < 4
    assert not (got[seen][:, 0] == round(0.65 * 255)).any()


@pytest.mark.parametrize(("dtype", "far"), [("uint32", 4_000_000_000), ("int32", -(2**31) + 5)])
def test_integers_of_32_bits_are_told_apart(dtype: str, far: int) -> None:
    near = np.random.default_rng(4).integers(0, 1000, (20, 66, 20))
    pictures = []
    for array, offset in ((near.astype(np.uint16), 0), ((near + far).astype(dtype), far)):
        layer = layer_of(array, contrast=(offset + 10.5, offset + 900.0))
        camera = fit_volume([layer], (50, 50), looking(20, 30))
        modes: tuple[Mode, ...] = ("mip", "average", "translucent", "iso")
        pictures += [draw(layer, array, camera, mode, None, offset + 700.0) for mode in modes]
    for plain, got in zip(pictures[:4], pictures[4:], strict=True):
        assert np.abs(plain.astype(int) - got).max() <= 1


def test_the_first_label_is_shown_in_its_colour() -> None:
    ids = masks()
    for dtype in ("uint16", "int32", "uint64"):
        layer = layer_of(ids.astype(dtype), labels=True, opacity=1.0)
        camera = fit_volume([layer], (57, 61))
        picture = draw(layer, ids.astype(dtype).view(f"u{np.dtype(dtype).itemsize}"), camera)
        first = np.take_along_axis(ids, (ids > 0).argmax(axis=0)[np.newaxis], 0)[0]
        assert (picture[first == 0] == 0).all()
        there = first > 0
        colour = labels.colours(first)[there] * 255
        shade = picture[there] / np.maximum(colour, 1)
        shade[colour < 100] = np.nan  # rounding
        assert np.nanmax(shade) < 1.01
        assert np.nanmin(shade) > 0.29
        np.testing.assert_allclose(np.nanmax(shade, axis=-1), np.nanmin(shade, axis=-1), atol=0.02)


def test_rgb_volumes_show_each_sample() -> None:
    rng = np.random.default_rng(2)
    array = rng.integers(0, 256, (20, 66, 30, 3), dtype=np.uint8)
    layer = layer_of(array, contrast=(0.0, 255.0))
    camera = fit_volume([layer], (40, 40), looking(25, 25))
    got = draw(layer, array, camera)
    for sample in range(3):
        alone = layer_of(array[..., sample], contrast=(0.0, 255.0))
        own = draw(alone, array[..., sample], camera)
        np.testing.assert_array_equal(got[..., sample], own[..., 0])
    through = draw(layer, array, camera, "translucent", 1.0)
    assert through.max() > 60


def test_layers_lie_over_each_other_as_in_slices() -> None:
    array = nuclei()
    red = layer_of(array, colormap="red", blending="additive")
    green = layer_of(array[::-1].copy(), colormap="green", blending="additive")
    camera = fit_volume([red], (40, 40), looking(20))
    slots = {
        5: slots_of(red, [array], all_bricks(array)),
        2: slots_of(green, [array[::-1]], all_bricks(array)),
    }
    both = render_volume({5: red, 2: green}, camera, slots)
    np.testing.assert_array_equal(both[..., 0], draw(red, array, camera)[..., 0])
    np.testing.assert_array_equal(both[..., 1], draw(green, array[::-1], camera)[..., 1])
    hidden = render_volume({5: red, 2: replace(green, visible=False)}, camera, slots)
    assert not hidden[..., 1].any()


# Levels that are mixed in one frame


def slope(level: Level) -> Array:
    """A field that rises evenly through the world, at the voxels of a level: float32."""
    z, y, x = (
        first + scale * np.arange(n)
        for first, scale, n in zip(level.translation, level.scale, level.shape, strict=True)
    )
    field: Array = z[:, np.newaxis, np.newaxis] + 0.5 * y[:, np.newaxis] + 0.25 * x
    return field.astype(np.float32)


mixtures = st.builds(
    volume,
    st.tuples(*[st.integers(40, 230)] * 3),
    levels=st.integers(2, 4),
    factors=st.sampled_from([(2, 2, 2), (2, 2, 2), (1, 2, 2), (1.5, 3, 2), (2, 2.01, 2.01)]),
    strided=st.booleans(),
    up=st.booleans(),
    dtype=st.just("float32"),
)


@settings(max_examples=25, deadline=None)
@given(
    layer=mixtures,
    view=st.sampled_from(VIEWS),
    data=st.data(),
)
def test_whatever_is_held_each_place_shows_what_is_there(
    layer: Layer, view: tuple[tuple[float, float, float, float], float], data: st.DataObject
) -> None:
    levels = layer.image.levels
    arrays = [slope(level) for level in levels]
    layer = replace(layer, contrast=(0.0, float(arrays[0].max())))
    camera = fit_volume([layer], (24, 20), *view)
    tree = octree(layer, ("z", "y", "x"))
    every = [
        VolumeBrick(0, k, (), *place)
        for k in range(tree.base)
        for place in np.ndindex(*tree.bricks[k])
    ]
    held = all_bricks(arrays[tree.base], tree.base)
    held += data.draw(st.lists(st.sampled_from(every), unique=True, max_size=30))
    slots = slots_of(layer, arrays, held)
    picture = render_volume({0: layer}, camera, {0: slots}, Projection("average"), (1, 0, 1))
    whole = slots_of(layer, arrays, all_bricks(arrays[0]))
    sharp = render_volume({0: layer}, camera, {0: whole}, Projection("average"), (1, 0, 1))
    background = (sharp == [255, 0, 255]).all(axis=-1)
    np.testing.assert_array_equal((picture == [255, 0, 255]).all(axis=-1), background)
    off = np.abs(picture.astype(float) - sharp)[~background][..., 0]
    coarsest = max(
        scale / n for scale, n in zip(levels[tree.base].scale, levels[0].shape, strict=True)
    )
    assert off.max() <= 2 + 255 * coarsest  # borders are repeated there
    assert np.median(off) <= 1 + 30 * coarsest


def pyramid(array: Array, levels: int) -> tuple[Layer, list[Array]]:
    """A layer of halved levels, each the mean of the one before, and the arrays."""
    arrays = [array]
    for _ in range(levels - 1):
        z, y, x = (n // 2 * 2 for n in arrays[-1].shape)
        blocks = arrays[-1][:z, :y, :x].reshape(z // 2, 2, y // 2, 2, x // 2, 2)
        arrays.append(blocks.mean(axis=(1, 3, 5)).astype(np.float32))
    steps = [2**k for k in range(levels)]
    geometry = tuple(
        Level(one.shape, one.shape, (float(s),) * 3, ((s - 1) / 2,) * 3)
        for one, s in zip(arrays, steps, strict=True)
    )
    layer = layer_of(array)
    return replace(layer, image=replace(layer.image, levels=geometry)), arrays


def cells() -> Array:
    """Nuclei, twice as large and repeated, so that there are several bricks."""
    tile = nuclei().astype(np.float32).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    return np.concatenate([tile, tile[:, ::-1]], axis=0)[:, :120, :112]


@pytest.mark.parametrize("mode", ["mip", "translucent", "iso"])
def test_from_coarse_to_fine_nothing_is_blank_and_it_ends_sharp(mode: Mode) -> None:
    layer, arrays = pyramid(cells(), 3)
    camera = fit_volume([layer], (48, 48), looking(35, 25), 30)
    plan = plan_volume({0: layer}, camera, set(), EXPLORE, 2**40)
    assert plan.targets == {0: 1}
    slots = VolumeSlots(layer, len(plan.wants))
    sharp = render_volume(
        {0: layer}, camera, {0: slots_of(layer, arrays, all_bricks(arrays[1], 1))}, Projection(mode)
    ).astype(float)
    some = sharp.max(axis=-1) > 30
    assert some.mean() > 0.05
    blur: list[float] = []
    for want in plan.wants:
        box = tuple(slice(place * SIDE, (place + 1) * SIDE) for place in want.brick[3:])
        slots.put(want.brick, arrays[want.brick.level][box])
        picture = render_volume({0: layer}, camera, {0: slots}, Projection(mode)).astype(float)
        blur.append(float(np.abs(picture - sharp).mean()))
        if mode != "iso":  # a small thing may not reach the threshold on a coarse level
            assert (picture.max(axis=-1)[some] > 0).all()
    assert blur[0] > 1
    assert blur[-1] == 0
    assert all(after <= before * 1.1 for before, after in pairwise(blur))


def test_what_a_coarser_neighbour_has_is_where_it_belongs() -> None:
    rising = np.broadcast_to(np.arange(128, dtype=np.float32), (8, 8, 128)).copy()
    layer, arrays = pyramid(rising, 2)
    layer = replace(layer, contrast=(60.0, 68.0))
    camera = VolumeCamera((3.5, 3.5, 63.5), 16.0, (128, 16))
    held = [*all_bricks(arrays[1], 1), VolumeBrick(0, 0, (), 0, 0, 0)]
    for mode in MODES[:3]:
        slots = slots_of(layer, arrays, held)
        got = render_volume({0: layer}, camera, {0: slots}, Projection(mode))[8, :, 0]
        x = 63.5 + (np.arange(128) + 0.5 - 64) / 16
        want = ((x - 60) / 8).clip(0, 1) * 255
        assert np.abs(got - want).max() <= 1
    dark = [*all_bricks(arrays[1], 1), VolumeBrick(0, 0, (), 0, 0, 0)]
    arrays = [np.zeros_like(arrays[0]), arrays[1] * 0]
    arrays[1][:, :, 32:] = 100
    slots = slots_of(layer, arrays, dark)
    seen = replace(layer, contrast=(0.0, 100.0))
    fog = Projection("translucent", density=0.1)
    got = render_volume({0: seen}, camera, {0: slots}, fog)[8, :, 0]
    assert got[:50].max() == 0
    assert 0 < got[58] < got[62] < got[64]  # in the brick that is empty itself


def test_a_coarser_neighbour_continues_a_finer_brick() -> None:
    layer, arrays = pyramid(cells(), 2)
    camera = fit_volume([layer], (100, 60), looking(turn=90))
    half = [brick for brick in all_bricks(arrays[0]) if brick.row == 0]
    mixed = render_volume(
        {0: layer}, camera, {0: slots_of(layer, arrays, [*all_bricks(arrays[1], 1), *half])},
        Projection("average"),
    ).astype(float)[..., 0]  # fmt: skip
    fine = draw(layer, arrays[0], camera, "average").astype(float)[..., 0]
    coarse = render_volume(
        {0: layer}, camera, {0: slots_of(layer, arrays, all_bricks(arrays[1], 1))},
        Projection("average"),
    ).astype(float)[..., 0]  # fmt: skip
    border = camera.size[1] * 64 / 120
    rows = np.arange(60)
    np.testing.assert_array_equal(mixed[rows < border - 2], fine[rows < border - 2])
    np.testing.assert_array_equal(mixed[rows > border + 2], coarse[rows > border + 2])
    steps = np.abs(np.diff(mixed, axis=0)).mean(axis=1)
    at = int(border)
    assert steps[at - 1 : at + 2].max() < 1.5 * max(steps[at - 6 : at - 2].max(), 1)
