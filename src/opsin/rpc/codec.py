"""Codec: what values become on the wire, and what a session lends them (protocol/RPC.md). Pure.

`packer` and `unpacker` do the work. Objects and segments are somebody else's business, behind the
two protocols of this page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from opsin.rpc.arrays import Array

LARGEST_INLINE = 2**16
"""Bytes of what travels inside a header; more goes into a buffer or a segment."""
DEEPEST = 64

(ARRAY, BUFFERED_ARRAY, SHARED_ARRAY, BUFFERED_BYTES, OBJECT, YOURS) = range(1, 7)
(ERROR, MAP, REGISTERED, LAZY, INTEGER, COMPLEX, PACKED) = range(7, 14)

FUNCTION, THING, ITERABLE = 0, 1, 2
"""Kinds of an object."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placed:
    """How an array lies in a segment."""

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    segment: int
    """The owner's number of the segment."""
    size: int
    """Bytes of the whole segment, of which the array may be a part."""


class Segments(Protocol):
    """Shared memory, as a session needs it. Each `share` is a lease of its own."""

    def share(self, array: Array) -> tuple[Placed, int | None] | None:
        """Lease the memory of `array` to the other side; None: send it as a buffer.

        The descriptor stays the segment's own and is open at least until the lease ends. None
        instead of one means that the other side surely holds the segment already.
        """

    def copied(self, array: Array) -> Array:
        """The same content, where `share` need not copy it. May be called from any thread.

        Raises:
            TypeError: arrays of this dtype cannot be sent.
        """

    def adopt(self, placed: Placed, descriptor: int | None) -> Array:
        """The array that the other side placed there, read-only; takes the descriptor over.

        The layout was checked against `placed.size`, but not the size against the real segment.
        The lease ends, by `dropped`, with the last view of the array.

        Raises:
            ProtocolError: the segment is not what `placed` says. The descriptor is closed.
        """

    def ended(self, segments: Sequence[int]) -> None:
        """The other side gave these leases back, or never got them; one for each mention.

        Raises:
            ProtocolError: there is no such lease.
        """

    def listen(self, dropped: Callable[[int], None]) -> None:
        """Call `dropped`, from any thread, with the segment of every adopted lease that ends."""

    def close(self) -> None:
        """The session is over: end every lease that the other side held."""


class ObjectInfo(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What ext 5 says of an object."""

    object: int
    kind: int
    name: str
    doc: str | None = None
    methods: tuple[str, ...] | None = None


class References(Protocol):
    """Objects by reference, as a session needs them."""

    def send(self, value: Any) -> ObjectInfo | int | None:
        """How a value goes by reference.

        Returns an object of ours, which is counted, or the number of one of theirs, or None if it
        does not go by reference.
        """

    def receive(self, info: ObjectInfo) -> Any:
        """A remote for an object of theirs, counted."""

    def receive_lazy(self, lazy: Lazy) -> Any:
        """What a lazy array of theirs is here; its source is the object's remote, counted."""

    def home(self, object_id: int) -> Any:
        """Our object of that number.

        Raises:
            ProtocolError: there is none.
        """


@dataclass(frozen=True, slots=True)
class Lazy:
    """What is sent of an array by reference: `source` is the object that regions are asked of."""

    source: Any
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class RegisteredType(Generic[T]):
    """A type that travels by value under a name."""

    name: str
    encode: Callable[[T], Any]
    decode: Callable[[Any], T]


types_by_class: dict[type, RegisteredType[Any]] = {}
types_by_name: dict[str, RegisteredType[Any]] = {}


def register_type(
    name: str, cls: type[T], encode: Callable[[T], Any], decode: Callable[[Any], T]
) -> None:
    """Let values of `cls`, and of its subclasses, travel by value under `name`.

    `encode` gives a value that can be sent, `decode` makes `cls` of it; that comes from outside,
    so `decode` checks it and raises ValueError or TypeError. Registering again replaces.
    """
    types_by_class[cls] = types_by_name[name] = RegisteredType(name, encode, decode)


lazy_by_class: dict[type | str, Callable[[Any], Any]] = {}


def register_lazy(cls: type[T] | str, make: Callable[[T], Any]) -> None:
    """Let arrays of `cls`, and of its subclasses, travel by reference, as lazy arrays.

    Args:
        cls: the class, or its name ("zarr.core.array.Array"), which spares importing it.
        make: gives what serves an array: `opsin.rpc.lazy_source.lazy`, or what that returns.
    """
    lazy_by_class[cls] = make


def is_lazy_class(cls: type) -> bool:
    """Whether arrays of a class travel by reference."""
    return any(one in lazy_by_class for one in cls.__mro__) or lazy_by_name(cls) is not None


def lazy_by_name(cls: type) -> Callable[[Any], Any] | None:
    """How arrays of a class travel that is registered by its name."""
    for one in cls.__mro__:
        make = lazy_by_class.get(f"{one.__module__}.{one.__qualname__}")
        if make is not None:
            lazy_by_class[cls] = make
            return make
    return None
