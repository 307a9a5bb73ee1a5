"""hypha-rpc between two clients of a Hypha server on this computer (three processes)."""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine
from typing import Any

import numpy as np
from harness.links.measure import Link, Other, main, say

PATIENCE = 120.0
"""Seconds in which the server has to be ready."""


async def _connect(address: str, name: str) -> Any:
    connect: Any = importlib.import_module("hypha_rpc").connect_to_server
    return await connect({"server_url": address, "client_id": name})


def serve(address: str, _mode: str) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    def take(array: Any) -> float:
        int(array[0])
        return time.perf_counter()

    def echo(array: Any) -> Any:
        return array

    async def apply(function: Any, count: int) -> None:
        for number in range(count):
            await function(number)

    async def run() -> None:
        server = await _connect(address, "called")
        methods = {"add": add, "take": take, "echo": echo, "apply": apply}
        service = {"id": "bench", "config": {"visibility": "public"}, **methods}
        say((await server.register_service(service))["id"])
        await asyncio.Event().wait()

    asyncio.run(run())


class HyphaLink(Link):
    def __init__(self, mode: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        self._server = subprocess.Popen(
            [sys.executable, "-m", "hypha.server", "--host=127.0.0.1", f"--port={port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HYPHA_LOGLEVEL": "ERROR"},
        )
        try:
            self._await_server(address)
            self._other = Other("harness.links.with_hypha", mode, address)
        except BaseException:
            self._server.kill()
            raise
        self.others = [self._server.pid, self._other.pid]
        self._loop = asyncio.new_event_loop()
        self._run(self._open(address))
        self.call(1)
        self.started = time.perf_counter() - self._other.began

    def _await_server(self, address: str) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{address}/health/readiness", timeout=5).read()
                return
            except (OSError, urllib.error.URLError):
                assert self._server.poll() is None, "the Hypha server has ended"
                assert time.monotonic() < until, "the Hypha server does not get ready"
                time.sleep(0.1)

    async def _open(self, address: str) -> None:
        self._client = await _connect(address, "calling")
        self._service = await self._client.get_service(self._other.said)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)

    def call(self, count: int, at_once: int = 1) -> None:
        async def work() -> None:
            for number in range(count // at_once):
                assert await self._service.add(number, 1) == number + 1

        async def works() -> None:
            await asyncio.gather(*(work() for _ in range(at_once)))

        self._run(works())

    def array(self, size: int) -> Any:
        return np.full(size, 7, np.uint8)

    def hand(self, array: Any, count: int) -> list[float]:
        async def work() -> list[float]:
            taken = []
            for _ in range(count):
                start = time.perf_counter()
                taken.append(await self._service.take(array) - start)
            return taken

        return list(self._run(work()))

    def echo(self, array: Any, count: int) -> list[float]:
        async def work() -> list[float]:
            taken = []
            for _ in range(count):
                start = time.perf_counter()
                int((await self._service.echo(array))[0])
                taken.append(time.perf_counter() - start)
            return taken

        return list(self._run(work()))

    def call_back(self, count: int) -> None:
        async def work() -> None:
            await self._service.apply(lambda number: number, count)

        self._run(work())

    def close(self) -> None:
        self._other.close()
        self._server.kill()
        self._server.wait()


if __name__ == "__main__":
    main(HyphaLink, serve)
