"""Ahead: calls that are made before they are asked for, several at a time, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Position = tuple[int, ...]


class Ahead:
    """What the calls at some positions give.

    Args:
        ask: makes the call at a position.
        positions: all, in the order in which they will be asked for.
        width: calls that are made, or were and have not been asked for, at the same time.
    """

    def __init__(
        self,
        ask: Callable[[Position], Awaitable[list[Any]]],
        positions: Iterable[Position],
        width: int,
    ) -> None:
        self._ask = ask
        self._waiting = dict.fromkeys(positions)
        self._width = width
        self._made: dict[Position, asyncio.Future[list[Any]]] = {}

    async def get(self, position: Position) -> list[Any]:
        """What the call at a position gives, once.

        Raises whatever it does.
        """
        if position in self._waiting:
            self._begin(position)
        found = self._made[position]
        self._fill()
        outputs = await found
        del self._made[position]
        self._fill()
        return outputs

    async def close(self) -> None:
        """Cancel what nobody has asked for, and wait for it. Idempotent."""
        for made in self._made.values():
            made.cancel()
        if self._made:
            await asyncio.wait(self._made.values())
        for made in self._made.values():
            if not made.cancelled():
                made.exception()  # looked at: nobody asked for it
        self._made.clear()

    def _fill(self) -> None:
        while self._waiting and len(self._made) < self._width:
            self._begin(next(iter(self._waiting)))

    def _begin(self, position: Position) -> None:
        del self._waiting[position]
        self._made[position] = asyncio.ensure_future(self._ask(position))
