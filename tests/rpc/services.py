"""Services that the tests of peers call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np

from opsin.rpc.objects import by_reference
from opsin.rpc.progress import progress


@by_reference
class Counter:
    """Counts."""

    def __init__(self) -> None:
        self.n = 0

    async def add(self, k: int = 1) -> int:
        self.n += k
        return self.n

    async def numbers(self, count: int) -> AsyncIterator[int]:
        for i in range(count):
            yield i


@by_reference
class Layers:
    def __init__(self) -> None:
        self.counter = Counter()
        self.array = np.zeros(3)
        self.function = lambda x: x + 1
        self._hidden = Counter()


class Service:
    """Everything that can be asked for."""

    def __init__(self) -> None:
        self.layers = Layers()
        self.kept: list[Any] = []
        self.log: list[Any] = []
        self.started = asyncio.Event()
        self.release = threading.Event()

    async def echo(self, x: Any = None, **kwargs: Any) -> Any:
        return [x, kwargs] if kwargs else x

    def blocking(self, x: Any, key: int = 0) -> Any:
        self.log.append(threading.current_thread().name)
        return [x, key]

    def call_back(self, function: Any, count: int) -> list[Any]:
        return [function(i) for i in range(count)]

    async def call_back_async(self, function: Any, *args: Any) -> Any:
        return await function(*args)

    async def keep(self, remote: Any) -> None:
        self.kept.append(remote)

    async def use_kept(self, *args: Any) -> Any:
        return await self.kept[-1](*args)

    async def forget(self) -> None:
        self.kept.clear()

    async def counter(self) -> Counter:
        return Counter()

    async def numbers(self, count: int) -> AsyncIterator[int]:
        try:
            for i in range(count):
                yield i
        finally:
            self.log.append("closed")

    def blocking_numbers(self, count: int) -> Iterator[int]:
        try:
            for i in range(count):
                self.log.append(threading.current_thread().name)
                yield i
        finally:
            self.log.append("closed")

    async def planes(self, count: int, side: int) -> AsyncIterator[Any]:
        for i in range(count):
            yield np.full((side, side), i, np.uint8)

    async def failing_numbers(self) -> AsyncIterator[int]:
        yield 1
        raise ValueError("no more")

    async def fail(self, error: Exception) -> None:
        raise error

    def fail_deep(self) -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise OSError("outer") from error

    async def wait(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise

    def wait_blocking(self) -> None:
        self.log.append("started")
        try:
            while not self.release.wait(0.005):
                progress(text="waiting")
        except BaseException as error:
            self.log.append(type(error).__name__)
            raise

    async def work(self, steps: int) -> str:
        for i in range(steps):
            progress(i, steps, f"step {i}")
            await asyncio.sleep(0)
        return "done"

    async def nest(self, other: Any, depth: int) -> int:
        """Calls in turns on both sides."""
        if depth == 0:
            return 0
        return 1 + int(await other(depth - 1))

    def nest_blocking(self, other: Any, depth: int) -> int:
        return 1 + int(other(depth - 1)) if depth else 0

    async def note(self, text: Any) -> None:
        self.log.append(text)

    async def size(self, data: Any) -> int:
        return len(data)
