"""Memory: two transports in one process, joined by queues."""

from __future__ import annotations

import asyncio
import os
from collections import deque

from opsin.errors import ConnectionLost
from opsin.rpc.frames import Frame, check_limits

ROOM = 4
"""Frames that wait to be received before `send` waits, as in a small socket buffer."""


class MemoryTransport:
    """One end of a pair. Both ends belong to one event loop."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._frames: deque[Frame] = deque()
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._other: MemoryTransport = self
        self._closed = False

    async def send(self, frame: Frame) -> None:
        while not self.send_now(frame):
            self._writable.clear()
            await self._writable.wait()

    def send_now(self, frame: Frame) -> bool:
        """Hand a frame over if there is room; False if `send` has to be awaited.

        Raises:
            ConnectionLost: the other side is gone.
        """
        other = self._other
        if self._closed or other._closed:
            raise ConnectionLost("The other side of the link is gone.")
        if len(other._frames) >= self._room:
            return False
        header, payload = bytes(frame.header), bytes(frame.payload)
        check_limits(len(header), len(payload), len(frame.descriptors), 0)
        copies = tuple(os.dup(descriptor) for descriptor in frame.descriptors)
        other._frames.append(Frame(header, payload, copies))
        other._readable.set()
        return True

    async def receive(self) -> Frame:
        while not self._frames:
            if self._closed or self._other._closed:
                raise EOFError
            self._readable.clear()
            await self._readable.wait()
        frame = self._frames.popleft()
        self._other._writable.set()
        return frame

    async def close(self) -> None:
        self._closed = True
        while self._frames:
            for descriptor in self._frames.popleft().descriptors:
                os.close(descriptor)
        for end in (self, self._other):
            end._readable.set()
            end._writable.set()


def pair(room: int = ROOM) -> tuple[MemoryTransport, MemoryTransport]:
    """Two ends of a new link."""
    one, other = MemoryTransport(room), MemoryTransport(room)
    one._other, other._other = other, one
    return one, other
