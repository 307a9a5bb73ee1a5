"""JPEG: grey and colour of 8 bits; by imagecodecs. One compressed stream, so one chunk."""

from __future__ import annotations

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
        if frame is None or 0 in frame[1:]:
            raise OpenError(f"{address.name} is a damaged or truncated JPEG.")
        depth, height, width, samples = frame
        if depth != 8 or samples not in (1, 3):
            raise Unsupported(
                f"{address.name} is a JPEG of {samples} samples of {depth} bits: convert it to PNG."
            )
    except BaseException:
        store.close()
        raise
    shape = (height, width) if samples == 1 else (height, width, 3)
    source = WholeFile(store, key, shape, np.dtype(np.uint8), _decode)
    return (source.image(address.stem, rgb=samples == 3),)


def _decode(data: bytes) -> Array:
    import imagecodecs

    return imagecodecs.jpeg8_decode(data)


async def _frame(store: Store, key: str) -> tuple[int, int, int, int] | None:
    """Bits, height, width and samples from the frame header, which thumbnails may precede."""
    position = 2
    for _ in range(_MOST_BLOCKS):
        block = await store.get_range(key, start=position, length=10) or b""
        if len(block) < 10 or block[0] != 0xFF:
            return None
        marker = block[1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = int.from_bytes(block[5:7], "big"), int.from_bytes(block[7:9], "big")
            return block[4], height, width, block[9]
        length = 1 if marker == 0xFF else 2 + int.from_bytes(block[2:4], "big")
        position += max(1, length)
    return None
