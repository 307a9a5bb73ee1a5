"""Exchange: arrays and releases over a Unix transport and nothing else, and a process that does it.

The smallest session that there can be, so that what is shown with it holds for any.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import socket
from typing import Any

import msgspec
import numpy as np

from opsin.errors import ConnectionLost
from opsin.rpc.arrays import Array
from opsin.rpc.codec import Placed
from opsin.rpc.frames import Frame
from opsin.rpc.pool import Pool
from opsin.rpc.shared_arrays import SharedArrays, empty
from opsin.rpc.transports.unix_stream import UnixTransport

encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode


class Exchange:
    """One end. Owns the transport."""

    def __init__(self, connected: socket.socket, pool: Pool | None = None) -> None:
        self.pool = Pool() if pool is None else pool
        self.shared = SharedArrays(self.pool)
        self._dropped: list[int] = []
        self.shared.listen(self._dropped.append)
        self._transport = UnixTransport(connected)
        self.inline = 0
        self.heard = asyncio.Event()

    async def send(self, array: Array) -> None:
        await self.release()
        shared = self.shared.share(array)
        if shared is None:
            self.inline += 1
            await self._transport.send(Frame(encode([array.shape]), array.tobytes()))
            return
        placed, descriptor = shared
        await self._transport.send(
            Frame(encode(dataclasses.astuple(placed)), bytes(os.urandom(9)), (descriptor,))
        )

    async def release(self) -> None:
        leases = [self._dropped.pop(0) for _ in range(len(self._dropped))]
        if leases:
            await self._transport.send(Frame(encode(leases)))

    async def receive(self) -> Array:
        while True:
            frame = await self._transport.receive()
            self.heard.set()
            header: list[Any] = decode(frame.header)
            if frame.descriptors:
                name, shape, strides, *rest = header
                placed = Placed(name, tuple(shape), tuple(strides), *rest)
                return self.shared.adopt(placed, frame.descriptors[0])
            if isinstance(header[0], list):
                return np.frombuffer(frame.payload, np.uint8).reshape(header[0])
            self.shared.ended(header)

    async def close(self) -> None:
        await self._transport.close()
        self.shared.close()


def array_of(chance: random.Random, pool: Pool, largest: int) -> Array:
    """All its elements are equal."""
    size, value = chance.randrange(65_537, largest), chance.randrange(256)
    if chance.random() < 0.5:
        return np.full(size, value, np.uint8)
    made = empty(size, np.uint8, pool=pool)
    made[:] = value
    return made


async def stream(exchange: Exchange, seed: int, largest: int = 2**21) -> None:
    """Send and receive arrays for ever, keep some, check them all the time."""
    chance = random.Random(seed)
    kept: list[Array] = []

    async def send() -> None:
        while True:
            await exchange.send(array_of(chance, exchange.pool, largest))

    async def receive() -> None:
        while True:
            array = await exchange.receive()
            kept.append(array)
            if len(kept) > 5:
                kept.pop(chance.randrange(5))
            for one in kept:
                assert one[0] == one[len(one) // 2] == one[-1]

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            group.create_task(receive())
    except* (EOFError, ConnectionLost):
        pass
    finally:
        await exchange.close()
        for one in kept:  # they outlive the link and whoever made them
            assert (one == one[0]).all()


def run_stream(connected: socket.socket, seed: int) -> None:
    """What a child process does until it is killed."""

    async def run() -> None:
        await stream(Exchange(connected), seed)

    asyncio.run(run())


def run_echo(connected: socket.socket) -> None:
    """A child process that sends back what it gets, once read."""

    async def run() -> None:
        exchange = Exchange(connected)
        try:
            while True:
                array = await exchange.receive()
                assert array.size == 0 or array.min() >= 0
                await exchange.send(array)
                del array
                await exchange.release()
        except (EOFError, ConnectionLost):
            await exchange.close()

    asyncio.run(run())
