"""WebP: colour of 8 bits, with and without transparency; by imagecodecs. One chunk.

Of an animation, the first picture is shown.
"""

from __future__ import annotations

import numpy as np

from opsin.errors import OpenError, Unsupported
from opsin.images.image import Image
from opsin.images.readers.address import Address
from opsin.images.source import Array
from opsin.images.whole_file import WholeFile

READS = "WebP"


def recognises(address: Address) -> bool:
    """Whether the file begins as a WebP does."""
    head = address.head(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def open(address: Address) -> tuple[Image, ...]:
    """The image of a WebP file, local or on the web: axes y, x, c.

    Raises:
        NotFound: there is no such file.
        Unsupported: it is not a WebP.
        OpenError: its header is damaged, or it cannot be read.
    """
    if not recognises(address):
        raise Unsupported(f"{address.name} is not a WebP, whatever its name says.")
    size = _size(address.head(30))
    if size is None:
        raise OpenError(f"{address.name} is a damaged or truncated WebP.")
    store, key = address.beside()
    source = WholeFile(store, key, size, np.dtype(np.uint8), _DECODERS[size[2]])
    return (source.image(address.stem, rgb=True),)


def _size(head: bytes) -> tuple[int, int, int] | None:
    """Height, width and samples, which each of the three kinds says in another way."""
    if len(head) < 30:
        return None
    kind = head[12:16]
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(head[i : i + 2], "little") & 0x3FFF for i in (26, 28))
        samples = 3
    elif kind == b"VP8L" and head[20] == 0x2F:
        packed = int.from_bytes(head[21:25], "little")
        width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        samples = 4 if packed >> 28 & 1 else 3
    elif kind == b"VP8X":
        width, height = (1 + int.from_bytes(head[i : i + 3], "little") for i in (24, 27))
        samples = 4 if head[20] & 0x10 else 3
    else:
        return None
    return (height, width, samples) if width and height else None


def _opaque(data: bytes) -> Array:
    import imagecodecs

    return imagecodecs.webp_decode(data, hasalpha=False)


def _transparent(data: bytes) -> Array:
    import imagecodecs

    return imagecodecs.webp_decode(data, hasalpha=True)


_DECODERS = {3: _opaque, 4: _transparent}
