"""Tasks: calls of the other side, as they run here.

Coroutine functions run in the event loop, plain functions in a thread. Each gets its remotes in
the form that suits it: to be awaited, or blocking.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from opsin.errors import ProtocolError, UsageError
from opsin.rpc import progress
from opsin.rpc.codec import ITERABLE
from opsin.rpc.errors import error_parts
from opsin.rpc.messages import WANTS_PROGRESS, WANTS_STREAM, Call, ErrorParts
from opsin.rpc.objects import FORWARD, ROOT, resolve
from opsin.rpc.session import CANCELLED, Event
from opsin.rpc.threads import Threads
from opsin.rpc.values import Values

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR
_END = object()
MAY_BE_LARGE = (np.ndarray, list, tuple)


class Answers(Protocol):
    """The peer, as its tasks need it: what answers calls of the other side."""

    loop: asyncio.AbstractEventLoop
    values: Values

    def answer(self, id: int, value: Any) -> None:
        """End a call with its result. If it raises, the call is still open."""

    def answer_error(self, id: int, parts: ErrorParts) -> None:
        """End a call with an error."""

    def item_credit(self, id: int) -> int:
        """How many items a stream can take now."""

    def send_item(self, id: int, value: Any) -> None:
        """Send the next item of a stream."""

    def reporting(self, id: int) -> progress.Listener:
        """What the progress of a call is told to, from any thread."""


class Running:
    """One call that runs."""

    __slots__ = ("flags", "has_begun", "id", "more", "object", "reporter", "task")

    def __init__(self, call: Call, reporter: progress.Reporter) -> None:
        self.id = call.id
        self.object = call.object
        self.flags = call.flags
        self.reporter = reporter
        self.has_begun = False
        self.more: asyncio.Event | None = None  # for streams
        self.task: asyncio.Task[None] | None = None


class Tasks:
    """Runs the calls that the other side of one link makes."""

    def __init__(self, peer: Answers, threads: Threads) -> None:
        self._peer = peer
        self._threads = threads
        self._running: dict[int, Running] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, call: Call, event: Event) -> None:
        """Begin the call that has come."""
        peer = self._peer
        failed: Exception | None = None
        function: Callable[..., Any] | None = None
        in_loop = True
        try:
            target, kind = self._target(call)
            if kind == ITERABLE and not call.method and call.flags & WANTS_STREAM:
                function = functools.partial(_itself, target)
                in_loop = hasattr(target, "__anext__")
            else:
                function = resolve(target, kind, call.method)
                in_loop = runs_in_loop(function)
        except Exception as error:
            failed = error
        try:  # also where it fails: what the arguments refer to has come here
            args, kwargs = peer.values.unpack((call.args, call.kwargs), event, blocking=not in_loop)
            if type(args) is not list or type(kwargs) is not dict:
                raise ProtocolError("A call's arguments are a list and a map.")
        except Exception as error:
            failed = failed or error
        if failed is not None or function is None:
            peer.answer_error(call.id, error_parts(failed or ProtocolError("No function.")))
            return
        reporter = progress.Reporter(
            peer.reporting(call.id) if call.flags & WANTS_PROGRESS else None
        )
        running = Running(call, reporter)
        self._running[call.id] = running
        peer.values.objects.pin(call.object)
        work = function if in_loop else functools.partial(self.in_thread, function)
        running.task = peer.loop.create_task(self._run(running, work, args, kwargs))

    def cancel(self, id: int) -> None:
        """The caller gave a call up."""
        running = self._running.get(id)
        if running is not None:
            running.reporter.cancel()
            if running.has_begun and running.task is not None:
                running.task.cancel()

    def more(self, id: int) -> None:
        """The caller takes further items of a stream."""
        running = self._running.get(id)
        if running is not None and running.more is not None:
            running.more.set()

    def stop(self) -> None:
        """The link is gone: cancel everything."""
        for id in list(self._running):
            self.cancel(id)

    def _target(self, call: Call) -> tuple[Any, int]:
        try:
            return self._peer.values.objects.get(call.object)
        except ProtocolError:
            if call.object == ROOT:
                raise UsageError("The other side offers no service of its own.") from None
            raise

    async def _run(
        self,
        running: Running,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> None:
        """Call, and answer exactly once."""
        peer, id = self._peer, running.id
        running.has_begun = True
        progress.current.set(running.reporter)
        try:
            if running.reporter.cancelled:
                raise asyncio.CancelledError
            value = function(*args, **kwargs)
            del args, kwargs  # the function may let go of its arguments before it ends
            if running.flags & WANTS_STREAM:
                await self._stream(running, value)
                value = None
            else:
                while hasattr(type(value), "__await__"):  # twice, if a thread made a coroutine
                    value = await value
            if type(value) in MAY_BE_LARGE:
                value = await self._ready(value)
            peer.answer(id, value)
        except asyncio.CancelledError:
            peer.answer_error(id, CANCELLED)
        except BaseException as error:
            peer.answer_error(id, error_parts(error))
            if not isinstance(error, Exception):
                raise
        finally:
            del self._running[id]
            peer.values.objects.unpin(running.object)

    async def _stream(self, running: Running, value: Any) -> None:
        more = running.more = asyncio.Event()
        if not hasattr(value, "__aiter__") and hasattr(type(value), "__await__"):
            value = await value
        if hasattr(value, "__aiter__"):
            items = value.__aiter__()
            step: Callable[[], Any] = functools.partial(anext, items, _END)
            close = getattr(items, "aclose", None)
        elif hasattr(value, "__next__"):
            step = functools.partial(self.in_thread, next, value, _END)
            close = functools.partial(self.in_thread, value.close) if _closes(value) else None
        else:
            raise TypeError(f"A {type(value).__name__} is not a stream: call it without iterating.")
        try:
            while True:
                while not self._peer.item_credit(running.id):
                    more.clear()
                    await more.wait()
                item = await step()
                if item is _END:
                    return
                if type(item) in MAY_BE_LARGE:
                    item = await self._ready(item)
                self._peer.send_item(running.id, item)
                del item
        finally:
            if close is not None:
                with suppress(RuntimeError, ValueError):  # it is still running in its thread
                    await close()

    async def _ready(self, value: Any) -> Any:
        """The same value, with large arrays where sending them need not copy them."""
        values = self._peer.values
        if type(value) is list or type(value) is tuple:
            return await self.in_thread(values.copied, value) if values.has_large(value) else value
        if values.has_large((value,)):
            (value,) = await self.in_thread(values.copied, (value,))
        return value

    async def in_thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of a function that blocks."""
        loop = self._peer.loop
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                value, error = context.run(function, *args, **kwargs), None
            except BaseException as raised:
                value, error = None, raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(_settle, future, value, error)

        self._threads.submit(work)
        return await future


def runs_in_loop(function: Callable[..., Any]) -> bool:
    """Whether a function is one to await, and not one that blocks."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:
        if hasattr(type(function), FORWARD):
            return True
        code = getattr(type(function).__call__, "__code__", None)
    is_async = code is not None and bool(code.co_flags & _ASYNC)
    return is_async or inspect.iscoroutinefunction(function)


def _itself(iterable: Any) -> Any:
    return iterable


def _closes(iterator: Any) -> bool:
    return hasattr(iterator, "close")


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    elif isinstance(error, StopIteration):  # which a future cannot hold
        future.set_exception(RuntimeError("A function raised StopIteration."))
    else:
        future.set_exception(error)
