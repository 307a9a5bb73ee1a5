from __future__ import annotations

import struct
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.chunks.volume_camera import Box
from opsin.errors import ProtocolError
from opsin.views.messages import (
    Ack,
    Hello,
    Look,
    VolumeLook,
    decode_frame,
    decode_message,
    encode_frame,
)


@given(header=st.text(max_size=50), payload=st.binary(max_size=100))
def test_frames_go_there_and_back(header: str, payload: bytes) -> None:
    frame = encode_frame({"type": "x", "text": header}, payload)
    found, rest = decode_frame(frame)
    assert msgspec.json.decode(found) == {"type": "x", "text": header}
    assert rest == payload
    assert (len(frame) - len(payload)) % 8 == 0


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_protocol_error(frame: bytes) -> None:
    with suppress(ProtocolError):
        decode_message(frame)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "version", "slots", "credit", "zoom", "center", "bytes", "evicted"]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    ),
    st.sampled_from(["hello", "view", "ack", "lost", "retry", "other"]),
)
def test_any_json_is_a_message_or_a_protocol_error(body: object, kind: str) -> None:
    document = {**body, "type": kind} if isinstance(body, dict) else body
    try:
        message = decode_message(encode_frame(document))
    except ProtocolError:
        return
    if message is not None:
        assert decode_message(encode_frame(message)) == message


def test_messages_of_the_canvas_are_understood() -> None:
    assert decode_message(
        encode_frame({"type": "hello", "version": 1, "slots": 5, "credit": 6})
    ) == (Hello(1, 5, 6))
    frame = encode_frame({"type": "ack", "bytes": 7, "evicted": [[0, 1, [2], 3, 4]], "new": 1})
    assert decode_message(frame) == Ack(7, ((0, 1, (2,), 3, 4),))
    assert decode_message(encode_frame({"type": "from the future"})) is None
    look = Look(1, (1.0, 2.0), 3.0, (4, 5), ("y", "x"), {"z": 0.5}, (0, 1), True)
    assert decode_message(encode_frame(look)) == look


@pytest.mark.parametrize(
    ("clip", "fine"),
    [
        (None, True),
        (((0.0, 0.0, 0.0), (1.0, 2.0, 3.0)), True),
        (((0.0, 0.0, 0.0), (1.0, 0.0, 3.0)), False),
        (((-1e301, 0.0, 0.0), (1.0, 1.0, 3.0)), False),
    ],
)
def test_a_clipping_box_is_one(clip: Box | None, fine: bool) -> None:
    zyx, around = ("z", "y", "x"), (1.0, 0.0, 0.0, 0.0)
    look = VolumeLook(1, (0.0, 0.0, 0.0), 1.0, (4, 5), zyx, {}, (0,), around)
    if clip is not None:
        look = msgspec.structs.replace(look, clip=clip)
    assert decode_message(encode_frame(look)) == look
    if fine:
        assert look.camera().clip == clip
    else:
        with pytest.raises(ProtocolError, match="clipping box"):
            look.camera()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x01\x00",
        struct.pack("<I", 2**31),
        struct.pack("<I", 50) + b"{}",
        struct.pack("<I", 4) + b'{"a"',
        struct.pack("<I", 2) + b"[]\x00\x00",
        encode_frame({"type": "hello"}),
        encode_frame({"type": "hello", "version": "1", "slots": 5, "credit": 6}),
        encode_frame({"type": "ack", "bytes": 1, "evicted": [[0, 1, 2, 3]]}),
    ],
)
def test_malformed_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_message(frame)
