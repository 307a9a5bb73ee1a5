from __future__ import annotations

import datetime
import enum
import math
import pathlib
import tracemalloc
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from typing import Any

import hypothesis.extra.numpy as npst
import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from msgspec import Raw
from msgspec.msgpack import Ext, encode

from opsin.errors import ProtocolError, RemoteError
from opsin.rpc import codec
from opsin.rpc.codec import Lazy, ObjectInfo, Placed, register_type
from opsin.rpc.errors import error_parts
from opsin.rpc.packer import Packer
from opsin.rpc.unpacker import Unpacker
from tests.rpc.notation import FixtureReferences, Object, Point

MIB = 2**20


class MemorySegments:
    """Segments whose memory is at hand: what an adopter would map, without descriptors."""

    def __init__(self) -> None:
        self.shared: list[np.ndarray[Any, Any]] = []
        self.adopted: list[tuple[Placed, int | None]] = []

    def share(self, array: np.ndarray[Any, Any]) -> tuple[Placed, int | None] | None:
        self.shared.append(array)
        number = len(self.shared)
        placed = Placed(array.dtype.name, array.shape, array.strides, 0, number, array.nbytes)
        return placed, 100 + number

    def copied(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array

    def adopt(self, placed: Placed, descriptor: int | None) -> np.ndarray[Any, Any]:
        self.adopted.append((placed, descriptor))
        return self.shared[placed.segment - 1]

    def ended(self, segments: Any) -> None: ...

    def listen(self, dropped: Any) -> None: ...

    def close(self) -> None: ...


def pack(value: Any, segments: Any = None) -> tuple[Raw, Packer]:
    packer = Packer(FixtureReferences(), segments)
    return packer.pack(value), packer


def there(value: Any) -> Any:
    """The value as the other side gets it."""
    raw, packer = pack(value)
    return unpack(bytes(raw), list(packer.buffers))


def unpack(packed: bytes, buffers: list[memoryview] | None = None) -> Any:
    (found,) = Unpacker(FixtureReferences()).unpack([Raw(packed)], buffers or [])
    return found


def extension(code: int, data: Any) -> bytes:
    return encode(Ext(code, encode(data)))


# ---------------------------------------------------------------------- arrays

BIG = np.arange(40_000, dtype=np.uint32).reshape(100, 400)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3), np.float32),
        np.array(5.5),
        np.array("2026-11-22T10:00", "datetime64[ms]"),
        np.array([1, 2], "timedelta64[s]"),
        np.array(["NaT", "2026-11-22"], "datetime64[ns]"),
        np.array([True, False]),
        np.array([1 + 2j], np.complex64),
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10)[::-3],
        np.broadcast_to(np.arange(3), (4, 3)),
        np.arange(24, dtype=np.float16).reshape(2, 3, 4).transpose(2, 0, 1)[:, ::-1],
        BIG,
        BIG[::-1, ::2],
        BIG.T,
        BIG.astype(">u4"),
        BIG > 5,
        BIG.astype("datetime64[s]"),
        BIG.astype(np.complex128),
        np.zeros((1,) * 32, np.uint8),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}{array.strides}",
)
def test_arrays_arrive_as_they_are(array: np.ndarray[Any, Any]) -> None:
    found = there(array)
    assert isinstance(found, np.ndarray)
    assert found.dtype == array.dtype.newbyteorder("<")
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)
    assert not found.flags.writeable
    assert found.flags.aligned


def test_large_arrays_are_not_copied_and_not_in_the_header() -> None:
    raw, packer = pack({"image": BIG, "more": [BIG[1:]]})
    assert len(bytes(raw)) < 100
    assert [buffer.nbytes for buffer in packer.buffers] == [BIG.nbytes, BIG[1:].nbytes]
    for buffer, array in zip(packer.buffers, (BIG, BIG[1:]), strict=True):
        assert np.shares_memory(np.frombuffer(buffer, np.uint8), array)


def test_large_bytes_are_not_copied() -> None:
    data = bytearray(b"x" * MIB)
    raw, packer = pack([data, memoryview(data)[::2]])
    assert len(bytes(raw)) < 100
    assert np.shares_memory(np.frombuffer(packer.buffers[0], np.uint8), np.frombuffer(data, "u1"))
    assert there([data, memoryview(data)[::2]]) == [bytes(data), bytes(data[::2])]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([None, 1]), "objects"),
        (np.zeros(3, [("x", "f4"), ("y", "i2")]), "structured"),
        (np.zeros(3, [("x", object)]), "objects"),
        (np.array(["text"]), "dtype <U4"),
        (np.array([b"text"]), "dtype"),
        (np.zeros(2, np.longdouble), "dtype"),
        (np.zeros(2, "V8"), "dtype"),
        (np.ma.masked_array([1, 2], [True, False]), "masked"),
    ],
    ids=lambda case: str(getattr(case, "dtype", "")),
)
def test_arrays_that_cannot_travel_are_refused_by_name(array: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        pack([array])


@given(
    npst.arrays(
        dtype=st.one_of(
            npst.integer_dtypes(endianness="?"),
            npst.unsigned_integer_dtypes(endianness="?"),
            npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
            npst.complex_number_dtypes(endianness="?", sizes=(64, 128)),
            npst.boolean_dtypes(),
            npst.datetime64_dtypes(endianness="?"),
            npst.timedelta64_dtypes(endianness="?"),
        ),
        shape=npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    ),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_any_view_of_any_array_arrives(array: np.ndarray[Any, Any], data: st.DataObject) -> None:
    view = array.transpose(data.draw(st.permutations(range(array.ndim))))
    steps = [data.draw(st.sampled_from([1, -1, 2, -2])) for _ in view.shape]
    index: Any = (..., *(slice(None, None, step) for step in steps))
    view = view[index]
    found = there(view)
    np.testing.assert_array_equal(found, view)
    assert found.dtype == view.dtype.newbyteorder("<")


def test_arrays_in_segments_are_named_and_not_sent() -> None:
    segments = MemorySegments()
    raw, packer = pack([BIG, 1, BIG.T], segments)
    assert packer.buffers == []
    assert packer.descriptors == [101, 102]
    assert packer.leases == [1, 2]
    descriptors: list[int | None] = [101, 102]
    unpacker = Unpacker(FixtureReferences(), segments)
    (found,) = unpacker.unpack([raw], [], descriptors)
    np.testing.assert_array_equal(found[2], BIG.T)
    assert descriptors == [None, None]
    assert segments.adopted[0] == (Placed("uint32", (100, 400), (1600, 4), 0, 1, BIG.nbytes), 101)


def test_a_frame_has_room_for_16_descriptors() -> None:
    _, packer = pack([BIG] * 20, MemorySegments())
    assert len(packer.descriptors) == 16
    assert len(packer.buffers) == 4


LAYOUTS: dict[str, tuple[Any, ...]] = {
    "beyond the end": ("uint8", [11], [1], 0, 1, 10, 0),
    "beyond the end by offset": ("uint8", [10], [1], 1, 1, 10, 0),
    "beyond the end by stride": ("uint8", [4], [4], 0, 1, 12, 0),
    "before the beginning": ("uint8", [10], [-1], 0, 1, 10, 0),
    "before the beginning by offset": ("uint8", [10], [1], -1, 1, 10, 0),
    "more than there is by overlap": ("uint8", [2**40], [0], 0, 1, 10, 0),
    "a stride too few": ("uint8", [2, 2], [2], 0, 1, 10, 0),
    "a stride that is huge": ("uint8", [2], [2**62], 0, 1, 10, 0),
    "a size below 0": ("uint8", [0], [1], 0, 1, -1, 0),
    "a size beyond 2^40": ("uint8", [1], [1], 0, 1, 2**41, 0),
    "an offset beyond the end": ("uint8", [0], [1], 11, 1, 10, 0),
    "an element cut off": ("uint32", [3], [4], 0, 1, 10, 0),
    "a descriptor that is not there": ("uint8", [10], [1], 0, 1, 10, 1),
    "a dtype of objects": ("object", [1], [8], 0, 1, 10, 0),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_lies_about_segments_are_refused_before_anything_is_mapped(name: str) -> None:
    segments = MemorySegments()
    descriptors: list[int | None] = [7]
    with pytest.raises(ProtocolError):
        Unpacker(FixtureReferences(), segments).unpack(
            [Raw(extension(codec.SHARED_ARRAY, LAYOUTS[name]))], [], descriptors
        )
    assert segments.adopted == []
    assert descriptors == [7]


def test_segments_are_refused_where_none_can_come() -> None:
    with pytest.raises(ProtocolError, match="carries none"):
        unpack(extension(codec.SHARED_ARRAY, ("uint8", [10], [1], 0, 1, 10, None)))


# ---------------------------------------------------------------------- other values


class Colour(enum.IntEnum):
    RED = 1


class Kind(enum.Enum):
    FLAT = "flat"


class Name(str):
    __slots__ = ()


Pair = namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(-7), -7),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.complex64(1 + 2j), 1 + 2j),
        (np.str_("x"), "x"),
        (np.bytes_(b"x"), b"x"),
        (Colour.RED, 1),
        (Name("n"), "n"),
        (Pair(1, (2,)), [1, [2]]),
        (OrderedDict(a=1), {"a": 1}),
        ({1: {None: "x"}, "a": (1,)}, {1: {None: "x"}, "a": [1]}),
        (10**30, 10**30),
        (-(10**30), -(10**30)),
        (bytearray(b"x"), b"x"),
        ("x" * 100_000, "x" * 100_000),
        (list(range(100_000)), list(range(100_000))),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_values_arrive_as_plain_ones(value: Any, expected: Any) -> None:
    found = there(value)
    assert found == expected
    assert type(found) is type(expected)


def test_scalars_of_time_arrive_as_arrays_without_axes() -> None:
    found = there(np.datetime64("2026-11-22", "ns"))
    assert (found.dtype, found.shape) == (np.dtype("datetime64[ns]"), ())
    assert found == np.datetime64("2026-11-22", "ns")


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        datetime.datetime(2026, 11, 22),
        pathlib.PurePath("x"),
        object(),
        int,
        math,
        slice(1),
        np.longdouble(1),
        np.void(b"x"),
        Kind.FLAT,
        np.random.default_rng(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_sent_is_refused_by_name(value: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot be sent"):
        pack([{"x": value}])


def test_nesting_is_bounded_on_both_sides() -> None:
    value: Any = None
    for _ in range(64):
        value = [value]
    assert there(value) == value
    assert there({"a": value[0]}) == {"a": value[0]}
    with pytest.raises(ValueError, match="64 deep"):
        pack([value])
    with pytest.raises(ProtocolError, match="64 deep"):
        unpack(encode([value]))
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contains itself"):
        pack(loop)
    bomb: Any = b"\xc0"
    for _ in range(200):
        bomb = encode(Ext(codec.REGISTERED, encode(["x", Raw(bomb)])))
    with pytest.raises(ProtocolError, match="64 deep"):
        unpack(bomb)


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        pack("\ud800")


def test_too_many_buffers_are_refused() -> None:
    with pytest.raises(ValueError, match="large arrays"):
        pack([BIG[:60]] * 3000)


# ---------------------------------------------------------------------- registered types


@pytest.fixture
def point() -> Iterator[None]:
    register_type("test.Point", Point, lambda point: (point.x, point.y), lambda xy: Point(*xy))
    yield
    del codec.types_by_class[Point], codec.types_by_name["test.Point"]


@pytest.mark.usefixtures("point")
def test_registered_types_arrive_with_all_that_is_in_them() -> None:
    class Special(Point):
        pass

    found = there([Point(1, BIG), Special("a", None)])
    assert [type(one) for one in found] == [Point, Point]
    np.testing.assert_array_equal(found[0].y, BIG)


@pytest.mark.usefixtures("point")
def test_a_registered_type_refuses_what_it_does_not_understand() -> None:
    with pytest.raises(TypeError, match="argument"):
        unpack(extension(codec.REGISTERED, ["test.Point", [1, 2, 3, 4]]))


def test_an_unregistered_type_is_named() -> None:
    with pytest.raises(TypeError, match=r"test\.Unknown"):
        unpack(extension(codec.REGISTERED, ["test.Unknown", 1]))


# ---------------------------------------------------------------------- errors and objects


def test_errors_arrive_as_themselves_or_under_their_name() -> None:
    class Strange(Exception):
        pass

    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise Strange("outer") from error
    except Strange as error:
        found = there(error)
    assert type(found).__name__ == "RemoteError"
    assert isinstance(found, RemoteError)
    assert str(found) == "Strange: outer"
    assert "raise Strange" in found.__notes__[0]
    assert type(found.__cause__) is KeyError
    assert found.__cause__.args == ("inner",)
    again = there(found)
    assert str(again) == "Strange: outer"
    assert error_parts(again)[:2] == ("Strange", "outer")
    assert again.__notes__ == found.__notes__


def test_errors_with_long_texts_are_cut() -> None:
    error = ValueError("x" * 10**7)
    for _ in range(30):
        error, error.__cause__ = ValueError("y" * 10**5), error
    assert len(encode(error_parts(error))) < 2**18


def test_references_are_received_though_something_else_is_wrong() -> None:
    references = FixtureReferences()
    packed = encode(
        [
            Ext(codec.OBJECT, encode(ObjectInfo(1, 0, "f"))),
            Ext(codec.ARRAY, encode(["object", [1], b""])),
            Ext(
                codec.REGISTERED,
                encode(["unknown", {"x": Ext(codec.OBJECT, encode(ObjectInfo(2, 1, "g")))}]),
            ),
            Ext(codec.OBJECT, encode(ObjectInfo(3, 0, "f"))),
        ]
    )
    with pytest.raises(ProtocolError, match="object"):
        Unpacker(references).unpack([Raw(packed), Raw(b"\xc1")])
    assert references.received == [1, 2, 3]


def test_objects_are_counted() -> None:
    function = Object(ObjectInfo(5, 0, "f"))
    _, packer = pack([function, {"again": function}, Lazy(function, np.dtype("u1"), (3,))])
    assert packer.objects == [5, 5, 5]


# ---------------------------------------------------------------------- fuzz

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
@settings(max_examples=200, deadline=None)
def test_values_make_the_round_trip(value: Any) -> None:
    found = there(value)
    assert repr(found) == repr(value)


EXTENSIONS = [
    Ext(codec.ARRAY, encode(["uint8", [2, 2], b"1234"])),
    Ext(codec.BUFFERED_ARRAY, encode(["uint16", [2], 0])),
    Ext(codec.SHARED_ARRAY, encode(["uint8", [2], [1], 0, 1, 10, 0])),
    Ext(codec.BUFFERED_BYTES, encode(0)),
    Ext(codec.OBJECT, encode(ObjectInfo(1, 0, "f", "doc", ("a",)))),
    Ext(codec.YOURS, encode(3)),
    Ext(codec.ERROR, encode(["E", "m", "", ["F", "", ""]])),
    Ext(codec.MAP, encode([[1, 2], ["a", Ext(codec.COMPLEX, encode([1.0, 2.0]))]])),
    Ext(codec.REGISTERED, encode(["x", [1]])),
    Ext(codec.LAZY, encode([1, "uint8", [4, 4], [2, 2]])),
    Ext(codec.INTEGER, encode("123456789012345678901234567890")),
    Ext(codec.PACKED, encode(0)),
]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    chosen = draw(st.lists(st.sampled_from(EXTENSIONS), min_size=1, max_size=3))
    packed = bytearray(encode([chosen, {"k": chosen[0]}]))
    for _ in range(draw(st.integers(0, 5))):
        packed[draw(st.integers(0, len(packed) - 1))] = draw(st.integers(0, 255))
    return bytes(packed)


@given(st.one_of(broken(), st.binary(min_size=1, max_size=100)), st.binary(max_size=8))
@example(b"\xdd\xff\xff\xff\xff", b"")
@example(b"\x91" * 100_000 + b"\xc0", b"")
@example(extension(codec.PACKED, 0), extension(codec.PACKED, 0))
@example(extension(codec.MAP, [[[1], 2]]), b"")
@example(extension(codec.MAP, [[{}, 2]]), b"")
@example(extension(codec.INTEGER, "9" * 5000), b"")
@settings(max_examples=400, deadline=None)
def test_whatever_comes_is_understood_or_refused(packed: bytes, buffer: bytes) -> None:
    unpacker = Unpacker(FixtureReferences(), MemorySegments())
    tracemalloc.start()
    try:
        unpacker.unpack([Raw(packed)], [memoryview(buffer)], [7])
    except (ProtocolError, TypeError, ValueError):
        pass
    except IndexError:
        assert b"uint8" in packed  # the stand-in for segments has none of that number
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 * MIB
    (found,) = unpacker.unpack([Raw(b"\x01")])
    assert found == 1, "an error leaves nothing behind"


def test_messages_and_values_share_no_state() -> None:
    unpacker = Unpacker(FixtureReferences())
    first = unpacker.unpack([Raw(extension(codec.BUFFERED_BYTES, 0))], [memoryview(b"a")])
    with pytest.raises(ProtocolError, match="not there"):
        unpacker.unpack([Raw(extension(codec.BUFFERED_BYTES, 0))])
    assert first == [b"a"]
    assert msgspec.msgpack.decode(encode(1)) == 1
