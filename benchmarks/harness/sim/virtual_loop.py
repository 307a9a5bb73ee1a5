"""Virtual loop: an asyncio event loop whose clock jumps to the next timer instead of waiting.

Whatever runs on it takes no time but what it sleeps, so a simulated minute costs what it computes,
and two runs of the same program are the same to the last event.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class _Jump:
    """Stands where a loop has its selector: nothing comes from outside, only time passes."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("Nothing is left to happen, but something is still awaited.")
        self.now += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without files, sockets and threads, on a clock of its own that starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Jump()

    def time(self) -> float:
        """Virtual seconds."""
        return self._selector.now

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass  # `call_soon_threadsafe` is called on this thread only


def run(main: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, run to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class VirtualCores(Executor):
    """Runs each job at once, but gives its result after `seconds`, on `count` cores at a time."""

    def __init__(self, count: int, seconds: float) -> None:
        self._free = count
        self._seconds = seconds
        self._waiting: deque[Callable[[], None]] = deque()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a job when a core is free."""
        future: Future[T] = Future()

        def begin() -> None:
            if future.set_running_or_notify_cancel():
                self._free -= 1
                asyncio.get_running_loop().call_later(self._seconds, end)

        def end() -> None:
            self._free += 1
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)
            while self._free and self._waiting:
                self._waiting.popleft()()

        if self._free:
            begin()
        else:
            self._waiting.append(begin)
        return future
