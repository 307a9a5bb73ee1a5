"""Zarr metadata: what `.zarray` (format 2) and `zarr.json` (format 3) say of an array. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from opsin.errors import OpenError, Unsupported
from opsin.images.source import Index
from opsin.images.text import shown
from opsin.images.zarr.codecs import ChunkCodec, v2_codec, v3_codec
from opsin.images.zarr.fallback import v2_fallback, v3_fallback

INDEX_LIMIT = 32 << 20
CHUNK_LIMIT = 2 << 30
AXES_LIMIT = 16

_DTYPES = {
    "bool": "|b1",
    **{name: name for name in ("int8", "int16", "int32", "int64")},
    **{name: name for name in ("uint8", "uint16", "uint32", "uint64")},
    **{name: name for name in ("float16", "float32", "float64")},
}


@dataclass(frozen=True, slots=True)
class ZarrMetadata:
    """What the metadata of an array says."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    """The smallest piece that can be read: the inner chunk of a sharded array."""
    dtype: np.dtype[np.generic]
    """In native byte order."""
    fill: np.generic
    codec: ChunkCodec
    separator: str
    prefix: str
    """Before the chunk's numbers in its key: `c` or nothing."""
    dimension_names: tuple[str | None, ...] | None = None
    shard: ShardLayout | None = None

    def key(self, index: Index) -> str:
        """The key of a stored chunk (or shard), relative to the array."""
        numbers = [self.prefix, *map(str, index)] if self.prefix else [*map(str, index)]
        return self.separator.join(numbers) or "0"


@dataclass(frozen=True, slots=True)
class ShardLayout:
    """How the chunks of a sharded array lie in their shards."""

    per_shard: tuple[int, ...]
    """Chunks of a shard along each axis."""
    index_codec: ChunkCodec
    """Of the index: uint64, shape (*per_shard, 2), offset and length of each chunk."""
    index_size: int
    """Stored bytes of the index."""
    at_end: bool


def parse_v2(metadata: Mapping[str, Any]) -> ZarrMetadata:
    """Parse a `.zarray`.

    Raises:
        OpenError: it makes no sense.
        Unsupported: Opsin cannot read such an array.
    """
    if metadata.get("zarr_format") != 2:
        raise OpenError(f"its zarr_format is {metadata.get('zarr_format')!r}, not 2")
    shape = _sizes(metadata.get("shape"), "shape")
    chunks = _sizes(metadata.get("chunks"), "chunks", len(shape))
    dtype = _dtype_v2(metadata.get("dtype"))
    separator = metadata.get("dimension_separator", ".")
    if separator not in (".", "/"):
        raise OpenError(f"its dimension_separator is {separator!r}, not '.' or '/'")
    _check_size(chunks, dtype)
    return ZarrMetadata(
        shape=shape,
        chunks=chunks,
        dtype=dtype.newbyteorder("="),
        fill=_fill(metadata.get("fill_value"), dtype.newbyteorder("=")),
        codec=_v2_codec(chunks, dtype, metadata),
        separator=separator,
        prefix="",
    )


def parse_v3(metadata: Mapping[str, Any]) -> ZarrMetadata:
    """Parse a `zarr.json` of an array. Raises as `parse_v2` does."""
    if metadata.get("zarr_format") != 3 or metadata.get("node_type") != "array":
        raise OpenError("its zarr.json is not that of an array of zarr format 3")
    shape = _sizes(metadata.get("shape"), "shape")
    name = metadata.get("data_type")
    if not isinstance(name, str) or name not in _DTYPES:
        raise Unsupported(f"its data type {name!r} is none that an image has")
    dtype = np.dtype(_DTYPES[name])
    grid = _named(metadata.get("chunk_grid"), "chunk_grid")
    if grid[0] != "regular":
        raise Unsupported(f"its chunk grid is {grid[0]}, not regular")
    chunks = _sizes(grid[1].get("chunk_shape"), "chunk_shape", len(shape))
    encoding = _named(metadata.get("chunk_key_encoding"), "chunk_key_encoding")
    if encoding[0] not in ("default", "v2"):
        raise Unsupported(f"its chunk key encoding is {encoding[0]}, not default or v2")
    separator = encoding[1].get("separator", "/" if encoding[0] == "default" else ".")
    if separator not in (".", "/"):
        raise OpenError(f"the separator of its chunk keys is {separator!r}, not '.' or '/'")
    if _must_understand(metadata.get("storage_transformers")):
        raise Unsupported("it has storage transformers, which Opsin does not know")
    codecs = metadata.get("codecs")
    if not isinstance(codecs, list) or not codecs:
        raise OpenError("it has no list of codecs")
    shard: ShardLayout | None = None
    first = codecs[0]
    if isinstance(first, dict) and first.get("name") == "sharding_indexed":
        if len(codecs) > 1:
            raise Unsupported("its codec sharding_indexed has other codecs beside it")
        settings = _named(first, "codecs")[1]
        shards, chunks = chunks, _sizes(settings.get("chunk_shape"), "chunk_shape", len(shape))
        shard = _shard_layout(shards, chunks, settings)
        codecs = settings.get("codecs")
        if not isinstance(codecs, list) or not codecs:
            raise OpenError("its codec sharding_indexed has no list of codecs")
    _check_size(chunks, dtype)
    return ZarrMetadata(
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill=_fill(metadata.get("fill_value"), dtype),
        codec=_v3_codec(chunks, dtype, codecs),
        separator=separator,
        prefix="c" if encoding[0] == "default" else "",
        dimension_names=_dimension_names(metadata.get("dimension_names"), len(shape)),
        shard=shard,
    )


def _v2_codec(
    chunks: tuple[int, ...], dtype: np.dtype[np.generic], metadata: Mapping[str, Any]
) -> ChunkCodec:
    try:
        return v2_codec(chunks, dtype, metadata)
    except Unsupported as problem:
        return v2_fallback(chunks, dtype, metadata, problem)


def _v3_codec(
    chunks: tuple[int, ...], dtype: np.dtype[np.generic], codecs: list[Any]
) -> ChunkCodec:
    try:
        return v3_codec(chunks, dtype, codecs)
    except Unsupported as problem:
        return v3_fallback(chunks, dtype, codecs, problem)


def _shard_layout(
    shards: tuple[int, ...], chunks: tuple[int, ...], settings: Mapping[str, Any]
) -> ShardLayout:
    if any(outer % inner for outer, inner in zip(shards, chunks, strict=True)):
        raise OpenError(f"its shards {shards} are not whole numbers of its chunks {chunks}")
    per_shard = tuple(outer // inner for outer, inner in zip(shards, chunks, strict=True))
    default = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    codecs = settings.get("index_codecs", default)
    names = [c.get("name") if isinstance(c, dict) else c for c in _listed(codecs)]
    if names not in (["bytes"], ["bytes", "crc32c"]):
        raise Unsupported(f"the index of its shards has the codecs {names}")
    location = settings.get("index_location", "end")
    if location not in ("start", "end"):
        raise OpenError(f"the index of its shards is at {location!r}, not start or end")
    codec = v3_codec((*per_shard, 2), np.dtype(np.uint64), codecs)
    if codec.size > INDEX_LIMIT:
        raise OpenError(f"its shards have {math.prod(per_shard)} chunks each, which is too many")
    size = codec.size + (4 if "crc32c" in names else 0)
    return ShardLayout(per_shard, codec, size, at_end=location == "end")


def _sizes(value: Any, what: str, count: int | None = None) -> tuple[int, ...]:
    if value == []:
        raise OpenError(f"its {what} has no axes: it is a single number")
    if isinstance(value, list) and 0 in value:
        raise OpenError(f"its {what} is {shown(repr(value)[:60])}, which holds nothing")
    if not isinstance(value, list) or not all(type(n) is int and 0 < n < 2**53 for n in value):
        raise OpenError(f"its {what} is not a list of positive whole numbers")
    if not 0 < len(value) <= AXES_LIMIT:
        raise OpenError(f"its {what} has {len(value)} axes, not 1 to {AXES_LIMIT}")
    if count is not None and len(value) != count:
        raise OpenError(f"its {what} has {len(value)} axes, but its shape has {count}")
    return tuple(value)


def _check_size(chunks: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    if math.prod(chunks) * dtype.itemsize > CHUNK_LIMIT:
        raise Unsupported(f"its chunks {chunks} have more than {CHUNK_LIMIT >> 30} GiB each")


def _dtype_v2(value: Any) -> np.dtype[np.generic]:
    try:
        dtype = np.dtype(value) if isinstance(value, str) else None
    except (TypeError, ValueError, SyntaxError):
        dtype = None
    if dtype is None or dtype.newbyteorder("=").name not in _DTYPES:
        raise Unsupported(f"its data type {value!r} is none that an image has")
    return dtype


def _fill(value: Any, dtype: np.dtype[np.generic]) -> np.generic:
    """The fill value: a number, a name of a float, or `0x…`, the bits of a float."""
    try:
        if value is None:
            return dtype.type(0)
        if isinstance(value, str) and dtype.kind == "f" and value.startswith("0x"):
            return dtype.type(np.frombuffer(bytes.fromhex(value[2:]), dtype.newbyteorder(">"))[0])
        if isinstance(value, str) and dtype.kind == "f":
            return dtype.type(float(value))
        if isinstance(value, bool | int | float):
            if dtype.kind in "iu" and value == int(value):
                return dtype.type(int(value))
            if dtype.kind in "fb":
                return dtype.type(value)
    except (ValueError, OverflowError, IndexError):
        pass
    raise OpenError(f"its fill value {value!r} is no {dtype.name}")


def _named(value: Any, what: str) -> tuple[str, Mapping[str, Any]]:
    """Name and configuration of an extension point of zarr 3."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        settings = value.get("configuration", {})
        if isinstance(settings, dict):
            return value["name"], settings
    raise OpenError(f"its {what} makes no sense")


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise OpenError("the codecs of its shards' index are not a list")
    return value


def _must_understand(value: Any) -> bool:
    return bool(value) if isinstance(value, list) else value is not None


def _dimension_names(value: Any, count: int) -> tuple[str | None, ...] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    return tuple(name if isinstance(name, str) else None for name in value)
