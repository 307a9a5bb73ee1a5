"""Workers are kept for the next run, and not for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from opsin.workers.environment import current
from opsin.workers.pool import WorkerPool
from tests.rpc.process import nothing_leaks
from tests.rpc.running import run, until


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
        await asyncio.sleep(0.05)
        async with pool.worker(current(), "one", print) as second:
            assert second.pid != first.pid
        await until(lambda: not psutil.pid_exists(second.pid))
        await pool.close()

    run(main(), 60)
