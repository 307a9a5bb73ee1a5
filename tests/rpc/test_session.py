from __future__ import annotations

import ast
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings
from msgspec.msgpack import encode

import opsin.rpc
from opsin.errors import ConnectionLost, ProtocolError, UsageError
from opsin.rpc import messages, outbox
from opsin.rpc.frames import LARGEST_PIECE, Frame
from opsin.rpc.messages import (
    WANTS_NO_ANSWER,
    WANTS_STREAM,
    Bye,
    Call,
    Cancel,
    Error,
    Hello,
    Item,
    Piece,
    Progress,
    Result,
    decode_message,
    encode_message,
)
from opsin.rpc.session import Session
from tests.rpc.joined import NOTHING, exchange, frames_of, packed, two_sessions

PURE = [
    "arrays",
    "codec",
    "errors",
    "frames",
    "inbox",
    "messages",
    "objects",
    "outbox",
    "packer",
    "session",
    "unpacker",
]
IMPURE = {"asyncio", "concurrent", "multiprocessing", "selectors", "socket", "threading", "os"}
MIB = 2**20


def is_piece(frame: Frame) -> bool:
    return isinstance(decode_message(frame.header), Piece)


def sent(session: Session) -> Frame:
    frame = session.next_frame()
    assert frame is not None
    return frame


def message(*parts: Any, payload: bytes = b"", descriptors: tuple[int, ...] = ()) -> Frame:
    return Frame(encode(list(parts)), payload, descriptors)


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_know_no_event_loop_thread_or_socket(name: str) -> None:
    tree = ast.parse((Path(opsin.rpc.__path__[0]) / f"{name}.py").read_text())
    imported = {
        (alias.name if isinstance(node, ast.Import) else str(node.module)).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert not imported & IMPURE


# ---------------------------------------------------------------------- what goes first


def test_a_small_call_overtakes_pieces() -> None:
    one, _ = two_sessions()
    one.call(0, "take", *NOTHING, [memoryview(bytes(64 * MIB))])
    assert [is_piece(sent(one)) for _ in range(5)] == [False, True, True, True, True]
    one.call(0, "small", *NOTHING)
    assert not is_piece(sent(one))


def test_pieces_of_several_buffers_take_turns() -> None:
    one, _ = two_sessions()
    one.call(0, "take", *NOTHING, [memoryview(bytes(MIB)), memoryview(bytes(MIB))])
    one.call(0, "take", *NOTHING, [memoryview(bytes(MIB))])
    found = [decode_message(frame.header) for frame in frames_of(one)]
    pieces = [found.buffer for found in found if isinstance(found, Piece)]
    assert pieces == [1, 2, 3] * 4


def test_a_flood_of_calls_does_not_starve_a_transfer() -> None:
    one, other = two_sessions()
    one.call(0, "take", *NOTHING, [memoryview(bytes(MIB))])
    for _ in range(1000):
        one.call(0, "small", *NOTHING)
    frames = frames_of(one)
    pieces = [place for place, frame in enumerate(frames) if is_piece(frame)]
    assert pieces[-1] < 500
    for frame in frames:
        other.receive(frame)  # and no piece comes before its message


def test_pieces_come_after_their_message_in_a_flood() -> None:
    one, other = two_sessions()
    for _ in range(outbox.MOST_IN_A_ROW * 3):
        one.ping(1)
        one.call(0, "take", *NOTHING, [memoryview(b"abc")])
    _, events = exchange(one, other)
    assert len(events) == outbox.MOST_IN_A_ROW * 3


# ---------------------------------------------------------------------- credit and memory


def credit_is_kept() -> None:
    """A sender stops after 8 MiB that nobody took, and goes on when some was taken."""
    one, other = two_sessions()
    one.call(0, "take", *NOTHING, [memoryview(bytes(20 * MIB))])
    sent = frames_of(one)
    assert sum(len(frame.payload) for frame in sent) == 8 * MIB
    events = [event for frame in sent for event in other.receive(frame)]
    drains = frames_of(other)
    assert not events
    assert drains
    for frame in drains:
        one.receive(frame)
    more = frames_of(one)
    assert 0 < sum(len(frame.payload) for frame in more) <= 8 * MIB
    for frame in more:
        other.receive(frame)
    _, events = exchange(one, other)
    assert len(events[0].buffers[0]) == 20 * MIB


def test_credit() -> None:
    credit_is_kept()


def test_credit_matters() -> None:
    with patch("opsin.rpc.outbox.CREDIT", 2**40), pytest.raises((AssertionError, ProtocolError)):
        credit_is_kept()


def test_a_receiver_does_not_trust_the_senders_credit() -> None:
    one, _ = two_sessions()
    one.receive(message(1, 1, 0, "take", [], {}, [20 * MIB]))
    with patch("opsin.rpc.inbox.DRAIN_AT", 2**40):  # no drain is sent, but pieces come all the same
        for _ in range(8):
            one.receive(message(8, 1, False, payload=bytes(MIB)))
        with pytest.raises(ProtocolError, match="without credit"):
            one.receive(message(8, 1, False, payload=b"x"))


def test_memory_is_taken_as_pieces_arrive() -> None:
    one, _ = two_sessions()
    tracemalloc.start()
    try:
        for id in range(1, 1001):
            one.receive(message(1, id, 0, "take", [], {}, [2**40] * 4))
        one.receive(message(8, 1, False, payload=bytes(MIB)))
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_a_sender_announces_no_more_buffers_than_may_be_unfinished() -> None:
    one, other = two_sessions()
    ids = [one.call(0, "take", *NOTHING, [memoryview(bytes(10))]) for _ in range(6000)]
    _, events = exchange(one, other)
    assert [event.message.id for event in events if isinstance(event.message, Call)] == ids
    for id in ids:
        other.result(id)
    exchange(one, other)
    assert one.is_empty
    assert other.is_empty


# ---------------------------------------------------------------------- hello


@pytest.mark.parametrize("token", [None, "", "wrong", "secre", "secrets", "sécret"])
def test_a_wrong_token_is_refused_before_the_server_says_anything(token: str | None) -> None:
    client, server = Session(token), Session(expected="secret")
    assert frames_of(server) == []
    with pytest.raises(ProtocolError, match="token"):
        server.receive(frames_of(client)[0])
    server.end("The token is missing or wrong.")
    (frame,) = frames_of(server)
    (event,) = client.receive(frame)
    assert event.message == Bye("The token is missing or wrong.")


def test_the_right_token_opens() -> None:
    client, server = Session("secret", features=("a", "b")), Session(None, "secret", ("b", "c"))
    exchange(client, server)
    assert client.is_open
    assert server.is_open
    assert client.features == server.features == {"b"}


def test_the_token_check_is_what_refuses() -> None:
    """The tests of wrong tokens would fail without it."""
    with patch("opsin.rpc.session.hmac.compare_digest", lambda *_: True):
        server = Session(expected="secret")
        server.receive(frames_of(Session("wrong"))[0])
        assert server.is_open


@pytest.mark.parametrize(
    "frame",
    [
        message(1, 1, 0, "f", []),
        message(11, 1),
        Frame(encode_message(Hello(1, ("x" * 5000,)))),
        Frame(encode_message(Hello(1)), b"payload"),
        Frame(encode_message(Hello(1)), b"", (7,)),
        Frame(encode_message(Hello(2))),
        Frame(b"\xc1"),
    ],
    ids=["call", "ping", "long", "payload", "descriptors", "version", "garbage"],
)
def test_nothing_but_one_short_hello_comes_first(frame: Frame) -> None:
    with pytest.raises(ProtocolError):
        Session(features=("descriptors",)).receive(frame)


def test_a_session_that_is_not_open_makes_no_calls() -> None:
    session = Session()
    with pytest.raises(ConnectionLost):
        session.call(0, "f", *NOTHING)
    session.lose()
    with pytest.raises(ConnectionLost):
        session.call(0, "f", *NOTHING)


# ---------------------------------------------------------------------- lies


LIES: dict[str, list[Frame]] = {
    "a second hello": [Frame(encode_message(Hello(1)))],
    "a call id again": [message(1, 5, 0, "f", []), message(1, 5, 0, "f", [])],
    "a call id that falls": [message(1, 5, 0, "f", []), message(1, 4, 0, "f", [])],
    "a result of no call": [message(2, 1, None)],
    "an error of no call": [message(3, 1, ["E", "", ""])],
    "an item of no call": [message(6, 1, None)],
    "progress of no call": [message(5, 1)],
    "a cancel of a call to come": [message(4, 1)],
    "more of a call to come": [message(7, 1, 1)],
    "more of what is no stream": [message(1, 1, 0, "f", []), message(7, 1, 1)],
    "a piece of no buffer": [message(8, 1, True, payload=b"x")],
    "a piece too many": [
        message(1, 1, 0, "f", [], {}, [1]),
        message(8, 1, True, payload=b"x"),
        message(8, 1, True),
    ],
    "a piece too long": [message(1, 1, 0, "f", [], {}, [1]), message(8, 1, True, payload=b"xy")],
    "an empty piece": [message(1, 1, 0, "f", [], {}, [1]), message(8, 1, False)],
    "a drain of no buffer": [message(9, 1, 1)],
    "a payload where none belongs": [message(4, 1, payload=b"x")],
    "descriptors over a link without": [message(1, 1, 0, "f", [], descriptors=(3,))],
    "too many buffers": [message(1, 1, 0, "f", [], {}, [1] * 4097)],
    "too many buffers in all": [message(1, i, 0, "f", [], {}, [1] * 100) for i in range(1, 42)],
    "too many calls": [message(1, i, 0, "f", []) for i in range(1, 2**16 + 2)],
    "too many pings": [message(11, 1)] * (2**16 + 1),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_end_the_session(name: str) -> None:
    session, _ = two_sessions()
    *before, last = LIES[name]
    for frame in before:
        session.receive(frame)
    with pytest.raises(ProtocolError):
        session.receive(last)


def test_answers_are_taken_once_and_as_asked() -> None:
    one, _ = two_sessions()
    id = one.call(0, "f", *NOTHING)
    with pytest.raises(ProtocolError, match="did not ask"):
        one.receive(message(6, id, None))
    one.receive(message(2, id, None))
    with pytest.raises(ProtocolError, match="not open"):
        one.receive(message(2, id, None))
    id = one.call(0, "f", *NOTHING, flags=WANTS_STREAM)
    for _ in range(8):
        one.receive(message(6, id, None))
    with pytest.raises(ProtocolError, match="did not ask"):
        one.receive(message(6, id, None))
    id = one.call(0, "f", *NOTHING)
    one.receive(message(2, id, None, [5]))
    with pytest.raises(ProtocolError, match="not open"):
        one.receive(message(3, id, ["E", "", ""]))


def test_a_drain_of_more_than_was_sent_is_refused() -> None:
    one, _ = two_sessions()
    one.call(0, "f", *NOTHING, [memoryview(bytes(9 * MIB))])
    frames_of(one)
    one.receive(message(9, 1, MIB))
    with pytest.raises(ProtocolError, match="had been sent"):
        one.receive(message(9, 1, 8 * MIB))


def test_own_calls_are_bounded() -> None:
    one, _ = two_sessions()
    with patch("opsin.rpc.session.MOST_CALLS", 3):
        for _ in range(3):
            one.call(0, "f", *NOTHING)
        with pytest.raises(UsageError, match="await"):
            one.call(0, "f", *NOTHING)


def test_unknown_messages_are_ignored() -> None:
    one, _ = two_sessions()
    assert one.receive(message(14, "new", [1])) == []


# ---------------------------------------------------------------------- calls and their ends


def test_items_keep_their_order_and_the_end_comes_last() -> None:
    one, other = two_sessions()
    id = one.call(0, "planes", *NOTHING, flags=WANTS_STREAM)
    exchange(one, other)
    big = memoryview(bytes(MIB))
    for n in range(4):
        other.item(id, packed(n), [big] if n % 2 == 0 else [])
    other.result(id)
    events, _ = exchange(one, other)
    kinds = [type(event.message) for event in events]
    assert kinds == [Item, Item, Item, Item, Result]
    values = [bytes(e.message.value) for e in events[:4] if isinstance(e.message, Item)]
    assert values == [encode(n) for n in range(4)]


def test_a_cancelled_call_spares_the_rest_of_its_arguments() -> None:
    given_back: list[Any] = []
    one, other = two_sessions(give_back=given_back.append)
    id = one.call(0, "take", *NOTHING, [memoryview(bytes(64 * MIB))], keep="mine")
    for _ in range(3):
        other.receive(sent(one))
    one.cancel(id)
    assert given_back == ["mine"]
    ours, theirs = exchange(one, other)
    assert [type(event.message) for event in ours] == [Error]
    assert not [event for event in theirs if isinstance(event.message, Call)]
    assert one.is_empty
    assert other.is_empty


def test_a_cancelled_call_spares_the_rest_of_its_result() -> None:
    given_back: list[Any] = []
    one, other = two_sessions(give_back=given_back.append)
    id = one.call(0, "get", *NOTHING)
    exchange(one, other)
    other.result(id, packed(1), [memoryview(bytes(64 * MIB))], keep="theirs")
    one.receive(sent(other))
    one.cancel(id)  # its answer is on the way
    assert frames_of(one) == []
    exchange(one, other)
    assert one.is_empty
    assert given_back == []
    id = one.call(0, "get", *NOTHING)
    exchange(one, other)
    other.result(id, packed(1), [memoryview(bytes(64 * MIB))], keep="theirs")
    one.cancel(id)  # before it heard of the answer
    (cancel,) = frames_of(one)
    assert decode_message(cancel.header) == Cancel(id)
    other.receive(cancel)
    assert given_back == ["theirs"]
    events, _ = exchange(one, other)
    (event,) = events
    assert event.message == Error(id, ("Cancelled", "The call was cancelled.", ""))


def test_a_call_that_wants_no_answer_gets_none() -> None:
    one, other = two_sessions()
    id = one.call(0, "log", *NOTHING, flags=WANTS_NO_ANSWER)
    exchange(one, other)
    other.progress(id, 1.0, None, None)
    other.error(id, ("E", "", ""))
    assert frames_of(other) == []
    assert one.is_empty
    assert other.is_empty


def test_progress_reaches_the_caller() -> None:
    one, other = two_sessions()
    id = one.call(0, "f", *NOTHING)
    exchange(one, other)
    other.progress(id, 1.0, 2.0, "half")
    (event,), _ = exchange(one, other)
    assert event.message == Progress(id, 1.0, 2.0, "half")


def test_a_lost_link_names_everything_that_was_pending() -> None:
    one, other = two_sessions()
    mine = one.call(0, "f", *NOTHING)
    theirs = other.call(0, "g", *NOTHING, [memoryview(bytes(9 * MIB))])
    exchange(one, other)
    lost = one.lose()
    assert (lost.calls, lost.tasks) == ([mine], [theirs])
    assert one.is_empty
    assert one.receive(message(2, mine, None)) == []
    assert frames_of(one) == []


def test_descriptors_of_messages_that_never_become_complete_are_named() -> None:
    one, _ = two_sessions(features=("descriptors",))
    one.receive(message(1, 1, 0, "f", [], {}, [5], descriptors=(101,)))
    id = one.call(0, "f", *NOTHING, flags=WANTS_STREAM)
    one.receive(message(6, id, None, [5], descriptors=(102,)))
    one.receive(message(6, id, None, descriptors=(103,)))
    assert one.lose().descriptors == [101, 102, 103]


def test_the_last_word_is_a_bye() -> None:
    one, other = two_sessions()
    one.call(0, "f", *NOTHING, [memoryview(bytes(9 * MIB))])
    one.end("enough")
    (frame,) = frames_of(one)
    (event,) = other.receive(frame)
    assert event.message == Bye("enough")


# ---------------------------------------------------------------------- fuzz

VALID = [
    encode_message(found)
    for found in (
        Hello(1, ("descriptors",), "t"),
        Call(1, 0, "a.b", packed([1, "x"]), packed({"k": 2}), (5, 70000), 3),
        Result(1, packed([1, {"a": None}]), (3,)),
        Error(1, ("ValueError", "no", "", ("KeyError", "x", ""))),
        Cancel(1),
        Progress(1, 0.5, 1.0, "x"),
        Item(1, packed(5), ()),
        messages.More(1, 8),
        Piece(1, True),
        messages.Drain(1, 100),
        messages.Release(((1, 1), (2, 70000)), (3,)),
        messages.Ping(1),
        messages.Pong(1),
        Bye("x"),
    )
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    header = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(header) - 1))
        header[place] = draw(st.integers(0, 255))
    return bytes(header[: draw(st.integers(1, len(header)))] if draw(st.booleans()) else header)


def bounded(work: Callable[[], None]) -> None:
    tracemalloc.start()
    try:
        work()
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(mutated(), st.binary(min_size=1, max_size=60)), st.binary(max_size=40))
    )
)
@example([(b"\xdd\xff\xff\xff\xff", b"")])
@example([(b"\x93\x01\x05" + b"\x91" * 100_000, b"")])
@example([(b"\x95\x01\x01\x00\xa1f\xdd\x0f\xff\xff\xff" + b"\xc0" * 1000, b"")])
def test_whatever_comes_is_understood_or_refused(frames: list[tuple[bytes, bytes]]) -> None:
    def receive() -> None:
        session, _ = two_sessions(features=("descriptors",))
        session.call(0, "f", *NOTHING, flags=WANTS_STREAM)
        for header, payload in frames:
            try:
                session.receive(Frame(header, payload))
            except ProtocolError:
                return

    bounded(receive)


def test_the_largest_piece_is_the_transports() -> None:
    one, _ = two_sessions()
    one.call(0, "f", *NOTHING, [memoryview(bytes(MIB))])
    assert max(len(frame.payload) for frame in frames_of(one)) == LARGEST_PIECE
    whole, other = two_sessions(largest_piece=None)
    whole.call(0, "f", *NOTHING, [memoryview(bytes(20 * MIB))])
    assert [len(frame.payload) for frame in frames_of(whole)] == [0, 20 * MIB]
    assert other.is_open
