"""Workers are kept for the next run, and not for ever."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]

from opsin.workers.environment import current
from opsin.workers.pool import WorkerPool
from tests.rpc.process import has_ended, nothing_leaks
from tests.rpc.running import run, until
from tests.workers.plugins import call, write_plugin


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
        pool = WorkerPool(tmp_path, idle_seconds=0.2)
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
