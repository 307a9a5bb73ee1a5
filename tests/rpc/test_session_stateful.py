"""Two sessions joined by queues, under any interleaving: nothing is lost, mixed up or left over."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from unittest.mock import patch

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from msgspec import Raw
from msgspec.msgpack import decode, encode

from opsin.rpc.frames import Frame
from opsin.rpc.messages import WANTS_NO_ANSWER, WANTS_STREAM, Call, Error, Item, Result
from opsin.rpc.session import Event, Session

PIECE = 7
SMALL = {
    "opsin.rpc.outbox.CREDIT": 40,
    "opsin.rpc.inbox.CREDIT": 40,
    "opsin.rpc.inbox.DRAIN_AT": 10,
    "opsin.rpc.outbox.MOST_BUFFERS": 5,
    "opsin.rpc.inbox.MOST_BUFFERS": 5,
    "opsin.rpc.outbox.MOST_IN_A_ROW": 3,
}
SIDES = st.sampled_from([0, 1])
SIZES = st.lists(st.one_of(st.just(0), st.integers(1, 200)), max_size=3)


@dataclass
class Sent:
    """A message that one side sent, and what came of it."""

    tag: int
    sizes: list[int]
    delivered: int = 0
    given_back: int = 0

    def buffers(self) -> list[memoryview]:
        return [memoryview(content(self.tag, k, size)) for k, size in enumerate(self.sizes)]


@dataclass
class CallModel:
    sent: Sent
    flags: int
    cancelled: bool = False
    never_sent: bool = False
    answers: list[Sent | None] = field(default_factory=list)  # None: an error
    items_sent: list[Sent] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    seen: int = 0  # by the other side
    answered: bool = False
    granted: int = 8


def content(tag: int, k: int, size: int) -> bytes:
    return bytes((tag * 31 + k * 7 + i) % 251 for i in range(size))


class TwoSessions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patches = [patch(name, value) for name, value in SMALL.items()]
        for one in self.patches:
            one.start()
        self.sessions = [Session(give_back=self.gave_back, largest_piece=PIECE) for _ in SIDES_LIST]
        self.wires: list[deque[Frame]] = [deque(), deque()]
        self.calls: list[dict[int, CallModel]] = [{}, {}]
        self.running: list[set[int]] = [set(), set()]
        self.by_tag: dict[int, Sent] = {}
        self.connected = True
        for side in SIDES_LIST:
            self.send(side, 10)
        for side in SIDES_LIST:
            self.deliver(side, 10)

    # ------------------------------------------------------------------ helpers

    def new(self, sizes: list[int]) -> Sent:
        sent = Sent(len(self.by_tag) + 1, sizes)
        self.by_tag[sent.tag] = sent
        return sent

    def gave_back(self, keep: object) -> None:
        if keep is not None:
            assert isinstance(keep, Sent)
            keep.given_back += 1
            assert keep.given_back + keep.delivered == 1

    def open_calls(self, side: int) -> list[int]:
        return [
            id
            for id, call in self.calls[side].items()
            if not (call.answers or call.never_sent or call.flags & WANTS_NO_ANSWER)
        ]

    # ------------------------------------------------------------------ what can happen

    @precondition(lambda self: self.connected)
    @rule(side=SIDES, sizes=SIZES, flags=st.sampled_from([0, 0, WANTS_STREAM, WANTS_NO_ANSWER]))
    def call(self, side: int, sizes: list[int], flags: int) -> None:
        sent = self.new(sizes)
        args = Raw(encode([sent.tag]))
        buffers = sent.buffers()
        id = self.sessions[side].call(0, "m", args, Raw(b"\x80"), buffers, (), flags, sent)
        assert id not in self.calls[side]
        self.calls[side][id] = CallModel(sent, flags)

    @precondition(lambda self: self.connected)
    @rule(side=SIDES, data=st.data())
    def cancel(self, side: int, data: st.DataObject) -> None:
        if ids := self.open_calls(side):
            id = data.draw(st.sampled_from(ids))
            before = self.calls[side][id].cancelled
            self.sessions[side].cancel(id)
            self.calls[side][id].cancelled = True
            if not before:
                self.calls[side][id].never_sent = id not in self.sessions[side]._ours

    @precondition(lambda self: self.connected)
    @rule(side=SIDES, sizes=SIZES, fails=st.booleans(), data=st.data())
    def answer(self, side: int, sizes: list[int], fails: bool, data: st.DataObject) -> None:
        if self.running[side]:
            self.answer_call(
                side, data.draw(st.sampled_from(sorted(self.running[side]))), sizes, fails
            )

    def answer_call(self, side: int, id: int, sizes: list[int], fails: bool) -> None:
        self.running[side].discard(id)
        call = self.calls[1 - side][id]
        call.answered = True
        if fails:
            self.sessions[side].error(id, ("ValueError", str(id), ""))
        else:
            sent = self.new(sizes)
            self.sessions[side].result(id, Raw(encode(sent.tag)), sent.buffers(), (), sent)

    @precondition(lambda self: self.connected)
    @rule(side=SIDES, sizes=SIZES, data=st.data())
    def item(self, side: int, sizes: list[int], data: st.DataObject) -> None:
        session = self.sessions[side]
        if ids := [id for id in sorted(self.running[side]) if session.item_credit(id)]:
            id = data.draw(st.sampled_from(ids))
            sent = self.new(sizes)
            if session.is_running(id):
                self.calls[1 - side][id].items_sent.append(sent)
            session.item(id, Raw(encode(sent.tag)), sent.buffers(), (), sent)

    @precondition(lambda self: self.connected)
    @rule(side=SIDES, data=st.data(), count=st.integers(1, 5))
    def more(self, side: int, data: st.DataObject, count: int) -> None:
        if ids := [id for id in self.open_calls(side) if self.calls[side][id].flags & WANTS_STREAM]:
            self.sessions[side].more(data.draw(st.sampled_from(ids)), count)

    @precondition(lambda self: self.connected)
    @rule(side=SIDES, data=st.data())
    def progress(self, side: int, data: st.DataObject) -> None:
        if self.running[side]:
            id = data.draw(st.sampled_from(sorted(self.running[side])))
            self.sessions[side].progress(id, 1.0, None, None)

    @precondition(lambda self: self.connected)
    @rule(side=SIDES)
    def ping_and_release(self, side: int) -> None:
        self.sessions[side].ping(side)
        self.sessions[side].release([(1, 1)], [2])

    @rule(side=SIDES, count=st.integers(1, 30))
    def send(self, side: int, count: int) -> None:
        for _ in range(count):
            frame = self.sessions[side].next_frame()
            if frame is None:
                return
            assert len(frame.payload) <= PIECE
            copied = Frame(bytes(frame.header), bytes(frame.payload))
            self.wires[side].append(copied)

    @rule(side=SIDES, count=st.integers(1, 30))
    def deliver(self, side: int, count: int) -> None:
        """What `side` sent arrives, at least a part of it."""
        for _ in range(min(count, len(self.wires[side]))):
            for event in self.sessions[1 - side].receive(self.wires[side].popleft()):
                self.happened(1 - side, event)

    @precondition(lambda self: self.connected)
    @rule(lossy=st.sampled_from([False] * 9 + [True]))
    def disconnect(self, lossy: bool) -> None:
        if not lossy:
            return
        self.connected = False
        for side in SIDES_LIST:
            lost = self.sessions[side].lose()
            assert sorted(lost.calls) == sorted(self.open_calls(side))
            for id in lost.calls:
                self.calls[side][id].answers.append(None)
            assert self.running[side] <= set(lost.tasks)
            self.running[side].clear()
            self.wires[side].clear()

    # ------------------------------------------------------------------ what must be true

    def happened(self, side: int, event: Event) -> None:
        message = event.message
        if isinstance(message, Call):
            (tag,) = decode(message.args)
            call = self.calls[1 - side][message.id]
            self.arrived(call.sent, tag, event)
            call.seen += 1
            assert call.seen == 1
            self.running[side].add(message.id)
        elif isinstance(message, Item):
            call = self.calls[side][message.id]
            tag = decode(message.value)
            assert not call.answers, "nothing comes after the end"
            if tag is None:  # given up on the way
                assert call.cancelled
                return
            self.arrived(self.by_tag[tag], tag, event)
            call.items.append(tag)
        elif isinstance(message, (Result, Error)):
            call = self.calls[side][message.id]
            assert not call.answers, "an answer comes once"
            if isinstance(message, Result):
                tag = decode(message.value)
                self.arrived(self.by_tag[tag], tag, event)
            elif message.error[0] == "Cancelled":
                assert call.cancelled
            call.answers.append(None)
            if not call.cancelled:
                assert call.items == [sent.tag for sent in call.items_sent], "in order, all of them"

    def arrived(self, sent: Sent, tag: int, event: Event) -> None:
        assert sent.tag == tag
        sent.delivered += 1
        assert sent.delivered + sent.given_back == 1
        expected = [content(tag, k, size) for k, size in enumerate(sent.sizes)]
        assert [bytes(buffer) for buffer in event.buffers] == expected

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            for one in self.patches:
                one.stop()

    def finish(self) -> None:
        """Let everything come to its end; then nothing may be left."""
        for _ in range(10_000 if self.connected else 0):
            for side in SIDES_LIST:
                self.send(side, 100)
                self.deliver(side, 100)
                for id in sorted(self.running[side]):
                    self.answer_call(side, id, [3], False)
            quiet = not any(self.wires) and not any(self.running)
            if quiet and all(session.is_empty for session in self.sessions):
                break
        for side in SIDES_LIST:
            assert self.sessions[side].is_empty
            for call in self.calls[side].values():
                wants_answer = not (call.flags & WANTS_NO_ANSWER or call.never_sent)
                assert len(call.answers) == wants_answer, "each call ends exactly once"
                if self.connected and not call.cancelled:
                    assert call.seen == 1
        if self.connected:
            for sent in self.by_tag.values():
                assert sent.delivered + sent.given_back == 1, "a message arrives, or comes back"


SIDES_LIST = (0, 1)

TestTwoSessions = TwoSessions.TestCase
TestTwoSessions.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
