"""Whole peers in real processes: whoever dies, whenever, the other goes on and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.errors import ConnectionLost
from opsin.rpc.calls import Calls
from opsin.rpc.held import HeldTable
from opsin.rpc.peer import Peer
from opsin.rpc.pool import Pool, default_pool
from opsin.rpc.shared_arrays import SharedArrays, available, empty
from opsin.rpc.tasks import Tasks
from opsin.rpc.transports.unix_stream import UnixTransport
from tests.rpc.children import child, forkserver
from tests.rpc.joined import is_empty
from tests.rpc.process import nothing_leaks
from tests.rpc.traffic import Traffic, TrafficService, run_service, run_traffic

pytestmark = pytest.mark.skipif(not available(), reason="no shared arrays here")

MOVES_MEMORY = {"arrays", "bytes", "streams", "cancels"}
Patch = pytest.MonkeyPatch


def peer_over(connected: socket.socket, pool: Pool) -> Peer:
    return Peer(UnixTransport(connected), TrafficService(), segments=SharedArrays(pool))


def memory_here() -> int:
    """Bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def until_quiet(peer: Peer, other: Peer | None = None) -> None:
    """Until nothing is open, and nothing of each other is held."""
    for attempt in range(300):
        if is_empty(peer) and (other is None or is_empty(other)):
            return
        if attempt % 50 == 0:
            gc.collect()
        await asyncio.sleep(0.01)
    raise AssertionError("Something is left in the tables of a peer.")


# ------------------------------------------------------------------------------ killed


async def kill_during(
    process: Any, ours: socket.socket, pool: Pool, seed: int, moment: float
) -> set[str]:
    """Returns what had been done by then."""
    async with peer_over(ours, pool) as peer:
        traffic = Traffic(peer, pool, seed)
        working = asyncio.create_task(traffic.run())
        try:
            async with asyncio.timeout(30):
                while not working.done() and len(traffic.done) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            await asyncio.sleep(moment)
            os.kill(process.pid, signal.SIGKILL)
            async with asyncio.timeout(5):
                await working
                await peer.until_ended()
        finally:
            working.cancel()
        assert len(peer._calls) == len(peer._tasks) == len(peer.values.objects) == 0
        assert peer._session.is_empty
    return set(traffic.done)


def in_shared_memory() -> set[str]:
    """Files there, but for those of benchmarks that other tests run at the same time."""
    return {path.name for path in Path("/dev/shm").glob("*") if "bench" not in path.name}


def kill(rounds: int) -> None:
    """Both sides call, lend and borrow all the time: who dies was all of that."""
    chance = random.Random(7)
    forkserver()
    default_pool().trim()
    shared = in_shared_memory()
    memory = []
    done: set[str] = set()
    for number in range(rounds):
        with nothing_leaks():
            pool = Pool()
            with child(run_traffic, number) as (process, ours):
                moment = chance.random() * 0.06
                done |= asyncio.run(kill_during(process, ours, pool, 100 + number, moment))
            gc.collect()
            pool.trim()
            default_pool().trim()  # of the lazy arrays
            assert pool.bytes == pool._count == 0, "memory is left"
        memory.append(memory_here())
    assert done >= MOVES_MEMORY or rounds < 20, "they were killed during transfers"
    assert in_shared_memory() == shared
    assert len(memory) < 10 or min(memory[-3:]) < max(memory[3:6]) + (16 << 20), memory


def test_killing_a_peer_at_any_moment_leaves_nothing(tmp_path: Path, monkeypatch: Patch) -> None:
    forkserver()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kill(20)
    assert list(tmp_path.iterdir()) == []


UNPROTECTED: dict[str, Callable[[Patch], None]] = {
    "dead leases are dropped": lambda p: p.setattr(SharedArrays, "close", lambda self: None),
    "pending calls fail": lambda p: p.setattr(Calls, "fail_all", lambda self, reason: None),
    "running tasks end": lambda p: p.setattr(Tasks, "stop", lambda self: None),
    "the pool gets its memory back": lambda p: p.setattr(Pool, "_give_back", lambda self, s: None),
}


@pytest.mark.parametrize("protection", UNPROTECTED)
def test_that_needs_its_protection(protection: str, monkeypatch: Patch) -> None:
    with monkeypatch.context() as patched:
        UNPROTECTED[protection](patched)
        with pytest.raises((AssertionError, TimeoutError)):
            kill(3)
    gc.collect()


# ------------------------------------------------------------------------------ arrays outlive


def outlive() -> None:
    pool = Pool()

    async def fetch(process: Any, ours: socket.socket) -> Any:
        async with peer_over(ours, pool) as peer:
            service = await peer.root()
            made = empty((2000, 1000), "uint8", pool=pool)
            made[:] = np.arange(1000) % 251
            there = await service.echo(made[::2, 5:])
            theirs = await service.planes(1, 1000).__aiter__().__anext__()
            del made, service
            os.kill(process.pid, signal.SIGKILL)
            await peer.until_ended()
        return there, theirs

    with nothing_leaks():
        with child(run_service) as (process, ours):
            there, theirs = asyncio.run(fetch(process, ours))
        gc.collect()
        part = there[7:9].T  # the last view
        del there
        gc.collect()
        assert (np.arange(5, 1000) % 251 == part.T).all()
        assert theirs.shape == (1000, 1000)
        assert not theirs.any()
        del part, theirs


def test_arrays_outlive_peers_and_processes_and_die_with_the_last_view() -> None:
    outlive()


def test_dying_needs_its_protection(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Pool, "_give_back", lambda self, segment: None)
    with pytest.raises(AssertionError):
        outlive()


# ------------------------------------------------------------------------------ callbacks


def callbacks(count: int) -> None:
    """Each is another function, and each is called."""

    async def work() -> None:
        ours, theirs = socket.socketpair()
        pool = Pool()
        async with peer_over(theirs, pool) as server, peer_over(ours, pool) as client:
            service = await client.root()
            seen = []

            async def call(n: int) -> None:
                await service.call_back_async(lambda: seen.append(n))

            for n in range(0, count, 100):
                await asyncio.gather(*map(call, range(n, n + 100)))
            assert sorted(seen) == list(range(count))
            await until_quiet(server, client)

    with nothing_leaks():
        asyncio.run(work())


def test_thousands_of_callbacks_leave_empty_tables() -> None:
    """Ten thousand in test_peer_objects.py, without a socket."""
    callbacks(2_000)


def test_they_need_their_protection(monkeypatch: Patch) -> None:
    monkeypatch.setattr(HeldTable, "_drop_object", lambda self, number, times: None)
    with pytest.raises(AssertionError):
        callbacks(100)


def test_a_lost_link_is_an_error_and_not_a_wait() -> None:
    async def work(process: Any, ours: socket.socket) -> None:
        async with peer_over(ours, Pool()) as peer:
            service = await peer.root()
            pending = [asyncio.ensure_future(service.wait()) for _ in range(200)]
            await service.note("all have begun")
            os.kill(process.pid, signal.SIGKILL)
            async with asyncio.timeout(5):
                found = await asyncio.gather(*pending, return_exceptions=True)
            assert all(isinstance(one, ConnectionLost) for one in found)
            with pytest.raises(ConnectionLost):
                await service.echo(1)

    with nothing_leaks(), child(run_service) as (process, ours):
        asyncio.run(work(process, ours))
