"""Content: what tells whether two images have the same pixels, however they are stored."""

from __future__ import annotations

import hashlib
import math

from opsin.images.crop import origin_of
from opsin.images.image import Image
from opsin.images.waiting import on_thread

WHOLE = 64 << 20
"""Bytes of a level of which every pixel is looked at; of a larger one some are."""
SAMPLES = 8
"""Places that are looked at then, on a line from the first pixel to the last."""
SAMPLE = 64
"""Pixels along y and x of such a place."""


async def content_identity(image: Image, level: int = 0) -> str:
    """Words that are the same for the same pixels of one level.

    `sha256:` and a checksum over type, axes, shape and all pixels; `sample:` and one over pixels
    of eight places, of a level of more than 64 MiB; `formula:` and one over its address and place,
    of an image that is computed.

    Raises:
        ReadError: a chunk cannot be read.
    """
    shape = image.levels[level].shape
    said = f"{image.dtype.str} {shape} {image.axis_names}"
    digest = hashlib.sha256(said.encode())
    origin, place = origin_of(image), image.levels[level]
    if image.source.provenance == "computed" and origin is not None:
        where = f"{origin.address} {place.scale} {place.translation}"
        digest.update(where.encode(errors="surrogateescape"))
        return f"formula:{digest.hexdigest()}"
    whole = math.prod(shape) * image.dtype.itemsize <= WHOLE
    boxes: list[list[slice]] = [[]]
    if not whole:
        boxes = [
            [
                _sample(size, k / (SAMPLES - 1), SAMPLE if name in ("y", "x") else 1)
                for name, size in zip(image.axis_names, shape, strict=True)
            ]
            for k in range(SAMPLES)
        ]
    for box in boxes:
        pixels = await image.read_async(level, box)
        await on_thread(None, digest.update, pixels.tobytes())
    return f"{'sha256' if whole else 'sample'}:{digest.hexdigest()}"


def _sample(size: int, share: float, length: int) -> slice:
    """A range of so many pixels, `share` of the way along an axis."""
    length = min(length, size)
    start = round(share * (size - length))
    return slice(start, start + length)
