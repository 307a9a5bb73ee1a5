"""Calls: those of ours that wait for their answer, and who waits."""

from __future__ import annotations

import asyncio
from typing import Any

from opsin.errors import ConnectionLost
from opsin.rpc.progress import Listener
from opsin.rpc.stream import Incoming


class Waiting:
    """Who waits for the answer to a call."""

    __slots__ = ("blocking", "listener", "sink")

    def __init__(
        self, sink: asyncio.Future[Any] | Incoming, blocking: bool, listener: Listener | None
    ) -> None:
        self.sink = sink
        self.blocking = blocking
        """The answer is for code that waits, not for code that awaits."""
        self.listener = listener

    def end(self, value: Any) -> None:
        """The call has ended well."""
        if isinstance(self.sink, Incoming):
            self.sink.end()
        elif not self.sink.done():
            self.sink.set_result(value)

    def fail(self, error: BaseException) -> None:
        """The call has failed."""
        if isinstance(self.sink, Incoming):
            self.sink.end(error)
        elif not self.sink.done():
            self.sink.set_exception(error)


class Calls:
    """The open calls of one peer, by id. One that was given up is not among them any more."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, id: int, waiting: Waiting) -> None:
        """A call was made."""
        self._waiting[id] = waiting

    def get(self, id: int) -> Waiting | None:
        """Who waits for the call; None: nobody does any more."""
        return self._waiting.get(id)

    def pop(self, id: int) -> Waiting | None:
        """The same, and the call is over."""
        return self._waiting.pop(id, None)

    def fail_all(self, reason: str) -> None:
        """The link is gone."""
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            one.fail(ConnectionLost(reason))  # one for each: it collects where it was raised
