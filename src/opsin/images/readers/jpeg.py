"""JPEG: grey and colour of 8 bits; by imagecodecs. One compressed stream, so one chunk.

Pictures of a camera that was held upright, as their EXIF says, are turned as they were seen.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial

import numpy as np

from opsin.errors import OpenError, Unsupported
from opsin.images.image import Image
from opsin.images.readers.address import Address
from opsin.images.source import Array
from opsin.images.store import Store
from opsin.images.waiting import wait_for
from opsin.images.whole_file import WholeFile

READS = "JPEG"

_MOST_BLOCKS = 4096

_LYING = (5, 6, 7, 8)
"""Orientations of which rows are columns."""
_FLIPPED = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
"""Steps along rows and columns, after that."""


def recognises(address: Address) -> bool:
    """Whether the file begins as a JPEG does."""
    return address.head(3) == b"\xff\xd8\xff"


def open(address: Address) -> tuple[Image, ...]:
    """The image of a JPEG file, local or on the web: axes y, x or y, x, c.

    Raises:
        NotFound: there is no such file.
        Unsupported: it is not a JPEG, or neither grey nor red, green, blue.
        OpenError: its header is damaged, or it cannot be read.
    """
    if not recognises(address):
        raise Unsupported(f"{address.name} is not a JPEG, whatever its name says.")
    store, key = address.beside()
    try:
        frame = wait_for(_frame(store, key))
        if frame is None or 0 in (frame.height, frame.width, frame.samples):
            raise OpenError(f"{address.name} is a damaged or truncated JPEG.")
        depth, samples = frame.depth, frame.samples
        if depth != 8 or samples not in (1, 3):
            raise Unsupported(
                f"{address.name} is a JPEG of {samples} samples of {depth} bits: convert it to PNG."
            )
    except BaseException:
        store.close()
        raise
    size = (frame.height, frame.width)
    plane = size[::-1] if frame.orientation in _LYING else size
    shape = plane if samples == 1 else (*plane, 3)
    decoder = partial(_decode, orientation=frame.orientation)
    source = WholeFile(store, key, shape, np.dtype(np.uint8), decoder)
    return (source.image(address.stem, rgb=samples == 3),)


def _decode(data: bytes, orientation: int) -> Array:
    import imagecodecs

    array = imagecodecs.jpeg8_decode(data)
    if orientation in _LYING:
        array = array.swapaxes(0, 1)
    rows, columns = _FLIPPED.get(orientation, (1, 1))
    return array[::rows, ::columns]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the file says before its pixels; sizes as stored."""

    depth: int
    height: int
    width: int
    samples: int
    orientation: int
    """1 to 8, as EXIF counts; 1: as stored."""


async def _frame(store: Store, key: str) -> _Frame | None:
    """From the frame header, which thumbnails may precede."""
    position, orientation = 2, 1
    for _ in range(_MOST_BLOCKS):
        block = await store.get_range(key, start=position, length=10) or b""
        if len(block) < 10 or block[0] != 0xFF:
            return None
        marker = block[1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = int.from_bytes(block[5:7], "big"), int.from_bytes(block[7:9], "big")
            return _Frame(block[4], height, width, block[9], orientation)
        length = 1 if marker == 0xFF else 2 + int.from_bytes(block[2:4], "big")
        if marker == 0xE1 and block[4:] == b"Exif\0\0":
            tags = await store.get_range(key, start=position + 10, length=length - 10) or b""
            orientation = _orientation(tags)
        position += max(1, length)
    return None


def _orientation(exif: bytes) -> int:
    """EXIF's orientation, from its first directory, which is that of a TIFF; 1 if it has none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * number)
            if tag == 274 and kind == 3:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
