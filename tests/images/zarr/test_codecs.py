"""Zarr codecs: numcodecs encodes, we decode; damage is found, never followed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import Corrupt, Unsupported
from opsin.images.source import Array
from opsin.images.zarr.codecs import ChunkCodec, v2_codec, v3_codec

CHUNK = np.random.default_rng(3).integers(0, 900, (40, 30)).astype(np.uint16)
COMPRESSORS: dict[str, Any] = {
    "null": None,
    "blosc-lz4": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.BITSHUFFLE),
    "blosc-zstd": numcodecs.Blosc("zstd", 3, numcodecs.Blosc.SHUFFLE),
    "blosc-blosclz": numcodecs.Blosc("blosclz", 9, numcodecs.Blosc.NOSHUFFLE, blocksize=256),
    "blosc-zlib": numcodecs.Blosc("zlib", 1),
    "blosc-lz4hc": numcodecs.Blosc("lz4hc", 9),
    "zstd": numcodecs.Zstd(3),
    "zlib": numcodecs.Zlib(),
    "gzip": numcodecs.GZip(),
    "lz4": numcodecs.LZ4(),
    "bz2": numcodecs.BZ2(),
    "lzma": numcodecs.LZMA(),
}


def codec_of(name: str, dtype: Any = CHUNK.dtype, order: str = "C") -> ChunkCodec:
    compressor = COMPRESSORS[name]
    config = compressor.get_config() if compressor else None
    return v2_codec(CHUNK.shape, np.dtype(dtype), {"compressor": config, "order": order})


def encoded(name: str, chunk: Array = CHUNK) -> bytes:
    compressor = COMPRESSORS[name]
    return bytes(compressor.encode(chunk)) if compressor else chunk.tobytes()


@pytest.mark.parametrize("name", COMPRESSORS)
@pytest.mark.parametrize("dtype", ["|b1", "|u1", "<i2", ">u2", "<f2", ">f4", "<f8", "<u8"])
def test_decodes_what_numcodecs_encodes(name: str, dtype: str) -> None:
    chunk = CHUNK.astype(dtype)
    decoded = codec_of(name, dtype).decode(encoded(name, chunk))
    assert decoded.dtype == chunk.dtype.newbyteorder("=")
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, chunk)


def test_memory_order_f() -> None:
    stored = np.asfortranarray(CHUNK).tobytes("F")
    np.testing.assert_array_equal(codec_of("null", order="F").decode(stored), CHUNK)


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_wrong_length_is_corrupt(name: str) -> None:
    stored = encoded(name)
    codec = codec_of(name)
    wrong = [stored[:-1], stored[: len(stored) // 2], stored[:7], b""]
    wrong += [encoded(name, CHUNK[:-1]), encoded(name, np.concatenate([CHUNK, CHUNK]))]
    wrong += [] if name == "null" else [b"no such bytes" * 9, bytes(1000)]
    for bad in wrong:
        with pytest.raises(Corrupt):
            codec.decode(bad)


@pytest.mark.parametrize("name", COMPRESSORS)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_is_corrupt_or_other_pixels(name: str, damage: list[tuple[int, int]]) -> None:
    stored = bytearray(encoded(name))
    for place, value in damage:
        # Half of it in the header, where it hurts.
        stored[place % (24 if place % 2 else len(stored))] = value
    try:
        decoded = codec_of(name).decode(bytes(stored))
    except Corrupt:
        return
    assert decoded.shape == CHUNK.shape


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "blosc-lz4": lambda _: (
        b"\x02\x01\x21\x02" + (1 << 30).to_bytes(4, "little") * 2 + b"\x40\0\0\0" + bytes(48)
    ),
    "zstd": lambda raw: bytes(numcodecs.Zstd().encode(raw)),
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "lz4": lambda _: (2**31 - 1).to_bytes(4, "little") + bytes(90),
    "bz2": bz2.compress,
    "lzma": lzma.compress,
}
"""What makes each; at import it would take seconds of every process that collects tests."""


@pytest.mark.parametrize("name", BOMBS)
def test_a_lying_chunk_does_not_fill_the_memory(name: str) -> None:
    codec = codec_of(name)
    bomb = BOMBS[name](bytes(200 << 20))
    tracemalloc.start()
    with pytest.raises(Corrupt):
        codec.decode(bomb)
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()


def test_a_gzip_of_several_members() -> None:
    raw = CHUNK.tobytes()
    stored = gzip.compress(raw[:1000]) + gzip.compress(raw[1000:])
    np.testing.assert_array_equal(codec_of("gzip").decode(stored), CHUNK)


@pytest.mark.parametrize(
    ("codecs", "message"),
    [
        ([], "how numbers become bytes"),
        (["bytes", "magic"], "codec magic"),
        (["gzip", "bytes"], "codec gzip at that place"),
        (["bytes", "bytes"], "at that place"),
        ([{"name": "transpose", "configuration": {"order": [0, 0]}}, "bytes"], "order"),
        ([{"name": "transpose", "configuration": {"order": [0, [1]]}}, "bytes"], "order"),
        ([{"name": "bytes", "configuration": {"endian": "middle"}}], "middle"),
        ([{}], "no name"),
        ([7, "bytes"], "no name"),
    ],
)
def test_unknown_codecs_are_refused(codecs: list[Any], message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        v3_codec((4, 4), np.dtype(np.uint8), codecs)


def test_filters_are_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="filter delta"):
        v2_codec((4, 4), np.dtype(np.uint8), {"filters": [{"id": "delta"}], "compressor": None})
