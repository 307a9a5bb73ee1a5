import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.brick import Brick, brick_bytes, brick_side
from opsin.chunks.camera import Camera, fit, target_level
from opsin.chunks.plan import Motion, Tier, plan, visible_bricks
from opsin.chunks.policy import (
    EXPLORE,
    LOW_MEMORY,
    PLAYBACK,
    POLICIES,
    REMOTE,
    Policy,
    policy_named,
)
from opsin.errors import UsageError
from opsin.images.layer import Layer, layers_of
from tests.chunks.pyramid import pyramid

PLENTY = 2**40


def layer(*args: object, **kwargs: object) -> Layer:
    image, _ = pyramid(*args, **kwargs)  # type: ignore[arg-type]
    return layers_of(image)[0]


@settings(max_examples=60, deadline=None)
@given(
    y=st.floats(-500, 5000),
    x=st.floats(-500, 5000),
    zoom=st.floats(0.02, 8),
    size=st.tuples(st.integers(1, 900), st.integers(1, 900)),
    provenance=st.sampled_from(["disk", "network"]),
)
def test_every_visible_pixel_is_wanted_at_the_target_level(
    y: float, x: float, zoom: float, size: tuple[int, int], provenance: str
) -> None:
    one = layer((4096, 4096), levels=4, provenance=provenance)
    side = brick_side(one)
    camera = Camera((y, x), zoom, size)
    found = plan({7: one}, camera, set(), EXPLORE, PLENTY)
    target = target_level(one, camera)
    assert found.targets == {7: target}
    wanted = {(w.brick.row, w.brick.column) for w in found.wants if w.brick.level == target}
    level = one.level(target)
    for i in range(0, size[1], max(1, size[1] // 7)):
        for j in range(0, size[0], max(1, size[0] // 7)):
            row = (y + (i + 0.5 - size[1] / 2) / zoom - level.translation[0]) / level.scale[0]
            column = (x + (j + 0.5 - size[0] / 2) / zoom - level.translation[1]) / level.scale[1]
            inside = -0.5 <= row < level.shape[0] - 0.5 and -0.5 <= column < level.shape[1] - 0.5
            if inside:
                pixel = int(row + 0.5), int(column + 0.5)
                assert (pixel[0] // side, pixel[1] // side) in wanted


def test_the_base_comes_first_then_coarse_then_the_target_from_the_centre_out() -> None:
    one = layer((65536, 65536), levels=8)
    camera = Camera((30000, 30000), 1.0, (2048, 1024))
    wants = plan({0: one}, camera, set(), EXPLORE, PLENTY).wants
    tiers = [want.tier for want in wants]
    assert tiers == sorted(tiers)
    assert {want.brick.level for want in wants if want.tier == Tier.BASE} == {7}
    coarse = [want.brick.level for want in wants if want.tier == Tier.COARSE]
    assert coarse == sorted(coarse, reverse=True)
    assert set(coarse) == {4, 2}
    distance = {b: d for d, _, b in visible_bricks(one, 0, camera, 0)}
    target = [distance[want.brick] for want in wants if want.tier == Tier.TARGET]
    assert target == sorted(target)
    assert len(target) == len(distance)


def test_a_coarse_level_is_skipped_where_finer_data_is_held() -> None:
    one = layer((65536, 65536), levels=8)
    camera = Camera((30000, 30000), 1.0, (1024, 1024))
    held = {b for _, _, b in visible_bricks(one, 0, camera, 0)}
    wants = plan({0: one}, camera, held, EXPLORE, PLENTY).wants
    assert Tier.COARSE not in {want.tier for want in wants}


def test_layers_are_mixed_by_distance() -> None:
    one, two = layer((8192, 8192), levels=5), layer((8192, 8192), levels=5)
    camera = Camera((4000, 4111), 1.0, (2000, 2000))
    wants = plan({0: one, 1: two}, camera, set(), EXPLORE, PLENTY).wants
    target = [want.brick for want in wants if want.tier == Tier.TARGET]
    for first, second in zip(target[::2], target[1::2], strict=True):
        assert {first.layer, second.layer} == {0, 1}
        assert first[1:] == second[1:]


@pytest.mark.parametrize("slots", [2**20, 2**22, 2**24, 2**26])
def test_the_target_rises_until_it_fits_the_slots(slots: int) -> None:
    one = layer((65536, 65536), levels=8)
    camera = Camera((30000, 30000), 1.0, (4000, 3000))
    found = plan({0: one}, camera, set(), EXPLORE, slots)
    total = sum(brick_bytes(one, want.brick, ("y", "x")) for want in found.wants)
    only_base = {want.tier for want in found.wants} == {Tier.BASE}
    assert total <= slots * EXPLORE.slot_share or only_base
    assert found.targets is not None
    if slots < 2**24:
        assert found.targets[0] > 0


def test_motion_is_looked_ahead_of() -> None:
    one = layer((65536, 65536), levels=8)
    camera = Camera((30000, 30000), 1.0, (1024, 1024))
    still = plan({0: one}, camera, set(), EXPLORE, PLENTY).wants
    moving = plan({0: one}, camera, set(), EXPLORE, PLENTY, Motion((0.0, 4000.0))).wants
    extra = {want.brick for want in moving} - {want.brick for want in still}
    assert extra
    assert all(want.tier == Tier.AHEAD for want in moving if want.brick in extra)
    right = max(want.brick.column for want in still if want.brick.level == 0)
    assert all(brick.column > right for brick in extra)


def test_the_next_slices_are_loaded_ahead_the_one_in_the_direction_of_travel_first() -> None:
    one = layer((20, 2048, 2048), axes="zyx", levels=3)
    camera = Camera((1024, 1024), 0.5, (512, 512), {"z": 7.0})
    wants = plan({0: one}, camera, set(), EXPLORE, PLENTY, Motion(axis="z", direction=-1)).wants
    ahead = [want.brick.slice for want in wants if want.tier == Tier.NEIGHBOUR]
    assert set(ahead) == {(6,), (8,)}
    assert ahead[0] == (6,)
    assert all(want.brick.slice == (7,) for want in wants if want.tier < Tier.NEIGHBOUR)


def test_nothing_is_wanted_of_a_layer_that_has_no_such_slice() -> None:
    stack, flat = layer((20, 512, 512), axes="zyx"), layer((512, 512))
    camera = Camera((256, 256), 1, (512, 512), {"z": 99.0})
    wants = plan({0: stack, 1: flat}, camera, set(), EXPLORE, PLENTY).wants
    assert {want.brick.layer for want in wants} == {1}


def test_planning_costs_what_is_visible_not_what_there_is() -> None:
    def cost(size: int, levels: int) -> float:
        one = layer((size, size), levels=levels)
        camera = Camera((size / 2 + 100, size / 2 + 50), 1.0, (1024, 768))
        best = float("inf")
        for _ in range(5):
            started = time.process_time()
            plan({0: one}, camera, set(), EXPLORE, PLENTY)
            best = min(best, time.process_time() - started)
        return best

    small, huge = cost(2**13, 4), cost(2**27, 18)
    assert huge < 4 * small + 0.002


def test_a_whole_view_of_a_huge_image_wants_a_handful_of_bricks() -> None:
    one = layer((2**27, 2**27), levels=18)
    wants = plan({0: one}, fit([one], (800, 600)), set(), EXPLORE, PLENTY).wants
    assert 0 < len(wants) < 20
    assert Brick(0, 17, (), 0, 0) in {want.brick for want in wants}


def test_planning_hundreds_of_layers_takes_turns_not_squares() -> None:
    def cost(count: int) -> float:
        layers = {n: layer((4096, 4096), levels=4, dtype="uint8") for n in range(count)}
        camera = Camera((2048, 2048), 1.0, (800, 800))
        started = time.process_time()
        plan(layers, camera, set(), EXPLORE, 64 * 2**20)
        return time.process_time() - started

    cost(10)
    assert cost(200) < 6 * cost(50) + 0.05


def test_a_base_that_does_not_fit_is_not_wanted_for_ever() -> None:
    one = layer((40000, 40000), levels=1)
    camera = fit([one], (800, 800))
    slots = 64 * 2**20
    wants = plan({0: one}, camera, set(), EXPLORE, slots).wants
    assert 0 < sum(want.bytes for want in wants) <= slots


def test_views_at_absurd_places_are_planned() -> None:
    one = layer((4096, 4096), levels=4, scale=1e-9)
    for zoom in (1e-299, 1e299):
        for center in (0.0, 1e299, -1e299):
            plan({0: one}, Camera((center, center), zoom, (9, 9)), set(), EXPLORE, PLENTY)


def test_a_light_layer_does_not_wait_for_a_heavy_one() -> None:
    heavy = layer((64, 4096, 4096), axes="zyx", levels=3)
    deep = tuple(replace(one, chunks=(64, 256, 256)) for one in heavy.image.levels)
    heavy = replace(heavy, image=replace(heavy.image, levels=deep))
    light = layer((4096, 4096), levels=3, dtype="uint8")
    camera = Camera((2048, 2048), 1.0, (2000, 2000), {"z": 30.0})
    wants = plan({0: heavy, 1: light}, camera, set(), EXPLORE, PLENTY).wants
    target = [want.brick.layer for want in wants if want.tier == Tier.TARGET]
    assert target.count(0) == target.count(1) > 9
    assert 0 not in target[: target.count(1)], "all of the light one costs less than one brick"
    equals = plan({0: light, 1: light}, camera, set(), EXPLORE, PLENTY).wants
    target = [want.brick.layer for want in equals if want.tier == Tier.TARGET]
    assert all(set(target[at : at + 2]) == {0, 1} for at in range(0, len(target), 2))


def test_presets_do_what_they_are_for() -> None:
    one = layer((40, 32768, 32768), axes="zyx", levels=7)
    camera = Camera((4096, 4096), 0.5, (800, 600), {"z": 20.0})
    motion = Motion((9000.0, 0.0), "z", 1)

    def slices(policy: Policy) -> set[int]:
        wants = plan({0: one}, camera, set(), policy, PLENTY, motion).wants
        return {want.brick.slice[0] for want in wants}

    def tiers(policy: Policy) -> set[Tier]:
        return {want.tier for want in plan({0: one}, camera, set(), policy, PLENTY, motion).wants}

    assert slices(EXPLORE) == {19, 20, 21}
    assert slices(PLAYBACK) == {20, 21, 22, 23, 24}
    assert slices(LOW_MEMORY) == {20}
    assert tiers(LOW_MEMORY) == {Tier.BASE, Tier.COARSE, Tier.TARGET}
    assert plan({0: one}, camera, set(), LOW_MEMORY, PLENTY).targets == {0: 2}
    assert plan({0: one}, camera, set(), REMOTE, PLENTY).targets == {0: 1}
    for name, policy in POLICIES.items():
        assert policy_named(name) is policy
    with pytest.raises(UsageError, match="choose explore, playback, remote, low_memory"):
        policy_named("fast")
