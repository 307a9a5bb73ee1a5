"""Inbox: messages whose buffers are still coming. Pure."""

from __future__ import annotations

import numpy as np

from opsin.errors import ProtocolError
from opsin.rpc.messages import MOST_BUFFERS, Announcing, Drain, Error
from opsin.rpc.outbox import CREDIT

DRAIN_AT = CREDIT // 4
"""Bytes taken of a long buffer before the other side is told."""


class Arrival:
    """A message that has come, or is coming.

    Attributes:
        missing: how many of its buffers have not come completely.
        is_given_up: its sender will not send the rest.
    """

    __slots__ = ("_parts", "descriptors", "is_given_up", "message", "missing")

    def __init__(self, message: Announcing | Error, descriptors: tuple[int, ...] = ()) -> None:
        self.message = message
        self.descriptors = descriptors
        self._parts: list[_Buffer] = []
        self.missing = 0
        self.is_given_up = False

    @property
    def buffers(self) -> list[memoryview]:
        """What has come beside the header, once nothing is missing."""
        return [part.data for part in self._parts]

    def expect(self, part: _Buffer) -> None:
        """One of the buffers that belong to the message."""
        self._parts.append(part)
        self.missing += 1


class _Buffer:
    """A buffer that is coming. Its memory is taken as pieces arrive.

    There is room for no more than a credit, or four times what has come, so claims cost nothing,
    and little is copied as it grows.
    """

    __slots__ = ("arrival", "count", "data", "size", "taken")

    def __init__(self, size: int, arrival: Arrival) -> None:
        self.size = size
        self.arrival = arrival
        self.data = memoryview(b"")
        self.count = 0
        self.taken = 0

    def add(self, payload: bytes | memoryview) -> None:
        end = self.count + memoryview(payload).nbytes
        if end > len(self.data):
            room = min(self.size, max(end, CREDIT, 4 * self.count))
            more = np.empty(room, np.uint8).data
            more[: self.count] = self.data[: self.count]
            self.data = more
        self.data[self.count : end] = payload
        self.count = end


class Inbox:
    """Buffers that the other side announced, numbered from 1 in the order of their announcement."""

    def __init__(self, credited: bool = True) -> None:
        self._credited = credited
        self._coming: dict[int, _Buffer] = {}
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._coming)

    def announce(self, message: Announcing, descriptors: tuple[int, ...]) -> Arrival:
        """Expect the buffers of a message.

        Raises:
            ProtocolError: too many are announced and unfinished.
        """
        arrival = Arrival(message, descriptors)
        if len(self._coming) + len(message.buffers) > MOST_BUFFERS:
            raise ProtocolError(f"More than {MOST_BUFFERS} buffers are announced and unfinished.")
        for size in message.buffers:
            self._last_number += 1
            buffer = _Buffer(size, arrival)
            self._coming[self._last_number] = buffer
            arrival.expect(buffer)
        return arrival

    def piece(
        self, number: int, last: bool, payload: bytes | memoryview
    ) -> tuple[Arrival | None, Drain | None]:
        """Take a piece; returns the message if this was its end, and what to tell its sender.

        Raises:
            ProtocolError: it does not fit what was announced.
        """
        buffer = self._coming.get(number)
        if buffer is None:
            raise ProtocolError(f"A piece came of buffer {number}, of which none is expected.")
        count = memoryview(payload).nbytes
        if buffer.count + count > buffer.size:
            raise ProtocolError(f"Buffer {number} is longer than announced.")
        if self._credited and buffer.taken + count > CREDIT:
            raise ProtocolError(f"A piece of buffer {number} came without credit.")
        if not count and not last:
            raise ProtocolError("A piece is empty, and not the last.")
        arrival = buffer.arrival
        if last:
            del self._coming[number]
            arrival.missing -= 1
            if buffer.count + count < buffer.size:
                arrival.is_given_up = True
        if arrival.is_given_up:
            buffer.data = memoryview(b"")
            buffer.count = 0
        elif count:
            buffer.add(payload)
        buffer.taken += count
        if last:
            return (None if arrival.missing else arrival), None
        if buffer.taken < DRAIN_AT or buffer.size <= CREDIT:
            return None, None
        buffer.taken, taken = 0, buffer.taken
        return None, Drain(number, taken)

    def clear(self) -> list[int]:
        """Expect nothing any more; returns the descriptors that are left."""
        arrivals = {id(buffer.arrival): buffer.arrival for buffer in self._coming.values()}
        self._coming.clear()
        return [one for arrival in arrivals.values() for one in arrival.descriptors]
