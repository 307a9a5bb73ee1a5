"""The RPC for a long time, and when it is killed: no lost answer, flat memory, nothing left over.

* Soak: 200 calls in flight, half of them over a link with shared memory and half by value, each
  with a random part of up to 8 MiB of a random array, which comes back and is compared: its ends
  and its middle, and one in sixteen completely.
* Kills: a process is killed by SIGKILL at a random moment of transfers in both directions, now the
  one that serves, now the one that has connected. What the survivor holds is counted afterwards.

Memory is judged when everything is at rest: both sides then hold what they held at the start. While
calls are in flight it first fills, which takes a minute, so only a longer run looks at it then.

An answer that is lost or wrong, a wait without end, or something left over ends this with an error.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from harness.holding import Holding, holding, memory
from harness.side_by_side import Figure, arguments, conclude
from harness.soak_service import (
    LARGEST,
    Service,
    connect_until_killed,
    options,
    rest,
    serve_until_killed,
    sizes,
    transfer,
)

from opsin.errors import ConnectionLost
from opsin.rpc.connect import connect, serve
from opsin.rpc.peer import Peer
from opsin.rpc.pool import default_pool

MEASURES = "200 calls in flight, and rounds in which one side is killed: what is lost or left over"
IN_FLIGHT = 200
PATIENCE = 180.0
"""Seconds after which an answer is lost, or the news that a link is."""
GROWTH_MIB = 48.0
"""At rest, of both sides together: what chance may add."""
FILLED, GROWTH = 120.0, 1.2
"""Seconds after which the second and the last third of a run may differ by no more than this."""
IDLE = 2**28
"""Bytes that the pool may keep: memory is flat once it is full."""
WARM = 4
"""Rounds before anything is counted."""

_processes = multiprocessing.get_context("forkserver")


class Other:
    """The other side, in a process of its own that is ready once this is made."""

    def __init__(
        self, target: Callable[[str, bool, Any], None], address: str, by_value: bool
    ) -> None:
        here, there = _processes.Pipe(duplex=False)
        given = (address, by_value, there)
        self._process = _processes.Process(target=target, args=given, daemon=True)
        self._process.start()
        there.close()
        with here:
            assert here.poll(PATIENCE), "the other side does not get ready"
            here.recv()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        self._process.join()
        self._process.close()


# ---------------------------------------------------------------------------------- the soak


async def soak(seconds: float, folder: Path) -> list[Figure]:
    rng = random.Random(1)
    source = np.frombuffer(rng.randbytes(2 * LARGEST), np.uint8)
    default_pool().limit = IDLE
    others = [Other(_serve_only, str(folder / f"{n}"), by_value=bool(n)) for n in range(2)]
    answers, memories = [0], []
    until = time.monotonic() + seconds

    async def keep_calling(service: Any) -> None:
        while time.monotonic() < until:
            start = rng.randrange(LARGEST)
            sent = source[start : start + 1 + sizes(rng)]
            async with asyncio.timeout(PATIENCE):
                back = await service.echo(sent)
            answers[0] += 1
            step = 1 if answers[0] % 16 == 0 else max(1, sent.size // 3)
            assert back.size == sent.size, "an answer is as long as another one's"
            assert np.array_equal(sent[::step], back[::step]), "an answer is not what was sent"

    async def watch() -> None:
        while True:
            await asyncio.sleep(seconds / 60)
            memories.append(await asyncio.to_thread(memory, *pids))

    async with AsyncExitStack() as stack:
        services = []
        for n in range(2):
            link = connect(f"unix:{folder / str(n)}", **options(bool(n)))
            services.append(await (await stack.enter_async_context(link)).root())
        pids: list[int | str] = ["self", *(other.pid for other in others)]
        start = memory(*pids)
        watching = asyncio.ensure_future(watch())
        await asyncio.gather(*(keep_calling(services[n % 2]) for n in range(IN_FLIGHT)))
        watching.cancel()
        await asyncio.sleep(0.5)  # the last leases come back
        for service in services:
            await service.rest()
        rest()
        left = memory(*pids)
    for other in others:
        other.kill()
        other.wait()
    third = len(memories) // 3
    first, last = median(memories[third : 2 * third]), median(memories[-third:])
    if left - start > GROWTH_MIB:
        raise SystemExit(f"At rest, memory has grown from {start:.0f} to {left:.0f} MiB.")
    if seconds >= FILLED and last > first * GROWTH:
        raise SystemExit(f"In flight, memory grew from {first:.0f} to {last:.0f} MiB.")
    return [
        Figure("soak_answers_per_s", "1/s", answers[0] / seconds),
        Figure("soak_memory_first_mib", "MiB", first),
        Figure("soak_memory_last_mib", "MiB", last),
        Figure("soak_memory_peak_mib", "MiB", max(memories)),
        Figure("soak_rest_before_mib", "MiB", start),
        Figure("soak_rest_after_mib", "MiB", left),
    ]


def _serve_only(address: str, by_value: bool, said: Any) -> None:
    async def run() -> None:
        async with await serve(f"unix:{address}", lambda _: Service(), **options(by_value)):
            said.send("ready")
            await asyncio.Event().wait()

    asyncio.run(run())


# ---------------------------------------------------------------------------------- the kills


async def round_of_kill(number: int, folder: Path, rng: random.Random) -> float:
    """Link up with a process, transfer, kill it; returns how many seconds it took to notice."""
    address, by_value = str(folder / "kill"), bool(number & 2)
    async with AsyncExitStack() as stack:
        if number & 1:  # the one that serves is killed
            other = await asyncio.to_thread(Other, serve_until_killed, address, by_value)
            link = connect(f"unix:{address}", Service(), **options(by_value))
            peer = await stack.enter_async_context(link)
        else:  # the one that has connected is killed
            come: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()

            def root(peer: Peer) -> Service:
                come.set_result(peer)
                return Service()

            server = await serve(f"unix:{address}", root, **options(by_value))
            await stack.enter_async_context(server)
            other = await asyncio.to_thread(Other, connect_until_killed, address, by_value)
            peer = await come
        service = await peer.root()
        calls = [asyncio.ensure_future(transfer(service, rng)) for _ in range(4)]
        await asyncio.sleep(rng.random() * 0.1)
        other.kill()
        killed = time.perf_counter()
        async with asyncio.timeout(PATIENCE):
            for call in calls:
                with suppress(ConnectionLost):
                    await call
        noticed = time.perf_counter() - killed
        await asyncio.to_thread(other.wait)
        with suppress(FileNotFoundError):  # a server that is killed leaves its socket
            os.unlink(address)  # noqa: PTH108 # which asyncio's linter takes for a slow thing
    return noticed


async def kills(rounds: int, folder: Path) -> list[Figure]:
    rng = random.Random(2)
    noticed = [await round_of_kill(number, folder, rng) for number in range(WARM)]
    before = await at_rest()
    memory_before = memory("self")
    for number in range(rounds):
        noticed.append(await round_of_kill(number, folder, rng))
    left = (await at_rest()).less(before)
    memory_after = memory("self")
    if left:
        raise SystemExit(f"After {rounds} kills there are left: {', '.join(left)}.")
    if memory_after - memory_before > GROWTH_MIB:
        raise SystemExit(f"Memory grew from {memory_before:.0f} to {memory_after:.0f} MiB.")
    return [
        Figure("kill_rounds", "rounds", rounds),
        Figure("kill_noticed_ms", "ms", median(noticed) * 1e3),
        Figure("kill_memory_before_mib", "MiB", memory_before),
        Figure("kill_memory_after_mib", "MiB", memory_after),
    ]


async def at_rest() -> Holding:
    """What this process holds when nothing is going on any more."""
    for _ in range(20):
        await asyncio.sleep(0.02)
        rest()
    return holding()


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--seconds", type=float, help="of the soak")
    quick_options = parser.parse_args()
    quick: bool = quick_options.quick
    seconds = quick_options.seconds or (10 if quick else 300)
    rounds = quick_options.rounds or (20 if quick else 500)
    _processes.set_forkserver_preload(["harness.soak_service"])
    folder = Path(tempfile.mkdtemp(prefix="opsin-soak-"))
    try:
        figures = asyncio.run(soak(seconds, folder)) + asyncio.run(kills(rounds, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    conclude(MEASURES, figures, quick_options.json)


if __name__ == "__main__":
    main()
