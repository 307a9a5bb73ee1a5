"""Python and TypeScript over a real WebSocket: Node runs web/tests/rpc/interop.ts."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.errors import ConnectionLost, RemoteError
from opsin.rpc.connect import serve
from opsin.rpc.lazy_array import LazyArray
from opsin.rpc.lazy_source import LazySource
from opsin.rpc.objects import by_reference
from opsin.rpc.peer import Peer
from opsin.rpc.progress import progress, progress_to

WEB = Path(__file__).parents[2] / "web"
NODE = Path(sys.executable).with_name("node")
TOKEN = "a token for this test"
MANY = 64 << 20
DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
    *("datetime64[ns]", "timedelta64[s]"),
)

Check = Callable[[Peer, Any], Coroutine[Any, Any, None]]


@by_reference
class Counter:
    def __init__(self) -> None:
        self.value = 0

    def add(self, n: int) -> int:
        self.value += n
        return self.value


class Python:
    """What TypeScript calls."""

    def __init__(self) -> None:
        self.cancelled = False
        self.array = np.arange(1200, dtype=np.uint16).reshape(30, 40)

    def echo(self, value: Any) -> Any:
        return value

    def add(self, a: int, b: int, c: int = 0) -> int:
        return a + b + c

    def dtype_of(self, array: Any) -> list[Any]:
        return [array.dtype.name, array.shape]

    async def apply(self, callback: Any, times: int) -> list[Any]:
        return [await callback(n) for n in range(times)]

    async def count(self, to: int) -> AsyncIterator[int]:
        for n in range(to):
            yield n

    async def planes(self, count: int) -> AsyncIterator[Any]:
        for n in range(count):
            yield np.full(50_000, n, np.float32)

    async def slow(self, steps: int) -> int:
        try:
            for n in range(steps):
                progress(n, steps, "step")
                await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return steps

    def was_cancelled(self) -> bool:
        return self.cancelled

    def fail(self) -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("no good") from error

    def counter(self) -> Counter:
        return Counter()

    def lazy(self) -> Any:
        read = self.array.__getitem__
        return LazySource(read, self.array.shape, self.array.dtype, (8, 8))

    def is_home(self, source: Any) -> bool:
        return isinstance(source, LazySource)

    def large(self, count: int) -> Any:
        return np.full(count, 7, np.uint8)


@asynccontextmanager
async def node(dies: bool) -> AsyncIterator[tuple[Peer, Any]]:
    """A peer whose other side is a Node, and the service there."""
    linked: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()

    def root(peer: Peer) -> Python:
        linked.set_result(peer)
        return Python()

    async with await serve("ws://127.0.0.1:0", root, token=TOKEN) as server:
        process = await asyncio.create_subprocess_exec(
            NODE,
            *("--experimental-strip-types", "--no-warnings", "tests/rpc/interop.ts"),
            server.address,
            cwd=WEB,
            env={**os.environ, "OPSIN_TOKEN": TOKEN},
        )
        try:
            async with asyncio.timeout(20):
                peer = await linked
                service = await peer.root()
            yield peer, service
            await peer.close()
            code = await asyncio.wait_for(process.wait(), 10)
            assert (code != 0) == dies
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def run(check: Check, dies: bool = False) -> None:
    """Run a check; nothing may leak on either side."""

    async def within() -> None:
        async with asyncio.timeout(120), node(dies) as (peer, service):
            await check(peer, service)
            if peer.is_over:
                return
            await asyncio.sleep(0.05)
            held = await service.counts()
            nothing = {"asked": 0, "running": 1, "own": 0, "received": 0}  # it is counting
            assert held == nothing, "something leaked in TypeScript"
            assert len(peer.values.objects) == 1, "something leaked in Python"  # the root

    asyncio.run(within())


@pytest.mark.parametrize(
    "name",
    [
        *("values", "arguments", "arrays", "callbacks"),
        *("objects", "streams", "lazy", "cancel", "errors"),
    ],
)
def test_typescript_calls_python(name: str) -> None:
    async def check(peer: Peer, service: Any) -> None:
        await service.check(name)

    run(check)


def test_typescript_moves_64_mib_while_it_calls() -> None:
    async def check(peer: Peer, service: Any) -> None:
        waits = await service.check("large")
        assert len(waits) > 5
        assert waits[len(waits) // 2] < 100, f"half of the small calls took longer: {waits}"

    run(check)


def test_python_calls_typescript() -> None:
    async def check(peer: Peer, service: Any) -> None:
        values: list[Any] = [
            None,
            True,
            -1,
            0.5,
            "ä🔬",
            {"a": [1, {"b": None}]},
            {1: "x"},
            2**63,
            10**40,
        ]
        values += [10**40, b"abc", b"x" * 100_000, 1.5 - 2j, "x" * (3 << 20), list(range(100_000))]
        assert await service.echo(values) == values
        assert await service.join("a", b="b", c=3) == "ab3"

    run(check)


def test_arrays_of_every_dtype_reach_typescript() -> None:
    async def check(peer: Peer, service: Any) -> None:
        for name in DTYPES:
            for count in (6, 90_000):
                array = (np.arange(count) % 100).astype(name).reshape(2, -1)
                assert (await service.describe(array))[:2] == [name, list(array.shape)]
                back = await service.echo(array.T)
                assert back.dtype == array.dtype
                np.testing.assert_array_equal(back, array.T)

    run(check)


def test_callbacks_streams_and_objects_of_typescript() -> None:
    async def check(peer: Peer, service: Any) -> None:
        assert await service.apply(lambda n: n * 2, 4) == [0, 2, 4, 6]

        async def deep(n: int) -> Any:
            return await service.apply(deep, n) if n else "end"

        assert await service.apply(deep, 3) == ["end", ["end"], ["end", ["end"]]]
        assert [n async for n in service.count(100)] == list(range(100))
        async for n in service.count(10**9):
            if n == 20:
                break
        with await service.counter() as counter:
            assert await counter.add(2) == 2
            assert await counter.add(3) == 5
        await service.keep(lambda: 7)
        assert await service.call_kept() == 7

    run(check)


def test_lazy_arrays_of_typescript() -> None:
    async def check(peer: Peer, service: Any) -> None:
        array = await service.lazy()
        assert isinstance(array, LazyArray)
        assert (array.shape, array.dtype.name, array.chunks) == ((4, 1000), "int32", (1, 100))
        data = np.arange(4000).reshape(4, 1000)
        parts = await array.read_many([..., (1, slice(7, 900, 5)), (-1, -1), slice(0)])
        np.testing.assert_array_equal(parts[0], data)
        np.testing.assert_array_equal(parts[1], data[1, 7:900:5])
        assert parts[2] == 3999
        assert parts[3].shape == (0, 1000)
        assert await service.echo(array) is not array
        array.release()

    run(check)


def test_typescript_reports_progress_is_cancelled_and_fails() -> None:
    async def check(peer: Peer, service: Any) -> None:
        steps: list[Any] = []
        with progress_to(lambda *step: steps.append(step)):
            assert await service.slow(3) == 3
        assert steps[0] == (0, 3, "step")
        task = asyncio.ensure_future(service.slow(100_000))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(1000):
            if await service.aborted():
                break
        else:
            pytest.fail("TypeScript was not told that its caller gave up.")
        with pytest.raises(RemoteError, match="RangeError: too far") as caught:
            await service.fail()
        assert "interop.ts" in "".join(caught.value.__notes__)
        assert isinstance(caught.value.__cause__, TypeError)
        with pytest.raises(TypeError, match="no method"):
            await service.constructor()

    run(check)


def test_python_moves_64_mib_while_it_calls() -> None:
    async def check(peer: Peer, service: Any) -> None:
        array = np.full(MANY, 3, np.uint8)
        array[-1] = 9
        large = asyncio.gather(service.echo(array), service.large(MANY))
        waits = []
        while not large.done():
            start = time.perf_counter()
            await service.echo(1)
            waits.append(time.perf_counter() - start)
            await asyncio.sleep(0.002)
        echoed, made = await large
        np.testing.assert_array_equal(echoed, array)
        assert made.shape == (MANY,)
        assert made[-1] == 7
        assert len(waits) > 5
        assert sorted(waits)[len(waits) // 2] < 0.1, f"half of the small calls took longer: {waits}"

    run(check)


def test_a_node_that_is_killed_is_noticed() -> None:
    async def check(peer: Peer, service: Any) -> None:
        pending = asyncio.ensure_future(service.slow(100_000))
        peer.notify(service.die)
        with pytest.raises(ConnectionLost):
            await pending

    run(check, dies=True)
