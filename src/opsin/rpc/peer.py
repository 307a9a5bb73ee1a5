"""Peer: one end of a link, in an asyncio event loop: what calls, and what is called.

    async with Peer(transport, root=Service()) as peer:
        service = await peer.root()
        result = await service.method(x, key=1)

Each call of the other side is a task of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, TypeVar, overload

from opsin.errors import ConnectionLost, UsageError
from opsin.rpc import progress
from opsin.rpc.calls import Calls, Waiting
from opsin.rpc.codec import Segments
from opsin.rpc.errors import error_from
from opsin.rpc.frames import Transport
from opsin.rpc.held import Held
from opsin.rpc.link import Link
from opsin.rpc.messages import (
    WANTS_NO_ANSWER,
    WANTS_PROGRESS,
    WANTS_STREAM,
    Bye,
    Call,
    Cancel,
    Error,
    ErrorParts,
    Hello,
    Item,
    Message,
    More,
    Progress,
    Release,
    Result,
)
from opsin.rpc.remote import Caller, Remote
from opsin.rpc.session import Event, Session
from opsin.rpc.stream import Incoming, Stream
from opsin.rpc.tasks import Tasks
from opsin.rpc.threads import Threads
from opsin.rpc.values import Values, close_descriptors

T = TypeVar("T")


class Peer:
    """One end of a link, which it owns. Made inside a running event loop; close it at the end.

    Args:
        transport: the link.
        root: the service that the other side gets from its `root()`: an object, all of whose public
            methods it can call, or a dict of functions.
        token: shown to the other side.
        expected: the token that the other side has to show before it hears anything.
        segments: shared memory, where the transport carries descriptors.
        threads: runs plain functions; by default a pool of the peer's own.
        heartbeat: seconds between two pings; a link that is silent for three of them is lost. None
            for links within one computer.
    """

    def __init__(
        self,
        transport: Transport,
        root: Any = None,
        *,
        token: str | None = None,
        expected: str | None = None,
        segments: Segments | None = None,
        threads: Threads | None = None,
        heartbeat: float | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.values = Values(self, root, segments, self._wake_to_release)
        self._thread = threading.get_ident()
        features = () if segments is None else ("descriptors",)
        self._session = Session(token, expected, features, self.values.take_back)
        self._calls = Calls()
        self._own_threads = None if threads is not None else Threads()
        self._tasks = Tasks(self, threads or self._own_threads or Threads())
        self._opened: asyncio.Future[None] = self.loop.create_future()
        self._ended = asyncio.Event()
        self._reason = ""
        self._release_is_due = False
        self._link = Link(self._session, transport, self._take, self._finish, heartbeat)

    # ------------------------------------------------------------------ what users do

    @overload
    async def root(self) -> Any: ...
    @overload
    async def root(self, protocol: Callable[..., T]) -> T: ...
    async def root(self, protocol: Any = None) -> Any:
        """The other side's root service, which type checkers take for a `protocol` if given.

        Raises:
            ConnectionLost: the link is gone, or the other side refused it.
        """
        await self._until_open()
        return Remote(self.values.held.root)

    def notify(self, method: Caller, *args: Any, **kwargs: Any) -> None:
        """Call and want no answer: neither a result nor an error comes back.

        Raises:
            ConnectionLost: the link is gone, or not open yet.
        """
        self._request(method._held, method._path, args, kwargs, WANTS_NO_ANSWER)

    async def until_ended(self) -> None:
        """Wait until the link has ended, for whatever reason."""
        await self._ended.wait()

    @property
    def is_over(self) -> bool:
        """The link has ended."""
        return self._session.is_over

    async def close(self, reason: str = "") -> None:
        """End the link in order: pending calls fail on both sides. Idempotent."""
        if not self._session.is_over:
            self._finish(ConnectionLost("The link was closed on this side."), reason)
        await self._link.close()

    async def __aenter__(self) -> Peer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ what remotes do

    async def call(
        self,
        held: Held,
        path: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        blocking: bool = False,
    ) -> Any:
        """The result of a call of the other side. Cancelling this cancels the call."""
        if not self._session.is_open:
            await self._until_open()
        listener = progress.listener.get()
        if self.values.has_large(args):
            args = await self._tasks.in_thread(self.values.copied, args)
        if kwargs and self.values.has_large(kwargs.values()):
            copied = await self._tasks.in_thread(self.values.copied, kwargs.values())
            kwargs = dict(zip(kwargs, copied, strict=True))
        id = self._request(held, path, args, kwargs, WANTS_PROGRESS if listener else 0)
        future: asyncio.Future[Any] = self.loop.create_future()
        self._calls.add(id, Waiting(future, blocking, listener))
        try:
            return await future
        except asyncio.CancelledError:
            self.give_up(id)
            raise

    def stream(
        self,
        held: Held,
        path: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        blocking: bool = False,
    ) -> Stream:
        """The items that a call of the other side yields."""
        return Stream(self, held, path, args, kwargs, blocking)

    async def open_stream(
        self,
        incoming: Incoming,
        held: Held,
        path: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        blocking: bool,
    ) -> int:
        """Make the call of a stream; returns its id."""
        await self._until_open()
        listener = progress.listener.get()
        flags = WANTS_STREAM | (WANTS_PROGRESS if listener else 0)
        id = self._request(held, path, args, kwargs, flags)
        self._calls.add(id, Waiting(incoming, blocking, listener))
        return id

    def ask_for_more(self, id: int, count: int) -> None:
        """Let `count` further items of a stream come."""
        self._session.more(id, count)
        self._link.wake()

    def give_up(self, id: int) -> None:
        """Cancel a call of ours; whatever still comes of it is let go."""
        if self._calls.pop(id) is not None:
            self._session.cancel(id)
            self._link.wake()

    def give_up_soon(self, id: int) -> None:
        """The same, from any thread."""
        with suppress(RuntimeError):  # the loop is closed, and so is the link
            self.loop.call_soon_threadsafe(self.give_up, id)

    # ------------------------------------------------------------------ what running tasks do

    def answer(self, id: int, value: Any) -> None:
        """End a call of theirs with its result. If it raises, the call is still open."""
        packer, (raw,) = self.values.pack(value)
        self._session.result(id, raw, packer.buffers, tuple(packer.descriptors), packer)
        self._link.wake()

    def answer_error(self, id: int, parts: ErrorParts) -> None:
        """End a call of theirs with an error."""
        self._session.error(id, parts)
        self._link.wake()

    def item_credit(self, id: int) -> int:
        """How many items their stream can take now."""
        return self._session.item_credit(id)

    def send_item(self, id: int, value: Any) -> None:
        """Send the next item of their stream."""
        packer, (raw,) = self.values.pack(value)
        self._session.item(id, raw, packer.buffers, tuple(packer.descriptors), packer)
        self._link.wake()

    def reporting(self, id: int) -> progress.Listener:
        """What the progress of their call is told to, from any thread. Only the last news count."""
        news: list[tuple[float | None, float | None, str | None]] = []

        def send() -> None:
            latest = news[-1]
            news.clear()
            self._session.progress(id, *latest)
            self._link.wake()

        def report(done: float | None, total: float | None, text: str | None) -> None:
            done = None if done is None else float(done)
            total = None if total is None else float(total)
            news.append((done, total, None if text is None else str(text)))
            if len(news) == 1:
                with suppress(RuntimeError):  # the loop is closed
                    self.loop.call_soon_threadsafe(send)

        return report

    # ------------------------------------------------------------------ the link

    def _request(
        self, held: Held, path: str, args: Sequence[Any], kwargs: dict[str, Any], flags: int
    ) -> int:
        if threading.get_ident() != self._thread:
            raise UsageError(
                "A remote is used in the event loop of its peer, not in other threads."
            )
        number = held.number
        packer, (packed, keywords) = self.values.pack(args, kwargs)
        packer.remotes.append(held)
        try:
            id = self._session.call(
                number,
                path,
                packed,
                keywords,
                packer.buffers,
                tuple(packer.descriptors),
                flags,
                packer,
            )
        except BaseException:
            self.values.take_back(packer)
            raise
        self._link.wake()
        return id

    async def _until_open(self) -> None:
        if not self._session.is_open:
            await asyncio.shield(self._opened)
        if self._reason:
            raise ConnectionLost(self._reason)

    def _take(self, event: Event) -> None:
        self._handlers[type(event.message)](self, event.message, event)

    def _wake_to_release(self) -> None:
        """Called from any thread, by finalizers too."""
        if self._release_is_due:
            return
        self._release_is_due = True
        in_loop = threading.get_ident() == self._thread
        soon = self.loop.call_soon if in_loop else self.loop.call_soon_threadsafe
        with suppress(RuntimeError):  # the loop is closed
            soon(self._release)

    def _release(self) -> None:
        self._release_is_due = False
        objects, segments = self.values.held.take_dropped()
        if (objects or segments) and not self._session.is_over:
            self._session.release(objects, segments)
            self._link.wake()

    def _finish(self, reason: ConnectionLost, bye: str | None = None) -> None:
        """The link is over: everything that waits fails, everything that runs is cancelled."""
        if self._reason:
            return
        self._reason = str(reason)
        lost = self._session.lose() if bye is None else self._session.end(bye)
        close_descriptors(lost.descriptors)
        self._calls.fail_all(self._reason)
        self._tasks.stop()
        self.values.clear()
        if self._own_threads is not None:
            self._own_threads.close()
        if not self._opened.done():
            self._opened.set_result(None)
        self._ended.set()
        self._link.wake()

    # ------------------------------------------------------------------ what the other side says

    def _on_hello(self, message: Hello, event: Event) -> None:
        if "descriptors" not in self._session.features:
            self.values.without_segments()
        self._link.greeted()
        self._opened.set_result(None)

    def _on_call(self, message: Call, event: Event) -> None:
        self._tasks.start(message, event)

    def _on_cancel(self, message: Cancel, event: Event) -> None:
        close_descriptors(event.descriptors)
        self._tasks.cancel(message.id)

    def _on_result(self, message: Result, event: Event) -> None:
        waiting = self._calls.pop(message.id)
        try:  # also where nobody waits: what it refers to has come here
            (value,) = self.values.unpack((message.value,), event, _is_blocking(waiting))
        except Exception as error:
            if waiting is not None:
                waiting.fail(error)
        else:
            if waiting is not None:
                waiting.end(value)

    def _on_error(self, message: Error, event: Event) -> None:
        close_descriptors(event.descriptors)
        waiting = self._calls.pop(message.id)
        if waiting is not None:
            waiting.fail(error_from(message.error))

    def _on_item(self, message: Item, event: Event) -> None:
        waiting = self._calls.get(message.id)
        try:
            (value,) = self.values.unpack((message.value,), event, _is_blocking(waiting))
        except Exception as error:
            if waiting is not None:
                waiting.fail(error)
                self.give_up(message.id)
            return
        if waiting is not None and isinstance(waiting.sink, Incoming):
            waiting.sink.put(value)

    def _on_progress(self, message: Progress, event: Event) -> None:
        waiting = self._calls.get(message.id)
        if waiting is not None and waiting.listener is not None:
            try:
                waiting.listener(message.done, message.total, message.text)
            except Exception as error:  # the listener's fault, not the link's
                context = {"message": "A listener of progress failed.", "exception": error}
                self.loop.call_exception_handler(context)

    def _on_more(self, message: More, event: Event) -> None:
        self._tasks.more(message.id)

    def _on_release(self, message: Release, event: Event) -> None:
        self.values.released(message)

    def _on_bye(self, message: Bye, event: Event) -> None:
        why = f": {message.reason}" if message.reason else "."
        self._finish(ConnectionLost(f"The other side ended the session{why}"))

    _handlers: ClassVar[dict[type[Message], Callable[[Peer, Any, Event], None]]] = {
        Hello: _on_hello,
        Call: _on_call,
        Result: _on_result,
        Error: _on_error,
        Cancel: _on_cancel,
        Progress: _on_progress,
        Item: _on_item,
        More: _on_more,
        Release: _on_release,
        Bye: _on_bye,
    }


def _is_blocking(waiting: Waiting | None) -> bool:
    return waiting is not None and waiting.blocking
