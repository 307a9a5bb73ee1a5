"""Room: a bound on the bytes of answers that are in memory at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Room:
    """So many bytes, given to who asks in the order in which they ask, from one event loop.

    What is larger than all of it gets it alone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """Have so many bytes as long as the context lasts."""
        if self._waiting or not self._has(size):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.cancelled():
                    with suppress(ValueError):  # it was passed over already
                        self._waiting.remove((size, turn))
                    self._call()  # who stands behind may need less
                else:  # its turn had come
                    self._leave(size)
                raise
        else:
            self.used += size
        try:
            yield
        finally:
            self._leave(size)

    def _has(self, size: int) -> bool:
        return not self.used or self.used + size <= self._size

    def _leave(self, size: int) -> None:
        self.used -= size
        self._call()

    def _call(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            # Who is cancelled hears of it only in the loop's next round.
            if not turn.cancelled():
                if not self._has(size):
                    return
                self.used += size
                turn.set_result(None)
            self._waiting.popleft()
