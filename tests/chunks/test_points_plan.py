"""What a view wants of points: a fair sample of what is seen, of at most so many."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.brick import ChunkKey
from opsin.chunks.camera import Camera, fit
from opsin.chunks.loader import Loader
from opsin.chunks.points_plan import PointsBrick, PointsPlan, plan_points
from opsin.chunks.points_sample import points_sample
from opsin.chunks.sight import Sight
from opsin.chunks.volume_camera import VolumeCamera, fit_volume, looking
from opsin.errors import UsageError
from opsin.images.points import POSITION, Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.memory import points_from_table
from opsin.images.source import Array
from opsin.images.synthetic.points import synthetic_points
from tests.images.points.trees import small, table_of

RNG = np.random.default_rng(11)
COUNT = 20_000


def clustered(axes: int) -> Array:
    """Many points here and few there."""
    centers = RNG.random((12, axes)) * 1000
    near = RNG.normal(size=(COUNT, axes)) * RNG.choice([1, 10, 100], (COUNT, 1))
    places: Array = centers[RNG.integers(0, 12, COUNT)] + near
    return places


PLACES = {axes: clustered(axes) for axes in (2, 3)}


def made(axes: int) -> Points:
    with small(taken=64, leaf=10_000):
        return points_from_table(table_of(PLACES[axes]), name="cells")


POINTS = {axes: made(axes) for axes in (2, 3)}


def layer(axes: int = 2, **more: object) -> PointsLayer:
    return PointsLayer("cells", POINTS[axes], size=1.0, **more)  # type: ignore[arg-type]


def shown(one: PointsLayer, camera: Camera | VolumeCamera, plan: PointsPlan | None = None) -> Array:
    def chunk(brick: PointsBrick) -> Array:
        return one.points.read(brick.level, brick.grid)

    return points_sample(one, camera, plan or plan_points(one, camera), chunk)


cameras = st.builds(
    Camera,
    center=st.tuples(st.floats(-100, 1100), st.floats(-100, 1100)),
    zoom=st.floats(0.05, 50),
    size=st.tuples(st.integers(1, 800), st.integers(1, 800)),
)


@settings(max_examples=60, deadline=None)
@given(cameras, st.integers(1, 3000))
def test_no_more_points_are_shown_than_asked_for_and_all_of_them_are_seen(
    camera: Camera, most: int
) -> None:
    one = layer(most=most)
    found = shown(one, camera)
    assert len(found) <= most
    assert len(set(found["id"])) == len(found)
    y0, x0, y1, x1 = camera.rect
    reach = 0.5 / camera.zoom + 1e-9
    for axis, low, high in ((0, y0, y1), (1, x0, x1)):
        assert (found[POSITION][:, axis] >= low - reach).all()
        assert (found[POSITION][:, axis] <= high + reach).all()
    there = PLACES[2]
    (seen,) = np.nonzero(np.all((there >= (y0, x0)) & (there <= (y1, x1)), axis=1))
    if plan_points(one, camera).rate == float("inf") and len(found) < most:
        assert set(seen) <= set(found["id"]), "all are shown, where there are few"


@settings(max_examples=40, deadline=None)
@given(cameras, st.integers(1, 300), st.integers(2, 30))
def test_more_points_add_to_the_sample_and_replace_nothing(
    camera: Camera, most: int, times: int
) -> None:
    few, many = layer(most=most), layer(most=most * times)
    fewer, more = plan_points(few, camera), plan_points(many, camera)
    assert fewer.rate <= more.rate
    before = {want.brick: want.count for want in fewer.wants}
    after = {want.brick: want.count for want in more.wants}
    assert before.keys() <= after.keys()
    assert all(count <= after[brick] for brick, count in before.items())


def test_zooming_in_keeps_what_is_seen_and_adds_to_it() -> None:
    one = layer(most=500)
    seen: set[int] = set()
    rates = []
    for zoom in (0.3, 0.6, 1.2, 2.4, 5, 10, 20, 40):
        camera = Camera((PLACES[2][7][0], PLACES[2][7][1]), zoom, (400, 400))
        found = shown(one, camera)
        sight = Sight(one, camera)
        inside = {int(p["id"]) for p in POINTS_ARRAY[sight.points(PLACES[2])]}
        assert seen & inside <= set(found["id"].tolist())
        seen = set(found["id"].tolist())
        rates.append(plan_points(one, camera).rate)
    assert rates == sorted(rates)
    assert rates[0] < 0.05
    assert rates[-1] == float("inf")


POINTS_ARRAY = np.array([(i,) for i in range(COUNT)], [("id", "u4")])


@pytest.mark.parametrize("most", [300, 2000])
def test_a_sample_is_as_dense_everywhere_compared_with_all_points(most: int) -> None:
    """By chi-square, over places of equally many points each."""
    camera = Camera((500, 500), 0.4, (400, 400))
    for axes in (2, 3):
        one = layer(axes, most=most)
        plan = plan_points(one, camera)
        found = shown(one, camera, plan)
        inside = Sight(one, camera).points(PLACES[axes]).nonzero()[0]
        place = PLACES[axes][inside]
        bins = np.zeros(len(inside), int)
        for axis in range(axes):  # a grid of quantiles
            edges = np.quantile(place[:, axis], np.linspace(0, 1, 5)[1:-1])
            bins = bins * 4 + np.searchsorted(edges, place[:, axis])
        which = dict(zip(inside.tolist(), bins.tolist(), strict=True))
        got = Counter(which[i] for i in found["id"].tolist() if i in which)
        all_of_them = Counter(bins.tolist())
        rate = len(found) / len(inside)
        full = [b for b, count in all_of_them.items() if count * rate >= 5]
        square = sum((got[b] - all_of_them[b] * rate) ** 2 / (all_of_them[b] * rate) for b in full)
        assert len(full) >= 12
        # Chi-square has mean n - 1 and standard deviation sqrt(2 n).
        assert square < len(full) + 4 * (2 * len(full)) ** 0.5
        assert 0.3 < rate / plan.rate < 1.2


def test_what_is_coarse_comes_first_then_what_is_near_the_middle() -> None:
    camera = Camera((300, 600), 2, (500, 300))
    plan = plan_points(layer(most=5000), camera)
    levels = [want.brick.level for want in plan.wants]
    assert len(set(levels)) > 4
    assert levels == sorted(levels, reverse=True)
    one = layer()
    cells = one.points.tree.root()
    boxes = {}
    while len(cells):
        for row in range(len(cells)):
            boxes[cells.level, int(cells.grid[row])] = (cells.low[row], cells.high[row])
        cells, _ = one.points.tree.children(cells)
    for _, wants in itertools.groupby(plan.wants, key=lambda want: want.brick.level):
        away = []
        for want in wants:
            low, high = boxes[want.brick.level, want.brick.grid[0]]
            outside = np.maximum(np.maximum(low - camera.center, camera.center - high), 0)
            away.append((outside**2).sum())
        assert away == sorted(away)
    for want in plan.wants:
        assert want.bytes == want.count * one.points.dtype.itemsize
        assert 0 < want.count <= one.points.tree.count(want.brick.level, want.brick.grid)
    assert plan_points(one, camera, number=7).wants[0].brick.layer == 7


def test_chunks_have_to_find_room() -> None:
    camera = Camera((500, 500), 0.4, (400, 400))
    one = layer(3, most=COUNT)
    size = one.points.dtype.itemsize
    for room in (0, 64 * size, 1000 * size, 5000 * size):
        plan = plan_points(one, camera, room=room)
        chunks = sum(one.points.tree.count(w.brick.level, w.brick.grid) for w in plan.wants)
        assert chunks * size <= room
        assert bool(plan.wants) == (room > 0)
    assert plan_points(one, camera, most=0).wants == ()


def test_hidden_axes_are_cut() -> None:
    camera = Camera((500, 500), 0.3, (400, 400), {"z": 500.0})
    everything = shown(layer(3), camera)
    thin = layer(3, thickness={"z": 50.0})
    slab = shown(thin, camera)
    z = PLACES[3][:, 0]
    expected = set(((z >= 475) & (z <= 525)).nonzero()[0]) & set(everything["id"])
    assert 0 < len(expected) < len(everything) / 2
    assert set(slab["id"]) == expected
    assert len(plan_points(thin, camera).wants) < len(plan_points(layer(3), camera).wants)
    away = Camera((500, 500), 0.3, (400, 400), {"z": 1e7})
    assert plan_points(thin, away).wants == ()


def test_one_point_in_time_is_shown_and_little_else_is_loaded() -> None:
    t = RNG.integers(0, 20, COUNT)
    table = pa.table({"t": t * 0.5, "y": PLACES[2][:, 0], "x": PLACES[2][:, 1]})
    with small(taken=64, leaf=10_000):
        one = PointsLayer("moving", points_from_table(table))
    camera = fit([one], (300, 300))
    assert camera.position == {"t": 0.0}
    at_4 = Camera(camera.center, camera.zoom, camera.size, {"t": 4.0})
    found = shown(one, at_4)
    assert set(found[POSITION][:, 0]) == {4.0}
    assert len(found) == (t == 8).sum()
    bricks = [want.brick for want in plan_points(one, at_4).wants]
    loaded = sum(one.points.tree.count(brick.level, brick.grid) for brick in bricks)
    assert loaded < 2.5 * len(found)
    two = PointsLayer("moving", one.points, thickness={"t": 1.0})
    assert set(shown(two, at_4)[POSITION][:, 0]) == {3.5, 4.0, 4.5}


@settings(max_examples=40, deadline=None)
@given(
    turn=st.floats(0, 360), tilt=st.floats(-90, 90), perspective=st.sampled_from([0, 40, 120]),
    nearer=st.floats(0.5, 60), most=st.integers(1, 3000),
)  # fmt: skip
def test_in_3d_no_more_are_shown_than_asked_for_and_those_that_are_seen(
    turn: float, tilt: float, perspective: float, nearer: float, most: int
) -> None:
    one = layer(3, most=most)
    camera = VolumeCamera(
        (500, 500, 500), 0.3 * nearer, (400, 300), looking(turn, tilt), perspective
    )
    plan = plan_points(one, camera)
    found = shown(one, camera, plan)
    assert len(found) <= most
    if plan.rate == float("inf") and len(found) < most:
        right, down, forward = camera.axes @ (PLACES[3] - 500).T
        away = (
            1.0 if perspective == 0 else np.asarray((camera.distance + forward) / camera.distance)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.abs(right / away * camera.zoom) <= 199.9
            inside &= np.abs(down / away * camera.zoom) <= 149.9
        inside &= np.asarray(away > 0.07) | (perspective == 0)
        assert set(inside.nonzero()[0]) <= set(found["id"])


def test_with_perspective_what_is_near_is_denser() -> None:
    one = PointsLayer("points", synthetic_points("zyx", 1000, 10**7), most=20_000, size=1)
    camera = fit_volume([one], (400, 400), perspective=60)
    found = shown(one, camera)
    z = found[POSITION][:, 0]
    every = shown(one, fit_volume([one], (400, 400)))[POSITION][:, 0]
    near = (z < 300).mean() / (every < 300).mean()
    far = (z > 700).mean() / (every > 700).mean()
    assert near > 1.2
    assert far < 1


@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_a_plan_costs_what_is_seen_and_not_what_there_is(axes: str) -> None:
    small_one = PointsLayer("points", synthetic_points(axes, 1 << 12, 10**6))
    large = PointsLayer("points", synthetic_points(axes))

    def cost(one: PointsLayer) -> float:
        camera = fit([one], (512, 512))
        return timed(lambda: plan_points(one, camera))

    def timed(work: Callable[[], object]) -> float:
        times = []
        for _ in range(9):
            before = time.process_time()
            work()
            times.append(time.process_time() - before)
        return median(times)

    assert cost(large) < 3 * cost(small_one) + 0.002
    camera = fit([large], (512, 512))
    middle = Camera(camera.center, camera.zoom * 2**14, (512, 512), camera.position)
    plan = plan_points(large, middle)
    assert len(plan.wants) < 400
    assert timed(lambda: plan_points(large, middle)) < 0.05


def test_nothing_is_wanted_where_there_is_nothing() -> None:
    corners = np.array([(0, 0), (0, 1000), (1000, 0), (1000, 1000)])
    places = corners[RNG.integers(0, 4, 5000)] + RNG.normal(size=(5000, 2))
    with small(taken=64, leaf=10_000):
        one = PointsLayer("corners", points_from_table(table_of(places)), most=100)
    middle = Camera((800, 300), 4, (400, 400))
    wants = plan_points(one, middle).wants
    assert len(wants) < 8
    assert len(shown(one, middle)) == 0


def test_a_point_that_is_far_from_all_others_does_little_harm() -> None:
    places = PLACES[2].copy()
    places[0] = 1e9
    with small(taken=64, leaf=10_000):
        one = PointsLayer("cells", points_from_table(table_of(places)), most=1000)
    camera = Camera((500, 500), 0.4, (400, 400))
    plan = plan_points(one, camera)
    found = shown(one, camera, plan)
    assert 700 < len(found) <= 1000
    assert sum(want.count for want in plan.wants) < 4000
    close = Camera(tuple(places[7]), 20, (400, 400))
    assert plan_points(one, close).rate == float("inf")


def test_by_default_as_many_are_shown_as_the_canvas_has_room_for() -> None:
    one = PointsLayer("points", synthetic_points("yx", 1 << 12, 10**7))

    def count(layer: PointsLayer, side: int) -> int:
        return len(shown(layer, fit([layer], (side, side))))

    assert 8000 < count(one, 300) <= 10_000
    assert 20_000 < count(one, 1024) < 0.3 * 1024**2 / (np.pi * 4)
    assert one.most_on(10_000, 10_000) == 100_000
    assert replace(one, size=1.0).most_on(500, 500) == int(0.3 * 500**2 * 4 / np.pi)
    assert replace(one, size=1e3, unit="world").most_on(500, 500) > 90_000
    assert replace(one, most=7).most_on(500, 500) == 7


def test_axes_that_there_are_not() -> None:
    camera = fit_volume([layer(3)], (100, 100))
    with pytest.raises(UsageError, match="cells cannot be shown: it has no axis 'z'"):
        plan_points(layer(2), camera)


# ------------------------------------------------------------------------------ the loader


def test_the_loader_brings_points_within_its_budget() -> None:
    one = layer(3, most=4000)
    camera = Camera((500, 500), 0.4, (400, 400))
    plan = plan_points(one, camera)
    total = sum(one.points.chunk_bytes(w.brick.level, w.brick.grid) for w in plan.wants)

    async def test() -> None:
        loader = Loader(total)
        number = loader.add(one.points)

        def key(brick: PointsBrick) -> ChunkKey:
            return ChunkKey(number, brick.level, brick.grid)

        told: list[ChunkKey] = []
        client = loader.client(told.append)
        client.want([key(want.brick)] for want in plan.wants)
        while len(told) < len(plan.wants):
            await asyncio.sleep(0.001)
            partly = points_sample(one, camera, plan, lambda brick: loader.get(key(brick)))
            assert len(partly) <= 4000
        found = points_sample(one, camera, plan, lambda brick: loader.get(key(brick)))
        np.testing.assert_array_equal(found, shown(one, camera))
        assert loader.cache.peak <= total
        client.close()
        few = plan_points(one, camera, most=100)
        second = loader.client(told.append)
        second.want([key(want.brick)] for want in few.wants)
        assert all(loader.get(key(want.brick)) is not None for want in few.wants)
        await loader.close()

    asyncio.run(asyncio.wait_for(test(), 20))
