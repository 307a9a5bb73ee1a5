"""Workers are kept for the next run, and not for ever."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from opsin.errors import WorkerLost
from opsin.workers.back_off import FREE
from opsin.workers.environment import Environment, current
from opsin.workers.pool import WorkerPool
from opsin.workers.supervision import Supervision
from tests.rpc.process import has_ended, nothing_leaks
from tests.rpc.running import run, until
from tests.workers.plugins import call, write_plugin
from tests.workers.processes import workers_of


def test_a_worker_is_kept_for_the_same_program_alone(tmp_path: Path) -> None:
    async def main() -> None:
        pool = WorkerPool(tmp_path, most_idle=1)
        with nothing_leaks():
            async with (
                pool.worker(current(), "one", print) as first,
                pool.worker(current(), "one", print) as second,
            ):
                assert first.pid != second.pid, "one job at a time"
            async with pool.worker(current(), "one", print) as again:
                assert again.pid == first.pid
            async with pool.worker(current(), "two", print) as other:
                assert other.pid != first.pid
            await until(lambda: not psutil.pid_exists(first.pid))
            await pool.close()
            assert not psutil.pid_exists(other.pid)

    run(main(), 60)


def test_a_worker_that_is_gone_or_idle_for_long_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        pool = WorkerPool(tmp_path, Supervision(idle=0.2))
        async with pool.worker(current(), "one", print) as first:
            pass
        psutil.Process(first.pid).kill()
        while not has_ended(first.pid):
            time.sleep(0.001)  # noqa: ASYNC251 # the loop must not hear of it before it is asked
        async with pool.worker(current(), "one", print) as second:
            assert second.pid != first.pid
        await until(lambda: not psutil.pid_exists(second.pid))
        await pool.close()

    run(main(), 60)


def test_a_worker_that_is_busy_or_out_of_date_is_not_given_to_the_next(tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path)
    beside = tmp_path / "neighbour_of_trial.py"

    async def main() -> None:
        pool = WorkerPool(tmp_path)
        ones = np.ones((2, 2))
        for factor in (2, 3):
            beside.write_text(f"FACTOR = {factor}\n")
            os.utime(beside, ns=(factor, factor))  # in one second, by which bytecode is told
            for _ in range(2):
                async with pool.worker(current(), "one", print) as worker:
                    answer = await worker.run(call(plugin, "beside", ("image",), image=ones))
                    assert answer.outputs[0][0, 0] == factor
        async with pool.worker(current(), "one", print) as worker:
            running = asyncio.ensure_future(
                worker.run(call(plugin, "sleeps", ("image",), image=ones))
            )
            await asyncio.sleep(0.1)
        async with pool.worker(current(), "one", print) as other:
            assert other.pid != worker.pid
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await pool.close()

    run(main(), 60)


def test_there_are_never_more_workers_than_may_be(tmp_path: Path) -> None:
    """Of two kinds, idle ones give way; who waits can be cancelled, and the others go on."""
    most: list[int] = []

    async def main() -> None:
        pool = WorkerPool(tmp_path, Supervision(workers=2))

        async def used(program: str) -> int:
            async with pool.worker(current(), program, print) as worker:
                most.append(pool.count)
                assert (await worker.answers()) is True
                await asyncio.sleep(0)
                return worker.pid

        async with pool.worker(current(), "one", print), pool.worker(current(), "two", print):
            waiting = [asyncio.ensure_future(used(name)) for name in ("three", "one", "two")]
            done, _ = await asyncio.wait(waiting, timeout=0.3)
            assert not done, "all places are taken"
            waiting[0].cancel()
            await asyncio.wait([waiting[0]])
        await asyncio.gather(*waiting[1:])
        assert waiting[0].cancelled()
        await asyncio.gather(*(used(name) for name in ("one", "two", "three") * 3))
        assert max(most) == 2
        assert len(workers_of()) <= 2
        await pool.close()
        assert pool.count == 0

    run(main(), 60)


def test_a_worker_that_cannot_start_leaves_its_place(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 7\n")
    broken.chmod(0o755)

    async def main() -> None:
        pool = WorkerPool(tmp_path, Supervision(workers=1))
        for _ in range(2):
            with pytest.raises(WorkerLost):
                async with pool.worker(Environment(broken, "broken"), "one", print):
                    pass
        assert pool.count == 0
        async with pool.worker(current(), "two", print) as worker:
            assert worker.is_alive
        await pool.close()

    run(main(), 60)


def test_a_program_whose_workers_die_at_once_has_to_wait(tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path)
    said: list[str] = []

    async def main() -> None:
        pool = WorkerPool(tmp_path)
        for death in range(FREE):
            assert pool.waits("bad") == 0, f"after {death} deaths"
            with pytest.raises(WorkerLost):
                async with pool.worker(current(), "bad", print) as worker:
                    asked = call(plugin, "dies", ("image",), image=np.ones(3))
                    await worker.run(asked)
        assert 0 < pool.waits("bad") <= 1
        assert pool.waits("good") == 0, "it is nobody else's fault"
        await pool.until_tried("bad", said.append)
        assert pool.waits("bad") == 0
        async with pool.worker(current(), "bad", print) as worker:
            assert pool.waits("bad") > 0, "one at a time, until it is known how that goes"
            waiting = asyncio.ensure_future(pool.until_tried("bad", said.append))
        await waiting
        assert pool.waits("bad") == 0
        await pool.close()

    run(main(), 60)
    assert said[0].startswith("It ended 3 times in a row as soon as it ran, and is tried again in")
    assert said[0].endswith("killed by signal 9, SIGKILL (out of memory?).")
