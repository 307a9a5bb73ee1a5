"""Threads: where plain functions run that the other side calls.

Their number is bounded, but a thread that waits for the other side does not count: else calls that
nest in both directions would sooner or later wait for each other for ever.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

IDLE = 10.0
"""Seconds after which a thread without work ends."""

_here = threading.local()


class Threads:
    """A pool of daemon threads, which come and go with the work.

    Args:
        most: threads that run at the same time.
    """

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._work: deque[Callable[[], None]] = deque()
        self._running = 0
        self._idle = 0
        self._closed = False

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work`, which does not raise, as soon as there is a thread for it."""
        with self._changed:
            self._work.append(work)
            self._provide()

    def close(self) -> None:
        """Take no more work up, and let idle threads end. What runs goes on."""
        with self._changed:
            self._closed = True
            self._work.clear()
            self._changed.notify_all()

    def _provide(self) -> None:
        if len(self._work) > self._idle and self._running < self._most:
            self._running += 1
            threading.Thread(target=self._run, name="opsin rpc", daemon=True).start()
        else:
            self._changed.notify()

    def _run(self) -> None:
        _here.threads = self
        while (work := self._next()) is not None:
            work()
            del work  # it holds what it worked on

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while self._running <= self._most and not self._closed:
                if self._work:
                    return self._work.popleft()
                self._idle += 1
                woken = self._changed.wait(IDLE)
                self._idle -= 1
                if not woken and not self._work:
                    break
            self._running -= 1
            return None

    @contextmanager
    def _without_me(self) -> Iterator[None]:
        with self._changed:
            self._running -= 1
            if self._work:
                self._provide()
        try:
            yield
        finally:
            with self._changed:
                self._running += 1  # perhaps one too many: then the next to be idle ends


@contextmanager
def waiting() -> Iterator[None]:
    """The thread waits for the other side inside: if it is one of a pool, another may run."""
    threads: Threads | None = getattr(_here, "threads", None)
    if threads is None:
        yield
    else:
        with threads._without_me():
            yield
