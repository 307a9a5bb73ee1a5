"""Outbox: what a session has to send, and in which order it goes out. Pure.

Frames without a payload go first; the pieces of buffers take turns, each within the credit that the
other side gave. So a small call waits for one piece at most, however much is being sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

from opsin.errors import ProtocolError
from opsin.rpc.frames import LARGEST_HEADER, LARGEST_PIECE, Frame
from opsin.rpc.messages import (
    MOST_BUFFERS,
    Announcing,
    Call,
    Drain,
    Error,
    Message,
    More,
    Piece,
    Result,
    encode_message,
)

CREDIT = 2**23
"""Bytes of a buffer that may be on their way before the other side says that it took some."""
MOST_IN_A_ROW = 64
"""Frames without a payload before a piece has its turn, so that calls cannot starve a transfer."""


Key: TypeAlias = tuple[bool, int]
"""Whose message it is: of a call of ours (True), or an answer to one of theirs; and its id."""


class Parcel:
    """A message with all that belongs to it.

    `is_vital` says that it begins or ends the call. `keep` is whatever must live until everything
    was sent; the session gives it back if the parcel is given up.
    """

    __slots__ = ("buffers", "frame", "is_vital", "keep", "key", "left", "pieces")

    def __init__(
        self,
        key: Key,
        is_vital: bool,
        frame: Frame,
        buffers: Sequence[memoryview],
        keep: Any,
    ) -> None:
        self.key = key
        self.is_vital = is_vital
        self.frame = frame
        self.buffers = buffers
        self.keep = keep
        self.pieces: list[_Buffer] = []
        self.left = len(buffers)


class _Buffer:
    """A buffer that is being sent."""

    __slots__ = ("blocked", "credit", "given_up", "number", "offset", "parcel", "view")

    def __init__(self, number: int, view: memoryview, parcel: Parcel) -> None:
        self.number = number
        self.view = view
        self.parcel = parcel
        self.offset = 0
        self.credit = CREDIT
        self.blocked = False
        self.given_up = False

    @property
    def unsent(self) -> int:
        return self.view.nbytes - self.offset


class Outbox:
    """Frames to send.

    Args:
        largest_piece: bytes; None where the transport takes a buffer of any size at once.
    """

    def __init__(self, largest_piece: int | None = LARGEST_PIECE) -> None:
        self._largest_piece = largest_piece
        self._frames: deque[tuple[Frame, Any, bool]] = deque()  # its parcel or `keep`; is an answer
        self._turns: deque[_Buffer] = deque()
        self._announced: dict[int, _Buffer] = {}
        self._waiting: deque[Parcel] = deque()  # for room among the announced buffers
        self._parcels: dict[Key, list[Parcel]] = {}
        self._last_number = 0
        self._in_a_row = 0
        self.unsent_answers = 0

    def __len__(self) -> int:
        """Messages and buffers that are not sent completely."""
        return len(self._frames) + len(self._announced) + len(self._waiting)

    def push(self, message: Message) -> None:
        """Queue a message that stands for itself."""
        self._frames.append((Frame(encode_message(message)), None, False))

    def push_answer(self, message: Message) -> None:
        """Queue a message that the other side caused, and so counts among the unsent answers."""
        self._frames.append((Frame(encode_message(message)), None, True))
        self.unsent_answers += 1

    def send(
        self,
        key: Key,
        message: Announcing | Error | More,
        buffers: Sequence[memoryview] = (),
        descriptors: tuple[int, ...] = (),
        keep: Any = None,
    ) -> None:
        """Queue a message of a call, with its buffers.

        Raises:
            ValueError: its header is too long.
        """
        header = encode_message(message)
        if len(header) > LARGEST_HEADER:
            raise ValueError(f"A message has a header of {len(header)} bytes: send less at once.")
        frame = Frame(header, b"", descriptors)
        is_answer = not key[0]
        self.unsent_answers += is_answer
        if not buffers and not self._waiting:  # what most messages are
            self._frames.append((frame, keep, is_answer))
            return
        parcel = Parcel(key, type(message) in (Call, Result, Error), frame, buffers, keep)
        if self._waiting or (buffers and len(self._announced) + len(buffers) > MOST_BUFFERS):
            self._waiting.append(parcel)
        else:
            self._announce(parcel)

    def next_frame(self) -> Frame | None:
        """The most urgent frame, which the caller now sends; None if there is none to send."""
        if self._frames and (self._in_a_row < MOST_IN_A_ROW or not self._turns):
            return self._next_message()
        self._in_a_row = 0
        if not self._turns:
            return None
        return self._next_piece() or (self._next_message() if self._frames else None)

    def drained(self, message: Drain) -> None:
        """The other side took some bytes of a buffer.

        Raises:
            ProtocolError: it cannot have.
        """
        buffer = self._announced.get(message.buffer)
        if buffer is None:
            if message.buffer > self._last_number:
                raise ProtocolError(f"Buffer {message.buffer} was never announced.")
            return
        buffer.credit += message.bytes
        if buffer.credit > CREDIT:
            raise ProtocolError(f"More of buffer {message.buffer} was taken than had been sent.")
        if buffer.blocked:
            buffer.blocked = False
            self._turns.append(buffer)

    def give_up(self, key: Key) -> tuple[list[Any], bool]:
        """Do not send the rest of these messages.

        Returns what was kept for those that now never arrive, and whether the other side still
        hears of the call's beginning (or its end).
        """
        kept, is_told = [], True
        for parcel in [parcel for parcel in self._waiting if parcel.key == key]:
            self._waiting.remove(parcel)
            self.unsent_answers -= not key[0]
            kept.append(parcel.keep)
            is_told = is_told and not parcel.is_vital
        for parcel in list(self._parcels.get(key, ())):
            unfinished = [b for b in parcel.pieces if b.number in self._announced]
            if not any(buffer.unsent for buffer in unfinished):
                continue  # an empty last piece would say that all of it has come
            for buffer in unfinished:
                buffer.given_up = True
                self.push(Piece(buffer.number, last=True))
                self._finish(buffer)
            kept.append(parcel.keep)
        return kept, is_told

    def clear(self) -> None:
        """Send nothing of this any more."""
        for queue in (self._frames, self._turns, self._waiting):
            queue.clear()
        self._announced.clear()
        self._parcels.clear()
        self.unsent_answers = 0

    def _announce(self, parcel: Parcel) -> None:
        self._frames.append((parcel.frame, parcel, not parcel.key[0]))
        if not parcel.buffers:
            return
        self._parcels.setdefault(parcel.key, []).append(parcel)
        for view in parcel.buffers:
            self._last_number += 1
            buffer = _Buffer(self._last_number, view, parcel)
            self._announced[buffer.number] = buffer
            parcel.pieces.append(buffer)

    def _next_message(self) -> Frame:
        self._in_a_row += 1
        frame, parcel, is_answer = self._frames.popleft()
        self.unsent_answers -= is_answer
        if type(parcel) is Parcel:
            self._turns.extend(parcel.pieces)  # and not before: pieces come after their message
        return frame

    def _next_piece(self) -> Frame | None:
        while self._turns:
            buffer = self._turns.popleft()
            if buffer.given_up:
                continue
            size = buffer.unsent
            if self._largest_piece is not None:
                size = min(size, self._largest_piece, buffer.credit)
                if not size and buffer.unsent:
                    buffer.blocked = True
                    continue
                buffer.credit -= size
            payload = buffer.view[buffer.offset : buffer.offset + size]
            buffer.offset += size
            last = not buffer.unsent
            if last:
                self._finish(buffer)
            else:
                self._turns.append(buffer)
            return Frame(encode_message(Piece(buffer.number, last)), payload)
        return None

    def _finish(self, buffer: _Buffer) -> None:
        del self._announced[buffer.number]
        parcel = buffer.parcel
        parcel.left -= 1
        if not parcel.left:
            others = self._parcels[parcel.key]
            others.remove(parcel)
            if not others:
                del self._parcels[parcel.key]
        while self._waiting:
            waiting = self._waiting[0]
            if waiting.buffers and len(self._announced) + len(waiting.buffers) > MOST_BUFFERS:
                return
            self._announce(self._waiting.popleft())
