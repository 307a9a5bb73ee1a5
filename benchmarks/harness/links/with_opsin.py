"""Opsin's RPC between two processes: its public interface, over a Unix socket.

Modes: `ref`, arrays are born shared; `fresh`, they are copied into memory that the kernel has to
zero first; `recycled`, into memory that an earlier array left; `value`, a link without shared
memory; `plain`, the functions are plain ones, which run in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
from harness.links.measure import Link, Other, main, say

from opsin.rpc.connect import connect, serve
from opsin.rpc.pool import default_pool
from opsin.rpc.shared_arrays import empty


class Service:
    """What is called. Coroutine functions run in the event loop."""

    async def add(self, a: int, b: int) -> int:
        return a + b

    def add_plain(self, a: int, b: int) -> int:
        return a + b

    async def take(self, array: Any) -> float:
        int(array[0])
        return time.perf_counter()  # the same clock in all processes

    async def echo(self, array: Any) -> Any:
        return array

    async def apply(self, function: Any, count: int) -> None:
        for number in range(count):
            await function(number)


def _options(mode: str) -> dict[str, Any]:
    return {"segments": None} if mode == "value" else {}


def serve_it(address: str, mode: str) -> None:
    async def run() -> None:
        async with await serve(f"unix:{address}", lambda _: Service(), **_options(mode)):
            say()
            await asyncio.Event().wait()

    asyncio.run(run())


class OpsinLink(Link):
    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._other = Other("harness.links.with_opsin", mode)
        self.others = [self._other.pid]
        self._runner = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()
        self._run(self._open())
        self.call(1)
        self.started = time.perf_counter() - self._other.began

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    async def _open(self) -> None:
        address = f"unix:{self._other.address}"
        peer = await self._stack.enter_async_context(connect(address, **_options(self._mode)))
        self._service = await peer.root()

    def call(self, count: int, at_once: int = 1) -> None:
        add = self._service.add_plain if self._mode == "plain" else self._service.add

        async def work() -> None:
            for number in range(count // at_once):
                assert await add(number, 1) == number + 1

        async def works() -> None:
            await asyncio.gather(*(work() for _ in range(at_once)))

        self._run(work() if at_once == 1 else works())

    def array(self, size: int) -> Any:
        array = (empty if self._mode == "ref" else np.empty)(size, np.uint8)
        array[:] = 7
        return array

    def hand(self, array: Any, count: int) -> list[float]:
        async def work() -> list[float]:
            taken = []
            for _ in range(count):
                if self._mode == "fresh":
                    default_pool().trim()
                start = time.perf_counter()
                taken.append(await self._service.take(array) - start)
            return taken

        return list(self._run(work()))

    def echo(self, array: Any, count: int) -> list[float]:
        async def work() -> list[float]:
            taken = []
            for _ in range(count):
                if self._mode == "fresh":
                    default_pool().trim()
                start = time.perf_counter()
                int((await self._service.echo(array))[0])
                taken.append(time.perf_counter() - start)
            return taken

        return list(self._run(work()))

    def call_back(self, count: int) -> None:
        async def function(number: int) -> int:
            return number

        async def work() -> None:
            await self._service.apply(function, count)

        self._run(work())

    def call_during(self, array: Any, at_least: int) -> list[float]:
        async def work() -> list[float]:
            waits: list[float] = []
            while len(waits) < at_least:
                sending = asyncio.ensure_future(self._service.take(array))
                while not sending.done():
                    start = time.perf_counter()
                    await self._service.add(1, 2)
                    waits.append(time.perf_counter() - start)
                await sending
            return waits

        return list(self._run(work()))

    def close(self) -> None:
        self._run(self._stack.aclose())
        self._runner.close()
        self._other.close()


if __name__ == "__main__":
    main(OpsinLink, serve_it)
