"""The floor: what no RPC can do without, and nothing else.

Modes:
* `calls`: msgpack frames over a Unix socket in asyncio, a future for each call and a task for each
  function, so that several can be in flight. No names of objects, no errors, no cancelling.
* `blocking`: the same for one call at a time, with nothing but `send` and `recv`.
* `ref`: bare descriptor passing: sendmsg, recvmsg, mmap.
* `value`: length and bytes through the socket.
* `fresh`: one memcpy within one process, into fresh pages of 4 KiB, which is all that shared memory
  has by default. `numpy`: NumPy's own, for private arrays, which may get huge pages.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from harness.links.measure import Link, Other, main, say

encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode
LENGTH = struct.Struct("<I")
TIME = struct.Struct("<d")
SIZE = struct.Struct("<Q")


class Frames(asyncio.Protocol):
    """Length-prefixed msgpack over a stream."""

    def __init__(self, take: Callable[[Frames, list[Any]], None]) -> None:
        self._take = take
        self._rest = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        at = 0
        while len(data) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(data, at)
            end = at + LENGTH.size + length
            if end > len(data):
                break
            self._take(self, decode(data[at + LENGTH.size : end]))
            at = end
        self._rest = data[at:]

    def send(self, message: Any) -> None:
        packed = encode(message)
        self._transport.write(LENGTH.pack(len(packed)) + packed)


async def add(a: int, b: int) -> int:
    return a + b


def serve_calls(listener: socket.socket) -> None:
    tasks: set[asyncio.Task[None]] = set()

    async def answer(frames: Frames, id: int, method: str, args: list[Any]) -> None:
        frames.send((id, await {"add": add}[method](*args)))

    def take(frames: Frames, message: list[Any]) -> None:
        task = asyncio.get_running_loop().create_task(answer(frames, *message))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: Frames(take), sock=listener)
        await server.serve_forever()

    asyncio.run(run())


def serve_blocking(connected: socket.socket) -> None:
    while data := connected.recv(2**16):
        id, _, args = decode(data[LENGTH.size :])
        packed = encode((id, args[0] + args[1]))
        connected.sendall(LENGTH.pack(len(packed)) + packed)


def serve_descriptors(connected: socket.socket) -> None:
    while True:
        data, descriptors, _, _ = socket.recv_fds(connected, SIZE.size, 1)
        if not data:
            return
        mapping = mmap.mmap(descriptors[0], SIZE.unpack(data)[0], prot=mmap.PROT_READ)
        array = np.frombuffer(mapping, np.uint8)
        int(array[0])
        now = time.perf_counter()
        del array, mapping
        os.close(descriptors[0])
        connected.send(TIME.pack(now))


def serve_bytes(connected: socket.socket) -> None:
    while data := connected.recv(SIZE.size):
        array = receive(connected, SIZE.unpack(data)[0])
        int(array[0])
        connected.send(TIME.pack(time.perf_counter()))


def receive(connected: socket.socket, size: int) -> Any:
    array = np.empty(size, np.uint8)
    view, done = array.data, 0
    while done < size:
        done += connected.recv_into(view[done:])
    return array


def serve(address: str, mode: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        say()
        if mode == "calls":
            serve_calls(listener)
            return
        served = {"blocking": serve_blocking, "ref": serve_descriptors, "value": serve_bytes}
        with listener.accept()[0] as connected:
            served[mode](connected)


class Connected(Link):
    """With another process."""

    def __init__(self, mode: str) -> None:
        self._other = Other("harness.links.with_floor", mode)
        self.others = [self._other.pid]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(self._other.address)

    def close(self) -> None:
        self._socket.close()
        self._other.close()


class Calls(Connected):
    def __init__(self, mode: str) -> None:
        super().__init__(mode)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self._runner = asyncio.Runner()
        self._runner.run(self._open())
        self.call(1)
        self.started = time.perf_counter() - self._other.began

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        made = await loop.create_unix_connection(lambda: Frames(self._take), sock=self._socket)
        self._frames = made[1]

    def _take(self, _frames: Frames, message: list[Any]) -> None:
        self._waiting.pop(message[0]).set_result(message[1])

    async def _add(self, a: int, b: int) -> Any:
        self._last += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._last] = future
        self._frames.send((self._last, "add", (a, b)))
        return await future

    def call(self, count: int, at_once: int = 1) -> None:
        async def work() -> None:
            for number in range(count // at_once):
                assert await self._add(number, 1) == number + 1

        async def works() -> None:
            await asyncio.gather(*(work() for _ in range(at_once)))

        self._runner.run(work() if at_once == 1 else works())


class BlockingCalls(Connected):
    def call(self, count: int, at_once: int = 1) -> None:
        for number in range(count):
            packed = encode((number, "add", (number, 1)))
            self._socket.sendall(LENGTH.pack(len(packed)) + packed)
            data = self._socket.recv(2**16)
            assert decode(data[LENGTH.size :])[1] == number + 1


class Descriptors(Connected):
    def array(self, size: int) -> Any:
        descriptor = os.memfd_create("floor")
        os.posix_fallocate(descriptor, 0, size)
        mapping = mmap.mmap(descriptor, size)
        np.frombuffer(mapping, np.uint8)[:] = 7
        return descriptor, size

    def hand(self, array: Any, count: int) -> list[float]:
        descriptor, size = array
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            socket.send_fds(self._socket, [SIZE.pack(size)], [descriptor])
            taken.append(TIME.unpack(self._socket.recv(TIME.size))[0] - start)
        return taken


class Bytes(Connected):
    def array(self, size: int) -> Any:
        return np.full(size, 7, np.uint8)

    def hand(self, array: Any, count: int) -> list[float]:
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            self._socket.sendall(SIZE.pack(array.nbytes))
            self._socket.sendall(array.data)
            taken.append(TIME.unpack(self._socket.recv(TIME.size))[0] - start)
        return taken


class Copies(Link):
    """Within this process."""

    def __init__(self, mode: str) -> None:
        self._numpy = mode == "numpy"

    def array(self, size: int) -> Any:
        return np.full(size, 7, np.uint8)

    def hand(self, array: Any, count: int) -> list[float]:
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            if self._numpy:
                array.copy()
            else:
                np.frombuffer(mmap.mmap(-1, array.nbytes), np.uint8)[:] = array
            taken.append(time.perf_counter() - start)
        return taken

    def close(self) -> None:
        pass


def open_link(mode: str) -> Link:
    links: dict[str, Callable[[str], Link]] = {
        "calls": Calls,
        "blocking": BlockingCalls,
        "ref": Descriptors,
        "value": Bytes,
        "fresh": Copies,
        "numpy": Copies,
    }
    return links[mode](mode)


if __name__ == "__main__":
    main(open_link, serve)
