"""Threads: a bounded pool for short jobs, whose results come back to an event loop in batches.

A `ThreadPoolExecutor` wakes the loop up once for each job, through three objects with a lock each;
for a chunk that takes a tenth of a millisecond to decode, that is most of what it costs.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any


class Ticket:
    """A job that was handed in."""

    __slots__ = ("_turn", "done", "work")

    def __init__(
        self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> None:
        self.work: Callable[[], Any] | None = work
        self.done: Callable[[Any, BaseException | None], None] | None = done
        self._turn = threading.Lock()

    def take(self) -> bool:
        """True for one caller only: the thread that begins, or who cancels."""
        return self._turn.acquire(blocking=False)

    def cancel(self) -> bool:
        """Drop the job if it has not begun; `done` is then never called. False if it has."""
        if not self.take():
            return False
        self.work = self.done = None
        return True


class Threads:
    """Up to `count` threads, which start as they are needed. Used from one event loop."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._jobs: SimpleQueue[Ticket | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._results: deque[tuple[Ticket, Any, BaseException | None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waking = False

    def submit(
        self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> Ticket:
        """Run `work` on a thread; `done(result, error)` is then called on the loop."""
        self._loop = asyncio.get_running_loop()
        ticket = Ticket(work, done)
        self._jobs.put(ticket)
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._count:
            thread = threading.Thread(
                target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        return ticket

    async def run(self, work: Callable[[], Any]) -> Any:
        """The result of `work`. Cancelled while it runs, it is awaited, and thrown away."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if error is None:
                ended.set_result(result)
            else:
                ended.set_exception(error)

        ticket = self.submit(work, done)
        cancelled = False
        while not ended.done():
            try:
                await asyncio.wait((ended,))
            except asyncio.CancelledError:
                if ticket.cancel():
                    raise
                cancelled = True
        if cancelled:
            ended.exception()  # looked at, so that asyncio does not complain that nobody did
            raise asyncio.CancelledError
        return ended.result()

    async def close(self) -> None:
        """Wait for the jobs that run; those that wait are done first. Idempotent."""
        for _ in self._threads:
            self._jobs.put(None)
        threads, self._threads = self._threads, []
        if threads:
            for thread in threads:
                await asyncio.to_thread(thread.join)
            self._deliver()

    def _work(self) -> None:
        while True:
            try:
                ticket = self._jobs.get_nowait()
            except Empty:
                self._idle.release()
                ticket = self._jobs.get()
            if ticket is None:
                return
            if ticket.take():
                self._run(ticket)
            del ticket  # while this thread waits, nothing of the job stays in memory

    def _run(self, ticket: Ticket) -> None:
        assert ticket.work is not None
        result, failure = None, None
        try:
            result = ticket.work()
        except BaseException as error:
            failure = error
        ticket.work = None
        self._results.append((ticket, result, failure))
        # Whoever sees the flag up has appended before the loop, which lowers it first, looks.
        if not self._waking:
            self._waking = True
            assert self._loop is not None
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

    def _deliver(self) -> None:
        self._waking = False
        while self._results:
            ticket, result, failure = self._results.popleft()
            done, ticket.done = ticket.done, None
            if done is not None:
                done(result, failure)
