"""Whole runs: the real loader, and the models, along short paths."""

from dataclasses import replace

import pytest
from harness.sim.link import Conditions
from harness.sim.neuroglancer import Neuroglancer
from harness.sim.opsin_viewer import OpsinViewer
from harness.sim.paths import Path, Shape, paths
from harness.sim.simulate import World, simulate
from harness.sim.slots import Slots
from harness.sim.viv import Viv
from loader_sim import VIEWERS, viewer

from opsin.chunks.brick import Brick
from opsin.chunks.policy import EXPLORE

LINK = Conditions(0.05, 20e6)


def short(name: str, seconds: float = 3.0) -> Path:
    return paths()[name].until(seconds)


@pytest.mark.parametrize("who", VIEWERS)
def test_a_run_gives_the_same_numbers_every_time_and_ends_sharp(who: str) -> None:
    path = short("jump")
    first, second = (simulate(path, LINK, viewer(who, path, None)) for _ in range(2))
    assert first == second
    assert 0 < first.first_content < 1
    assert 0.3 < first.at_target <= first.sharp < 1
    assert 0 < first.blank < first.blur
    assert 0 <= first.waste < 1
    assert first.settled == 0 or who == "neuroglancer"  # all that came ahead is in its way
    assert first.loaded <= first.requests


def test_what_opsin_reads_is_what_came_over_the_link() -> None:
    made: list[OpsinViewer] = []

    def make(world: World) -> OpsinViewer:
        made.append(OpsinViewer(world, EXPLORE))
        return made[0]

    path = short("jump")
    result = simulate(path, LINK, make)
    assert result.bytes == pytest.approx(made[0].bytes_read)
    assert made[0].peak <= made[0].budget


def test_a_small_budget_is_kept_to() -> None:
    made: list[OpsinViewer] = []
    budget = 16 * 2**20

    def make(world: World) -> OpsinViewer:
        made.append(OpsinViewer(world, EXPLORE, budget))
        return made[0]

    result = simulate(short("pan", 6.0), LINK, make)
    assert made[0].peak <= budget
    assert result.sharp > 0.5


def test_a_faster_link_shows_more() -> None:
    path = short("pan")
    for make in (lambda world: OpsinViewer(world, EXPLORE), Neuroglancer, Viv):
        slow = simulate(path, Conditions(0.2, 5e6), make)
        fast = simulate(path, Conditions(0.0, 50e6), make)
        assert fast.blur < slow.blur
        assert fast.at_target > slow.at_target
        assert fast.first_content < slow.first_content


def test_on_a_perfect_link_a_rest_is_sharp_at_once() -> None:
    path = replace(short("jump", 1.0), shape=Shape((2048, 2048), (512, 512), 3))
    result = simulate(path, Conditions(0.0, 1e12), lambda world: OpsinViewer(world, EXPLORE))
    assert result.settle <= 0.1
    assert result.at_target > 0.9


def test_slots_let_go_of_what_was_drawn_longest_ago_but_the_coarsest() -> None:
    slots = Slots(300, pinned_level=2)
    bricks = [Brick(0, level, (), 0, column) for level, column in ((2, 0), (0, 1), (0, 2), (0, 3))]
    for brick in bricks[:3]:
        assert slots.put(brick, 100, [(brick.level, (0, brick.column))]) == []
    slots.drew([(0, (0, 1))])
    assert slots.put(bricks[3], 100, [(0, (0, 3))]) == [bricks[2]]
    assert slots.planes == {(2, ()): {(0, 0)}, (0, ()): {(0, 1), (0, 3)}}
