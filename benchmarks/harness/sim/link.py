"""Link: the way to a store, with a latency and a bandwidth that all requests share."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from opsin.images.source import Index

Chunk = tuple[int, Index]
"""A level and a grid index."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a link is like.

    Attributes:
        latency: seconds from asking to the first byte.
        bandwidth: bytes per second, of all requests together.
        connections: requests on the wire at once; more wait in the order in which they came, as in
            a browser that speaks HTTP/1.1 (6). None: as many as are asked for (HTTP/2).
        turnaround: seconds from the end of an answer until its connection takes the next request.
    """

    latency: float
    bandwidth: float
    connections: int | None = None
    turnaround: float = 0.0


@dataclass(slots=True)
class Request:
    """One request, as a server would log it."""

    name: Chunk
    size: int
    began: float
    ended: float = float("nan")
    complete: bool = False


class Link:
    """Requests that share a bandwidth evenly; one that is cancelled stops taking its share."""

    def __init__(
        self, conditions: Conditions, came: Callable[[Chunk], None] = lambda _: None
    ) -> None:
        self.conditions = conditions
        self._came = came
        self.log: list[Request] = []
        """Requests that got onto the wire."""
        places = conditions.connections
        self._places = None if places is None else asyncio.Semaphore(places)
        # Each transfer ends when `_share`, what every one of them has got so far, reaches its mark.
        self._share = 0.0
        self._shared_at = 0.0
        self._bytes = 0.0
        self._transfers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._active = 0
        self._timer: asyncio.TimerHandle | None = None
        self._numbers = count()

    @property
    def bytes(self) -> float:
        """What came over the wire, of what is under way and of aborted requests too."""
        self._advance()
        return self._bytes

    async def get(self, name: Chunk, size: int) -> None:
        """Wait until `size` bytes came."""
        if self._places is None:
            await self._exchange(name, size)
            return
        await self._places.acquire()
        try:
            await self._exchange(name, size)
        finally:
            loop = asyncio.get_running_loop()
            loop.call_later(self.conditions.turnaround, self._places.release)

    async def _exchange(self, name: Chunk, size: int) -> None:
        loop = asyncio.get_running_loop()
        request = Request(name, size, loop.time())
        self.log.append(request)
        try:
            await asyncio.sleep(self.conditions.latency)
            await self._transfer(size)
            request.complete = True
            self._came(name)
        finally:
            request.ended = loop.time()

    async def _transfer(self, size: int) -> None:
        self._advance()
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._transfers, (self._share + size, next(self._numbers), ended))
        self._active += 1
        self._set_timer()
        try:
            await ended
        finally:
            self._advance()
            self._active -= 1
            self._set_timer()

    def _advance(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._active:
            passed = now - self._shared_at
            self._share += passed * self.conditions.bandwidth / self._active
            self._bytes += passed * self.conditions.bandwidth
        self._shared_at = now

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._transfers and self._transfers[0][2].done():
            heapq.heappop(self._transfers)
        if self._transfers:
            lacking = max(0.0, self._transfers[0][0] - self._share)
            seconds = lacking * self._active / self.conditions.bandwidth
            self._timer = asyncio.get_running_loop().call_later(seconds, self._end_first)

    def _end_first(self) -> None:
        self._timer = None
        _, _, ended = heapq.heappop(self._transfers)
        if not ended.done():
            ended.set_result(None)
