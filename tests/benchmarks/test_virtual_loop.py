import asyncio
import time

import pytest
from harness.sim.virtual_loop import VirtualCores, run


def test_an_hour_passes_at_once_and_timers_come_in_order() -> None:
    async def main() -> tuple[list[tuple[float, str]], float]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[float, str]] = []

        async def at(seconds: float, name: str) -> None:
            await asyncio.sleep(seconds)
            seen.append((loop.time(), name))

        await asyncio.gather(at(3600, "late"), at(0.25, "soon"), at(0, "now"))
        return seen, loop.time()

    began = time.perf_counter()
    seen, ended = run(main())
    assert seen == [(0, "now"), (0.25, "soon"), (3600, "late")]
    assert ended == 3600
    assert time.perf_counter() - began < 5


def test_what_is_awaited_for_ever_is_an_error_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="Nothing is left to happen"):
        run(main())


def test_cores_take_so_many_jobs_at_a_time_and_drop_what_is_cancelled() -> None:
    async def main() -> list[tuple[int, float]]:
        loop = asyncio.get_running_loop()
        cores = VirtualCores(2, 0.1)
        done: list[tuple[int, float]] = []

        async def job(number: int) -> None:
            result = await loop.run_in_executor(cores, lambda: number * number)
            done.append((result, round(loop.time(), 9)))

        tasks = [asyncio.create_task(job(number)) for number in range(6)]
        await asyncio.sleep(0.05)
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return done

    assert run(main()) == [(0, 0.1), (1, 0.1), (4, 0.2), (16, 0.2), (25, 0.3)]


def test_the_error_of_a_job_comes_back() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(VirtualCores(1, 1.0), int, "no")

    with pytest.raises(ValueError, match="no"):
        run(main())
