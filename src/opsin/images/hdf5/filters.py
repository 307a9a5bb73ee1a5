"""Filters: undoing, without HDF5 and its lock, what a dataset's filters did to a chunk.

Filters that are not known here are left to HDF5, see `opsin.images.hdf5.dataset`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from opsin.errors import Corrupt

Bytes: TypeAlias = bytes | bytearray | memoryview
Decoder: TypeAlias = Callable[[Bytes, int, tuple[int, ...]], Bytes]
"""(stored bytes, most bytes of the result, settings) → result; raises what it likes."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of one dataset, in the order in which they were applied."""

    names: tuple[str, ...]
    steps: tuple[tuple[Decoder, tuple[int, ...]], ...]
    size: int
    """Bytes of a decoded chunk."""

    @property
    def stored_limit(self) -> int:
        """Most bytes that a stored chunk can have: compression may make noise a little bigger."""
        return self.size + self.size // 8 + (64 << 10)

    def decode(self, stored: Bytes, skipped: int = 0) -> Bytes:
        """The bytes of the pixels; bit n of `skipped` is set where filter n was not applied.

        Raises:
            Corrupt: these bytes are not such a chunk; the message reads on from "… is corrupt: ".
        """
        data = stored
        for number in reversed(range(len(self.steps))):
            if skipped >> number & 1:
                continue
            decoder, settings = self.steps[number]
            try:
                data = decoder(data, self.size if number == 0 else self.stored_limit, settings)
            except Corrupt:
                raise
            except Exception as error:  # each codec has errors of its own
                said = str(error).split("\n")[0] or type(error).__name__
                raise Corrupt(f"its {self.names[number]} does not decode ({said})") from error
        if len(data) != self.size:
            raise Corrupt(f"it holds {len(data)} bytes, not {self.size}")
        return data


def filters_of(applied: Sequence[tuple[int, tuple[int, ...]]], size: int) -> Filters | None:
    """The filters with these numbers and settings; None if one of them is not known here."""
    known = [_KNOWN.get(code) for code, _ in applied]
    if any(entry is None for entry in known):
        return None
    steps = tuple(
        (entry[1], settings)
        for entry, (_, settings) in zip(known, applied, strict=True)
        if entry is not None
    )
    return Filters(tuple(entry[0] for entry in known if entry is not None), steps, size)


def filter_name(code: int) -> str:
    """What people call the filter with this number."""
    known = _KNOWN.get(code)
    return known[0] if known is not None else _OTHERS.get(code, f"number {code}")


def _deflate(data: Bytes, limit: int, settings: tuple[int, ...]) -> Bytes:
    import imagecodecs

    return _into(imagecodecs.deflate_decode, data, limit)


def _shuffle(data: Bytes, limit: int, settings: tuple[int, ...]) -> Bytes:
    """Bytes 0 of all elements, bytes 1 of all elements, …, and at the end what is no element."""
    itemsize = settings[0] if settings else 1
    count = len(data) // itemsize
    if itemsize == 1 or count < 2:
        return data
    source = np.frombuffer(data, np.uint8)
    out = np.empty_like(source)
    whole = count * itemsize
    for byte in range(itemsize):
        out[byte:whole:itemsize] = source[byte * count : (byte + 1) * count]
    out[whole:] = source[whole:]
    return out.data


def _fletcher32(data: Bytes, limit: int, settings: tuple[int, ...]) -> Bytes:
    """Checked and taken off. (HDF5 1.6.2 and older wrote the sum with its bytes swapped.)"""
    import imagecodecs

    checksum: Callable[..., Any] = imagecodecs.h5checksum_fletcher32
    view = memoryview(data)
    if len(view) < 4:
        raise Corrupt("it is too short for its checksum")
    content, stored = view[:-4], int.from_bytes(view[-4:], "little")
    found = int(checksum(content))
    swapped = (found & 0x00FF00FF) << 8 | (found & 0xFF00FF00) >> 8
    if stored not in (found, swapped):
        raise Corrupt("its checksum is wrong")
    return content


def _lzf(data: Bytes, limit: int, settings: tuple[int, ...]) -> Bytes:
    import imagecodecs

    return _into(imagecodecs.lzf_decode, data, limit)


def _bz2(data: Bytes, limit: int, settings: tuple[int, ...]) -> Bytes:
    import bz2

    stream = bz2.BZ2Decompressor()
    out = stream.decompress(data, limit + 1)
    if len(out) > limit or not stream.eof:
        raise Corrupt(f"it decodes to more than {limit} bytes, or ends too early")
    return out


def _lz4(data: Bytes, limit: int, settings: tuple[int, ...]) -> Bytes:
    """A header (big endian): size of all, and of each block; then blocks with their lengths."""
    import imagecodecs

    _check_header(int.from_bytes(data[:8], "big"), limit)
    return _into(imagecodecs.lz4h5_decode, data, int.from_bytes(data[:8], "big"))


def _bitshuffle(data: Bytes, limit: int, settings: tuple[int, ...]) -> Bytes:
    """Bits of 8 elements at a time; settings: major, minor, itemsize, block, compression."""
    import imagecodecs

    untangle: Callable[..., Any] = imagecodecs.bitshuffle_decode
    itemsize = settings[2] if len(settings) > 2 else 1
    block = settings[3] if len(settings) > 3 else 0
    packing = settings[4] if len(settings) > 4 else 0
    if packing == 0:
        return memoryview(untangle(data, itemsize=itemsize, blocksize=block))
    size = int.from_bytes(data[:8], "big")
    _check_header(size, limit)
    block_bytes = int.from_bytes(data[8:12], "big")
    unpack = {2: imagecodecs.lz4_decode, 3: imagecodecs.zstd_decode}[packing]
    out = np.empty(size, np.uint8)
    per_block = block_bytes // itemsize
    if per_block < 8 or per_block % 8:
        raise Corrupt(f"its header says blocks of {block_bytes} bytes")
    position, done = 12, 0
    while done < size:
        # Whole blocks; then a shorter one of a multiple of 8 elements; the rest is as it is.
        count = min(per_block, (size - done) // itemsize // 8 * 8)
        if count == 0:
            out[done:] = np.frombuffer(data[position : position + size - done], np.uint8)
            break
        stored = int.from_bytes(data[position : position + 4], "big")
        piece = _into(unpack, data[position + 4 : position + 4 + stored], count * itemsize)
        plain = untangle(piece, itemsize=itemsize, blocksize=count)
        out[done : done + count * itemsize] = np.frombuffer(plain, np.uint8)
        position, done = position + 4 + stored, done + count * itemsize
    return out.data


def _zstd(data: Bytes, limit: int, settings: tuple[int, ...]) -> Bytes:
    import imagecodecs

    return _into(imagecodecs.zstd_decode, data, limit)


def _blosc(data: Bytes, limit: int, settings: tuple[int, ...]) -> Bytes:
    import imagecodecs

    size = int.from_bytes(data[4:8], "little")
    _check_header(size, limit)
    if int.from_bytes(data[12:16], "little") != len(data):
        raise Corrupt("its blosc header says another length")
    return _into(imagecodecs.blosc_decode, data, size)


def _check_header(size: int, limit: int) -> None:
    if size > limit:
        raise Corrupt(f"its header says {size} bytes, more than {limit}")


def _into(decode: Callable[..., Any], data: Bytes, size: int) -> Bytes:
    """Decode into a buffer of `size` bytes, which no decoder writes beyond."""
    out = np.empty(size, np.uint8)
    result = decode(data, out=out) if size else b""
    return memoryview(result)


_KNOWN: dict[int, tuple[str, Decoder]] = {
    1: ("deflate", _deflate),
    2: ("shuffle", _shuffle),
    3: ("fletcher32", _fletcher32),
    307: ("bzip2", _bz2),
    32000: ("lzf", _lzf),
    32001: ("blosc", _blosc),
    32004: ("lz4", _lz4),
    32008: ("bitshuffle", _bitshuffle),
    32015: ("zstd", _zstd),
}
"""By the number that the HDF Group registered for the filter."""

_OTHERS = {
    4: "szip",
    5: "nbit",
    6: "scaleoffset",
    32013: "zfp",
    32017: "sz",
    32019: "fcidecomp",
    32026: "blosc2",
}
