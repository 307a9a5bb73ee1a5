"""Blocking: remotes for code that waits, in any thread but the event loop's.

A plain function that the other side calls gets its remotes as these; so does a blocking client.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

from opsin.errors import Cancelled, ConnectionLost, UsageError
from opsin.rpc import progress
from opsin.rpc.held import Requests
from opsin.rpc.remote import Caller, Method
from opsin.rpc.threads import waiting


class MayWait:
    """What the event loops are a kind of that blocking calls may stop, as whoever runs them knows.

    It has a link's loop in another thread, and nothing that the other side waits for.
    """


def wait_for(peer: Requests, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine of the peer's event loop, which runs in another thread.

    Raises:
        UsageError: this thread is the event loop's, which would wait for itself.
        Cancelled: it was cancelled.
        ConnectionLost: the event loop is closed.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        if running is peer.loop or not isinstance(running, MayWait):
            coroutine.close()
        if running is peer.loop:
            raise UsageError("A blocking call in the event loop waits for itself: await instead.")
        if not isinstance(running, MayWait):
            raise UsageError("A blocking call would stop an event loop: await instead.")
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, peer.loop)
    except RuntimeError:
        coroutine.close()
        raise ConnectionLost("The link was closed on this side.") from None
    reporter = progress.current.get()
    if reporter is not None:
        reporter.awaits(future)
    try:
        with waiting():
            return future.result()
    except concurrent.futures.CancelledError:
        raise Cancelled("The call was cancelled.") from None
    finally:
        if reporter is not None:
            reporter.awaits(None)
        future.cancel()  # KeyboardInterrupt: do not leave it running


class BlockingMethod(Caller):
    """A method of a blocking remote."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        method = super().__getattr__(name)
        return BlockingMethod(method._held, method._path)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call, and wait for the result."""
        held = self._held
        return wait_for(held.peer, held.peer.call(held, self._path, args, kwargs, blocking=True))

    def _opsin_forward(self, path: str) -> Any:
        return Method(self._held, ".".join(filter(None, (self._path, path))))


class BlockingRemote(BlockingMethod):
    """An object of the other side, whose methods are called and waited for."""

    __slots__ = ()

    def release(self) -> None:
        """Let go of the object now, and not when the last of its remotes is collected."""
        self._held.release()

    def __iter__(self) -> Iterator[Any]:
        held = self._held
        return BlockingStream(held.peer, held.peer.stream(held, "", (), {}, blocking=True))

    def __enter__(self) -> BlockingRemote:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __dir__(self) -> list[str]:
        return ["release", *(self._held.info.methods or ())]


class BlockingStream(Iterator[Any]):
    """The items of a stream, each waited for."""

    def __init__(self, peer: Requests, stream: AsyncIterator[Any]) -> None:
        self._peer = peer
        self._stream = stream

    def __next__(self) -> Any:
        try:
            return wait_for(self._peer, _next(self._stream))
        except StopAsyncIteration:
            raise StopIteration from None


async def _next(stream: AsyncIterator[Any]) -> Any:
    return await stream.__anext__()
