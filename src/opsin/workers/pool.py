"""Pool: workers that are kept for a while, so that the next run of a plugin starts at once.

A worker runs one job at a time; further jobs of the same plugin get further workers, as long as
there are fewer than may be. A plugin whose workers die at once gets the next ones ever later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias

from opsin.errors import LimitExceeded, WorkerLost
from opsin.workers.back_off import QUICK, BackOff
from opsin.workers.environment import Environment
from opsin.workers.forkservers import Forkservers
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.process import Output, WorkerProcess
from opsin.workers.supervision import DEFAULT, Supervision

MOST_IDLE = 3
REST_AFTER = 0.2
"""Seconds after which one that is idle gives back memory, which takes a while."""
SURPLUS_SECONDS = 2.0
"""For how long those are kept that are more."""
MOST_KNOWN = 1000
"""Programs of which it is known that their workers died."""

Kind: TypeAlias = tuple[str, str, Sandbox | None, int | None]
"""Environment, program, sandbox and memory of a worker."""


class _Idle(NamedTuple):
    """A worker that has nothing to do, and what will become of it."""

    kind: Kind
    worker: WorkerProcess
    timers: tuple[asyncio.TimerHandle, ...]

    def wake(self) -> None:
        """It is needed, or ended: nothing more becomes of it."""
        for timer in self.timers:
            timer.cancel()


class WorkerPool:
    """Workers by environment and program. Belongs to one event loop.

    Args:
        folder: where the modules are kept that workers need.
        supervision: how many there may be, and what each is granted.
        most_idle: workers that are kept for long though they have nothing to do.
    """

    def __init__(
        self, folder: Path, supervision: Supervision = DEFAULT, most_idle: int = MOST_IDLE
    ) -> None:
        self._folder = folder
        self._supervision = supervision
        self._most_idle = most_idle
        self._forkservers = Forkservers(folder, idle_seconds=supervision.idle)
        self._idle: list[_Idle] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._count = 0
        self._in_turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._died: dict[str, BackOff] = {}
        self._news = asyncio.Event()

    @property
    def count(self) -> int:
        """Workers that are there, those too that begin or end."""
        return self._count

    @asynccontextmanager
    async def worker(
        self,
        environment: Environment,
        program: str,
        output: Output,
        sandbox: Sandbox | None = None,
        supervision: Supervision | None = None,
    ) -> AsyncIterator[WorkerProcess]:
        """A worker for this block alone. `program` names what it has loaded: one that has it, and
        sees the same, goes before a new one. Without a `sandbox` it is not isolated. Where there
        are as many as may be, this waits until one is not needed any more.

        Args:
            supervision: what it is granted, if not what all are.

        Raises:
            WorkerLost: it cannot be started.
        """
        granted = supervision or self._supervision
        kind = (environment.key, program, sandbox, granted.memory)
        begun = time.monotonic()
        self._note(program, self._known(program).begun(begun))
        try:
            worker = await self._ready(kind, environment, output, sandbox, granted)
            worker.output = output
            begun = time.monotonic()
            try:
                yield worker
            finally:
                worker.output = _nobody
                self._keep(kind, worker)
        except WorkerLost as error:
            now = time.monotonic()
            if now - begun < QUICK and not isinstance(error, LimitExceeded):
                self._note(program, self._known(program).died(now, str(error)))
            raise
        except asyncio.CancelledError:
            raise  # which tells nothing
        except BaseException:
            self._note(program, BackOff())
            raise
        self._note(program, BackOff())

    def waits(self, program: str) -> float:
        """Seconds for which a program gets no worker, because its last ones died at once."""
        return self._known(program).wait(time.monotonic())

    async def until_tried(self, program: str, output: Output) -> None:
        """Wait as long as a program gets no worker; why is told to `output`."""
        told = -1
        while self.waits(program):
            known = self._known(program)
            if known.deaths != told:
                output(known.words(time.monotonic()))
                told = known.deaths
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.waits(program)):
                    await self._news.wait()

    def end_idle(self, begins: str) -> None:
        """Stop workers that have nothing to do, of programs whose names begin so."""
        for entry in list(self._idle):
            if entry.kind[1].startswith(begins):
                self._expire(entry.worker)

    async def close(self) -> None:
        """Stop all workers that are idle, wait for those that are being stopped; end the rest."""
        for entry in self._idle:
            entry.wake()
            self._stop(entry.worker)
        self._idle.clear()
        while self._ending:
            await asyncio.gather(*self._ending, return_exceptions=True)
        await self._forkservers.close()

    async def _ready(
        self,
        kind: Kind,
        environment: Environment,
        output: Output,
        sandbox: Sandbox | None,
        granted: Supervision,
    ) -> WorkerProcess:
        """A worker that answers, an old one or a new one."""
        while (worker := await self._place(kind)) is not None:
            try:
                if await worker.answers():
                    return worker
            except BaseException:
                self._stop(worker)
                raise
            self._stop(worker)
        try:
            return await WorkerProcess.start(
                environment, self._folder, output, sandbox, granted, self._forkservers
            )
        except BaseException:
            self._leave()
            raise

    async def _place(self, kind: Kind) -> WorkerProcess | None:
        """Wait for a worker of a kind that is idle; or, with None, until there may be a new one.

        Those who wait are served one after the other. Nobody passes them, for as long as they wait
        there is no idle worker: they would have taken it, or ended it to have its place.
        """
        async with self._in_turn:
            while True:
                worker = self._take(kind)
                if worker is not None:
                    return worker
                if self._count < self._supervision.workers:
                    self._count += 1
                    return None
                if self._idle:
                    self._expire(self._idle[0].worker)
                self._changed.clear()
                await self._changed.wait()

    def _leave(self) -> None:
        """One worker less."""
        self._count -= 1
        self._changed.set()

    def _known(self, program: str) -> BackOff:
        return self._died.get(program, BackOff())

    def _note(self, program: str, known: BackOff) -> None:
        """Remember what is known of a program, if it is worth it."""
        self._died.pop(program, None)
        if known.deaths:
            self._died[program] = known
            if len(self._died) > MOST_KNOWN:
                del self._died[next(iter(self._died))]
        self._news.set()

    def _take(self, kind: Kind) -> WorkerProcess | None:
        for entry in reversed(self._idle):
            if entry.kind == kind:
                self._idle.remove(entry)
                entry.wake()
                if entry.worker.is_alive and entry.worker.is_current():
                    return entry.worker
                self._stop(entry.worker)
        return None

    def _keep(self, kind: Kind, worker: WorkerProcess) -> None:
        if worker.is_busy or not worker.is_alive:
            self._stop(worker)
            return
        idle = self._supervision.idle
        if len(self._idle) >= self._most_idle:  # it may be needed again at once
            idle = min(idle, SURPLUS_SECONDS)
        later = asyncio.get_running_loop().call_later
        timers = later(REST_AFTER, self._rest, worker), later(idle, self._expire, worker)
        self._idle.append(_Idle(kind, worker, timers))
        self._changed.set()

    def _rest(self, worker: WorkerProcess) -> None:
        self._run(worker.rest())

    def _expire(self, worker: WorkerProcess) -> None:
        for entry in self._idle:
            if entry.worker is worker:
                self._idle.remove(entry)
                entry.wake()
                self._stop(worker)
                return

    def _stop(self, worker: WorkerProcess) -> None:
        self._run(self._stopped(worker))

    async def _stopped(self, worker: WorkerProcess) -> None:
        try:
            await worker.stop()
        finally:
            self._leave()

    def _run(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload] # a coroutine
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _nobody(line: str) -> None:
    """Where lines go that are printed between two jobs."""
