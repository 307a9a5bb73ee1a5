"""Waiting: running asynchronous work to its end from code that is not asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on an event loop of its own and return its result.

    Callable from anywhere, also from inside a running loop (a notebook's), because the new loop
    lives on its own thread. Ctrl-C cancels the work and waits until it has cleaned up.
    """
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def run() -> T:
        task = asyncio.current_task()
        assert task is not None
        started.set_result((asyncio.get_running_loop(), task))
        return await work

    with ThreadPoolExecutor(1, thread_name_prefix="opsin-wait") as executor:
        done = executor.submit(lambda: asyncio.run(run()))
        try:
            return done.result()
        except BaseException:
            if not done.done():  # an interrupt of this thread, not a failure of the work
                loop, task = started.result()
                with suppress(RuntimeError):  # the loop may just have ended
                    loop.call_soon_threadsafe(task.cancel)
            raise
