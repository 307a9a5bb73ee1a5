"""`kill -9` of each process that takes part, at random moments: nothing is left, others go on."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from harness.kill_rounds import LEVELS, PARTIES, KillRounds

from opsin.workers.environment import current
from opsin.workers.isolation import bubblewrap
from opsin.workers.isolation.launch import Launch, launch
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.isolation.visible import HERE
from tests.rpc.process import has_ended

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


def test_what_waits_for_bubblewrap_for_ever_is_ended() -> None:
    """Its outer process is killed in the moment in which the inner one is made."""
    made = wrapped("print()")
    waits = None
    while waits is None:
        outer = subprocess.Popen(made.command, env=made.variables, start_new_session=True)
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        while not (found := children.read_text().split()) and outer.poll() is None:
            pass
        outer.kill()
        outer.wait()
        if found and waits_for_ever(int(found[0])):
            waits = int(found[0])
    assert not has_ended(waits)
    made = wrapped("print('here', flush=True); input()")
    pipe = subprocess.PIPE
    other = subprocess.Popen(made.command, env=made.variables, stdin=pipe, stdout=pipe)
    assert other.stdout is not None
    assert other.stdout.readline() == b"here\n"
    try:
        bubblewrap.end_orphans()
        deadline = time.monotonic() + 20
        while not has_ended(waits):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        other.communicate(b"\n", timeout=20)
    assert other.returncode == 0, "one that has its parent goes on"


def wrapped(program: str) -> Launch:
    sandbox = Sandbox()
    level = bubblewrap.level(sandbox)
    return launch(current(), HERE, level, sandbox, lambda parent: ["-c", program])


def waits_for_ever(pid: int) -> bool:
    """Whether a process has an eventfd open, as before it begins, and nothing happens in it."""
    seen = []
    for _ in range(2):
        time.sleep(0.3)
        try:
            status = Path(f"/proc/{pid}/status").read_text().splitlines()
            files = " ".join(str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir())
        except OSError:  # it has ended
            return False
        seen.append(("eventfd" in files, [line for line in status if "ctxt_switches" in line]))
    return seen[0] == seen[1] and seen[0][0]
