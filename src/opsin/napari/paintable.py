"""Paintable: labels that an operation gave, as an array that one can paint on.

As long as nobody has, an operation that is given them takes the file that they lie in, so that it
is known where they came from. What was painted is data of its own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import finalize

import numpy as np

from opsin.errors import OpsinError
from opsin.host.job import Result
from opsin.images.image import Image
from opsin.images.readers import open_image
from opsin.images.source import Array
from opsin.napari.arranged import arranged

LARGEST = 1 << 26
"""Bytes of labels that are read as a whole, at once."""
KEY = "opsin paintable"
"""In the metadata of napari's layer."""


@dataclass(frozen=True, eq=False)
class Paintable:
    """Labels in a file, and what tells whether an array still is what stands there."""

    image: Image
    _digest: bytes

    def is_as_it_was(self, data: Any) -> bool:
        """Whether nothing was painted on the array of a layer."""
        return isinstance(data, np.ndarray) and _digest(data) == self._digest


def paintable(
    result: Result, axes: Sequence[str], places: Mapping[str, tuple[float, float]]
) -> tuple[Paintable, Array] | None:
    """The labels of a result, read as a whole; None of what is no labels, or too large for that.

    To be called from a thread that may wait. `axes` and `places` are those of `Ground`.
    """
    if result.kind != "labels":
        return None
    try:
        image = arranged(open_image(result.path), axes, places)
    except OpsinError:
        return None  # it is said when it is to be shown
    try:
        if image.dtype.kind not in "iu" or _size(image) > LARGEST:
            image.close()
            return None
        pixels = image.read()
    except OpsinError:
        image.close()
        return None
    found = Paintable(image, _digest(pixels))
    finalize(found, image.close)
    return found, pixels


def paintable_of(source: Any) -> Paintable | None:
    """What a layer of napari was made of, if it is one of these."""
    found = source.metadata.get(KEY)
    return found if isinstance(found, Paintable) else None


def was_painted(source: Any) -> bool:
    """Whether a layer of napari was made of a result, and is not as that was any more."""
    found = paintable_of(source)
    return found is not None and not found.is_as_it_was(source.data)


def _size(image: Image) -> int:
    return math.prod(image.shape) * image.dtype.itemsize


def _digest(array: Array) -> bytes:
    said = f"{array.dtype.str} {array.shape}".encode()
    found = hashlib.blake2b(said, digest_size=16)
    found.update(np.ascontiguousarray(array).data)
    return found.digest()
