"""Assembly: frames, each with its own descriptors, from the reads of a Unix socket. Pure.

The kernel hands descriptors over together with the first byte that they were sent with, and ends
a read after the bytes of that one `sendmsg`. A frame is sent with its descriptors on its first
byte. So descriptors belong to the one frame that begins in the bytes of the read they came with
and says that it has some; anything else breaks the protocol, and is noticed before a second set
of such descriptors is accepted.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress

import msgspec

from opsin.errors import ProtocolError
from opsin.rpc.frames import PREFIX, Frame, decode_prefix

READ_AHEAD = 2**16
"""Bytes that are read before somebody asks for them; longer frames are read where they stay."""
MOST_BATCHES = 8
"""Frames with descriptors that are read before somebody asks for them."""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """The descriptors of one read, and where in the stream its bytes begin and end."""

    start: int
    end: int
    descriptors: tuple[int, ...]
    cut: bool
    """Some were lost on the way: this process had no room for them."""


class Assembly:
    """Takes what was read, gives frames. Owns the descriptors until their frame is taken."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray(READ_AHEAD))
        self._first = self._last = 0  # what was read and not yet looked at
        self._received = 0
        self._batches: deque[Batch] = deque()
        self._error: ProtocolError | None = None
        # Of the frame that is being read, once its prefix is known:
        self._lengths: tuple[int, int] | None = None
        self._descriptors: tuple[int, ...] = ()
        self._parts: tuple[memoryview, memoryview] | None = None  # when it is read where it stays
        self._missing: list[memoryview] = []

    def __del__(self) -> None:
        self.close()

    def space(self) -> list[memoryview]:
        """Where the next read goes; nowhere, until `next` has taken what is here."""
        if len(self._batches) >= MOST_BATCHES:
            return []
        if self._first == self._last:
            self._first = self._last = 0
            if not self._missing:
                return [self._view]
        elif self._first > READ_AHEAD // 2:
            rest = bytes(self._view[self._first : self._last])
            self._view[: len(rest)] = rest
            self._first, self._last = 0, len(rest)
        space = [*self._missing, self._view[self._last :]]
        return [part for part in space if part]

    def received(self, count: int, descriptors: tuple[int, ...] = (), cut: bool = False) -> None:
        """Say that `count` bytes were read into `space()`, and which descriptors came with them."""
        start = self._received
        self._received += count
        if descriptors or cut:
            self._batches.append(Batch(start, self._received, descriptors, cut))
        while self._missing and count:
            part = self._missing.pop(0)
            if len(part) > count:
                self._missing.insert(0, part[count:])
            count -= min(count, len(part))
        self._last += count

    def next(self) -> Frame | None:
        """The next frame, which owns its descriptors; None if it is not complete.

        A frame whose descriptors were cut off comes without any of them.

        Raises:
            ProtocolError: these are not frames. There will be no other.
        """
        if self._error is not None:
            raise self._error
        if self.between_frames and not self._batches:
            return None
        try:
            return self._next()
        except ProtocolError as error:
            self.close()
            self._error = error
            raise

    def close(self) -> None:
        """Close all descriptors that no frame has taken with it."""
        batches = [batch.descriptors for batch in self._batches]
        for descriptors in (*batches, self._descriptors):
            close_all(descriptors)
        self._batches.clear()
        self._descriptors = ()

    @property
    def between_frames(self) -> bool:
        """Nothing of a further frame is here."""
        return self._lengths is None and self._first == self._last

    def _next(self) -> Frame | None:
        if self._lengths is None:
            here = self._last - self._first
            if here < PREFIX.size:
                self._check_batches(1)  # perhaps this frame's
                return None
            began = self._received - here
            header, payload, count = decode_prefix(self._view, self._first)
            self._first += PREFIX.size
            self._lengths = (header, payload)
            self._descriptors = self._match(began, count) if count or self._batches else ()
        header, payload = self._lengths
        frame = None
        if self._parts is None and self._last - self._first >= header + payload:
            head = bytes(self._take(header))
            frame = Frame(head, bytes(self._take(payload)) if payload else b"", self._descriptors)
        elif self._parts is None:
            # Header and payload are read where they stay, without passing through the buffer.
            self._parts = (memoryview(bytearray(header)), memoryview(bytearray(payload)))
            for part in self._parts:
                some = self._take(min(len(part), self._last - self._first))
                part[: len(some)] = some
                if len(some) < len(part):
                    self._missing.append(part[len(some) :])
        elif not self._missing:
            frame = Frame(*self._parts, self._descriptors)
        if frame is None:
            self._check_batches(0)
            return None
        self._lengths = self._parts = None
        self._descriptors = ()
        return frame

    def _take(self, count: int) -> memoryview:
        first = self._first
        self._first += count
        return self._view[first : self._first]

    def _check_batches(self, most: int) -> None:
        """While a frame is not complete, there is nothing that further descriptors belong to."""
        if len(self._batches) > most:
            raise ProtocolError("Descriptors came in the middle of a frame.")

    def _match(self, began: int, count: int) -> tuple[int, ...]:
        """The descriptors of a frame that began there and says it has `count`."""
        batch = self._batches[0] if self._batches else None
        if batch is not None and batch.end <= began:
            raise ProtocolError("Descriptors came that belong to no frame.")
        if not count:
            return ()
        if batch is None or batch.start > began:
            raise ProtocolError("A frame came without its descriptors.")
        self._batches.popleft()
        if batch.cut or len(batch.descriptors) != count:
            close_all(batch.descriptors)
            if not batch.cut:
                raise ProtocolError(
                    f"A frame of {count} descriptors came with {len(batch.descriptors)}."
                )
            return ()
        return batch.descriptors


def close_all(descriptors: tuple[int, ...]) -> None:
    """Close these, whatever state they are in."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)
