"""The plan in 3D, against brute force: what covers what, under which budget, and for how long."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from opsin.chunks.plan import Tier
from opsin.chunks.policy import EXPLORE
from opsin.chunks.visible_tree import VisibleTree
from opsin.chunks.volume_brick import (
    SIDE,
    VolumeBrick,
    volume_assembly,
    volume_brick_bytes,
    volume_brick_chunks,
    volume_brick_shape,
)
from opsin.chunks.volume_camera import VolumeCamera, fit_volume, looking, pixels_per_unit, rays
from opsin.chunks.volume_plan import VolumePlan, plan_volume
from opsin.images.layer import Layer
from tests.chunks.pyramid import values
from tests.chunks.volumes import volume

Floats = npt.NDArray[np.float64]
PLENTY = 2**50
ZYX = ("z", "y", "x")
ALL = replace(EXPLORE, bricks=100_000, slot_share=1.0)

orientations = st.builds(
    looking, st.floats(-180, 180), st.floats(-90, 90), st.sampled_from([0.0, 45.0])
)
halved = st.builds(
    volume,
    st.tuples(*[st.integers(1, 700)] * 3),
    levels=st.integers(1, 5),
    scale=st.sampled_from([(1.0, 1.0, 1.0), (4.0, 1.0, 1.0), (0.3, 0.2, 0.1)]),
)
others = st.one_of(
    st.builds(
        volume,
        st.tuples(*[st.integers(1, 400)] * 3),
        levels=st.integers(1, 4),
        factors=st.sampled_from([(1, 2, 2), (2, 2, 2), (1.5, 3, 2), (2, 2.002, 2.002)]),
        strided=st.booleans(),
        up=st.booleans(),
    )
)


def views(draw: st.DrawFn, layers: Iterable[Layer]) -> VolumeCamera:
    """A camera somewhere near the layers."""
    size = draw(st.tuples(st.integers(1, 300), st.integers(1, 300)))
    perspective = draw(st.sampled_from([0.0, 40.0]))
    camera = fit_volume(layers, size, draw(orientations), perspective)
    aside = draw(st.tuples(*[st.floats(-0.5, 0.5)] * 3))
    zoom = camera.zoom * 2 ** draw(st.floats(-2, 4))
    unit = max(size) / camera.zoom
    center = tuple(c + a * unit for c, a in zip(camera.center, aside, strict=True))
    return replace(camera, center=center, zoom=zoom)


def seen_points(layer: Layer, camera: VolumeCamera, seed: int, count: int = 300) -> Floats:
    """World points in the layer that some rays of the canvas pass through."""
    rng = np.random.default_rng(seed)
    origins, directions, starts = (array.reshape(-1, *array.shape[2:]) for array in rays(camera))
    pick = rng.integers(0, len(origins), count)
    finest = layer.level(0)
    scale, first = np.array(finest.scale), np.array(finest.translation)
    low = first - scale / 2 - camera.center
    high = low + scale * finest.shape
    with np.errstate(all="ignore"):
        a, b = ((edge - origins[pick]) / directions[pick] for edge in (low, high))
    enter = np.nanmax([*np.minimum(a, b).T, starts[pick]], axis=0)
    leave = np.nanmin(np.maximum(a, b), axis=1)
    hit = np.isfinite(enter) & np.isfinite(leave) & (leave > enter)
    pick, enter, leave = pick[hit], enter[hit], leave[hit]
    t = enter + rng.random(len(pick)) * (leave - enter)
    points = origins[pick] + t[:, np.newaxis] * directions[pick]
    inside = ((points > low) & (points < high)).all(axis=1)
    found: Floats = points[inside] + camera.center
    return found


def brick_at(layer: Layer, level: int, point: Floats) -> tuple[int, ...]:
    """Place of the brick of a level that a world point lies in."""
    geometry = layer.level(level)
    voxel = np.floor((point - geometry.translation) / geometry.scale + 0.5).astype(int)
    return tuple((np.clip(voxel, 0, np.array(geometry.shape) - 1) // SIDE).tolist())


def leaf_at(layer: Layer, plan: VolumePlan, point: Floats) -> VolumeBrick:
    """The brick that a world point is drawn from, found from the roots down."""
    level = len(layer.image.levels) - 1
    sizes = [np.prod(layer.level(k).shape) for k in range(level + 1)]
    level = max(k for k in range(level + 1) if sizes[k] == min(sizes))
    brick = VolumeBrick(0, level, (), *brick_at(layer, level, point))
    while brick in plan.children:
        level -= 1
        coarse, fine = layer.level(level + 1), layer.level(level)
        place: list[int] = []
        for axis, nearest in enumerate(brick_at(layer, level, point)):
            edge = fine.translation[axis] - fine.scale[axis] / 2
            other = coarse.translation[axis] - coarse.scale[axis] / 2
            count = -(-fine.shape[axis] // SIDE)
            last = -(-coarse.shape[axis] // SIDE) - 1
            middles = edge + (np.arange(count) + 0.5) * SIDE * fine.scale[axis]
            parents = np.floor((middles - other) / SIDE / coarse.scale[axis] + 1e-6)
            (own,) = np.nonzero(parents.clip(0, last) == brick[3 + axis])
            place.append(min(max(nearest, own[0]), own[-1]))
        brick = VolumeBrick(0, level, (), *place)
    return brick


def cut(plan: VolumePlan) -> set[VolumeBrick]:
    return {want.brick for want in plan.wants if want.brick not in plan.children}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), layer=halved, seed=st.integers(0, 2**32))
def test_the_cut_covers_what_is_visible_exactly_once(
    data: st.DataObject, layer: Layer, seed: int
) -> None:
    camera = data.draw(st.composite(views)([layer]))
    bricks = data.draw(st.sampled_from([20, 60, 1000]))
    plan = plan_volume({3: layer}, camera, set(), replace(ALL, bricks=bricks), PLENTY)
    leaves = cut(plan)
    roots = math.prod(-(-n // SIDE) for n in layer.level(len(layer.image.levels) - 1).shape)
    assume(roots <= bricks)
    for point in seen_points(layer, camera, seed):
        covers = [
            VolumeBrick(3, level, (), *brick_at(layer, level, point))
            for level in range(len(layer.image.levels))
        ]
        assert sum(brick in leaves for brick in covers) == 1, (point, covers)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), layer=others, seed=st.integers(0, 2**32))
def test_whatever_the_ratios_what_is_seen_is_wanted_as_fine_as_need_be(
    data: st.DataObject, layer: Layer, seed: int
) -> None:
    camera = data.draw(st.composite(views)([layer]))
    plan = plan_volume({0: layer}, camera, set(), ALL, PLENTY)
    assert not plan.limited
    leaves = cut(plan)
    finest = layer.level(0)
    points = seen_points(layer, camera, seed)
    sharp = pixels_per_unit(camera, points - camera.center)
    for point, pixels in zip(points, sharp, strict=True):
        brick = leaf_at(layer, plan, point)
        assert brick in leaves
        scale = np.array(layer.level(brick.level).scale)
        blurred = scale * pixels > 1.3  # bricks are judged by the middle of their nearest side
        assert not (blurred & (scale > finest.scale)).any(), (point, brick, scale * pixels)
        if layer.level(1 % len(layer.image.levels)).scale[1] < 2.1:  # bricks of levels lie alike
            own = VolumeBrick(0, brick.level, (), *brick_at(layer, brick.level, point))
            assert own in leaves or plan.targets[0] < brick.level


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    some=st.lists(st.one_of(halved, others), min_size=1, max_size=3),
    bricks=st.integers(1, 300),
    slots=st.integers(1, 2**26),
)
def test_the_budget_holds_and_coarse_comes_first(
    data: st.DataObject, some: list[Layer], bricks: int, slots: int
) -> None:
    layers = dict(enumerate(some))
    camera = data.draw(st.composite(views)(some))
    policy = replace(EXPLORE, bricks=bricks)
    plan = plan_volume(layers, camera, set(), policy, slots)
    assert len({want.brick for want in plan.wants}) == len(plan.wants) <= bricks
    sizes = [want.bytes for want in plan.wants]
    assert sum(sizes) <= slots
    if any(want.tier != Tier.BASE for want in plan.wants):
        assert sum(sizes) <= slots * policy.slot_share
    for want in plan.wants:
        assert want.bytes == volume_brick_bytes(layers[want.brick.layer], want.brick, ZYX)
    order = {want.brick: place for place, want in enumerate(plan.wants)}
    for parent, children in plan.children.items():
        assert all(child.level == parent.level - 1 for child in children)
        # One that was refined into nothing visible is not wanted.
        wanted = [child for child in children if child in order]
        assert all(child in order or child in plan.children for child in children)
        assert wanted == sorted(wanted, key=order.__getitem__)
        assert not wanted or order[parent] < order[wanted[0]]
    tiers = [want.tier for want in plan.wants]
    assert tiers[: len(plan.roots)] == [Tier.BASE] * len(plan.roots)
    assert plan.roots == tuple(want.brick for want in plan.wants if want.tier == Tier.BASE)
    for want in plan.wants[len(plan.roots) :]:
        assert want.tier == (Tier.COARSE if want.brick in plan.children else Tier.TARGET)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), layer=halved)
def test_a_parent_is_drawn_until_its_children_are_there(data: st.DataObject, layer: Layer) -> None:
    camera = data.draw(st.composite(views)([layer]))
    policy = replace(ALL, bricks=200)
    plan = plan_volume({0: layer}, camera, set(), policy, PLENTY)
    order = [want.brick for want in plan.wants]
    assume(len(order) < 100)
    ordered = data.draw(st.booleans())
    came = order if ordered else data.draw(st.permutations(order))
    held: set[VolumeBrick] = set()
    drawn_before: set[VolumeBrick] = set()
    points = seen_points(layer, camera, 1, 60)
    levels = range(len(layer.image.levels))
    for brick in came:
        now = plan_volume({0: layer}, camera, held, policy, PLENTY, plan)
        assert now.children == plan.children
        wanted = {want.brick for want in now.wants}
        for parent, children in plan.children.items():
            if parent in held or (not held and any(child in wanted for child in children)):
                assert parent in wanted
        held.add(brick)
        drawn = list(now.cover(held))
        assert len(drawn) == len(set(drawn))
        assert held.issuperset(drawn)
        for point in points:
            over = [VolumeBrick(0, k, (), *brick_at(layer, k, point)) for k in levels]
            here = [k for k, one in enumerate(over) if one in drawn]
            was = [k for k, one in enumerate(over) if one in drawn_before]
            assert len(here) <= 1
            assert here or not was  # never gone
            assert not was or not ordered or here <= was  # never coarser
            assert here or not any(one in held for one in over if one in wanted and one in order)
        drawn_before = set(drawn)
    assert drawn_before == cut(plan)
    again = plan_volume({0: layer}, camera, held, policy, PLENTY)
    assert {want.brick for want in again.wants} == set(order)
    lean = held - set(plan.children)
    for want in plan_volume({0: layer}, camera, lean, policy, PLENTY).wants:
        assert want.brick in lean or want.tier == Tier.BASE  # replaced ones are not fetched again


@settings(max_examples=40, deadline=None)
@given(data=st.data(), layer=halved, bricks=st.sampled_from([30, 100, 10_000]))
def test_a_camera_that_trembles_makes_no_brick_come_and_go(
    data: st.DataObject, layer: Layer, bricks: int
) -> None:
    camera = data.draw(st.composite(views)([layer]))
    policy = replace(ALL, bricks=bricks)
    plan: VolumePlan | None = None
    states: dict[VolumeBrick, list[bool]] = {}
    pixel = 1 / camera.zoom
    for tick in range(8):
        shake = (0.4 if tick % 2 else -0.4) * pixel
        moved = replace(
            camera,
            center=tuple(c + shake for c in camera.center),  # type: ignore[arg-type]
            zoom=camera.zoom * (1.003 if tick % 2 else 1),
        )
        plan = plan_volume({0: layer}, moved, set(), policy, PLENTY, plan)
        for want in plan.wants:
            states.setdefault(want.brick, []).append(want.brick in plan.children)
    for brick, refinements in states.items():
        changes = sum(a != b for a, b in pairwise(refinements))
        assert changes <= 1, (brick, refinements)


def test_a_small_budget_does_not_flicker_when_what_is_visible_changes() -> None:
    layer = volume((4096, 4096, 4096), levels=7)
    start = replace(fit_volume([layer], (200, 150), looking(25, 15), 40), zoom=1.0)
    policy = replace(ALL, bricks=120)
    plan: VolumePlan | None = None
    states: dict[VolumeBrick, list[bool]] = {}
    for tick in range(24):
        aside = 20.0 * math.sin(tick)
        moved = replace(start, center=(start.center[0], start.center[1], start.center[2] + aside))
        plan = plan_volume({0: layer}, moved, set(), policy, PLENTY, plan)
        assert plan.limited
        for want in plan.wants:
            states.setdefault(want.brick, []).append(want.brick in plan.children)
    flips = sum(a != b for state in states.values() for a, b in pairwise(state))
    assert flips <= 8


@settings(max_examples=40, deadline=None)
@given(data=st.data(), levels=st.sampled_from([1, 3]), seed=st.integers(0, 2**32))
def test_voxels_beside_what_is_seen_are_wanted_too(
    data: st.DataObject, levels: int, seed: int
) -> None:
    layer = volume((700, 600, 500), levels=levels)  # more bricks than are wanted whole
    camera = data.draw(st.composite(views)([layer]))
    plan = plan_volume({0: layer}, camera, set(), replace(ALL, quality=1e6), PLENTY)
    wanted = {want.brick for want in plan.wants}
    rng = np.random.default_rng(seed)
    for point in seen_points(layer, camera, seed):
        beside = point + rng.choice([-0.99, 0.99], 3)  # interpolation reads it
        assert VolumeBrick(0, 0, (), *brick_at(layer, 0, beside)) in wanted


def test_refining_and_merging_lie_apart() -> None:
    layer = volume((512, 512, 512), levels=4)
    start = replace(fit_volume([layer], (64, 64)), zoom=0.07)
    zooms = np.geomspace(0.07, 1.2, 60)
    finer: list[float] = []
    plan: VolumePlan | None = None
    targets: list[int] = []
    for zoom in [*zooms, *zooms[::-1]]:
        plan = plan_volume({0: layer}, replace(start, zoom=zoom), set(), ALL, PLENTY, plan)
        if targets and plan.targets[0] != targets[-1]:
            finer.append(zoom)
        targets.append(plan.targets[0])
    assert targets[0] == targets[-1] == 3
    assert min(targets) == 0
    up, down = finer[:3], finer[3:][::-1]
    for to_refine, to_merge, exact in zip(up, down, (0.125, 0.25, 0.5), strict=True):
        assert to_refine == pytest.approx(exact, rel=0.06)
        assert to_merge == pytest.approx(exact / 1.5, rel=0.06)


def test_axes_that_are_as_fine_as_they_get_refine_nothing() -> None:
    stack = volume((64, 2048, 2048), levels=4, factors=(1, 2, 2), scale=(5.0, 1.0, 1.0))
    flat = fit_volume([stack], (512, 512))
    assert plan_volume({0: stack}, flat, set(), ALL, PLENTY).targets == {0: 2}
    beside = fit_volume([stack], (512, 512), looking(turn=90))
    plan = plan_volume({0: stack}, beside, set(), ALL, PLENTY)
    assert plan.targets == {0: 2}  # y is as wide as before, z is as fine as it gets


def test_quality_is_data_pixels_per_device_pixel() -> None:
    layer = volume((1024, 1024, 1024), levels=5)
    camera = fit_volume([layer], (256, 256))
    for quality, level in ((1.0, 2), (2.0, 1), (0.5, 3)):
        policy = replace(ALL, quality=quality)
        assert plan_volume({0: layer}, camera, set(), policy, PLENTY).targets == {0: level}


def test_what_is_cut_away_is_not_wanted() -> None:
    layer = volume((1024, 1024, 1024), levels=5)
    clip = ((100.0, 200.0, 300.0), (420.0, 230.0, 1e9))
    camera = replace(fit_volume([layer], (1024, 1024), looking(30, 20)), clip=clip)
    whole = plan_volume({0: layer}, replace(camera, clip=None), set(), ALL, PLENTY).wants
    wants = plan_volume({0: layer}, camera, set(), ALL, PLENTY).wants
    assert {want.brick for want in wants} < {want.brick for want in whole}
    low, high = np.array(clip)
    for brick, tier, _ in wants:
        if tier != Tier.BASE:
            side = SIDE * 2.0**brick.level
            begin = np.array(brick[3:]) * side - 0.5
            reach = 2.0**brick.level
            assert (begin < high + reach).all()
            assert (begin + side > low - reach).all()
    targets = {want.brick[3:] for want in wants if want.brick.level == 0}
    expected = {
        (z, y, x) for z in range(1, 7) for y in range(3, 4) for x in range(4, 16)
    }  # fmt: skip
    assert targets >= expected


def test_layers_share_the_budget_and_leave_what_they_do_not_need() -> None:
    large = volume((4096, 4096, 4096), levels=7)
    twin = volume((4096, 4096, 4096), levels=7, dtype="float32")
    small = volume((128, 128, 128), levels=2, scale=(32.0, 32.0, 32.0))
    camera = replace(fit_volume([large], (512, 512)), zoom=2.0)
    policy = replace(ALL, bricks=300)

    def counts(layers: dict[int, Layer], slots: int = PLENTY) -> dict[int, int]:
        wants = plan_volume(layers, camera, set(), policy, slots).wants
        return {n: sum(want.brick.layer == n for want in wants) for n in layers}

    both = counts({0: large, 1: twin})
    assert both[0] > 100
    assert both[0] == pytest.approx(both[1], abs=8)
    uneven = counts({0: large, 2: small})
    assert uneven[2] == 9
    assert uneven[0] > 250
    by_bytes = counts({0: large, 1: twin}, 256 * SIDE**3)
    assert by_bytes[0] == pytest.approx(4 * by_bytes[1], abs=16)


def test_a_base_that_is_too_large_is_wanted_around_the_middle() -> None:
    layer = volume((64 * 30, 64 * 40, 64 * 50))
    camera = fit_volume([layer], (100, 100))
    plan = plan_volume({0: layer}, camera, set(), replace(ALL, bricks=27), PLENTY)
    assert plan.limited
    assert len(plan.wants) == 27
    places = np.array([want.brick[3:] for want in plan.wants])
    assert (places.min(axis=0) >= [13, 18, 23]).all()
    assert (places.max(axis=0) <= [16, 21, 26]).all()
    close = replace(camera, zoom=1.0)
    near = plan_volume({0: layer}, close, set(), ALL, PLENTY)
    assert not near.limited
    assert {want.brick[4:] for want in near.wants} == {(j, i) for j in (19, 20) for i in (24, 25)}
    assert len(near.wants) == 4 * 30


def test_a_small_base_is_wanted_whole_and_a_layer_elsewhere_not_at_all() -> None:
    layer = volume((128, 128, 128), levels=1)
    away = replace(fit_volume([layer], (100, 100)), center=(1e6, 0.0, 0.0), zoom=1.0)
    assert len(plan_volume({0: layer}, away, set(), ALL, PLENTY).wants) == 8
    assert plan_volume({}, away, set(), ALL, PLENTY) == VolumePlan()


def exabyte(levels: int) -> Layer:
    """2^(levels + 5) voxels cubed in chunks of 64."""
    return volume((2 ** (levels + 5),) * 3, levels=levels)


def test_a_plan_costs_what_is_wanted_whatever_the_size_of_the_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = replace(ALL, bricks=500)
    looked_at = 0
    look = VisibleTree.look

    def counted(self: VisibleTree, nodes: Sequence[int], follow: int = 0) -> None:
        nonlocal looked_at
        looked_at += len(nodes)
        look(self, nodes, follow)

    monkeypatch.setattr(VisibleTree, "look", counted)
    for levels in (8, 15, 21):
        layer = exabyte(levels)
        camera = fit_volume([layer], (512, 384), looking(30, 20), 45)
        camera = replace(camera, zoom=2.0)
        looked_at = 0
        plan = plan_volume({0: layer}, camera, set(), policy, PLENTY)
        assert len(plan.wants) > 400
        assert plan.targets == {0: 0}
        assert looked_at < 400
        took = []
        for _ in range(10):
            began = time.perf_counter()
            plan_volume({0: layer}, camera, set(), policy, PLENTY)
            took.append(time.perf_counter() - began)
        assert min(took) < 0.1  # a tenth of it, while nobody else computes


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 150)] * 3),
    chunk=st.integers(20, 90),
    data=st.data(),
)
def test_a_brick_is_the_voxels_of_its_place(
    shape: tuple[int, int, int], chunk: int, data: st.DataObject
) -> None:
    layer = volume(shape, chunk=chunk, dtype="uint16")
    place = [data.draw(st.integers(0, (n - 1) // SIDE)) for n in shape]
    brick = VolumeBrick(0, 0, (), *place)
    first, second, third = data.draw(st.permutations(ZYX))
    displayed = (first, second, third)
    brick = VolumeBrick(0, 0, (), *(place["zyx".index(name)] for name in displayed))
    assembly = volume_assembly(layer, brick, displayed)
    assert assembly.missing == set(volume_brick_chunks(layer, brick, displayed))
    for index in data.draw(st.permutations(sorted(assembly.missing))):
        assembly.add(index, layer.image.source.decode(0, index, b""))
    assert not assembly.missing
    got = assembly.finish()
    whole = values(0, (0, 0, 0), shape, "uint16").transpose(["zyx".index(n) for n in displayed])
    box = tuple(slice(at * SIDE, (at + 1) * SIDE) for at in brick[3:])
    np.testing.assert_array_equal(got, whole[box])
    assert got.shape == volume_brick_shape(layer, brick, displayed)
    assert got.nbytes == volume_brick_bytes(layer, brick, displayed)
