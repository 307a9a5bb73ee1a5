"""Strange files, names and messages of ImJoy: each is read, or refused with an error for people."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from harness.corpus.strange_texts import READERS, Reader, wrong_error

from opsin.errors import ProtocolError
from opsin.interop.imjoy_v1.codec import DEEPEST, decode, encode
from opsin.interop.imjoy_v1.streams import decode_message

SECONDS = 4.0


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_nothing_strange_is_too_much(reader: Reader) -> None:
    draw = random.Random(11)
    until, count = time.monotonic() + SECONDS, 0
    while count < 200 or (time.monotonic() < until and count < 5_000):
        given = reader.make(draw)
        error = wrong_error(reader, given)
        if error is not None:
            raise AssertionError(f"{given!r:.500}") from error
        count += 1


BROKEN = {
    "an array larger than its bytes": {"_rvalue": b"12", "_rshape": [2**40, 2**40]},
    "an array of objects": {"_rvalue": b"12345678", "_rshape": [1], "_rdtype": "object"},
    "an array of anything": {"_rvalue": b"12", "_rshape": [1], "_rdtype": "V999999999999"},
    "an array without a shape": {"_rvalue": b"12"},
    "an array of half a value": {"_rvalue": b"123", "_rshape": [1], "_rdtype": "uint16"},
    "a negative side": {"_rvalue": b"", "_rshape": [-1, 0]},
}


@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
def test_arrays_that_cannot_be_are_refused(value: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        decode({"_rtype": "ndarray", "_rdtype": "uint8"} | value, lambda reference: reference)


def test_values_are_not_nested_without_end() -> None:
    deep: list[object] = []
    for _ in range(DEEPEST + 10):
        deep = [deep]
    with pytest.raises(ProtocolError, match="nested"):
        decode(deep, lambda reference: reference)
    with pytest.raises(ProtocolError):
        decode_message(b"\x91" * 100_000)

    class Book:
        target = "p"

        def put(self, function: object) -> str:
            return "1"

        def keep(self, thing: object, id: str) -> str:
            return "1"

    with pytest.raises(TypeError, match="nested"):
        encode(deep, Book())
    with pytest.raises(TypeError, match="cannot be sent"):
        encode(np.array([{}], dtype=object), Book())


@pytest.mark.parametrize("kind", [{"a": 1}, ["set"], None, 3, b"set", "decode", "_init__"])
def test_a_map_of_a_kind_that_there_is_not_is_a_map(kind: object) -> None:
    assert decode({"_rtype": kind, "a": 1}, lambda one: one) == {"_rtype": kind, "a": 1}
