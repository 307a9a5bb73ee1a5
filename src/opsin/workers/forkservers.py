"""Forkservers: where workers come from, so that the second one of a kind is there at once."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from opsin.errors import UsageError, WorkerLost
from opsin.workers.environment import Environment
from opsin.workers.forkserver import Forkserver
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.running import Running, spawned

MOST_IDLE = 4
IDLE_SECONDS = 300.0

Kind: TypeAlias = tuple[str, Sandbox | None, tuple[tuple[str, str], ...]]
"""Environment, sandbox, and the variables that both are started with."""


class Forkservers:
    """One process that forks for each environment and sandbox. Belongs to one event loop.

    Args:
        folder: where the modules are kept that workers need.
        most_idle: how many are kept though none of their workers is left.
        idle_seconds: for how long.
        forks: without it each worker is a program of its own, as it is where forking is not safe.
    """

    def __init__(
        self,
        folder: Path,
        most_idle: int = MOST_IDLE,
        idle_seconds: float = IDLE_SECONDS,
        *,
        forks: bool = sys.platform == "linux",
    ) -> None:
        self._folder = folder
        self._most_idle = most_idle
        self._idle_seconds = idle_seconds
        self._forks = forks
        self._servers: dict[Kind, asyncio.Task[Forkserver]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def worker(
        self, environment: Environment, sandbox: Sandbox | None, link: socket.socket
    ) -> Running:
        """A new worker, whose end of the link that is.

        Raises:
            WorkerLost: it cannot be started.
            UsageError: a level of isolation is asked for that cannot be had.
        """
        if not self._forks:
            descriptor = link.fileno()
            return await spawned(environment, self._folder, sandbox, "worker_main", descriptor)
        try:
            server = await self._server(environment, sandbox)
            try:
                return await server.fork(link)
            except WorkerLost:
                if server.is_alive:
                    raise
            server = await self._server(environment, sandbox)  # that one was killed
            return await server.fork(link)
        finally:
            self._make_room()

    async def close(self) -> None:
        """End all of them. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        for kind in list(self._servers):
            self._close(kind)
        while self._closing:
            await asyncio.gather(*self._closing, return_exceptions=True)

    async def _server(self, environment: Environment, sandbox: Sandbox | None) -> Forkserver:
        """The one of that kind; several that ask while it starts get the same."""
        kind = (environment.key, sandbox, tuple(sorted(os.environ.items())))
        starting = self._servers.get(kind)
        if starting is not None and not _is_good(starting):
            self._close(kind)
            starting = None
        if starting is None:
            work = Forkserver.start(environment, self._folder, sandbox)
            starting = self._servers[kind] = asyncio.create_task(work)
        return await asyncio.shield(starting)

    def _make_room(self) -> None:
        """Close those that have been idle for long, or are too many. Looks again later."""
        idle = [
            (task.result().idle_since, kind)
            for kind, task in self._servers.items()
            if task.done() and _is_good(task) and task.result().is_idle
        ]
        idle.sort(key=lambda one: one[0])
        for number, (since, kind) in enumerate(idle):
            too_many = len(idle) - number > self._most_idle
            if too_many or time.monotonic() - since >= self._idle_seconds:
                self._close(kind)
        if self._timer is not None:
            self._timer.cancel()
        if self._servers:
            later = asyncio.get_running_loop().call_later
            self._timer = later(self._idle_seconds, self._make_room)

    def _close(self, kind: Kind) -> None:
        task = asyncio.create_task(_close(self._servers.pop(kind)))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _is_good(starting: asyncio.Task[Forkserver]) -> bool:
    """Whether it starts still, or can fork."""
    if not starting.done():
        return True
    return not starting.cancelled() and not starting.exception() and starting.result().is_alive


async def _close(starting: asyncio.Task[Forkserver]) -> None:
    starting.cancel()
    with suppress(asyncio.CancelledError, WorkerLost, UsageError):
        await (await starting).close()
