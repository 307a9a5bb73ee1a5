"""Unpacker: the values of messages that have come. Pure.

Everything here comes from outside, so every claim is checked before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Raw
from msgspec.msgpack import Decoder

from opsin.errors import ProtocolError
from opsin.rpc import codec
from opsin.rpc.arrays import Array, array_from, check_layout, check_shape, dtype_of
from opsin.rpc.codec import DEEPEST, LARGEST_INLINE, Lazy, ObjectInfo, Placed, References, Segments
from opsin.rpc.errors import error_from
from opsin.rpc.messages import LARGEST_BUFFER, NO_KWARGS, check_error

T = TypeVar("T")

_inline_array = Decoder(tuple[str, tuple[int, ...], bytes])
_buffered_array = Decoder(tuple[str, tuple[int, ...], int])
_shared_array = Decoder(tuple[str, tuple[int, ...], tuple[int, ...], int, int, int, int | None])
_object = Decoder(ObjectInfo)
_lazy = Decoder(tuple[int, str, tuple[int, ...], tuple[int, ...] | None])
_integer = Decoder(int)
_text = Decoder(str)
_complex = Decoder(tuple[float, float])
_pairs = Decoder(list[tuple[Raw, Raw]])
_registered = Decoder(tuple[str, Raw])
_parts = Decoder(tuple[Any, ...])


class Unpacker:
    """Unpacks the values of one session's messages, one message at a time."""

    def __init__(self, references: References, segments: Segments | None = None) -> None:
        self._references = references
        self._segments = segments
        self._decoder = Decoder(ext_hook=self._extension)
        self._buffers: list[memoryview | None] = []
        self._descriptors: list[int | None] = []
        self._depth = 0
        self._fault: Exception | None = None
        self._makers: dict[int, Callable[[memoryview], Any]] = {
            codec.ARRAY: self._inline_array,
            codec.BUFFERED_ARRAY: self._buffered_array,
            codec.SHARED_ARRAY: self._shared_array,
            codec.BUFFERED_BYTES: lambda data: bytes(self._buffer(_integer.decode(data))),
            codec.OBJECT: self._object,
            codec.YOURS: lambda data: references.home(_integer.decode(data)),
            codec.ERROR: self._error,
            codec.MAP: self._map,
            codec.REGISTERED: self._registered,
            codec.LAZY: self._lazy,
            codec.INTEGER: self._long_integer,
            codec.COMPLEX: lambda data: complex(*_complex.decode(data)),
            codec.PACKED: lambda data: self._value(self._buffer(_integer.decode(data))),
        }

    def unpack(
        self,
        values: Sequence[Raw],
        buffers: Sequence[memoryview] = (),
        descriptors: list[int | None] | None = None,
    ) -> list[Any]:
        """The values of one message; the descriptors that were taken over become None.

        An error in one part does not stop the rest: what was counted or leased over there is
        received here in any case, and let go.

        Raises:
            ProtocolError: something is not what the protocol allows.
            TypeError, ValueError: a registered type refused its value.
        """
        self._buffers = list(buffers)
        self._descriptors = [] if descriptors is None else descriptors
        try:
            found = []
            for value in values:
                try:
                    found.append(self._value(value) if value != NO_KWARGS else {})
                except ProtocolError as error:
                    self._fault = self._fault or error
            if self._fault is not None:
                raise self._fault
            return found
        finally:
            self._buffers, self._descriptors, self._fault = [], [], None

    def _value(self, data: Raw | memoryview) -> Any:
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                raise ProtocolError(f"A value is nested more than {DEEPEST} deep.")
            value = self._decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"A value is malformed: {error}.") from None
        finally:
            self._depth -= 1
        if len(data) > DEEPEST:  # fewer bytes cannot be nested deeper
            _check_depth(value)
        return value

    def _extension(self, code: int, data: memoryview) -> Any:
        """What an extension stands for; of several that are wrong, the first is kept as fault."""
        try:
            maker = self._makers.get(code)
            if maker is None:
                raise ProtocolError(f"A value has the unknown extension type {code}.")
            return maker(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            fault: Exception = ProtocolError(f"An extension of type {code} is malformed: {error}.")
        except Exception as error:
            fault = error
        self._fault = self._fault or fault
        return None

    def _inline_array(self, data: memoryview) -> Array:
        name, shape, content = _inline_array.decode(data)
        dtype = dtype_of(name)
        size = check_shape(dtype, shape)
        if len(content) != size or size > LARGEST_INLINE:
            raise ProtocolError(f"An array of {size} bytes came with {len(content)} in its header.")
        return array_from(dtype, shape, content)

    def _buffered_array(self, data: memoryview) -> Array:
        name, shape, k = _buffered_array.decode(data)
        dtype = dtype_of(name)
        size = check_shape(dtype, shape)
        content = self._buffer(k)
        if len(content) != size:
            raise ProtocolError(f"An array of {size} bytes came in a buffer of {len(content)}.")
        return array_from(dtype, shape, content)

    def _shared_array(self, data: memoryview) -> Array:
        name, shape, strides, offset, segment, size, k = _shared_array.decode(data)
        if not (0 <= size <= LARGEST_BUFFER and segment >= 0 and 0 <= offset <= size):
            raise ProtocolError("An array's segment has an impossible size, number or offset.")
        check_layout(dtype_of(name), shape, strides, offset, size)
        if self._segments is None:
            raise ProtocolError("An array came in a segment, over a link that carries none.")
        descriptor = None if k is None else self._descriptor(k)
        try:
            placed = Placed(name, shape, strides, offset, segment, size)
            return self._segments.adopt(placed, descriptor)  # gives the lease back if it fails
        except ProtocolError:
            if k is None or descriptor is not None:
                raise
            raise ProtocolError(
                "An array's memory did not arrive: this process has no free descriptors."
            ) from None

    def _buffer(self, k: int) -> memoryview:
        """Each buffer is taken once, so that a small message cannot stand for a huge value."""
        found = self._buffers[k] if 0 <= k < len(self._buffers) else None
        if found is None:
            raise ProtocolError(f"A value names buffer {k}, which is not there or taken already.")
        self._buffers[k] = None
        return found

    def _descriptor(self, k: int) -> int | None:
        if not self._descriptors:
            return None  # they were cut off on the way
        found = self._descriptors[k] if 0 <= k < len(self._descriptors) else None
        if found is None:
            raise ProtocolError(f"A value names descriptor {k}, which has not come.")
        self._descriptors[k] = None
        return found

    def _object(self, data: memoryview) -> Any:
        info = _object.decode(data)
        if info.object < 1 or info.kind not in (codec.FUNCTION, codec.THING, codec.ITERABLE):
            raise ProtocolError("An object has an impossible number or kind.")
        return self._references.receive(info)

    def _lazy(self, data: memoryview) -> Any:
        number, name, shape, chunks = _lazy.decode(data)
        dtype = dtype_of(name)
        check_shape(dtype, shape)
        if number < 1 or (chunks is not None and not _are_chunks(chunks, shape)):
            raise ProtocolError("A lazy array has an impossible number or impossible chunks.")
        source = self._references.receive(ObjectInfo(number, codec.THING, "lazy array"))
        return self._references.receive_lazy(Lazy(source, dtype, shape, chunks))

    def _error(self, data: memoryview) -> Exception:
        parts = _parts.decode(data)
        check_error(parts)
        return error_from(parts)

    def _map(self, data: memoryview) -> dict[Any, Any]:
        pairs = [(self._value(key), self._value(item)) for key, item in _pairs.decode(data)]
        try:
            return dict(pairs)
        except TypeError:
            raise ProtocolError("A map has a key that cannot be one in Python.") from None

    def _registered(self, data: memoryview) -> Any:
        name, inner = _registered.decode(data)
        value = self._value(inner)
        entry = codec.types_by_name.get(name)
        if entry is None:
            raise TypeError(f"Values of type {name[:80]!r} are not registered on this side.")
        return entry.decode(value) if self._fault is None else None

    def _long_integer(self, data: memoryview) -> int:
        text = _text.decode(data)
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 4300):
            raise ProtocolError("A long integer is not written in at most 4300 digits.")
        return int(text)


def _are_chunks(chunks: Sequence[int], shape: Sequence[int]) -> bool:
    return len(chunks) == len(shape) and all(1 <= side <= 2**53 for side in chunks)


def _check_depth(value: Any) -> None:
    level = [value] if type(value) in (list, dict) else []
    for _ in range(DEEPEST):
        if not level:
            return
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if type(item) in (list, dict)
        ]
    if level:
        raise ProtocolError(f"A value is nested more than {DEEPEST} deep.")
