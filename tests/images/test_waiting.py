"""Waiting works inside a running loop, hands on errors, and cancels when it is interrupted."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from opsin.images.waiting import on_thread, wait_for


async def _answer() -> int:
    await asyncio.sleep(0)
    return 42


def test_returns_the_result_also_inside_a_running_loop() -> None:
    async def outer() -> int:
        return wait_for(_answer())

    assert wait_for(_answer()) == 42
    assert asyncio.run(outer()) == 42


def test_hands_on_the_error() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        wait_for(fail())


def test_an_interrupt_cancels_the_work() -> None:
    cleaned = threading.Event()
    main = threading.main_thread().ident

    async def work() -> None:
        threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
        try:
            await asyncio.sleep(20)
        finally:
            cleaned.set()

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        wait_for(work())
    assert cleaned.is_set()
    assert time.monotonic() - start < 5


def test_a_thread_gives_its_result_or_error() -> None:
    async def run() -> None:
        assert await on_thread(None, divmod, 7, 2) == (3, 1)
        with ThreadPoolExecutor(1) as pool:
            assert await on_thread(pool, int, "11", base=2) == 3
            with pytest.raises(ZeroDivisionError):
                await on_thread(pool, divmod, 7, 0)

    asyncio.run(run())


def test_cancelling_awaits_what_runs_and_drops_what_is_queued() -> None:
    begun, go = threading.Event(), threading.Event()
    done: list[str] = []
    complaints: list[object] = []

    def work(name: str) -> None:
        begun.set()
        go.wait(10)
        done.append(name)
        raise ValueError("nobody wants to know any more")

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
        with ThreadPoolExecutor(1) as pool:
            running = asyncio.create_task(on_thread(pool, work, "running"))
            queued = asyncio.create_task(on_thread(pool, work, "queued"))
            await asyncio.to_thread(begun.wait, 10)
            queued.cancel()
            running.cancel()
            await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.sleep(0.02)
            assert (queued.done(), running.done()) == (True, False)
            go.set()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert done == ["running"]

    asyncio.run(run())
    gc.collect()
    assert done == ["running"]
    assert complaints == []


def test_cancelling_at_any_moment_leaves_nothing_running() -> None:
    active = [0]

    def work() -> None:
        active[0] += 1
        time.sleep(0.0005)
        active[0] -= 1

    async def run() -> None:
        with ThreadPoolExecutor(1) as pool:
            for number in range(300):
                task = asyncio.create_task(on_thread(pool, work))
                await asyncio.sleep(number * 5e-6)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert active == [0]

    asyncio.run(run())
