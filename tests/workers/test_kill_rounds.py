"""`kill -9` of each process that takes part, at random moments: nothing is left, others go on."""

from __future__ import annotations

from pathlib import Path

from harness.kill_rounds import LEVELS, PARTIES, KillRounds

ROUNDS = 20


def test_whoever_is_killed_nothing_is_left_and_the_next_job_runs(tmp_path: Path) -> None:
    rounds = KillRounds(tmp_path, seed=7)
    try:
        rounds.warm()
        made = list(rounds.rounds(ROUNDS))
    finally:
        rounds.close()
    bad = [one.words() for one in made if one.left or one.wrong]
    assert bad == []
    killed = {one.killed for one in made if one.has_killed}
    assert {"host", "worker", "forkserver"} <= killed <= PARTIES.keys()
    assert {one.level for one in made if one.has_killed} == set(LEVELS)
    assert any(one.rejections for one in made), "jobs were told at once"
