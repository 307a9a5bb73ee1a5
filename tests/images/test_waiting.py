"""Waiting works inside a running loop, hands on errors, and cancels when it is interrupted."""

from __future__ import annotations

import asyncio
import signal
import threading
import time

import pytest

from opsin.images.waiting import wait_for


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
