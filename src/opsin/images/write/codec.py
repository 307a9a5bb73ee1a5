"""Codec: how the chunks that are written are compressed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import imagecodecs
import numpy as np

from opsin.images.source import Array

CodecName: TypeAlias = Literal["blosc-lz4", "blosc-zstd", "zstd", "gzip", "none"]
CODECS: tuple[CodecName, ...] = get_args(CodecName)
IMAGE: CodecName = "blosc-lz4"
LABELS: CodecName = "blosc-zstd"
"""The default: lz4 decodes three times as fast; labels are so much smaller with zstd that it wins
there."""

# Level, and bytes of a block. Higher levels cost much and save little on noisy pixels: lz4's fifth
# takes a fifth longer than its first for 3 % less, zstd's third 1.4 times as long as its second for
# 2 %. Blocks are small: one whose pixels cannot be counted in eights is not bit shuffled, which is
# the last one of a chunk.
_BLOSC = {"blosc-lz4": ("lz4", 1, 32 << 10), "blosc-zstd": ("zstd", 1, 64 << 10)}
_ZSTD, _GZIP = 2, 5

_LIBRARY: Any = imagecodecs
"""Its types do not know that it takes arrays."""

Stored: TypeAlias = "bytes | bytearray | memoryview"


@dataclass(frozen=True, slots=True)
class Codec:
    """What makes the bytes of a chunk smaller, and how the metadata of an array says it."""

    encode: Callable[[Array], Stored]
    """From a chunk in C order and the byte order of this computer. Always the same bytes."""
    codecs: tuple[dict[str, Any], ...]
    """Of zarr 3."""
    compressor: dict[str, Any] | None
    """Of zarr 2."""


def codec_of(name: CodecName, dtype: np.dtype[np.generic]) -> Codec:
    """The codec of a name, for chunks of one type."""
    bytes_codec: dict[str, Any] = {"name": "bytes"}
    if dtype.itemsize > 1:
        bytes_codec["configuration"] = {"endian": "little"}
    little = dtype.newbyteorder("<")
    as_it_is = dtype.kind != "b" and sys.byteorder == "little"

    def plain(block: Array) -> Array:
        if block.flags.c_contiguous and as_it_is:
            return block
        return np.ascontiguousarray(block, little).reshape(-1).view(np.uint8)

    def v3(name: str, **configuration: Any) -> tuple[dict[str, Any], ...]:
        return bytes_codec, {"name": name, "configuration": configuration}

    if name in _BLOSC:
        inner, effort, block_size = _BLOSC[name]
        settings = {"cname": inner, "clevel": effort, "blocksize": block_size}

        def blosc(block: Array) -> Stored:
            stored: Stored = _LIBRARY.blosc_encode(
                plain(block),
                level=effort,
                compressor=inner,
                shuffle="bitshuffle",
                typesize=dtype.itemsize,
                blocksize=block_size,
                numthreads=1,
            )
            return stored

        return Codec(
            blosc,
            v3("blosc", **settings, shuffle="bitshuffle", typesize=dtype.itemsize),
            {"id": "blosc", **settings, "shuffle": 2},
        )
    if name == "zstd":
        return Codec(
            lambda block: _LIBRARY.zstd_encode(plain(block), level=_ZSTD),
            v3("zstd", level=_ZSTD, checksum=False),
            {"id": "zstd", "level": _ZSTD},
        )
    if name == "gzip":
        return Codec(
            lambda block: _LIBRARY.gzip_encode(plain(block), level=_GZIP),
            v3("gzip", level=_GZIP),
            {"id": "gzip", "level": _GZIP},
        )
    return Codec(lambda block: plain(block).reshape(-1).view(np.uint8).data, (bytes_codec,), None)
