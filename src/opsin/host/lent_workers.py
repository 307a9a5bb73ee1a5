"""Lent workers: those that the calls of one run take, as many as are needed, as late as can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from opsin.host.kept_answers import KeptAnswer, KeptAnswers, Unkept, bytes_of, key_of
from opsin.images.waiting import on_thread
from opsin.rpc.progress import Listener
from opsin.worker_main import Answer, Call
from opsin.workers.isolation.sandbox import Level
from opsin.workers.worker import Worker

Lend = Callable[[], AbstractAsyncContextManager[Worker]]


class _Lent(NamedTuple):
    worker: Worker
    lending: AbstractAsyncContextManager[Worker]


class LentWorkers:
    """Workers of a verified operation, in place of one. Belongs to one event loop.

    What is kept of an earlier call that was given the same is the answer, and no worker is asked.

    Args:
        lend: gives a worker of that operation.
        words: say all that answers depend on beside the call (`opsin.host.verified`).
        answers: where they are kept.
        places: for what runs at the same time. One is the run's own, whoever made it; further calls
            take others, each for as long as it runs. None: one call runs at a time.
    """

    def __init__(
        self,
        lend: Lend,
        words: str,
        answers: KeptAnswers,
        places: asyncio.Semaphore | None = None,
    ) -> None:
        self.kept = 0
        """Calls that no worker was asked for."""
        self._lend = lend
        self._words = words
        self._answers = answers
        self._free: list[_Lent] = []
        own = asyncio.Semaphore(1)
        self._turns = (own,) if places is None else (own, places)
        self._level = Level("not isolated")
        self._pid = 0

    @property
    def pid(self) -> int:
        """Of the process that came last; 0 as long as none was needed."""
        return self._pid

    @property
    def level(self) -> Level:
        """What keeps the one apart that came last; that of none keeps nothing apart."""
        return self._level

    async def run(self, call: Call, listener: Listener | None = None) -> Answer:
        """What a call gives, or what it gave before. As `Worker.run`."""
        try:
            key = await on_thread(None, key_of, self._words, call)
        except Unkept:
            return await self._ask(call, listener)
        found = await on_thread(None, self._answers.get, key)
        if found is not None:
            self.kept += 1
            return found
        given = bytes_of(call)
        running = self._ask(call, listener)
        del call  # its arrays are the worker's now
        answer = await running
        await on_thread(None, self._answers.put, key, answer, given)
        return answer

    async def close(self) -> None:
        """Give the workers back."""
        while self._free:
            await self._free.pop().lending.__aexit__(None, None, None)

    async def _ask(self, call: Call, listener: Listener | None) -> Answer:
        async with _one_of(self._turns):
            lent = self._free.pop() if self._free else await self._another()
            running = lent.worker.run(call, listener)
            del call
            try:
                answer = await running
            except BaseException as error:
                await lent.lending.__aexit__(type(error), error, error.__traceback__)
                raise
            self._free.append(lent)
            return answer

    async def _another(self) -> _Lent:
        lending = self._lend()
        worker = await lending.__aenter__()
        self._level, self._pid = worker.level, worker.pid
        return _Lent(worker, lending)


@asynccontextmanager
async def lent_workers(
    lend: Lend, words: str, answers: KeptAnswers, places: asyncio.Semaphore | None = None
) -> AsyncIterator[LentWorkers]:
    """Workers for this block alone."""
    workers = LentWorkers(lend, words, answers, places)
    try:
        yield workers
    finally:
        await workers.close()


@asynccontextmanager
async def _one_of(turns: Sequence[asyncio.Semaphore]) -> AsyncIterator[None]:
    """Whichever of them can be had first, for this block."""
    waiting: dict[asyncio.Future[Any], asyncio.Semaphore]
    waiting = {asyncio.ensure_future(one.acquire()): one for one in turns}
    held: asyncio.Semaphore | None = None
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        got = next(task for task in waiting if task.done())
        held = waiting.pop(got)
        _let_go(waiting)
        yield
    finally:
        if held is None:  # cancelled meanwhile
            _let_go(waiting)
        else:
            held.release()


def _let_go(waiting: Mapping[asyncio.Future[Any], asyncio.Semaphore]) -> None:
    """Wait no more; what was given all the same is given back."""
    for task, one in waiting.items():
        task.cancel()
        task.add_done_callback(partial(_give_back, one))


def _give_back(one: asyncio.Semaphore, task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        one.release()


def is_kept(answer: Answer) -> bool:
    """Whether no worker has given it now."""
    return isinstance(answer, KeptAnswer)
