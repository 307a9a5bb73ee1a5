"""Host thread: a host on an event loop of its own, for programs that have none, or a busy one."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

from opsin.errors import Cancelled
from opsin.host.host import Host
from opsin.host.workspace import Workspace

T = TypeVar("T")

END_PATIENCE = 8.0
"""Seconds in which what was cancelled has to end."""
CLOSE_PATIENCE = 10.0
"""Seconds in which all jobs and workers have to end."""


class HostThread:
    """A host whose event loop runs in a thread, until it is closed or the program ends.

    `host` belongs to that loop: use it by `run`, `begin` and `soon`. Only its registry and its
    workspace may be used from other threads.

    Args:
        workspace: by default the user's.
        front_end: where jobs are asked for, for the record.

    Raises:
        UsageError: the workspace cannot be used.
    """

    host: Host
    _lock = threading.Lock()
    _shared: HostThread | None = None

    def __init__(self, workspace: Workspace | None = None, *, front_end: str = "python") -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()

        async def serve() -> None:
            self.host = Host(workspace or Workspace(), front_end=front_end, has_user=True)
            self._stop = asyncio.Event()
            started.set_result(asyncio.get_running_loop())
            async with self.host, AsyncExitStack() as self._along:
                await self._stop.wait()

        def work() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:
                if not started.done():
                    started.set_exception(error)

        self._thread = threading.Thread(target=work, name="opsin host", daemon=True)
        self._thread.start()
        self._loop = started.result()
        self._process = os.getpid()

    @classmethod
    def shared(cls) -> HostThread:
        """The one of this process, which is started if need be, and ends with the program.

        Raises:
            UsageError: the user's workspace cannot be used.
        """
        with cls._lock:
            if cls._shared is None or not cls._shared.is_alive:
                cls._shared = cls()
                atexit.register(cls._shared.close)
            return cls._shared

    @classmethod
    def end_shared(cls) -> None:
        """Close the one of this process, if there is one; the next call of `shared` starts anew."""
        with cls._lock:
            ended, cls._shared = cls._shared, None
        if ended is not None:
            ended.close()
            atexit.unregister(ended.close)

    @property
    def is_alive(self) -> bool:
        """Whether it can be used: in this process, and before it is closed."""
        return self._thread.is_alive() and self._process == os.getpid()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run on the host's loop; cancelling what is returned cancels the work."""
        if not self.is_alive:
            work.close()
            ended: Future[T] = Future()
            ended.set_exception(Cancelled("The host has been closed."))
            return ended
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the host's loop and wait. Ctrl-C cancels the work and waits for its end."""
        over = threading.Event()

        async def to_its_end() -> T:
            try:
                return await work
            finally:
                over.set()

        future = self.begin(to_its_end())
        try:
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                over.wait(END_PATIENCE)  # a second Ctrl-C goes through
            raise

    def soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function on the host's loop. Does nothing once it is closed."""
        if self.is_alive:
            self._loop.call_soon_threadsafe(function, *arguments)

    async def along(self, context: AbstractAsyncContextManager[T]) -> T:
        """Enter what ends when the host does, right before it; to be called on the host's loop."""
        return await self._along.enter_async_context(context)

    def close(self) -> None:
        """Cancel all jobs, stop all workers, and wait until they have ended. Idempotent."""
        if self.is_alive:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(CLOSE_PATIENCE)
