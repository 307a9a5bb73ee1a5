"""Options: how an image is to be written, as a user says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from opsin.errors import UsageError
from opsin.images.pyramid import LEVELS_LIMIT
from opsin.images.write.codec import CODECS, CodecName

OmeVersion: TypeAlias = Literal["0.4", "0.5", "0.6"]
OME_VERSIONS: tuple[OmeVersion, ...] = get_args(OmeVersion)
SIZE_LIMIT = 1 << 20
"""Pixels of a chunk or shard along one axis."""
SHARD_LIMIT = 1 << 16
"""Chunks of a shard."""

Sizes: TypeAlias = int | Sequence[int]
"""Pixels along the axes that are halved; or along the last axes of the image, and 1 along others
before them."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an image is to be written. What does not depend on the image is checked at once."""

    levels: int | None = None
    """How many; None: until one fits into a chunk."""
    chunks: tuple[int, ...] | None = None
    shards: tuple[int, ...] | None = None
    """None: chunks are files of their own."""
    codec: CodecName | None = None
    """None: blosc-lz4 for images, blosc-zstd for labels."""
    ome: OmeVersion = "0.5"
    halve: tuple[str, ...] = ("y", "x")
    """Names of axes."""


def options_of(
    levels: int | None,
    chunks: Sizes | None,
    shards: Sizes | None,
    codec: str | None,
    ome: str,
    halve: Sequence[str],
) -> Options:
    """The options, checked.

    Raises:
        UsageError: they make no sense.
    """
    if levels is not None and not 1 <= levels <= LEVELS_LIMIT:
        raise UsageError(f"An image cannot have {levels} levels: give 1 to {LEVELS_LIMIT}.")
    if codec is not None and codec not in CODECS:
        raise UsageError(f"There is no codec {codec!r}: give one of {', '.join(CODECS)}.")
    if ome not in OME_VERSIONS:
        raise UsageError(
            f"OME-Zarr {ome} cannot be written: give one of {', '.join(OME_VERSIONS)}."
        )
    if shards is not None and ome == "0.4":
        raise UsageError("OME-Zarr 0.4 has no shards: leave them out, or write 0.5.")
    names = tuple(halve)
    if len(set(names)) < len(names) or not 2 <= len(names) <= 3:
        said = ", ".join(names) or "none"
        raise UsageError(f"Two or three different axes are halved, such as yx or zyx, not {said}.")
    return Options(
        levels,
        _sizes(chunks, "chunks"),
        _sizes(shards, "shards"),
        codec,
        ome,
        names,
    )


def _sizes(given: Sizes | None, what: str) -> tuple[int, ...] | None:
    if given is None:
        return None
    sizes = (given,) if isinstance(given, int) else tuple(given)
    if not sizes or not all(1 <= size <= SIZE_LIMIT for size in sizes):
        said = ", ".join(map(str, sizes)) or "nothing"
        raise UsageError(
            f"There are no {what} of {said} pixels: give 1 to {SIZE_LIMIT} along each axis."
        )
    return sizes
