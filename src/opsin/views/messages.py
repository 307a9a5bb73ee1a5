"""Messages of the view stream as types, and the frames that carry them (protocol/VIEW.md)."""

from __future__ import annotations

import struct
from typing import Any, Literal, TypeAlias

import msgspec

from opsin.chunks.brick import Brick
from opsin.chunks.camera import Camera
from opsin.errors import ProtocolError
from opsin.images.source import Provenance

VERSION = 1
LARGEST_HEADER = 2**20
LARGEST_CANVAS = 16384
"""Device pixels along one side of a canvas, at most."""

WireKey: TypeAlias = tuple[int, int, tuple[int, ...], int, int]
Severity: TypeAlias = Literal["info", "warning", "error"]


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The canvas introduces itself: what it can hold and take, in bytes."""

    version: int
    slots: int
    credit: int


class Look(msgspec.Struct, frozen=True, tag="view"):
    """What the canvas looks at now."""

    generation: int
    center: tuple[float, float]
    zoom: float
    size: tuple[int, int]
    displayed: tuple[str, str]
    position: dict[str, float]
    visible: tuple[int, ...]
    moving: bool = False

    def camera(self) -> Camera:
        """The camera of this message.

        Raises:
            ProtocolError: a number in it is out of any sensible range.
        """
        numbers = (*self.center, self.zoom, *self.position.values())
        if not all(abs(number) < 1e300 for number in numbers) or self.zoom <= 1e-300:
            raise ProtocolError("A view needs finite numbers and a zoom above 0.")
        if not all(0 < side <= LARGEST_CANVAS for side in self.size):
            raise ProtocolError(f"A canvas has 1 to {LARGEST_CANVAS} pixels along each side.")
        return Camera(self.center, self.zoom, self.size, self.position, self.displayed)


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """The canvas took `bytes` of payload, and let go of the `evicted` bricks."""

    bytes: int
    evicted: tuple[WireKey, ...] = ()


class Lost(msgspec.Struct, frozen=True, tag="lost"):
    """Everything the canvas held is gone."""


class Retry(msgspec.Struct, frozen=True, tag="retry"):
    """Try again what has failed."""


FromCanvas: TypeAlias = Hello | Look | Ack | Lost | Retry
_TYPES: dict[str, type[FromCanvas]] = {
    "hello": Hello,
    "view": Look,
    "ack": Ack,
    "lost": Lost,
    "retry": Retry,
}


class AxisInfo(msgspec.Struct, frozen=True):
    """An axis, as a layer describes it."""

    name: str
    type: str
    unit: str | None


class LevelInfo(msgspec.Struct, frozen=True):
    """A level, along the axes of its layer."""

    shape: tuple[int, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]


class Defaults(msgspec.Struct, frozen=True):
    """How a layer is drawn until the user changes it."""

    visible: bool
    opacity: float
    contrast: tuple[float, float]
    gamma: float
    colormap: str
    blending: str


class LayerInfo(msgspec.Struct, frozen=True):
    """A layer, as the canvas needs to know it."""

    id: int
    name: str
    kind: Literal["image", "labels", "rgb"]
    dtype: str
    data_dtype: str
    samples: int
    axes: tuple[AxisInfo, ...]
    levels: tuple[LevelInfo, ...]
    defaults: Defaults
    range: tuple[float, float]


class Notice(msgspec.Struct, frozen=True):
    """A sentence for the user."""

    severity: Severity
    text: str


class NoticeMessage(msgspec.Struct, frozen=True, tag="notice"):
    """A sentence for the user that came up after the scene was sent."""

    severity: Severity
    text: str


class SceneMessage(msgspec.Struct, frozen=True, tag="scene"):
    """All layers that can be looked at, and how many more are being opened."""

    layers: tuple[LayerInfo, ...]
    opening: int
    notices: tuple[Notice, ...]
    version: int = VERSION


class BrickMessage(msgspec.Struct, frozen=True, tag="brick"):
    """The header of a brick; its values are the payload."""

    generation: int
    key: WireKey
    shape: tuple[int, int]
    bytes: int
    range: tuple[float, float] | None
    provenance: Provenance


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A brick that cannot be had."""

    key: WireKey
    reason: str


class Stats(msgspec.Struct, frozen=True, tag="stats"):
    """The loader's numbers."""

    generation: int
    settled: bool
    wanted: int
    held: int
    failed: int
    targets: dict[str, int]
    bytes_read: int
    cache_bytes: int
    cache_budget: int
    in_flight: int
    plan_ms: float


ToCanvas: TypeAlias = SceneMessage | BrickMessage | Failed | Stats | NoticeMessage


def plain_text(text: str) -> str:
    """Text that can travel: what is not Unicode (names of files, of channels) is replaced."""
    return text.encode("utf-8", "replace").decode()


def wire_key(brick: Brick) -> WireKey:
    """A brick's address as messages carry it."""
    return (brick.layer, brick.level, brick.slice, brick.row, brick.column)


def brick_of(key: WireKey) -> Brick:
    """The brick that a message's key addresses."""
    return Brick(*key)


def encode_frame(message: Any, payload: bytes | memoryview = b"") -> bytes:
    """One binary frame: header length, JSON header, padding to 8 bytes, payload.

    Raises:
        ProtocolError: the message is longer than a header may be.
    """
    header = msgspec.json.encode(message)
    if len(header) > LARGEST_HEADER:
        raise ProtocolError(f"A message of {len(header)} bytes is too long for the view stream.")
    padding = -(4 + len(header)) % 8
    return b"".join((struct.pack("<I", len(header)), header, bytes(padding), payload))


def decode_frame(frame: bytes) -> tuple[bytes, memoryview]:
    """Header and payload of a frame.

    Raises:
        ProtocolError: the frame is cut short, or its header is too long.
    """
    if len(frame) < 4:
        raise ProtocolError("A frame has at least 4 bytes.")
    (length,) = struct.unpack_from("<I", frame)
    if length > LARGEST_HEADER:
        raise ProtocolError(f"A header has at most {LARGEST_HEADER} bytes, not {length}.")
    start = 4 + length + (-(4 + length) % 8)
    if len(frame) < start:
        raise ProtocolError(f"A frame ended after {len(frame)} bytes of {start}.")
    if any(frame[4 + length : start]):
        raise ProtocolError("A frame's padding is zero.")
    return frame[4 : 4 + length], memoryview(frame)[start:]


class _Tag(msgspec.Struct):
    type: str


def decode_message(frame: bytes) -> FromCanvas | None:
    """The message in a frame from a canvas; None for a type that this version does not know.

    Raises:
        ProtocolError: the frame or the message is malformed.
    """
    header, _ = decode_frame(frame)
    try:
        kind = _TYPES.get(msgspec.json.decode(header, type=_Tag).type)
        return None if kind is None else msgspec.json.decode(header, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"A message is malformed: {error}.") from None
