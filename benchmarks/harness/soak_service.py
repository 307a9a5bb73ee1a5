"""The side of a soak that is called, and the one that is killed."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import numpy as np

from opsin.rpc.connect import connect, serve
from opsin.rpc.peer import Peer
from opsin.rpc.pool import default_pool
from opsin.rpc.shared_arrays import empty

LARGEST = 8 * 2**20


class Service:
    """Whatever comes goes back."""

    async def echo(self, value: Any) -> Any:
        return value

    async def rest(self) -> None:
        rest()

    async def make(self, size: int) -> Any:
        array = empty(size, np.uint8)
        array[:] = size % 251
        return array

    async def apply(self, function: Any, value: Any) -> Any:
        return await function(value)

    async def planes(self, count: int, size: int) -> AsyncIterator[Any]:
        for number in range(count):
            yield np.full(size, number, np.uint8)


def rest() -> None:
    """Give back what nobody uses: what is left then is used, or leaks."""
    gc.collect()
    default_pool().trim()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def sizes(rng: random.Random) -> int:
    """Bytes, up to 8 MiB, small ones more often."""
    return int(LARGEST * rng.random() ** 3)


def options(by_value: bool) -> dict[str, Any]:
    return {"segments": None} if by_value else {}


async def transfer(service: Any, rng: random.Random) -> None:
    """Send and get without end, until the link is lost."""
    while True:
        size = sizes(rng)
        match rng.randrange(4):
            case 0:
                array = np.full(size, 3, np.uint8)
                assert (await service.echo(array)).size == size
            case 1:
                assert (await service.make(size)).size == size
            case 2:
                assert (await service.apply(_itself, np.full(size, 5, np.uint8))).size == size
            case _:
                async for _plane in service.planes(5, size // 8):
                    pass


async def _itself(value: Any) -> Any:
    return value


def serve_until_killed(address: str, by_value: bool, said: Any) -> None:
    """A server, in a process of its own, that also transfers to everybody who comes."""

    async def run() -> None:
        tasks = set()

        def root(peer: Peer) -> Service:
            tasks.add(asyncio.ensure_future(_transfer_to(peer)))
            return Service()

        async with await serve(f"unix:{address}", root, **options(by_value)):
            said.send("ready")
            await asyncio.Event().wait()

    asyncio.run(run())


def connect_until_killed(address: str, by_value: bool, said: Any) -> None:
    """A client, in a process of its own, that also serves."""

    async def run() -> None:
        async with connect(f"unix:{address}", Service(), **options(by_value)) as peer:
            said.send("ready")
            await _transfer_to(peer)

    asyncio.run(run())


async def _transfer_to(peer: Peer) -> None:
    service, rng = await peer.root(), random.Random()
    with suppress(Exception):  # this process is the one that is killed
        await asyncio.gather(*(transfer(service, rng) for _ in range(4)))
