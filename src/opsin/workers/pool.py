"""Pool: workers that are kept for a while, so that the next run of a plugin starts at once.

A worker runs one job at a time; further jobs of the same plugin get further workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from opsin.workers.environment import Environment
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.process import Output, WorkerProcess

MOST_IDLE = 3
IDLE_SECONDS = 300.0

Kind: TypeAlias = tuple[str, str, Sandbox | None]
"""Environment, program and sandbox of a worker."""


class WorkerPool:
    """Workers by environment and program. Belongs to one event loop.

    Args:
        folder: where the modules are kept that workers need.
        most_idle: workers that are kept though they have nothing to do.
        idle_seconds: for how long.
    """

    def __init__(
        self, folder: Path, most_idle: int = MOST_IDLE, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._folder = folder
        self._most_idle = most_idle
        self._idle_seconds = idle_seconds
        self._idle: list[tuple[Kind, WorkerProcess, asyncio.TimerHandle]] = []
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def worker(
        self,
        environment: Environment,
        program: str,
        output: Output,
        sandbox: Sandbox | None = None,
    ) -> AsyncIterator[WorkerProcess]:
        """A worker for this block alone. `program` names what it has loaded: one that has it, and
        sees the same, goes before a new one. Without a `sandbox` it is not isolated.

        Raises:
            WorkerLost: it cannot be started.
        """
        kind = (environment.key, program, sandbox)
        worker = self._take(kind)
        while worker is not None and not await worker.answers():
            self._stop(worker)
            worker = self._take(kind)
        if worker is None:
            worker = await WorkerProcess.start(environment, self._folder, output, sandbox)
        worker.output = output
        try:
            yield worker
        finally:
            worker.output = _nobody
            self._keep(kind, worker)

    async def close(self) -> None:
        """Stop all workers that are idle, and wait for those that are being stopped."""
        for _, worker, timer in self._idle:
            timer.cancel()
            self._stop(worker)
        self._idle.clear()
        while self._ending:
            await asyncio.gather(*self._ending, return_exceptions=True)

    def _take(self, kind: Kind) -> WorkerProcess | None:
        for entry in reversed(self._idle):
            if entry[0] == kind:
                self._idle.remove(entry)
                entry[2].cancel()
                if entry[1].is_alive and entry[1].is_current():
                    return entry[1]
                self._stop(entry[1])
        return None

    def _keep(self, kind: Kind, worker: WorkerProcess) -> None:
        if worker.is_busy or not worker.is_alive:
            self._stop(worker)
            return
        timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._expire, worker)
        self._idle.append((kind, worker, timer))
        self._run(worker.rest())
        while len(self._idle) > self._most_idle:
            self._expire(self._idle[0][1])

    def _expire(self, worker: WorkerProcess) -> None:
        for entry in self._idle:
            if entry[1] is worker:
                self._idle.remove(entry)
                entry[2].cancel()
                self._stop(worker)
                return

    def _stop(self, worker: WorkerProcess) -> None:
        self._run(worker.stop())

    def _run(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload] # a coroutine
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _nobody(line: str) -> None:
    """Where lines go that are printed between two jobs."""
