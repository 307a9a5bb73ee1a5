"""Python reproduces protocol/fixtures/rpc_*.json (TypeScript does so in web/src/rpc)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import Raw

from opsin.errors import ProtocolError
from opsin.rpc import codec, frames, messages
from opsin.rpc.codec import Lazy, register_type
from opsin.rpc.packer import Packer
from opsin.rpc.regions import region_of, shape_of
from opsin.rpc.unpacker import Unpacker
from tests.rpc.notation import (
    FixtureReferences,
    Object,
    Point,
    Theirs,
    data_of,
    message_of,
    value_of,
    written_message,
)

FIXTURES = Path(__file__).parents[2] / "protocol" / "fixtures"
MESSAGES = json.loads((FIXTURES / "rpc_messages.json").read_text())
VALUES = json.loads((FIXTURES / "rpc_values.json").read_text())
REGIONS = json.loads((FIXTURES / "rpc_regions.json").read_text())


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register_type("fixture.Point", Point, lambda point: [point.x, point.y], lambda xy: Point(*xy))
    yield
    del codec.types_by_class[Point], codec.types_by_name["fixture.Point"]


@pytest.mark.parametrize("case", MESSAGES["messages"], ids=name_of)
def test_messages_are_made_and_read_byte_for_byte(case: dict[str, Any]) -> None:
    message = message_of(case["message"])
    header, payload = bytes.fromhex(case["header"]), bytes.fromhex(case["payload"])
    assert messages.encode_message(message) == header
    found = messages.decode_message(header)
    assert found is not None
    assert written_message(found) == case["message"]
    prefix = frames.encode_prefix(frames.Frame(header, payload))
    assert prefix.hex() == case["prefix"]
    assert frames.decode_prefix(prefix) == (len(header), len(payload), 0)


@pytest.mark.parametrize("case", MESSAGES["short"], ids=name_of)
def test_elements_at_the_end_may_be_missing_or_new(case: dict[str, Any]) -> None:
    found = messages.decode_message(bytes.fromhex(case["header"]))
    assert found is not None
    assert written_message(found) == case["message"]


@pytest.mark.parametrize("case", MESSAGES["unknown"], ids=name_of)
def test_unknown_messages_are_ignored(case: dict[str, Any]) -> None:
    assert messages.decode_message(bytes.fromhex(case["header"])) is None


@pytest.mark.parametrize("case", MESSAGES["invalid"], ids=name_of)
def test_invalid_messages_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        messages.decode_message(bytes.fromhex(case["header"]))


@pytest.mark.parametrize("case", MESSAGES["invalid_prefixes"], ids=name_of)
def test_invalid_prefixes_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        frames.decode_prefix(bytes.fromhex(case["prefix"]))


@pytest.mark.parametrize("case", VALUES["values"], ids=name_of)
def test_values_are_packed_and_unpacked_byte_for_byte(case: dict[str, Any]) -> None:
    value = value_of(case["value"])
    packer = Packer(FixtureReferences())
    assert bytes(packer.pack(value)) == data_of(case["packed"])
    assert [bytes(one) for one in packer.buffers] == [data_of(one) for one in case["buffers"]]
    buffers = [memoryview(data_of(one)) for one in case["buffers"]]
    (found,) = Unpacker(FixtureReferences()).unpack([Raw(data_of(case["packed"]))], buffers)
    assert_same(found, value)


@pytest.mark.parametrize("case", VALUES["invalid"], ids=name_of)
def test_invalid_values_are_refused(case: dict[str, Any]) -> None:
    buffers = [memoryview(data_of(one)) for one in case["buffers"]]
    with pytest.raises(ProtocolError):
        Unpacker(FixtureReferences()).unpack([Raw(data_of(case["packed"]))], buffers)


@pytest.mark.parametrize("case", REGIONS["regions"], ids=json.dumps)
def test_an_index_means_its_region(case: dict[str, Any]) -> None:
    region, finish = region_of(index_of(case["index"]), case["shape"])
    assert [list(part) for part in region] == case["region"]
    kept = [side for side, part in zip(shape_of(region), finish, strict=True) if part != 0]
    assert kept == case["gives"]


@pytest.mark.parametrize("case", REGIONS["invalid"], ids=json.dumps)
def test_an_index_that_means_nothing_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(IndexError):
        region_of(index_of(case["index"]), case["shape"])


def index_of(written: list[Any]) -> tuple[Any, ...]:
    plain = (slice(None) if part is None else part for part in written)
    return tuple(slice(*part) if isinstance(part, list) else part for part in plain)


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        assert_same(list(found.values()), list(expected.values()))
    elif isinstance(expected, Exception):
        assert type(found) is type(expected)
        assert found.args == expected.args
    elif isinstance(expected, Object):
        assert isinstance(found, Theirs)
        assert found.info == expected.info
    elif isinstance(expected, Theirs):
        assert isinstance(found, Object)
        assert found.info.object == expected.info.object
    elif isinstance(expected, Point):
        assert (found.x, found.y) == (expected.x, expected.y)
    elif isinstance(expected, Lazy):
        assert (found.dtype, found.shape, found.chunks) == (
            expected.dtype,
            expected.shape,
            expected.chunks,
        )
        assert_same(found.source, expected.source)
    else:
        assert type(found) is type(expected)
        assert msgspec.msgpack.encode(repr(found)) == msgspec.msgpack.encode(repr(expected))
