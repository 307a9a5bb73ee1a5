"""Messages of the RPC as types, and their encoding as headers of frames (protocol/RPC.md). Pure.

Values inside a message stay packed (`msgspec.Raw`): a session moves them without looking in.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Raw

from opsin.errors import ProtocolError

VERSION = 1
LARGEST_FIRST_HEADER = 4096
"""Bytes of a header before the other side's hello was checked."""
LARGEST_BUFFER = 2**40
MOST_BUFFERS = 4096
"""Announced and unfinished at the same time, in each direction."""
DEEPEST_CAUSE = 8

WANTS_STREAM = 1
WANTS_PROGRESS = 2
WANTS_NO_ANSWER = 4

NO_ARGS = Raw(b"\x90")
NO_KWARGS = Raw(b"\x80")
NULL = Raw(b"\xc0")

Number: TypeAlias = Annotated[int, Meta(ge=1, le=2**53 - 1)]
"""Ids and counts: whole numbers that JavaScript can hold."""
Index: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Sizes: TypeAlias = tuple[Annotated[int, Meta(ge=0, le=LARGEST_BUFFER)], ...]
ErrorParts: TypeAlias = tuple[Any, ...]
"""`(type, message, traceback)`, and a fourth element, the cause's parts, where there is one."""


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """A peer introduces itself."""

    version: int
    features: tuple[str, ...] = ()
    token: str | None = None
    limits: dict[str, Any] = {}


class Call(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Call a method of an object; the empty method is the object itself."""

    id: Number
    object: Index
    method: str
    args: Raw = NO_ARGS
    kwargs: Raw = NO_KWARGS
    buffers: Sizes = ()
    flags: Index = 0


class Result(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A call has ended well."""

    id: Number
    value: Raw = NULL
    buffers: Sizes = ()


class Error(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """A call has failed."""

    id: Number
    error: ErrorParts


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """The caller gives a call up."""

    id: Number


class Progress(msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False):
    """How far an open call has come."""

    id: Number
    done: float | None = None
    total: float | None = None
    text: str | None = None


class Item(msgspec.Struct, frozen=True, array_like=True, tag=6, gc=False):
    """The next value of a stream."""

    id: Number
    value: Raw = NULL
    buffers: Sizes = ()


class More(msgspec.Struct, frozen=True, array_like=True, tag=7, gc=False):
    """The caller can take `count` further items of a stream."""

    id: Number
    count: Annotated[int, Meta(ge=1, le=2**16)]


class Piece(msgspec.Struct, frozen=True, array_like=True, tag=8, gc=False):
    """The frame's payload is the next part of a buffer."""

    buffer: Number
    last: bool = False


class Drain(msgspec.Struct, frozen=True, array_like=True, tag=9, gc=False):
    """So many bytes of a buffer were taken."""

    buffer: Number
    bytes: Annotated[int, Meta(ge=1, le=LARGEST_BUFFER)]


class Release(msgspec.Struct, frozen=True, array_like=True, tag=10, gc=False):
    """Remotes and leases that are gone: objects with how often they had come, and segments."""

    objects: tuple[tuple[Number, Number], ...] = ()
    segments: tuple[Index, ...] = ()


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=11, gc=False):
    """Is somebody there?"""

    n: Index


class Pong(msgspec.Struct, frozen=True, array_like=True, tag=12, gc=False):
    """Yes."""

    n: Index


class Bye(msgspec.Struct, frozen=True, array_like=True, tag=13, gc=False):
    """The session ends in order."""

    reason: str = ""


Announcing: TypeAlias = Call | Result | Item
"""Messages that can have buffers and descriptors."""
Message: TypeAlias = (
    Hello
    | Call
    | Result
    | Error
    | Cancel
    | Progress
    | Item
    | More
    | Piece
    | Drain
    | Release
    | Ping
    | Pong
    | Bye
)
MESSAGES: tuple[type[Message], ...] = (
    *(Hello, Call, Result, Error, Cancel, Progress, Item),
    *(More, Piece, Drain, Release, Ping, Pong, Bye),
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)
_first_decoder = msgspec.msgpack.Decoder(Hello | Bye)
_outline = msgspec.msgpack.Decoder(list[Raw])


def encode_message(message: Message) -> bytes:
    """The header that says `message`."""
    return _encoder.encode(message)


def decode_message(header: bytes | memoryview) -> Message | None:
    """The message of a header; None for one that this version does not know.

    Raises:
        ProtocolError: the header is not a message.
    """
    if type(header) is not bytes:
        header = bytes(header)  # a transport may use its memory again; values look into this
    try:
        message: Message = _decoder.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if _is_unknown(header):
            return None
        raise ProtocolError(f"A message is malformed: {error}.") from None
    if type(message) is Error:
        check_error(message.error)
    return message


def decode_first(header: bytes | memoryview) -> Hello | Bye:
    """The message before which no other is looked at: short, and a hello, or a bye that says why.

    Raises:
        ProtocolError: it is something else, or too long.
    """
    if len(header) > LARGEST_FIRST_HEADER:
        raise ProtocolError(f"The first header has at most {LARGEST_FIRST_HEADER} bytes.")
    try:
        first: Hello | Bye = _first_decoder.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"A session begins with a hello: {error}.") from None
    return first


def check_error(parts: Any, depth: int = 0) -> None:
    """Raise ProtocolError unless `parts` are those of an error."""
    if not isinstance(parts, (tuple, list)) or len(parts) < 2 or depth > DEEPEST_CAUSE:
        raise ProtocolError("An error is [type, message, traceback, cause?], at most 8 deep.")
    if not all(isinstance(part, str) for part in parts[:3]):
        raise ProtocolError("An error's type, message and traceback are texts.")
    if len(parts) > 3 and parts[3] is not None:
        check_error(parts[3], depth + 1)


def _is_unknown(header: bytes) -> bool:
    try:
        number = msgspec.msgpack.decode(_outline.decode(header)[0], type=int)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, IndexError):
        return False
    return bool(number >= len(MESSAGES))
