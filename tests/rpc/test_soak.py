"""Ten seconds of two hundred calls in flight: no answer is lost, and memory stays as it is."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import random
import socket
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from opsin.rpc.peer import Peer
from opsin.rpc.pool import Pool
from opsin.rpc.shared_arrays import SharedArrays, available
from opsin.rpc.transports.unix_stream import UnixTransport
from tests.rpc.children import child, forkserver
from tests.rpc.joined import is_empty
from tests.rpc.process import nothing_leaks
from tests.rpc.running import run
from tests.rpc.traffic import run_service

IN_FLIGHT = 200
SECONDS = 7.0
LARGEST = 2**23

pytestmark = pytest.mark.skipif(not available(), reason="no shared arrays here")


def memory_of(*processes: int) -> int:
    """MiB that processes have to themselves, and of shared memory."""
    found = 0
    for process in processes:
        status = Path(f"/proc/{process}/status").read_text()
        for kind in ("RssAnon", "RssShmem"):
            found += int(status.split(f"{kind}:")[1].split()[0])
    return found >> 10


class Soak:
    """Calls of random sizes; each answer is compared with what was asked."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self._chance = random.Random(3)
        self._content = np.frombuffer(self._chance.randbytes(LARGEST), np.uint8)
        self.asked = self.answered = self.bytes = 0

    async def call_until(self, end: float, most: int, by_value: bool) -> None:
        """One call after another, of up to `most` bytes: so what is in flight is always alike."""
        while time.monotonic() < end:
            size = self._chance.randrange(1, most + 1)
            start = self._chance.randrange(LARGEST - size + 1)
            part: Any = self._content[start : start + size]
            if by_value:
                part = part.tobytes()
            self.asked += 1
            back = await self._service.echo([part, self.asked])
            assert len(back[0]) == size
            middle = size // 2
            assert back[0][middle] == part[middle]
            assert bytes(back[0][-9:]) == bytes(part[-9:])
            self.answered += 1
            self.bytes += 2 * size


def test_two_hundred_calls_in_flight_for_ten_seconds() -> None:
    memory: list[int] = []

    async def watch(*processes: int) -> None:
        while True:
            await asyncio.sleep(SECONDS / 18)
            memory.append(memory_of(*processes))

    async def work(process: BaseProcess, ours: socket.socket, pool: Pool) -> None:
        async with Peer(UnixTransport(ours), segments=SharedArrays(pool)) as peer:
            soak = Soak(await peer.root())
            watching = asyncio.create_task(watch(process.pid or 0, os.getpid()))
            end = time.monotonic() + SECONDS
            async with asyncio.TaskGroup() as group:
                for n in range(1, IN_FLIGHT + 1):
                    most = math.ceil(LARGEST * (n / IN_FLIGHT) ** 5)
                    group.create_task(soak.call_until(end, most, by_value=n % 7 == 0))
            watching.cancel()
            memory.append(memory_of(process.pid or 0, os.getpid()))
            assert soak.asked == soak.answered > IN_FLIGHT
            assert soak.bytes > 10 * LARGEST
            for _ in range(100):
                if is_empty(peer):
                    break
                await asyncio.sleep(0.01)
            assert is_empty(peer)

    forkserver()
    with nothing_leaks(), child(run_service) as (process, ours):
        pool = Pool(limit=2**26)
        run(work(process, ours, pool), 60)
        gc.collect()
        pool.trim()
        assert pool.bytes == pool._count == 0
    third = len(memory) // 3
    middle, late = median(memory[third : 2 * third + 1]), median(memory[2 * third :])
    assert late < 1.3 * middle + 64, f"memory grows: {memory} MiB"
