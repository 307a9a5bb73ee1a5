"""Identity: what tells whether the pixels at an address are still what they were."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from opsin.errors import NotFound
from opsin.images.image import Image
from opsin.images.readers.address import Address
from opsin.images.waiting import wait_for


def identity(address: str | Path, image: Image) -> str:
    """Words that are others as soon as the pixels at an address may be.

    Of a local file or folder they hold its place, and the sizes and times of all files; of anything
    far away its address, and a checksum of three chunks of the image.

    Raises:
        NotFound: there is nothing any more.
        ReadError: a chunk cannot be read.
    """
    place = Address.parse(address)
    digest = hashlib.sha256(place.text.encode(errors="surrogateescape"))
    if place.path is not None:
        digest.update(os.fsencode(place.path.resolve()))
        try:
            for line in _files(place.path):
                digest.update(line)
        except OSError as error:
            raise NotFound(f"{place.text} cannot be read: {error.strerror or error}.") from error
    elif place.url is not None:
        digest.update(wait_for(_samples(image)))
    return digest.hexdigest()


def _files(path: Path, inside: str = "") -> Iterator[bytes]:
    """Name, size and time of a file, or of all that a folder holds."""
    if path.is_dir():
        for name in sorted(one.name for one in path.iterdir()):
            yield from _files(path / name, f"{inside}/{name}")
        return
    status = path.stat()
    text = f"{inside}\0{status.st_size}\0{status.st_mtime_ns}\n"
    yield text.encode(errors="surrogateescape")


async def _samples(image: Image) -> bytes:
    grid = image.levels[0].grid
    digest = hashlib.sha256()
    for index in dict.fromkeys(
        (tuple(0 for _ in grid), tuple(n // 2 for n in grid), tuple(n - 1 for n in grid))
    ):
        encoded = await image.source.fetch(0, index)
        if isinstance(encoded, np.ndarray):
            encoded = encoded.tobytes()
        digest.update(encoded or b"")
    return digest.digest()
