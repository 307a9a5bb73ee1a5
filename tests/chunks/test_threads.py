"""Jobs on threads: bounded, cancelled before they begin, told on the loop, gone when closed."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from opsin.chunks.threads import Threads


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


def test_all_jobs_are_told_on_the_loop_and_run_on_so_many_threads_at_most() -> None:
    async def test() -> None:
        threads = Threads(3, "trial")
        here = threading.get_ident()
        ran: set[int] = set()
        told: list[Any] = []

        def work(number: int) -> int:
            ran.add(threading.get_ident())
            if number % 7 == 0:
                raise ValueError(number)
            return number

        def done(result: Any, error: BaseException | None) -> None:
            assert threading.get_ident() == here
            told.append(result if error is None else error.args[0])

        for number in range(500):
            threads.submit(partial(work, number), done)
        while len(told) < 500:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert sorted(told) == list(range(500))
        assert len(ran) <= 3
        assert here not in ran
        await threads.close()
        assert not [t for t in threading.enumerate() if t.name.startswith("trial")]

    run(test)


def test_a_job_that_waits_can_be_dropped_and_one_that_runs_cannot() -> None:
    async def test() -> None:
        threads = Threads(1, "trial")
        begun, go = threading.Event(), threading.Event()
        told: list[str] = []

        def waits() -> None:
            begun.set()
            go.wait(10)

        first = threads.submit(waits, lambda *_: told.append("first"))
        second = threads.submit(lambda: told.append("ran"), lambda *_: told.append("second"))
        await asyncio.to_thread(begun.wait, 10)
        assert second.cancel()
        assert not second.cancel()
        assert not first.cancel()
        go.set()
        assert await threads.run(lambda: 5) == 5
        assert told == ["first"]
        await threads.close()

    run(test)


def test_awaited_work_is_over_when_its_cancellation_returns() -> None:
    async def test() -> None:
        threads = Threads(1, "trial")
        begun, go = threading.Event(), threading.Event()
        over: list[bool] = []

        def work() -> None:
            begun.set()
            go.wait(10)
            over.append(True)

        task = asyncio.create_task(threads.run(work))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert over == [True]
        await threads.close()

    run(test)


def test_threads_that_wait_hold_no_result() -> None:
    class Held:
        pass

    async def test() -> None:
        threads = Threads(2, "trial")
        result: Held | None = await threads.run(Held)
        assert result is not None
        gone = weakref.ref(result)
        result = None
        gc.collect()
        assert gone() is None
        await threads.close()

    run(test)
