"""Arrays between real processes, one of which is killed at any moment."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.rpc.pool import Pool, size_class
from opsin.rpc.shared_arrays import SharedArrays, available, empty
from tests.rpc.children import child, forkserver
from tests.rpc.exchange import Exchange, run_echo, run_stream, stream
from tests.rpc.process import nothing_leaks, room_for

pytestmark = pytest.mark.skipif(not available(), reason="no shared arrays here")

ROUNDS = 6
"""More of them, with all else that two peers do, are in `test_peer_processes`."""


@pytest.fixture(scope="module", autouse=True)
def _processes() -> None:
    forkserver()


def shared_memory_here() -> int:
    """KiB of shared memory that this process has in its page tables."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssShmem:")[1].split()[0])


def test_killing_either_side_at_any_moment_leaves_nothing() -> None:
    """Both lend and borrow all the time, so each is the one that dies as lender and borrower."""
    chance = random.Random(11)
    gc.collect()
    before = shared_memory_here()

    async def one(process: Any, ours: socket.socket, pool: Pool, seed: int) -> None:
        exchange = Exchange(ours, pool)
        working = asyncio.create_task(stream(exchange, seed))
        await asyncio.wait_for(exchange.heard.wait(), 20)
        await asyncio.sleep(chance.random() * 0.06)
        os.kill(process.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            await working
        assert exchange.shared.lent == 0

    for number in range(ROUNDS):
        with nothing_leaks():
            pool = Pool()
            with child(run_stream, number) as (process, ours):
                asyncio.run(one(process, ours, pool, 100 + number))
            gc.collect()
            pool.trim()
            assert pool.bytes == pool._count == 0
    assert shared_memory_here() <= before


def test_that_needs_its_protection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dropping a dead peer's leases, its memory stays."""
    monkeypatch.setattr(SharedArrays, "close", lambda self: None)
    with pytest.raises(AssertionError):
        test_killing_either_side_at_any_moment_leaves_nothing()
    monkeypatch.undo()
    gc.collect()


def test_arrays_go_there_and_back_without_a_copy() -> None:
    async def work(ours: socket.socket, pool: Pool) -> None:
        exchange = Exchange(ours, pool)
        array = empty((300, 1000), "uint8", pool=pool)
        array[:] = np.arange(1000) % 200
        for part in (array, array[::2, ::-1], array.T, array[7:]):
            await exchange.send(part)
            got = await exchange.receive()
            assert np.array_equal(got, part)
            array[-1, 500] += 1
            assert np.array_equal(got, part), "it is the same memory"
            del got
            await exchange.release()
        assert pool.bytes == size_class(array.nbytes)
        await exchange.close()

    with nothing_leaks():
        pool = Pool()
        with child(run_echo) as (_, ours):
            asyncio.run(work(ours, pool))
        gc.collect()
        pool.trim()


def test_hundreds_of_arrays_take_the_same_memory_again() -> None:
    async def work(ours: socket.socket, pool: Pool) -> None:
        exchange = Exchange(ours, pool)
        array = np.arange(200_000, dtype=np.uint8)
        for _ in range(300):
            await exchange.send(array)
            got = await exchange.receive()
            assert np.array_equal(got, array)
            del got
        assert pool.bytes < 20 * array.nbytes
        await exchange.close()

    with nothing_leaks():
        pool = Pool()
        with child(run_echo) as (_, ours):
            asyncio.run(work(ours, pool))
        gc.collect()
        pool.trim()
        assert pool.bytes == 0


def test_without_descriptors_arrays_go_by_buffer() -> None:
    async def work(ours: socket.socket) -> None:
        exchange = Exchange(ours)
        with room_for(0):
            await exchange.send(np.full(100_000, 3, np.uint8))
        assert exchange.inline == 1
        got = await exchange.receive()
        assert (got == 3).all()
        del got
        await exchange.close()

    with nothing_leaks(), child(run_echo) as (_, ours):
        asyncio.run(work(ours))
