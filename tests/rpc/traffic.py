"""Traffic: all that two peers can do with each other, all the time, and a process that does it."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from opsin.errors import ConnectionLost
from opsin.rpc.lazy_source import LazySource, lazy
from opsin.rpc.peer import Peer
from opsin.rpc.pool import Pool
from opsin.rpc.shared_arrays import SharedArrays
from opsin.rpc.transports.unix_stream import UnixTransport
from tests.rpc.exchange import array_of
from tests.rpc.services import Service

LARGEST = 2**18


class TrafficService(Service):
    """What each side offers the other."""

    def __init__(self) -> None:
        super().__init__()
        self.volume = np.arange(300_000, dtype=np.uint32).reshape(3, 1000, 100)

    async def lazy(self) -> Any:
        return lazy(self.volume)

    def blocking_lazy_sum(self, image: Any) -> int:
        return int(image[1].sum())


class Traffic:
    """Calls of one peer, without end.

    Attributes:
        done: how often each kind of call has gone well.
    """

    def __init__(self, peer: Peer, pool: Pool, seed: int) -> None:
        self._peer = peer
        self._pool = pool
        self._chance = random.Random(seed)
        self.done: Counter[str] = Counter()

    async def run(self) -> None:
        """Until the link is lost."""
        service = await self._peer.root()
        kinds = [self.arrays, self.bytes, self.callbacks, self.streams, self.lazies, self.cancels]
        await asyncio.gather(*(self._repeat(kind, service) for kind in kinds))

    async def _repeat(self, kind: Callable[[Any], Coroutine[Any, Any, None]], service: Any) -> None:
        try:
            while True:
                await kind(service)
                self.done[kind.__name__] += 1
                await asyncio.sleep(0.001)
        except ConnectionLost:
            pass

    async def arrays(self, service: Any) -> None:
        sent = [array_of(self._chance, self._pool, LARGEST) for _ in range(2)]
        for one, other in zip(await service.echo(sent), sent, strict=True):
            assert np.array_equal(one, other)

    async def bytes(self, service: Any) -> None:
        sent = self._chance.randbytes(self._chance.randrange(1, 2 * LARGEST))
        assert await service.echo(sent) == sent

    async def callbacks(self, service: Any) -> None:
        seen: list[int] = []
        await service.call_back(seen.append, 3)
        assert seen == [0, 1, 2]
        assert await service.counter() is not await service.counter()

    async def streams(self, service: Any) -> None:
        last = self._chance.randrange(1, 30)
        n = 0
        async for plane in service.planes(30, 300):
            assert (plane == n).all()
            n += 1
            if n == last:
                break

    async def lazies(self, service: Any) -> None:
        array = await service.lazy()
        z = self._chance.randrange(3)
        part = await array.read((z, slice(10, 900, 3)))
        assert part[0, 0] == 100_000 * z + 1000
        mine = LazySource(np.ones((4, 200, 200), np.uint16).__getitem__, (4, 200, 200), "u2")
        assert await service.blocking_lazy_sum(mine) == 40_000

    async def cancels(self, service: Any) -> None:
        task = asyncio.ensure_future(service.echo(np.ones(LARGEST, np.uint8)))
        await asyncio.sleep(self._chance.random() * 0.003)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


def run_traffic(connected: socket.socket, seed: int) -> None:
    """What a child process does until it is killed, or its link is lost."""

    async def run() -> None:
        pool = Pool()
        shared = SharedArrays(pool)
        async with Peer(UnixTransport(connected), TrafficService(), segments=shared) as peer:
            await Traffic(peer, pool, seed).run()

    asyncio.run(run())


def run_service(connected: socket.socket) -> None:
    """A child process that answers, until its link is lost."""

    async def run() -> None:
        shared = SharedArrays(Pool(limit=2**26))
        async with Peer(UnixTransport(connected), TrafficService(), segments=shared) as peer:
            await peer.until_ended()

    asyncio.run(run())
