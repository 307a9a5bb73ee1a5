"""Lent workers: those that the calls of one run take, as many as are needed, as late as can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

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
        width: calls that run at the same time.
    """

    def __init__(self, lend: Lend, words: str, answers: KeptAnswers, width: int = 1) -> None:
        self.width = width
        self.kept = 0
        """Calls that no worker was asked for."""
        self._lend = lend
        self._words = words
        self._answers = answers
        self._free: list[_Lent] = []
        self._turns = asyncio.Semaphore(width)
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
        async with self._turns:
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
    lend: Lend, words: str, answers: KeptAnswers, width: int = 1
) -> AsyncIterator[LentWorkers]:
    """Workers for this block alone."""
    workers = LentWorkers(lend, words, answers, width)
    try:
        yield workers
    finally:
        await workers.close()


@asynccontextmanager
async def more_places(places: asyncio.Semaphore, most: int) -> AsyncIterator[int]:
    """So many places as are free now and as can be used, beside the one that is taken already."""
    width = 1
    try:
        while width < most and not places.locked():
            await places.acquire()
            width += 1
        yield width
    finally:
        for _ in range(width - 1):
            places.release()


def is_kept(answer: Answer) -> bool:
    """Whether no worker has given it now."""
    return isinstance(answer, KeptAnswer)
