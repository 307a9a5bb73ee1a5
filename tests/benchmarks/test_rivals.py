"""What the models of other viewers ask for, in order, on a link that answers at once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from harness.sim.idetik import EXPLORATION, PLAYBACK, Idetik
from harness.sim.link import Chunk, Conditions, Link
from harness.sim.neuroglancer import Neuroglancer
from harness.sim.paths import Shape
from harness.sim.rival import Rival
from harness.sim.sight import sight
from harness.sim.simulate import World, world
from harness.sim.virtual_loop import run
from harness.sim.viv import Viv

from opsin.chunks.camera import Camera

SHAPE = Shape((8192, 8192), (256, 256), 6)
STACK = Shape((64, 1024, 1024), (1, 256, 256), 3, "zyx")
QUICK = Conditions(0.1, 1e9)
CAMERA = Camera((4000, 4000), 1.0, (512, 512))


def asked(
    make: Callable[[World], Rival],
    *looks: tuple[float, Camera],
    shape: Shape = SHAPE,
    conditions: Conditions = QUICK,
    until: float = 5.0,
) -> tuple[list[tuple[float, Chunk, bool]], Rival]:
    """When which chunk was asked for, and whether it came."""

    async def main() -> tuple[list[tuple[float, Chunk, bool]], Rival]:
        link = Link(conditions)
        rival = make(world(shape, link))
        for time, camera in looks:
            asyncio.get_running_loop().call_at(time, rival.look, camera, False)
        await asyncio.sleep(until)
        log = [(request.began, request.name, request.complete) for request in link.log]
        await rival.close()
        return log, rival

    return run(main())


def levels(log: list[tuple[float, Chunk, bool]]) -> list[int]:
    return [level for _, (level, _), _ in log]


def test_sight_has_the_chunks_that_are_seen() -> None:
    layer = world(SHAPE, Link(Conditions(0, 1))).layer
    seen = sight(layer, CAMERA, 0)
    assert seen is not None
    # Pixels 3744.5 to 4256.5 are seen (edges), chunks are of 256.
    assert list(seen) == [(row, column) for row in (14, 15, 16) for column in (14, 15, 16)]
    corner = sight(layer, replace(CAMERA, center=(0, 0)), 5)
    assert corner is not None
    assert list(corner) == [(0, 0)]


def test_neuroglancer_loads_every_level_from_coarse_to_fine() -> None:
    log, rival = asked(Neuroglancer, (0, CAMERA))
    order = levels(log)
    assert order == sorted(order, reverse=True)
    assert set(order) == {0, 1, 2, 3, 4, 5}
    assert all(complete for *_, complete in log)
    assert len(rival.here) == len(log)


def test_neuroglancers_own_choice_of_level_is_the_nearest() -> None:
    for zoom, finest in ((1.0, 0), (0.8, 0), (0.7, 1), (0.5, 1), (0.35, 2), (3.0, 0)):
        make = lambda there: Neuroglancer(there, own_levels=True)  # noqa: E731
        log, _ = asked(make, (0, replace(CAMERA, zoom=zoom)))
        assert min(levels(log)) == finest, zoom


def test_neuroglancer_loads_ahead_where_it_moves_slowly_and_keeps_what_it_began() -> None:
    still, _ = asked(Neuroglancer, (0, CAMERA))
    looks = [
        (0.1 * n, replace(CAMERA, center=(4000, 4000 + 8 * n))) for n in range(20)
    ]  # 0.08 pixels per ms
    moving, _ = asked(Neuroglancer, *looks)
    columns = {index[1] for _, (level, index), _ in moving if level == 0}
    # The last camera sees up to column 16.
    assert max(index[1] for _, (level, index), _ in still if level == 0) == 16
    assert max(columns) == 17
    # A jump: what was on its way is not aborted, as less than a hundred are.
    jumped, _ = asked(Neuroglancer, (0, CAMERA), (0.05, replace(CAMERA, center=(900, 900))))
    assert all(complete for time, _, complete in jumped if time < 0.05)


def test_neuroglancer_keeps_to_its_budget_and_lets_go_of_the_oldest() -> None:
    looks = [(float(n), replace(CAMERA, center=(1000.0 * n, 4000.0))) for n in range(1, 5)]
    small = 40 * 256 * 256 * 2
    _, rival = asked(lambda there: Neuroglancer(there, small), *looks, until=8.0)
    assert rival.bytes == sum(rival.here.values()) <= small


def test_viv_loads_the_coarsest_and_then_the_target_in_the_order_of_columns() -> None:
    log, _ = asked(Viv, (0, CAMERA))
    assert log[0][1] == (5, (0, 0))
    tiles = [index for _, (level, index), _ in log[1:]]
    assert levels(log)[1:] == [0] * 9
    assert tiles == sorted(tiles, key=lambda index: (index[1], index[0]))


def test_viv_has_ten_on_their_way_and_drops_what_waits_out_of_sight() -> None:
    wide = replace(CAMERA, size=(2048, 2048))
    slow = Conditions(1.0, 1e9)
    log, _ = asked(
        Viv, (0, wide), (0.5, replace(wide, center=(800, 800))), conditions=slow, until=30
    )
    first = [chunk for time, chunk, _ in log if time < 0.5 and chunk[0] == 0]
    assert len(first) == 10
    rows = [index[0] for time, (level, index), _ in log if level == 0 and time > 0.5]
    assert rows
    assert max(rows) < 8  # nothing of the first view any more
    assert all(complete for *_, complete in log)  # the signal does not reach a request


def test_viv_keeps_five_times_what_is_in_sight() -> None:
    looks = [(float(n), replace(CAMERA, center=(600.0 * n, 4000.0))) for n in range(1, 12)]
    _, rival = asked(Viv, *looks, until=15.0)
    tiles = [chunk for chunk in rival.here if chunk[0] == 0]
    assert 9 < len(tiles) <= 5 * 9


def test_another_slice_makes_viv_begin_anew() -> None:
    at = replace(CAMERA, center=(512, 512), position={"z": 5.0})
    log, rival = asked(Viv, (0, at), (1, replace(at, position={"z": 6.0})), shape=STACK)
    assert {index[0] for _, (_, index), _ in log} == {5, 6}
    assert {index[0] for _, index in rival.here} == {6}


def test_idetik_loads_the_coarsest_the_target_and_a_ring() -> None:
    log, _ = asked(Idetik, (0, CAMERA))
    order = levels(log)
    assert set(order) == {0, 5}
    assert log[0][1] == (5, (0, 0))
    target = [index for _, (level, index), _ in log if level == 0]
    inside = {(row, column) for row in (14, 15, 16) for column in (14, 15, 16)}
    assert set(target[:9]) == inside
    assert len(target) == 25
    assert target[0] == (15, 15)  # the nearest first


def test_idetik_aborts_what_is_not_wanted_any_more() -> None:
    slow = Conditions(1.0, 1e9)
    far = replace(CAMERA, center=(900, 900))
    log, _ = asked(Idetik, (0, CAMERA), (0.5, far), conditions=slow, until=30.0)
    aborted = [chunk for _, chunk, complete in log if not complete]
    assert len(aborted) == 7  # eight at a time, of which the coarsest is wanted still
    assert all(level == 0 for level, _ in aborted)


@pytest.mark.parametrize(("profile", "times"), [(EXPLORATION, {9}), (PLAYBACK, set(range(9, 30)))])
def test_idetiks_playback_loads_the_coarsest_of_coming_times(
    profile: object, times: set[int]
) -> None:
    film = Shape((64, 1024, 1024), (1, 256, 256), 3, "tyx")
    at = replace(CAMERA, center=(512, 512), position={"t": 9.0})
    make = lambda there: Idetik(there, profile=profile)  # type: ignore[arg-type]  # noqa: E731
    log, _ = asked(make, (0, at), shape=film)
    assert {index[0] for _, (level, index), _ in log if level == 2} == times
    assert {index[0] for _, (level, index), _ in log if level == 0} == {9}
