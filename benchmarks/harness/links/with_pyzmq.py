"""pyzmq: DEALER and ROUTER over a Unix socket in asyncio, msgpack and a part for an array."""

from __future__ import annotations

import asyncio
import importlib
import time
from typing import Any

import msgspec
import numpy as np
from harness.links.measure import Link, Other, main, say

encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode


def _socket(kind: str) -> Any:
    zmq: Any = importlib.import_module("zmq")
    context: Any = importlib.import_module("zmq.asyncio").Context.instance()
    made = context.socket(getattr(zmq, kind))
    made.linger = 0
    return made


def serve(address: str, _mode: str) -> None:
    async def run() -> None:
        served = _socket("ROUTER")
        served.bind(f"ipc://{address}")
        say()
        tasks: set[asyncio.Task[None]] = set()

        async def answer(sender: Any, header: Any, parts: list[Any]) -> None:
            id, method, args = decode(header.buffer)
            back = []
            if method == "add":
                value: Any = args[0] + args[1]
            else:
                array = np.frombuffer(parts[0].buffer, np.uint8)
                int(array[0])
                value = time.perf_counter()
                back = [array] if method == "echo" else []
            await served.send_multipart([sender, encode((id, value)), *back], copy=False)

        while True:
            sender, header, *parts = await served.recv_multipart(copy=False)
            task = asyncio.ensure_future(answer(sender, header, parts))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    asyncio.run(run())


class ZmqLink(Link):
    def __init__(self, mode: str) -> None:
        self._other = Other("harness.links.with_pyzmq", mode)
        self.others = [self._other.pid]
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self._runner = asyncio.Runner()
        self._runner.run(self._open())
        self.call(1)
        self.started = time.perf_counter() - self._other.began

    async def _open(self) -> None:
        self._socket = _socket("DEALER")
        self._socket.connect(f"ipc://{self._other.address}")
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while True:
            header, *parts = await self._socket.recv_multipart(copy=False)
            id, value = decode(header.buffer)
            self._waiting.pop(id).set_result((value, parts))

    async def _call(self, method: str, *args: Any, array: Any = None) -> Any:
        self._last += 1
        future = self._waiting[self._last] = asyncio.get_running_loop().create_future()
        parts = [] if array is None else [array]
        await self._socket.send_multipart([encode((self._last, method, args)), *parts], copy=False)
        return await future

    def call(self, count: int, at_once: int = 1) -> None:
        async def work() -> None:
            for number in range(count // at_once):
                assert (await self._call("add", number, 1))[0] == number + 1

        async def works() -> None:
            await asyncio.gather(*(work() for _ in range(at_once)))

        self._runner.run(work() if at_once == 1 else works())

    def array(self, size: int) -> Any:
        return np.full(size, 7, np.uint8)

    def hand(self, array: Any, count: int) -> list[float]:
        async def work() -> list[float]:
            taken = []
            for _ in range(count):
                start = time.perf_counter()
                taken.append((await self._call("take", array=array))[0] - start)
            return taken

        return self._runner.run(work())

    def echo(self, array: Any, count: int) -> list[float]:
        async def work() -> list[float]:
            taken = []
            for _ in range(count):
                start = time.perf_counter()
                _, parts = await self._call("echo", array=array)
                int(np.frombuffer(parts[0].buffer, np.uint8)[0])
                taken.append(time.perf_counter() - start)
            return taken

        return self._runner.run(work())

    def call_during(self, array: Any, at_least: int) -> list[float]:
        async def work() -> list[float]:
            waits: list[float] = []
            while len(waits) < at_least:
                sending = asyncio.ensure_future(self._call("take", array=array))
                while not sending.done():
                    start = time.perf_counter()
                    await self._call("add", 1, 2)
                    waits.append(time.perf_counter() - start)
                await sending
            return waits

        return self._runner.run(work())

    def close(self) -> None:
        self._reading.cancel()
        self._socket.close()
        self._runner.close()
        self._other.close()


if __name__ == "__main__":
    main(ZmqLink, serve)
