"""UnixTransport: frames with descriptors over a connected Unix socket.

asyncio's and uvloop's own transports cannot receive descriptors, so this one reads and writes a
non-blocking socket itself. A descriptor that cannot travel does not end the link:

* `send` raises OSError (`ETOOMANYREFS`) and nothing of the frame was sent;
* a frame whose descriptors were cut off on arrival (`MSG_CTRUNC`: this process has no room for
  them) is delivered without any: those that did come are closed, header and payload are whole. A
  value in it that speaks of a descriptor which is not there fails its call.
"""

from __future__ import annotations

import array
import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence

from opsin.errors import ConnectionLost
from opsin.rpc.frames import MOST_DESCRIPTORS, Frame, encode_prefix
from opsin.rpc.transports.assembly import Assembly
from opsin.rpc.transports.watch import Watch

INTS = array.array("i")
ROOM = socket.CMSG_SPACE(MOST_DESCRIPTORS * INTS.itemsize)
CLOSE_ON_EXEC = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))  # macOS: `_descriptors` does it
TRUNCATED = int(socket.MSG_CTRUNC)  # an enum's `&` costs as much as all the rest of a read
NOT_THE_LINK = (errno.ETOOMANYREFS, errno.EBADF)
"""A descriptor cannot be sent; the link is as it was."""

SENDS_IN_A_ROW = 64
"""Frames that the kernel takes at once before others in the event loop have their turn."""

Ancillary = list[tuple[int, int, "array.array[int]"]]


class UnixTransport:
    """One end of a connected Unix stream socket, which it owns. Belongs to the running loop.

    Nothing is read but what fits a small buffer, unless somebody receives; nothing is kept of what
    is sent but, when a `send` is cancelled in the middle, the rest of that frame, which is then
    sent in the background. Cancelling `receive` loses nothing.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        try:
            self._watch = Watch(connected, self._read, self._write_rest)
        except OSError:  # no room for another descriptor
            connected.close()
            raise
        self._assembly = Assembly()
        self.receive_now = self._assembly.next
        self._ended = False
        self._closed = False
        self._ready: Callable[[], bool] | None = None
        self._readable: asyncio.Future[None] | None = None
        self._in_a_row = 0
        self._rest = memoryview(b"")
        self._writable: asyncio.Future[None] | None = None

    async def receive(self) -> Frame:
        """The next frame (see above about descriptors that were cut off).

        Raises:
            EOFError: the link has ended, in order or not.
            ProtocolError: what came is not a frame.
        """
        while True:
            if self._closed:
                raise EOFError("The link is closed.")
            frame = self._assembly.next()
            if frame is not None:
                return frame
            if self._ended:
                if self._assembly.between_frames:
                    raise EOFError("The link has ended.")
                raise EOFError("The link has ended in the middle of a frame.")
            self._watch.for_reading(True)
            self._readable = self._loop.create_future()
            try:
                await self._readable
            finally:
                self._readable = None

    def listen(self, ready: Callable[[], bool]) -> None:
        """Call `ready` whenever something has come; a `receive` is woken if that leaves frames."""
        self._ready = ready

    async def send(self, frame: Frame) -> None:
        """Hand a frame to the kernel; waits while that has no room.

        Raises:
            ConnectionLost: the other side is gone.
            OSError: a descriptor cannot be sent now; nothing was, and the link is as it was.
            ProtocolError: the frame breaks a limit.
        """
        parts = [memoryview(b"".join((encode_prefix(frame), frame.header)))]
        if frame.payload:
            parts.append(memoryview(frame.payload).cast("B"))
        ancillary = _ancillary(frame.descriptors) if frame.descriptors else []
        self._in_a_row += 1
        if self._in_a_row >= SENDS_IN_A_ROW:
            self._in_a_row = 0
            await asyncio.sleep(0)
        begun = False
        try:
            while self._rest:
                await self._until_writable()
            while parts:
                if count := self._write(parts, ancillary):
                    begun = True
                    ancillary = []  # they went with the first byte
                    parts = _after(parts, count)
                else:
                    await self._until_writable()
        except asyncio.CancelledError:
            if begun and not self._closed:
                self._rest = memoryview(b"".join(parts))
                self._watch.for_writing(True)
            raise

    def send_now(self, frame: Frame) -> bool:
        """Hand a frame to the kernel at once; False: it cannot be, so `send` has to be awaited.

        Only when no `send` is under way, and only for a frame without a payload. What the kernel
        does not take of it is sent in the background.

        Raises:
            ConnectionLost: the other side is gone.
            OSError: a descriptor cannot be sent now; nothing was, and the link is as it was.
        """
        if self._rest or self._writable is not None or frame.payload:
            return False
        data = encode_prefix(frame) + frame.header
        count = self._write([data], _ancillary(frame.descriptors) if frame.descriptors else [])
        if 0 < count < len(data):
            self._rest = memoryview(data)[count:]
            self._watch.for_writing(True)
        return count > 0

    async def close(self) -> None:
        """Close the socket and all descriptors that nobody has received. Idempotent."""
        self.close_now()

    def close_now(self) -> None:
        """The same, from where nothing can be awaited."""
        if self._closed:
            return
        self._closed = True
        self._watch.close()
        self._socket.close()
        self._assembly.close()
        for waiting in (self._readable, self._writable):
            _wake(waiting)

    def _read(self) -> None:
        space = self._assembly.space()
        if not space:  # back pressure: the kernel's buffer fills, then the sender waits
            self._watch.for_reading(False)
            return
        try:
            count, ancillary, flags, _ = self._socket.recvmsg_into(space, ROOM, CLOSE_ON_EXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # ECONNRESET: it was killed, or closed without reading everything
            count, ancillary, flags = 0, [], 0
        if not count:
            self._ended = True
            self._watch.for_reading(False)
        descriptors = _descriptors(ancillary) if ancillary else ()
        self._assembly.received(count, descriptors, bool(flags & TRUNCATED))
        if self._ready is None or not self._ready() or self._ended:
            _wake(self._readable)

    def _write(self, parts: Sequence[bytes | memoryview], ancillary: Ancillary) -> int:
        """How many bytes the kernel took."""
        if self._closed:
            raise ConnectionLost("The link is closed.")
        try:
            return self._socket.sendmsg(parts, ancillary)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            if ancillary and error.errno in NOT_THE_LINK:
                raise
            raise ConnectionLost("The other side of the link is gone.") from error

    def _write_rest(self) -> None:
        if self._rest:
            try:
                self._rest = self._rest[self._write([self._rest], []) :]
            except ConnectionLost:  # the next `send` or `receive` will see it too
                self._rest = memoryview(b"")
        if not self._rest:
            self._watch.for_writing(False)
            _wake(self._writable)

    async def _until_writable(self) -> None:
        self._in_a_row = 0
        self._watch.for_writing(True)
        self._writable = self._loop.create_future()
        try:
            await self._writable
        finally:
            self._writable = None
            if not self._rest and not self._closed:
                self._watch.for_writing(False)


def _ancillary(descriptors: tuple[int, ...]) -> Ancillary:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    numbers = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    if not CLOSE_ON_EXEC:
        for number in numbers:
            os.set_inheritable(number, False)
    return tuple(numbers)


def _after(parts: list[memoryview], count: int) -> list[memoryview]:
    """What is left of `parts` without its first `count` bytes."""
    left = []
    for part in parts:
        if count < len(part):
            left.append(part[count:])
        count = max(0, count - len(part))
    return left


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
