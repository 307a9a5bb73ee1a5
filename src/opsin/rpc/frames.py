"""Frame: what a transport carries, and its prefix on byte streams (protocol/RPC.md). Pure."""

from __future__ import annotations

import struct
from typing import Protocol

import msgspec

from opsin.errors import ProtocolError

LARGEST_HEADER = 2**20
LARGEST_PAYLOAD = 2**20
LARGEST_PIECE = 2**18
"""Bytes of a payload that this side sends at once on a byte transport."""
MOST_DESCRIPTORS = 16

PREFIX = struct.Struct("<IIHH")


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A header, at most one payload, and file descriptors that belong to them.

    Whoever holds a received frame owns its descriptors, and closes them.
    """

    header: bytes | memoryview
    payload: bytes | memoryview = b""
    descriptors: tuple[int, ...] = ()


class Transport(Protocol):
    """One end of a link. `send` and `receive` are each called by one task at a time."""

    async def send(self, frame: Frame) -> None:
        """Hand a frame over; returns when there is room for the next.

        The descriptors are duplicated by the transport where they outlive the call; the caller
        still owns and closes its own.

        Raises:
            ConnectionLost: the other side is gone.
        """

    async def receive(self) -> Frame:
        """The next frame.

        Raises:
            EOFError: the link has ended.
            ProtocolError: what came is not a frame.
        """

    async def close(self) -> None:
        """End the link and free what it holds. Idempotent; wakes a waiting `receive`."""


def encode_prefix(frame: Frame) -> bytes:
    """The 12 bytes before header and payload on a byte stream.

    Raises:
        ProtocolError: the frame breaks a limit.
    """
    header = len(frame.header)
    payload = memoryview(frame.payload).nbytes if frame.payload else 0
    check_limits(header, payload, len(frame.descriptors), 0)
    return PREFIX.pack(header, payload, len(frame.descriptors), 0)


def decode_prefix(data: bytes | bytearray | memoryview, at: int = 0) -> tuple[int, int, int]:
    """Header length, payload length and number of descriptors, of the prefix that begins there.

    Raises:
        ProtocolError: the prefix breaks a limit.
    """
    header, payload, descriptors, zero = PREFIX.unpack_from(data, at)
    check_limits(header, payload, descriptors, zero)
    return header, payload, descriptors


def check_limits(header: int, payload: int, descriptors: int, zero: int) -> None:
    """Raise ProtocolError unless these numbers are those of a frame."""
    if not 0 < header <= LARGEST_HEADER:
        raise ProtocolError(f"A frame's header has 1 to {LARGEST_HEADER} bytes, not {header}.")
    if payload > LARGEST_PAYLOAD:
        raise ProtocolError(f"A frame's payload has at most {LARGEST_PAYLOAD} bytes.")
    if descriptors > MOST_DESCRIPTORS or zero:
        raise ProtocolError("A frame's prefix is malformed.")
