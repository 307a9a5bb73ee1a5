"""Zarr codecs: from the stored bytes of a chunk to its array, for the codecs that images use.

Every decoder gets the most bytes that the result can have, and never makes more: a chunk is
bytes from outside, and its headers may lie.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import imagecodecs
import numpy as np

from opsin.errors import Corrupt, Unsupported
from opsin.images.source import Array, contiguous

Bytes: TypeAlias = bytes | bytearray | memoryview
Decoder: TypeAlias = Callable[[Bytes, int], Bytes]
"""(stored bytes, most bytes of the result) → result; raises `Corrupt` or what its library does."""

LZMA_MEMORY = 256 << 20


@dataclass(frozen=True, slots=True)
class ChunkCodec:
    """How the chunks of one array are stored. Immutable, and safe on any thread."""

    shape: tuple[int, ...]
    """Shape of a stored chunk; those at the end of the array are stored whole too."""
    dtype: np.dtype[np.generic]
    """As stored, byte order included."""
    order: tuple[int, ...]
    """Axes of the array in the order in which they are stored, the slowest first."""
    decoders: tuple[Decoder, ...] = ()
    """From the stored bytes to the pixels, in the order in which they are applied."""
    size: int = field(init=False)
    """Bytes of a decoded chunk."""
    stored_limit: int = field(init=False)
    """Most bytes that a stored chunk can have: compression may make noise a little bigger."""
    _plain: bool = field(init=False)
    """The pixels are as they will be: nothing is left to do but to say their shape."""

    def __post_init__(self) -> None:
        size = math.prod(self.shape) * self.dtype.itemsize
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "stored_limit", size + size // 8 + (64 << 10))
        in_order = self.order == tuple(range(len(self.order)))
        object.__setattr__(self, "_plain", in_order and self.dtype.isnative)

    def decode(self, stored: Bytes) -> Array:
        """The whole chunk, in the array's axis order and in native byte order.

        The result may be a view of `stored`.

        Raises:
            Corrupt: these bytes are not such a chunk.
        """
        data = stored
        for number, decoder in enumerate(self.decoders):
            last = number == len(self.decoders) - 1
            try:
                data = decoder(data, self.size if last else self.stored_limit)
            except Corrupt:
                raise
            except Exception as error:  # each codec has errors of its own
                raise Corrupt(f"{_reason(error)}") from error
        if len(data) != self.size:
            raise Corrupt(f"it holds {len(data)} bytes, not {self.size}")
        flat = np.frombuffer(data, self.dtype)
        if self._plain:
            return flat.reshape(self.shape)
        pixels = flat.reshape([self.shape[axis] for axis in self.order])
        return contiguous(pixels.transpose(np.argsort(self.order)))


def v2_codec(
    shape: tuple[int, ...], dtype: np.dtype[np.generic], metadata: Mapping[str, Any]
) -> ChunkCodec:
    """The codec that a `.zarray` describes.

    Raises:
        Unsupported: a codec, filter or order that Opsin cannot decode.
    """
    if filters := metadata.get("filters"):
        names = ", ".join(
            _name(one, "id") for one in (filters if isinstance(filters, list) else ())
        )
        raise Unsupported(f"its chunks pass through the filter {names}, which Opsin cannot undo")
    order = metadata.get("order", "C")
    if order not in ("C", "F"):
        raise Unsupported(f"its memory order is {order!r}, not C or F")
    axes = tuple(range(len(shape)))
    compressor = metadata.get("compressor")
    decoders: tuple[Decoder, ...] = ()
    if compressor is not None:
        decoders = (known_decoder(_name(compressor, "id"), compressor),)
    return ChunkCodec(shape, dtype, axes if order == "C" else axes[::-1], decoders)


def v3_codec(
    shape: tuple[int, ...], dtype: np.dtype[np.generic], codecs: Sequence[Any]
) -> ChunkCodec:
    """The codec that a list `codecs` of a `zarr.json` (without sharding) describes.

    `dtype` has any byte order; the codec `bytes` says which one is stored.

    Raises:
        Unsupported: a codec that Opsin cannot decode, or an order of codecs that makes no sense.
    """
    order = tuple(range(len(shape)))
    decoders: list[Decoder] = []
    serialised = False
    for entry in codecs:
        name, settings = _name(entry, "name"), _settings(entry)
        if name == "transpose" and not serialised:
            permutation = settings.get("order")
            if permutation == "C":
                permutation = list(range(len(shape)))
            elif permutation == "F":
                permutation = list(range(len(shape)))[::-1]
            if not isinstance(permutation, list) or sorted(
                axis for axis in permutation if type(axis) is int
            ) != list(range(len(shape))):
                raise Unsupported(f"its codec transpose has the order {permutation!r}")
            order = tuple(order[axis] for axis in permutation)
        elif name == "bytes" and not serialised:
            serialised = True
            endian = settings.get("endian", "little")
            if endian not in ("little", "big"):
                raise Unsupported(f"its codec bytes has the byte order {endian!r}")
            dtype = dtype.newbyteorder("<" if endian == "little" else ">")
        elif serialised and name not in ("transpose", "bytes"):
            decoders.insert(0, known_decoder(name, settings))
        else:
            raise Unsupported(f"Opsin cannot decode its codec {name} at that place")
    if not serialised:
        raise Unsupported("its codecs do not say how numbers become bytes")
    return ChunkCodec(shape, dtype, order, tuple(decoders))


def _name(entry: Any, key: str) -> str:
    if isinstance(entry, str):
        return entry
    name = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(name, str):
        raise Unsupported("one of its codecs has no name")
    return name.removeprefix("numcodecs.")


def _settings(entry: Any) -> Mapping[str, Any]:
    settings = entry.get("configuration", {}) if isinstance(entry, Mapping) else {}
    return settings if isinstance(settings, Mapping) else {}


def known_decoder(name: str, settings: Mapping[str, Any]) -> Decoder:
    """The decoder of a codec from bytes to bytes.

    Raises:
        Unsupported: Opsin has none.
    """
    if name == "lzma" and (settings.get("filters") or settings.get("format", 1) == lzma.FORMAT_RAW):
        raise Unsupported("its codec lzma uses filters, which Opsin cannot undo")
    decoder = _DECODERS.get(name)
    if decoder is None:
        known = ", ".join(sorted(_DECODERS))
        raise Unsupported(f"Opsin cannot decode its codec {name}, but it can {known}")
    return decoder


def _reason(error: Exception) -> str:
    return (
        f"it does not decode ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    )


def _blosc(data: Bytes, limit: int) -> Bytes:
    if len(data) < 16:
        raise Corrupt(f"its {len(data)} bytes are less than a blosc header")
    size, block, stored = (int.from_bytes(data[at : at + 4], "little") for at in (4, 8, 12))
    if size > limit:
        raise Corrupt(f"its blosc header says {size} bytes, more than {limit}")
    if stored != len(data):
        raise Corrupt(f"its blosc header says {stored} stored bytes, but there are {len(data)}")
    if block > max(size, 1):
        raise Corrupt(f"its blosc header says blocks of {block} bytes in {size}")
    return _into(imagecodecs.blosc_decode, data, size)


def _zstd(data: Bytes, limit: int) -> Bytes:
    return _into(imagecodecs.zstd_decode, data, limit)


def _lz4(data: Bytes, limit: int) -> Bytes:
    if len(data) < 4:
        raise Corrupt(f"its {len(data)} bytes are less than an lz4 header")
    size = int.from_bytes(data[:4], "little")
    if size > limit:
        raise Corrupt(f"its lz4 header says {size} bytes, more than {limit}")
    return _into(imagecodecs.lz4_decode, data[4:], size)


def _gzip(data: Bytes, limit: int) -> Bytes:
    # A gzip file may have several members; libdeflate, which is twice as fast, decodes the first.
    try:
        out = _into(imagecodecs.gzip_decode, data, limit)
    except Exception:
        return _zlib_members(data, limit, 31)
    return out if len(out) == limit else _zlib_members(data, limit, 31)


def _zlib(data: Bytes, limit: int) -> Bytes:
    return _zlib_members(data, limit, 15)


def _zlib_members(data: Bytes, limit: int, window: int) -> Bytes:
    pieces: list[bytes] = []
    got = 0
    rest: Bytes = data
    while rest and got <= limit:
        stream = zlib.decompressobj(window)
        piece = stream.decompress(rest, limit - got + 1)
        if not stream.eof and got + len(piece) <= limit:
            raise Corrupt("it ends too early")
        pieces.append(piece)
        got += len(piece)
        rest = stream.unused_data
    if got > limit:
        raise Corrupt(f"it decodes to more than {limit} bytes")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _bz2(data: Bytes, limit: int) -> Bytes:
    return _checked(bz2.BZ2Decompressor(), data, limit)


def _lzma(data: Bytes, limit: int) -> Bytes:
    return _checked(lzma.LZMADecompressor(memlimit=LZMA_MEMORY), data, limit)


def _checked(stream: Any, data: Bytes, limit: int) -> bytes:
    # limit + 1: the end of the stream is seen only by a decoder that still has room.
    out: bytes = stream.decompress(data, limit + 1)
    if len(out) > limit:
        raise Corrupt(f"it decodes to more than {limit} bytes")
    if not stream.eof:
        raise Corrupt("it ends too early")
    return out


def _into(decode: Callable[..., Any], data: Bytes, size: int) -> Bytes:
    """Decode into a buffer of `size` bytes, which no decoder writes beyond."""
    out = np.empty(size, np.uint8)
    result = decode(data, out=out) if size else b""
    return memoryview(result)


def _crc32c(data: Bytes, limit: int) -> Bytes:
    view = memoryview(data)
    if len(view) < 4:
        raise Corrupt("it is too short for its checksum")
    if crc32c(view[:-4]) != int.from_bytes(view[-4:], "little"):
        raise Corrupt("its checksum is wrong")
    return view[:-4]


def crc32c(data: Bytes) -> int:
    """The CRC-32C (Castagnoli) checksum of `data`."""
    import google_crc32c

    return int(google_crc32c.value(bytes(data)))


_DECODERS: dict[str, Decoder] = {
    "blosc": _blosc,
    "zstd": _zstd,
    "lz4": _lz4,
    "gzip": _gzip,
    "zlib": _zlib,
    "bz2": _bz2,
    "lzma": _lzma,
    "crc32c": _crc32c,
}
_NAMES = {decoder: name for name, decoder in _DECODERS.items()}


def codec_names(codec: ChunkCodec) -> str:
    """What a codec does with the bytes of a chunk, in the order in which they are stored."""
    names = [_NAMES.get(decoder, "by zarr-python") for decoder in reversed(codec.decoders)]
    return ", ".join(names) or "raw"


KNOWN = frozenset(_DECODERS)
"""Names of the codecs from bytes to bytes."""
