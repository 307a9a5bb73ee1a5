"""Waiting: for asynchronous work from code that is not so, and the other way round."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast

T = TypeVar("T")
P = ParamSpec("P")


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


async def on_thread(
    pool: Executor | None, function: Callable[P, T], *arguments: P.args, **named: P.kwargs
) -> T:
    """Run `function` on a thread of `pool` (None: the event loop's own) and return its result.

    Cancelled while it waits for a thread, it is dropped. Cancelled while it runs, it is awaited
    all the same, and its result thrown away: once this has returned or raised, nothing uses the
    memory and the files that the function works on.
    """
    turn = threading.Lock()  # taken once: by the thread that begins, or by the cancellation

    def run() -> T | None:
        return function(*arguments, **named) if turn.acquire(blocking=False) else None

    work = asyncio.get_running_loop().run_in_executor(pool, run)
    try:
        await asyncio.wait((work,))
    except asyncio.CancelledError:
        if turn.acquire(blocking=False):
            work.cancel()
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((work,))
        if not work.cancelled():
            work.exception()  # looked at, so that asyncio does not complain that nobody did
        raise
    return cast(T, work.result())
