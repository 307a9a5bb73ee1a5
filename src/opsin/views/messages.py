"""Messages of the view stream as types, and the frames that carry them (protocol/VIEW.md)."""

from __future__ import annotations

import math
import struct
from typing import Any, Literal, TypeAlias

import msgspec

from opsin.chunks.brick import Brick
from opsin.chunks.camera import Camera
from opsin.chunks.journal import End
from opsin.chunks.points_plan import PointsBrick
from opsin.chunks.volume_brick import VolumeBrick
from opsin.chunks.volume_camera import WIDEST, Box, VolumeCamera
from opsin.errors import ProtocolError
from opsin.images.source import Provenance
from opsin.views.points_messages import (
    Pick,
    Picked,
    PointsInfo,
    PointsLook,
    PointsMessage,
    SampleMessage,
)

VERSION = 1
LARGEST_HEADER = 2**20
LARGEST_CANVAS = 16384
"""Device pixels along one side of a canvas, at most."""

LOWEST_QUALITY, HIGHEST_QUALITY = 1 / 16, 4.0
"""Voxels per device pixel that a canvas may ask for."""

AnyBrick: TypeAlias = Brick | VolumeBrick
WireBrick: TypeAlias = Brick | VolumeBrick | PointsBrick
WireKey: TypeAlias = tuple[int | tuple[int, ...], ...]
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
    points: dict[str, PointsLook] | msgspec.UnsetType = msgspec.UNSET

    def camera(self) -> Camera:
        """The camera of this message.

        Raises:
            ProtocolError: a number in it is out of any sensible range.
        """
        _check(self.center, self.zoom, self.size, self.position)
        return Camera(self.center, self.zoom, self.size, self.position, self.displayed)


class VolumeLook(msgspec.Struct, frozen=True, tag="volume"):
    """What the canvas looks at now, in 3D."""

    generation: int
    center: tuple[float, float, float]
    zoom: float
    size: tuple[int, int]
    displayed: tuple[str, str, str]
    position: dict[str, float]
    visible: tuple[int, ...]
    orientation: tuple[float, float, float, float]
    perspective: float = 0.0
    quality: float = 1.0
    moving: bool = False
    points: dict[str, PointsLook] | msgspec.UnsetType = msgspec.UNSET
    clip: Box | msgspec.UnsetType = msgspec.UNSET

    def camera(self) -> VolumeCamera:
        """The camera of this message.

        Raises:
            ProtocolError: a number in it is out of any sensible range.
        """
        _check(self.center, self.zoom, self.size, self.position)
        if not 0.5 < math.hypot(*self.orientation) < 2:
            raise ProtocolError("An orientation is a unit quaternion.")
        if not 0 <= self.perspective <= WIDEST:
            raise ProtocolError(f"A perspective has 0 to {WIDEST:g} degrees.")
        if not LOWEST_QUALITY <= self.quality <= HIGHEST_QUALITY:
            raise ProtocolError(f"A quality is {LOWEST_QUALITY:g} to {HIGHEST_QUALITY:g}.")
        clip = None if self.clip is msgspec.UNSET else self.clip
        if clip is not None and not all(-1e300 < a < b < 1e300 for a, b in zip(*clip, strict=True)):
            raise ProtocolError("The low corner of a clipping box is lower along each axis.")
        return VolumeCamera(
            self.center,
            self.zoom,
            self.size,
            self.orientation,
            self.perspective,
            self.position,
            self.displayed,
            clip,
        )


def _check(
    center: tuple[float, ...], zoom: float, size: tuple[int, int], position: dict[str, float]
) -> None:
    """See to it that what all cameras have makes sense.

    Raises:
        ProtocolError: it does not.
    """
    numbers = (*center, zoom, *position.values())
    if not all(abs(number) < 1e300 for number in numbers) or zoom <= 1e-300:
        raise ProtocolError("A view needs finite numbers and a zoom above 0.")
    if not all(0 < side <= LARGEST_CANVAS for side in size):
        raise ProtocolError(f"A canvas has 1 to {LARGEST_CANVAS} pixels along each side.")


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """The canvas took `bytes` of payload, and let go of the `evicted` bricks."""

    bytes: int
    evicted: tuple[WireKey, ...] = ()

    def __post_init__(self) -> None:
        for key in self.evicted:
            brick_of(key)


class Lost(msgspec.Struct, frozen=True, tag="lost"):
    """Everything the canvas held is gone."""


class Retry(msgspec.Struct, frozen=True, tag="retry"):
    """Try again what has failed."""


class Watch(msgspec.Struct, frozen=True, tag="watch"):
    """The canvas wants to see what is asked of sources, or no more."""

    requests: bool


FromCanvas: TypeAlias = Hello | Look | VolumeLook | Ack | Lost | Retry | Watch | Pick
_TYPES: dict[str, type[FromCanvas]] = {
    "hello": Hello,
    "view": Look,
    "volume": VolumeLook,
    "ack": Ack,
    "lost": Lost,
    "retry": Retry,
    "watch": Watch,
    "pick": Pick,
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


class Defaults(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a layer is drawn until the user changes it; what points alone have comes last."""

    visible: bool
    opacity: float
    contrast: tuple[float, float]
    gamma: float
    colormap: str
    blending: str
    size: float | None = None
    unit: str | None = None
    colour: str | None = None
    colour_by: str | None = None
    size_by: str | None = None
    thickness: dict[str, float] | None = None


class LayerInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A layer, as the canvas needs to know it."""

    id: int
    name: str
    kind: Literal["image", "labels", "rgb", "points"]
    dtype: str
    data_dtype: str
    samples: int
    axes: tuple[AxisInfo, ...]
    levels: tuple[LevelInfo, ...]
    defaults: Defaults
    range: tuple[float, float]
    brick: int = 512
    deeper: tuple[LevelInfo, ...] = ()
    points: PointsInfo | None = None


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
    """The header of a brick; its values are the payload, or one of them if all are equal."""

    generation: int
    key: WireKey
    shape: tuple[int, ...]
    bytes: int
    range: tuple[float, float] | None
    provenance: Provenance


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A brick that cannot be had."""

    key: WireKey
    reason: str


class RequestInfo(msgspec.Struct, frozen=True):
    """A chunk that was asked for: milliseconds since that, and until it was here or given up."""

    layer: int | None
    level: int
    grid: tuple[int, ...]
    ago: float
    took: float
    bytes: int
    provenance: Provenance
    end: End


class Requests(msgspec.Struct, frozen=True, tag="requests"):
    """What has ended since the last such message."""

    requests: tuple[RequestInfo, ...]


class Stats(msgspec.Struct, frozen=True, tag="stats", omit_defaults=True):
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
    loaded_bytes: int = 0
    wasted_bytes: int = 0


ToCanvas: TypeAlias = (
    SceneMessage
    | BrickMessage
    | PointsMessage
    | SampleMessage
    | Picked
    | Failed
    | Stats
    | NoticeMessage
    | Requests
)


def plain_text(text: str) -> str:
    """Text that can travel: what is not Unicode (names of files, of channels) is replaced."""
    return text.encode("utf-8", "replace").decode()


def wire_key(brick: WireBrick) -> WireKey:
    """A brick's address as messages carry it."""
    return tuple(brick)


def brick_of(key: WireKey) -> WireBrick:
    """The brick that a message's key addresses.

    Raises:
        ProtocolError: it is no address of a brick.
    """
    for kind in (Brick, VolumeBrick, PointsBrick):
        if len(key) == len(kind._fields):
            where = key[2]
            numbers = (*key[:2], *key[3:])
            whole = all(isinstance(number, int) for number in numbers)
            if whole and isinstance(where, tuple) and (kind is not PointsBrick or len(where) == 1):
                return kind(*key)  # type: ignore[arg-type]
    raise ProtocolError("A brick's key is [layer, level, slice, row, column], or with a depth.")


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
