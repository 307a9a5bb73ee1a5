"""Session: one peer's end of a link, as a state machine (protocol/RPC.md). Pure.

Frames go in by `receive`, which returns what happened, and come out of `next_frame`, the most
urgent first. Nothing here waits, and nothing looks into values.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec
from msgspec import Raw

from opsin.errors import ConnectionLost, ProtocolError, UsageError
from opsin.rpc.frames import LARGEST_PIECE, Frame
from opsin.rpc.inbox import Arrival, Inbox
from opsin.rpc.messages import (
    NULL,
    VERSION,
    WANTS_NO_ANSWER,
    WANTS_STREAM,
    Bye,
    Call,
    Cancel,
    Drain,
    Error,
    ErrorParts,
    Hello,
    Item,
    Message,
    More,
    Piece,
    Ping,
    Pong,
    Progress,
    Release,
    Result,
    decode_first,
    decode_message,
)
from opsin.rpc.outbox import Outbox

MOST_CALLS = 2**16
"""Open at the same time, in each direction."""
FIRST_ITEMS = 8
"""Items of a stream that its sender may send at first."""
CANCELLED: ErrorParts = ("Cancelled", "The call was cancelled.", "")


class Event(msgspec.Struct, frozen=True):
    """Something that happened: a message of the other side, with all that belongs to it.

    Whoever gets an event owns its descriptors.
    """

    message: Message
    buffers: Sequence[memoryview] = ()
    descriptors: tuple[int, ...] = ()


class Lost(NamedTuple):
    """What is left when a link is gone."""

    calls: list[int]
    """Calls of ours that will not be answered."""
    tasks: list[int]
    """Calls of theirs whose answers nobody takes."""
    descriptors: list[int]
    """Of messages that never became complete; to be closed."""


class _OurCall:
    """A call that we made, until its answer was delivered."""

    __slots__ = ("arrivals", "cancelled", "credit", "ended", "is_stream")

    arrivals: deque[Arrival] | None
    """Items and the end of a stream, which stay in order; None: nothing that waits."""

    def __init__(self, is_stream: bool) -> None:
        self.is_stream = is_stream
        self.credit = FIRST_ITEMS
        self.cancelled = False
        self.ended = False  # its answer was announced
        self.arrivals = None


class _TheirCall:
    """A call that the other side made, until it is answered."""

    __slots__ = ("arrival", "cancelled", "credit", "flags")

    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.credit = FIRST_ITEMS if flags & WANTS_STREAM else 0
        self.cancelled = False
        self.arrival: Arrival | None = None  # while it is not complete


class Session:
    """The state of one end of a link.

    Args:
        token: what this side shows in its hello.
        expected: the token that the other side must show before this side says anything.
        features: what this side can do beyond the base (`"descriptors"`, `"transfer"`).
        give_back: called with the `keep` of every message of ours that never arrives whole, while
            the session lives.
        largest_piece: bytes; None where the transport takes a buffer of any size at once.
    """

    def __init__(
        self,
        token: str | None = None,
        expected: str | None = None,
        features: Sequence[str] = (),
        give_back: Callable[[Any], None] = lambda _: None,
        largest_piece: int | None = LARGEST_PIECE,
    ) -> None:
        self._expected = expected
        self._hello = Hello(VERSION, tuple(features), token)
        self._give_back = give_back
        self._outbox = Outbox(largest_piece)
        self._inbox = Inbox(credited=largest_piece is not None)
        self._ours: dict[int, _OurCall] = {}
        self._theirs: dict[int, _TheirCall] = {}
        self._last_of_ours = 0
        self._last_of_theirs = 0
        self.features: frozenset[str] = frozenset()
        self.is_open = False
        self.is_over = False
        self.next_frame = self._outbox.next_frame
        """The most urgent frame, which the caller now sends; None if there is none to send."""
        if expected is None:
            self._outbox.push(self._hello)

    # ------------------------------------------------------------------ what there is

    @property
    def is_empty(self) -> bool:
        """No call is open, nothing is on its way in or out."""
        return not (self._ours or self._theirs or self._outbox or self._inbox)

    def is_running(self, id: int) -> bool:
        """Their call is still to be answered."""
        call = self._theirs.get(id)
        return call is not None and not call.cancelled

    def item_credit(self, id: int) -> int:
        """How many items their call of a stream can take now."""
        call = self._theirs.get(id)
        return 0 if call is None else call.credit

    # ------------------------------------------------------------------ what this side does

    def call(
        self,
        object: int,
        method: str,
        args: Raw,
        kwargs: Raw,
        buffers: Sequence[memoryview] = (),
        descriptors: tuple[int, ...] = (),
        flags: int = 0,
        keep: Any = None,
    ) -> int:
        """Call; returns the call's id.

        Raises:
            ConnectionLost: the session is over.
            UsageError: too many calls are open.
            ValueError: the arguments do not fit.
        """
        if not self.is_open:
            what = "has ended" if self.is_over else "has not begun"
            raise ConnectionLost(f"The session {what}.")
        if len(self._ours) >= MOST_CALLS:
            raise UsageError(f"{MOST_CALLS} calls are open on one link: await some of them first.")
        id = self._last_of_ours + 1
        sizes = tuple([view.nbytes for view in buffers])
        message = Call(id, object, method, args, kwargs, sizes, flags)
        self._outbox.send((True, id), message, buffers, descriptors, keep)
        self._last_of_ours = id
        if not flags & WANTS_NO_ANSWER:
            self._ours[id] = _OurCall(bool(flags & WANTS_STREAM))
        return id

    def cancel(self, id: int) -> None:
        """Give a call of ours up. What is still to come of it is delivered all the same."""
        call = self._ours.get(id)
        if call is None or call.cancelled or call.ended:
            return
        call.cancelled = True
        kept, is_told = self._outbox.give_up((True, id))
        if is_told:
            self._outbox.push(Cancel(id))
        else:
            del self._ours[id]
        for keep in kept:
            self._give_back(keep)

    def more(self, id: int, count: int) -> None:
        """Let `count` further items of our stream come."""
        call = self._ours.get(id)
        if call is not None and not call.cancelled and not call.ended:
            call.credit += count
            self._outbox.send((True, id), More(id, count))  # not before the call

    def result(
        self,
        id: int,
        value: Raw = NULL,
        buffers: Sequence[memoryview] = (),
        descriptors: tuple[int, ...] = (),
        keep: Any = None,
    ) -> None:
        """End their call well. (Nothing is sent if it is not open any more, or wants no answer.)

        Raises:
            ValueError: the value does not fit; the call is still open.
        """
        sizes = tuple([view.nbytes for view in buffers])
        self._answer(id, Result(id, value, sizes), buffers, descriptors, keep)

    def error(self, id: int, parts: ErrorParts) -> None:
        """End their call with an error."""
        self._answer(id, Error(id, parts))

    def item(
        self,
        id: int,
        value: Raw,
        buffers: Sequence[memoryview] = (),
        descriptors: tuple[int, ...] = (),
        keep: Any = None,
    ) -> None:
        """Send the next item of their stream, which has credit for it.

        Raises:
            ValueError: the value does not fit.
        """
        call = self._theirs.get(id)
        if call is None or call.cancelled:
            self._give_back(keep)
            return
        sizes = tuple([view.nbytes for view in buffers])
        self._outbox.send((False, id), Item(id, value, sizes), buffers, descriptors, keep)
        call.credit -= 1

    def progress(self, id: int, done: float | None, total: float | None, text: str | None) -> None:
        """Report how far their call has come, if its caller is still there to hear it."""
        if self.is_running(id) and not self._theirs[id].flags & WANTS_NO_ANSWER:
            self._outbox.push(Progress(id, done, total, text))

    def release(self, objects: Sequence[tuple[int, int]], segments: Sequence[int] = ()) -> None:
        """Tell the other side which of its objects and segments are gone here."""
        if not self.is_over:
            self._outbox.push(Release(tuple(objects), tuple(segments)))

    def ping(self, n: int) -> None:
        """Ask for a sign of life."""
        if self.is_open and not self.is_over:
            self._outbox.push(Ping(n))

    def end(self, reason: str = "") -> Lost:
        """End the session: the last frame to send is a bye."""
        lost = self.lose()
        self._outbox.push(Bye(reason))
        return lost

    def lose(self) -> Lost:
        """The link is gone: nothing pending will happen."""
        left = set(self._inbox.clear())
        for call in self._ours.values():  # complete, but behind something that is not
            left.update(one for arrival in call.arrivals or () for one in arrival.descriptors)
        lost = Lost(list(self._ours), list(self._theirs), sorted(left))
        self._ours.clear()
        self._theirs.clear()
        self._outbox.clear()
        self.is_open, self.is_over = False, True
        return lost

    # ------------------------------------------------------------------ what the other side does

    def receive(self, frame: Frame) -> list[Event]:
        """Take a frame; returns what happened.

        Raises:
            ProtocolError: the frame breaks the protocol. The session cannot go on: call `end`.
                The frame's descriptors are still its receiver's.
        """
        if not self.is_open:
            return [] if self.is_over else self._greet(frame)
        message = decode_message(frame.header)
        if frame.payload and type(message) is not Piece:
            raise ProtocolError("A frame has a payload that its message knows nothing of.")
        if frame.descriptors and not self._may_carry(message):
            raise ProtocolError("A frame has descriptors that its message knows nothing of.")
        if message is None:
            return []
        return self._handlers[type(message)](self, message, frame)

    def _may_carry(self, message: Message | None) -> bool:
        return isinstance(message, Call | Result | Item) and "descriptors" in self.features

    def _greet(self, frame: Frame) -> list[Event]:
        message = decode_first(frame.header)
        if len(frame.payload) or frame.descriptors:
            raise ProtocolError("A hello has no payload.")
        if isinstance(message, Bye):
            return self._on_bye(message, frame)
        if self._expected is not None:
            shown = (message.token or "").encode(errors="replace")
            if not hmac.compare_digest(shown, self._expected.encode()):
                raise ProtocolError("The token is missing or wrong.")
        if message.version != VERSION:
            raise ProtocolError(
                f"The other side speaks version {message.version} of the RPC, this one {VERSION}."
            )
        if self._expected is not None:
            self._outbox.push(self._hello)
        self.features = frozenset(self._hello.features) & frozenset(message.features)
        self.is_open = True
        return [Event(message)]

    def _on_hello(self, message: Hello, frame: Frame) -> list[Event]:
        raise ProtocolError("A hello comes once.")

    def _on_call(self, message: Call, frame: Frame) -> list[Event]:
        if message.id <= self._last_of_theirs:
            raise ProtocolError(f"The call id {message.id} was used before.")
        if len(self._theirs) + self._outbox.unsent_answers >= MOST_CALLS:
            raise ProtocolError(f"More than {MOST_CALLS} calls are open or wait to be answered.")
        self._last_of_theirs = message.id
        call = self._theirs[message.id] = _TheirCall(message.flags)
        if not message.buffers:
            return [Event(message, (), frame.descriptors)]
        call.arrival = self._inbox.announce(message, frame.descriptors)
        return []

    def _on_answer(self, message: Result | Item | Error, frame: Frame) -> list[Event]:
        call = self._ours.get(message.id)
        if call is None or call.ended:
            raise ProtocolError(f"An answer came to call {message.id}, which is not open.")
        is_item = type(message) is Item
        if is_item:
            call.credit -= 1
            if not call.is_stream or call.credit < 0:
                raise ProtocolError(f"An item came to call {message.id}, which did not ask for it.")
        if isinstance(message, Error) or not message.buffers:
            if not call.arrivals:
                if not is_item:
                    del self._ours[message.id]
                return [Event(message, (), frame.descriptors)]
            arrival = Arrival(message, frame.descriptors)
        else:
            arrival = self._inbox.announce(message, frame.descriptors)
        call.ended = not is_item
        if call.arrivals is None:
            call.arrivals = deque()
        call.arrivals.append(arrival)
        return []

    def _on_piece(self, message: Piece, frame: Frame) -> list[Event]:
        arrival, drain = self._inbox.piece(message.buffer, message.last, frame.payload)
        if drain is not None:
            self._outbox.push(drain)
        if arrival is None:
            return []
        if type(arrival.message) is Call:
            return self._call_complete(arrival)
        call = self._ours[arrival.message.id]
        arrivals = call.arrivals
        events = []
        while arrivals and not arrivals[0].missing:
            events.append(self._answer_event(arrivals.popleft()))
        if call.ended and not arrivals:
            del self._ours[arrival.message.id]
        return events

    def _call_complete(self, arrival: Arrival) -> list[Event]:
        id = arrival.message.id
        call = self._theirs[id]
        call.arrival = None
        if arrival.is_given_up:
            call.cancelled = False
            self._answer(id, Error(id, CANCELLED))
            return [Event(Cancel(id), (), arrival.descriptors)]
        events = [Event(arrival.message, arrival.buffers, arrival.descriptors)]
        return [*events, Event(Cancel(id))] if call.cancelled else events

    def _answer_event(self, arrival: Arrival) -> Event:
        if not arrival.is_given_up:
            return Event(arrival.message, arrival.buffers, arrival.descriptors)
        id = arrival.message.id
        if isinstance(arrival.message, Item):  # the stream was cancelled, so nobody misses it
            return Event(Item(id), (), arrival.descriptors)
        return Event(Error(id, CANCELLED), (), arrival.descriptors)

    def _on_cancel(self, message: Cancel, frame: Frame) -> list[Event]:
        if message.id > self._last_of_theirs:
            raise ProtocolError(f"Call {message.id} was cancelled before it was made.")
        call = self._theirs.get(message.id)
        if call is None:
            self._spare_answer(message.id)
            return []
        if call.cancelled:
            return []
        call.cancelled = True
        return [] if call.arrival is not None else [Event(message)]

    def _on_progress(self, message: Progress, frame: Frame) -> list[Event]:
        call = self._ours.get(message.id)
        if call is None:
            raise ProtocolError(f"Progress came of call {message.id}, which is not open.")
        return [] if call.cancelled else [Event(message)]

    def _on_more(self, message: More, frame: Frame) -> list[Event]:
        if message.id > self._last_of_theirs:
            raise ProtocolError(f"More was asked of call {message.id}, which was not made.")
        call = self._theirs.get(message.id)
        if call is None:
            return []
        if not call.flags & WANTS_STREAM:
            raise ProtocolError(f"More was asked of call {message.id}, which is not a stream.")
        call.credit += message.count
        return [Event(message)]

    def _on_drain(self, message: Drain, frame: Frame) -> list[Event]:
        self._outbox.drained(message)
        return []

    def _on_release(self, message: Release, frame: Frame) -> list[Event]:
        return [Event(message)]

    def _on_ping(self, message: Ping, frame: Frame) -> list[Event]:
        if self._outbox.unsent_answers >= MOST_CALLS:
            raise ProtocolError("Too many pings wait to be answered.")
        self._outbox.push_answer(Pong(message.n))
        return []

    def _on_pong(self, message: Pong, frame: Frame) -> list[Event]:
        return []

    def _on_bye(self, message: Bye, frame: Frame) -> list[Event]:
        return [Event(message)]

    _handlers: ClassVar[dict[type[Message], Callable[[Session, Any, Frame], list[Event]]]] = {
        Hello: _on_hello,
        Call: _on_call,
        Result: _on_answer,
        Error: _on_answer,
        Cancel: _on_cancel,
        Progress: _on_progress,
        Item: _on_answer,
        More: _on_more,
        Piece: _on_piece,
        Drain: _on_drain,
        Release: _on_release,
        Ping: _on_ping,
        Pong: _on_pong,
        Bye: _on_bye,
    }

    def _answer(
        self,
        id: int,
        message: Result | Error,
        buffers: Sequence[memoryview] = (),
        descriptors: tuple[int, ...] = (),
        keep: Any = None,
    ) -> None:
        call = self._theirs.get(id)
        if call is None or call.flags & WANTS_NO_ANSWER:
            self._theirs.pop(id, None)
            self._give_back(keep)
            return
        self._outbox.send((False, id), message, buffers, descriptors, keep)
        del self._theirs[id]
        if call.cancelled:
            self._spare_answer(id)

    def _spare_answer(self, id: int) -> None:
        """Nobody wants the answer to this call any more: do not send the rest of a long one."""
        kept, is_told = self._outbox.give_up((False, id))
        if not is_told:
            self._outbox.send((False, id), Error(id, CANCELLED))
        for keep in kept:
            self._give_back(keep)
