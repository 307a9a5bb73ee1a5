"""Packer: the values of one message on their way out. Pure.

Large things stay outside the header: arrays and bytes go beside it as buffers and segments, and are
never copied into it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw
from msgspec.msgpack import Ext

from opsin.rpc import codec
from opsin.rpc.arrays import Array, dtype_name, plain_bytes
from opsin.rpc.codec import DEEPEST, LARGEST_INLINE, Lazy, Placed, References, Segments
from opsin.rpc.errors import error_parts
from opsin.rpc.frames import MOST_DESCRIPTORS
from opsin.rpc.messages import MOST_BUFFERS, NO_ARGS, NO_KWARGS

_encode = msgspec.msgpack.Encoder().encode


class Packer:
    """Packs values, and gathers what goes beside the header.

    Attributes:
        buffers: memory to send after the header; a packed value counts into it.
        descriptors: to send with the header.
        objects: numbers of our objects that were counted, once for each time.
        leases: segments that were leased, once for each time.
        remotes: objects of theirs that are named; they must not be released before the message
            has arrived, so whoever sends it keeps the packer until it is sent.
    """

    __slots__ = (
        *("_references", "_segments"),
        *("buffers", "descriptors", "leases", "objects", "remotes"),
    )

    def __init__(self, references: References, segments: Segments | None = None) -> None:
        self._references = references
        self._segments = segments
        self.buffers: list[memoryview] = []
        self.descriptors: list[int] = []
        self.objects: list[int] = []
        self.leases: list[int] = []
        self.remotes: list[Any] = []

    def pack(self, value: Any) -> Raw:
        """A value as msgpack. If it raises, its caller takes back what was counted and leased.

        Raises:
            TypeError: something in it cannot be sent.
            ValueError: it is nested too deep, or a text in it is not Unicode.
        """
        if type(value) in (tuple, dict) and not value:
            return NO_KWARGS if type(value) is dict else NO_ARGS
        packed = _encode(self._tree(value, 0))
        if len(packed) > LARGEST_INLINE:
            packed = _encode(Ext(codec.PACKED, _encode(self._buffer(memoryview(packed)))))
        return Raw(packed)

    def _tree(self, value: Any, depth: int) -> Any:
        """The same value, made of nothing but what msgpack knows."""
        kind = type(value)
        if kind is str or kind is float or kind is bool or value is None:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else _long_integer(value)
        if depth >= DEEPEST:
            raise ValueError(f"A value is nested more than {DEEPEST} deep, or contains itself.")
        if kind is list or kind is tuple:
            return [self._tree(item, depth + 1) for item in value]
        if kind is dict:
            return self._map(value, depth)
        if isinstance(value, np.ndarray):
            return self._array(value)
        if kind is bytes or kind is bytearray or kind is memoryview:
            return self._bytes(value)
        return self._other(value, depth)

    def _map(self, value: Mapping[Any, Any], depth: int) -> Any:
        if all(type(key) is str for key in value):
            return {key: self._tree(item, depth + 1) for key, item in value.items()}
        pairs = [
            [self._tree(key, depth + 1), self._tree(item, depth + 1)] for key, item in value.items()
        ]
        return Ext(codec.MAP, _encode(pairs))

    def _bytes(self, value: bytes | bytearray | memoryview) -> Any:
        view = memoryview(value)
        if view.nbytes <= LARGEST_INLINE:
            return bytes(view)
        flat = view if view.c_contiguous else memoryview(bytes(view))
        return Ext(codec.BUFFERED_BYTES, _encode(self._buffer(flat.cast("B"))))

    def _buffer(self, view: memoryview) -> int:
        if len(self.buffers) >= MOST_BUFFERS // 2:
            raise ValueError(
                f"A message has at most {MOST_BUFFERS // 2} large arrays: send several messages."
            )
        self.buffers.append(view)
        return len(self.buffers) - 1

    def _array(self, array: Array) -> Ext:
        if type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray):
            raise TypeError("A masked array cannot be sent: send its data and its mask.")
        name = dtype_name(array.dtype)
        if array.nbytes <= LARGEST_INLINE:
            return Ext(codec.ARRAY, _encode([name, array.shape, plain_bytes(array)]))
        if self._segments is not None and len(self.descriptors) < MOST_DESCRIPTORS:
            shared = self._segments.share(array)
            if shared is not None:
                return self._shared(*shared)
        k = self._buffer(plain_bytes(array))
        return Ext(codec.BUFFERED_ARRAY, _encode([name, array.shape, k]))

    def _shared(self, placed: Placed, descriptor: int | None) -> Ext:
        self.leases.append(placed.segment)
        k = None
        if descriptor is not None:
            k = len(self.descriptors)
            self.descriptors.append(descriptor)
        where = (placed.strides, placed.offset, placed.segment, placed.size)
        return Ext(codec.SHARED_ARRAY, _encode([placed.dtype, placed.shape, *where, k]))

    def _other(self, value: Any, depth: int) -> Any:
        for cls in type(value).__mro__:
            if (entry := codec.types_by_class.get(cls)) is not None:
                inner = self._tree(entry.encode(value), depth + 1)
                return Ext(codec.REGISTERED, _encode([entry.name, inner]))
            if (make := codec.lazy_by_class.get(cls)) is not None:
                return self._tree(make(value), depth + 1)
        if isinstance(value, np.generic):
            return self._scalar(value, depth)
        if isinstance(value, complex):
            return Ext(codec.COMPLEX, _encode([value.real, value.imag]))
        if isinstance(value, Lazy):
            return self._lazy(value)
        if isinstance(value, BaseException):
            return Ext(codec.ERROR, _encode(error_parts(value)))
        # A number, a text … in a narrower sense, such as an IntEnum or a named tuple.
        if isinstance(value, int):
            return self._tree(int(value), depth)
        if isinstance(value, (float, str)):
            return float(value) if isinstance(value, float) else str.__str__(value)
        if isinstance(value, (bytes, bytearray)):
            return self._bytes(value)
        if isinstance(value, (list, tuple)):
            return self._tree(list(value), depth)
        if isinstance(value, Mapping):
            return self._map(value, depth)
        return self._reference(value, depth)

    def _scalar(self, value: np.generic, depth: int) -> Any:
        if value.dtype.kind in "mM":
            return self._array(np.asarray(value))  # Python's dates know no nanoseconds
        plain = value.item()
        if isinstance(plain, np.generic) or value.dtype.kind in "VO":
            raise TypeError(f"A value of NumPy's {value.dtype} cannot be sent: convert it.")
        return self._tree(plain, depth)

    def _lazy(self, value: Lazy) -> Ext:
        found = self._references.send(value.source)
        if isinstance(found, int):
            self.remotes.append(value.source)
            return Ext(codec.YOURS, _encode(found))
        if found is None:
            raise TypeError(f"A {type(value.source).__name__} cannot serve a lazy array.")
        self.objects.append(found.object)
        shape = tuple(map(int, value.shape))
        chunks = None if value.chunks is None else tuple(map(int, value.chunks))
        return Ext(codec.LAZY, _encode([found.object, dtype_name(value.dtype), shape, chunks]))

    def _reference(self, value: Any, depth: int) -> Any:
        found = self._references.send(value)
        if isinstance(found, int):
            self.remotes.append(value)
            return Ext(codec.YOURS, _encode(found))
        if found is None:
            if (make := codec.lazy_by_name(type(value))) is not None:
                return self._tree(make(value), depth + 1)
            raise TypeError(_refusal(value))
        self.objects.append(found.object)
        return Ext(codec.OBJECT, _encode(found))


def _long_integer(value: int) -> Any:
    try:
        return Ext(codec.INTEGER, _encode(str(value)))
    except ValueError:  # Python's own limit on the length of such a text
        raise ValueError("An integer of more than 4300 digits cannot be sent.") from None


def _refusal(value: Any) -> str:
    kind = type(value)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    if isinstance(value, (set, frozenset)):
        return f"A {name} cannot be sent: send a list."
    if isinstance(value, enum.Enum):
        return f"An enum member ({name}) cannot be sent: send its value or its name."
    return (
        f"A value of type {name} cannot be sent: register_type says how it travels by value, "
        "by_reference lets the other side call it, lazy lets it read an array in parts."
    )
