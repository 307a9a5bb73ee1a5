"""PNG: grey, colour and palette, with and without transparency, of 8 and 16 bits; by imagecodecs.

A PNG has one compressed stream, so the image is one chunk. Palettes become colours; grey of 1, 2
and 4 bits becomes 0 to 255; grey with transparency becomes red, green, blue, alpha.
"""

from __future__ import annotations

import struct

import numpy as np

from opsin.errors import OpenError, Unsupported
from opsin.images.image import Image
from opsin.images.readers.address import Address
from opsin.images.source import Array
from opsin.images.store import Store
from opsin.images.waiting import wait_for
from opsin.images.whole_file import WholeFile

READS = "PNG"

_MAGIC = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR, _PALETTE, _GREY_ALPHA, _COLOUR_ALPHA = 0, 2, 3, 4, 6
_MOST_BLOCKS = 4096


def recognises(address: Address) -> bool:
    """Whether the file begins as a PNG does."""
    return address.head(8) == _MAGIC


def open(address: Address) -> tuple[Image, ...]:
    """The image of a PNG file, local or on the web: axes y, x or y, x, c.

    Raises:
        NotFound: there is no such file.
        Unsupported: it is not a PNG.
        OpenError: its header is damaged, or it cannot be read.
    """
    if not recognises(address):
        raise Unsupported(f"{address.name} is not a PNG, whatever its name says.")
    try:
        width, height, depth, colour = struct.unpack(">4x4xIIBB", address.head(26)[8:])
    except struct.error:
        raise OpenError(f"{address.name} is a truncated PNG.") from None
    depths = {_GREY: (1, 2, 4, 8, 16), _PALETTE: (1, 2, 4, 8)}.get(colour, (8, 16))
    known = colour in (_GREY, _COLOUR, _PALETTE, _GREY_ALPHA, _COLOUR_ALPHA)
    if not known or depth not in depths or width == 0 or height == 0:
        raise OpenError(f"{address.name} is a damaged PNG: its header makes no sense.")
    store, key = address.beside()
    try:
        transparent = colour in (_GREY_ALPHA, _COLOUR_ALPHA) or wait_for(_has_trns(store, key))
    except BaseException:
        store.close()
        raise
    grey = colour == _GREY and not transparent
    shape = (height, width) if grey else (height, width, 4 if transparent else 3)
    dtype = np.dtype(np.uint16 if depth == 16 else np.uint8)
    source = WholeFile(store, key, shape, dtype, _decode)
    return (source.image(address.stem, rgb=not grey),)


def _decode(data: bytes) -> Array:
    import imagecodecs

    array = imagecodecs.png_decode(data)
    if array.ndim == 3 and array.shape[2] == 2:
        return array[:, :, [0, 0, 0, 1]]
    return array


async def _has_trns(store: Store, key: str) -> bool:
    """Whether one colour, or some entries of the palette, are transparent.

    The block that says so comes before the pixels, but behind colour profiles of any length.
    """
    position = len(_MAGIC)
    window, start = b"", 0
    for _ in range(_MOST_BLOCKS):
        if not start <= position <= start + len(window) - 8:
            start = position
            window = await store.get_range(key, start=start, length=4096) or b""
        header = window[position - start :][:8]
        if len(header) < 8 or header[4:] in (b"IDAT", b"IEND"):
            return False
        if header[4:] == b"tRNS":
            return True
        position += 12 + int.from_bytes(header[:4], "big")
    return False
