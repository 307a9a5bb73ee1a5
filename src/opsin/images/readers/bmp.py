"""BMP: grey, palettes and colour of 8 bits; by imagecodecs. Read whole, so one chunk.

Palettes become colours, unless they are the 256 greys in their order. Transparency is left out.
"""

from __future__ import annotations

import struct

import numpy as np

from opsin.errors import OpenError, Unsupported
from opsin.images.image import Image
from opsin.images.readers.address import Address
from opsin.images.source import Array
from opsin.images.whole_file import WholeFile

READS = "BMP"

_HEADERS = tuple(size.to_bytes(4, "little") for size in (40, 52, 56, 64, 108, 124))
_RLE = (1, 2)


def recognises(address: Address) -> bool:
    """Whether the file begins as a BMP does."""
    head = address.head(18)
    return head[:2] == b"BM" and len(head) == 18 and head[14:18] in _HEADERS


def open(address: Address) -> tuple[Image, ...]:
    """The image of a BMP file, local or on the web: axes y, x or y, x, c.

    Raises:
        NotFound: there is no such file.
        Unsupported: it is not a BMP, or compressed in a way that is rare.
        OpenError: its header is damaged, or it cannot be read.
    """
    if not recognises(address):
        raise Unsupported(f"{address.name} is not a BMP, whatever its name says.")
    head = address.head(4096)
    try:
        size, width, height, planes, bits, packing = struct.unpack("<14xIiiHHI", head[:34])
    except struct.error:
        raise OpenError(f"{address.name} is a truncated BMP.") from None
    if width <= 0 or height == 0 or planes != 1 or bits not in (1, 4, 8, 16, 24, 32):
        raise OpenError(f"{address.name} is a damaged BMP: its header makes no sense.")
    if packing in _RLE:
        raise Unsupported(f"{address.name} is a BMP with run lengths: convert it to PNG.")
    # The fourth byte of a colour means nothing.
    palette = np.frombuffer(head[14 + size :][:1024], np.uint8)
    grey = bits == 8 and len(palette) == 1024
    grey = grey and np.array_equal(palette.reshape(-1, 4)[:, :3].T, [range(256)] * 3)
    shape = (abs(height), width) if grey else (abs(height), width, 3)
    store, key = address.beside()
    source = WholeFile(store, key, shape, np.dtype(np.uint8), _decode_grey if grey else _decode)
    return (source.image(address.stem, rgb=not grey),)


def _decode_grey(data: bytes) -> Array:
    import imagecodecs

    return imagecodecs.bmp_decode(data)


def _decode(data: bytes) -> Array:
    import imagecodecs

    return imagecodecs.bmp_decode(data, asrgb=True)[:, :, :3]
