"""Stream: the items that a call of the other side yields, as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from opsin.rpc.held import Held
from opsin.rpc.session import FIRST_ITEMS

TOGETHER = FIRST_ITEMS // 2
"""Items taken before more are asked for."""


class Incoming:
    """What has come of one stream. The peer fills it, a `Stream` empties it."""

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.error: BaseException | None = None
        self.has_ended = False
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: Any) -> None:
        self.items.append(item)
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        self.has_ended, self.error = True, error
        self._wake()

    async def wait(self) -> None:
        """Until an item or the end has come."""
        while not self.items and not self.has_ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Streams(Protocol):
    """The peer, as a stream needs it."""

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

    def ask_for_more(self, id: int, count: int) -> None:
        """Let `count` further items come."""

    def give_up(self, id: int) -> None:
        """Cancel the call."""

    def give_up_soon(self, id: int) -> None:
        """The same, from any thread."""


class Stream(AsyncIterator[Any]):
    """Items to iterate over. The call is made at the first, and cancelled when this is dropped."""

    def __init__(
        self,
        peer: Streams,
        held: Held,
        path: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        blocking: bool = False,
    ) -> None:
        self._peer = peer
        self._request: Any = (held, path, args, kwargs, blocking)
        self._held = held  # its owner pins it during the call, but the call may not have begun
        self._id = 0
        self._incoming = Incoming()
        self._taken = 0

    async def __anext__(self) -> Any:
        if self._request is not None:
            request, self._request = self._request, None
            self._id = await self._peer.open_stream(self._incoming, *request)
        await self._incoming.wait()
        if self._incoming.items:
            self._taken += 1
            if self._taken % TOGETHER == 0:
                self._peer.ask_for_more(self._id, TOGETHER)
            return self._incoming.items.popleft()
        if self._incoming.error is not None:
            error, self._incoming.error = self._incoming.error, None
            raise error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Take no more items: the call is cancelled. Idempotent."""
        self._request = None
        if not self._incoming.has_ended:
            self._incoming.end()
            if self._id:
                self._peer.give_up(self._id)
        self._incoming.items.clear()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._id and not self._incoming.has_ended:
            self._peer.give_up_soon(self._id)
