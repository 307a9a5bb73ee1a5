"""Runs that take more than they are granted; what is stuck disturbs nobody."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.errors import LimitExceeded, UsageError
from opsin.host.host import Host
from opsin.host.job import Job
from opsin.host.selection import Whole
from opsin.workers.supervision import VARIABLE, Supervision
from tests.host.hosting import ended, hosting, layer
from tests.host.plugins import write_plugin
from tests.rpc.running import run, until

SOURCE = '''
import ctypes, multiprocessing, os, time

import numpy as np

from opsin.types import Image, progress


called = 0


def listens(image: Image) -> Image:
    global called
    called += 1
    for _ in progress(range(10_000)):
        time.sleep(0.01)
    return image


def sleeps(image: Image) -> Image:
    """Deaf, in Python."""
    print("asleep", flush=True)
    time.sleep(600)
    return image


def stuck(image: Image) -> Image:
    """Deaf, in C, with the interpreter's lock held, and to SIGTERM too."""
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("stuck", flush=True)
    ctypes.PyDLL(None).sleep(600)
    return image


def double(image: Image) -> Image:
    global called
    called += 1
    print(f"called {called} times")
    return image * 2


def takes(image: Image, size: int = 400) -> Image:
    taken = np.ones(size << 20, np.uint8)
    print("took it", flush=True)
    return image


def takes_together(image: Image, size: int = 100) -> Image:
    def take() -> None:
        taken = np.ones(size << 20, np.uint8)
        time.sleep(600)

    for _ in range(6):
        if os.fork() == 0:
            take()
    time.sleep(600)
    return image


def crashes(image: Image) -> Image:
    ctypes.string_at(0)
    return image
'''
PLANE = np.ones((20, 30), np.uint8)
each_level = pytest.mark.parametrize("level", ["bubblewrap", "landlock", "none"])


def began(host: Host, folder: Path, operation: str, **limits: Any) -> Job:
    path = folder / "greedy.py"
    registered = host.registry.add(
        path if path.exists() else write_plugin(folder, SOURCE, path.name)
    )
    program = host.program(registered, operation, {})
    granted = host.supervision.but(**limits)
    return host.run(program, {"image": layer(PLANE)}, Whole(), supervision=granted)


@pytest.mark.parametrize("operation", ["listens", "sleeps"])
def test_a_run_that_takes_too_long_is_ended_and_says_so(tmp_path: Path, operation: str) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as host:
            job = await ended(began(host, tmp_path, operation, time=1))
            assert job.state == "failed"
            assert job.error is not None
            assert job.error.type == "LimitExceeded"
            assert job.error.message == (
                "It was ended, because it took longer than 1 second, its time limit: give it more "
                "with --time-limit (time_limit in Python)."
            )
            assert not list(host.workspace.results.iterdir())
            after = await ended(began(host, tmp_path, "double", time=60))
            assert after.state == "done", "the time is that of each run"
            kept = operation == "listens"  # who listened can be used again
            assert list(after.log) == [f"called {1 + kept} times"]

    run(main(), 60)


@each_level
def test_a_run_that_takes_too_much_memory_is_told_its_limit(
    tmp_path: Path, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            refused = await ended(began(host, tmp_path, "takes", memory="300M"))
            assert refused.error is not None, refused.log
            assert refused.error.type == "LimitExceeded", refused.error
            assert "Unable to allocate 400. MiB" in refused.error.message
            assert "Its memory limit is 300 MiB: give it more with --mem" in refused.error.message
            assert "in takes" in refused.error.traceback
            killed = await ended(began(host, tmp_path, "takes_together", memory="300M"))
            assert killed.error is not None, killed.log
            assert killed.error.type == "LimitExceeded", killed.error
            assert killed.error.message.startswith(
                "The worker was ended: it took more than 300 MiB of memory, its limit: give it more"
            )
            assert (await ended(began(host, tmp_path, "takes", memory="1G"))).state == "done"
            assert (await ended(began(host, tmp_path, "takes"))).state == "done"

    run(main(), 60)


def test_two_that_are_stuck_disturb_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path, parallel=3) as host:
            deaf = [began(host, tmp_path, name) for name in ("sleeps", "stuck")]
            await until(lambda: all(job.log for job in deaf))
            for _ in range(3):
                assert (await ended(began(host, tmp_path, "double"))).state == "done"
            assert [job.state for job in deaf] == ["running", "running"]
            before = time.monotonic()
            for job in deaf:
                job.cancel()
            assert (await ended(began(host, tmp_path, "double"))).state == "done"
            for job in deaf:
                assert (await ended(job)).state == "cancelled"
            assert time.monotonic() - before < 15, "5 s are promised"

    run(main(), 60)


def test_a_crash_in_c_names_the_line(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as host:
            job = await ended(began(host, tmp_path, "crashes"))
            assert job.error is not None
            assert job.error.message.startswith("The worker ended: it was killed by signal 11")
            assert "a crash in C code" in job.error.message
            assert 'greedy.py", line' in job.error.message
            assert "in crashes" in job.error.message

    run(main(), 60)


def test_what_dies_again_and_again_waits_and_lets_others_pass(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path, parallel=1) as host:
            for _ in range(3):
                assert (await ended(began(host, tmp_path, "crashes"))).state == "failed"
            again = began(host, tmp_path, "crashes")
            write_plugin(tmp_path)
            good = host.program(host.registry.add(tmp_path / "trial.py"), "bright", {})
            await until(lambda: again.log)
            assert again.state == "queued"
            other = await ended(host.run(good, {"image": layer(PLANE)}, Whole()))
            assert other.state == "done"
            assert again.log[0].startswith("It ended 3 times in a row as soon as it ran")
            assert again.text == again.log[0], "it is on the job's card"
            again.cancel()
            assert (await ended(again)).state == "cancelled"
            late = await ended(began(host, tmp_path, "crashes"))
            assert late.state == "failed", "it was tried"

    run(main(), 60)


def test_limits_for_all_runs_come_from_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "time=1,memory=256M,workers=1")

    async def main() -> None:
        async with hosting(tmp_path) as host:
            assert host.supervision == Supervision(time=1, memory=2**28, workers=1)
            program = host.program(host.registry.add(write_plugin(tmp_path)), "bright", {})
            found = host.estimate(program, {"image": layer(PLANE)}, Whole())
            assert found.available_bytes == 2**28
            job = await ended(began(host, tmp_path, "listens"))
            assert isinstance(job.failure, LimitExceeded)
        monkeypatch.setenv(VARIABLE, "time=never")
        with pytest.raises(UsageError, match="is no time"):
            async with hosting(tmp_path):
                pass

    run(main(), 60)
