"""ChunkedArray: one array that a program holds, as the chunks of one level."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from opsin.errors import ReadError
from opsin.images.image import Level, chunk_origin
from opsin.images.source import Array, Direct, Encoded, Index, Provenance


class ChunkedArray(Protocol):
    """What an `opsin.images.source.Source` has for every level."""

    @property
    def provenance(self) -> Provenance:
        """Where the chunks come from."""

    async def fetch(self, index: Index) -> Encoded | None:
        """As `Source.fetch`."""

    def decode(self, index: Index, encoded: Encoded | None) -> Array:
        """As `Source.decode`."""

    def direct(self) -> Direct | None:
        """As `Source.direct`."""
        return None

    def transient_bytes(self, index: Index) -> int:
        """As `Source.transient_bytes`."""

    @property
    def codec(self) -> str:
        """As `Source.codec`."""
        return ""

    def close(self) -> None:
        """Let go of the array. Idempotent."""


def box(level: Level, index: Index) -> tuple[slice, ...]:
    """The pixels of the chunk at `index`."""
    start, shape = chunk_origin(level, index), level.chunk_shape(index)
    return tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))


def checked(
    part: Array, shape: tuple[int, ...], dtype: np.dtype[np.generic], index: Index
) -> Array:
    """What an array gave for a chunk, if it has the shape and dtype that the array promised.

    Raises:
        ReadError: it has not.
    """
    if part.shape != shape or part.dtype.newbyteorder("=") != dtype:
        raise ReadError(
            f"Chunk {index} of the array is {part.dtype} of shape {part.shape}, but it was said to "
            f"be {dtype} of shape {shape}."
        )
    return part


def closed() -> ReadError:
    """The error for reading after `close`."""
    return ReadError("The array was closed while a chunk of it was asked for.")
