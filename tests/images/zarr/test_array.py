"""Zarr arrays: zarr-python writes, in many ways, and reads; we read the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import warnings
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)

from opsin.errors import Corrupt, OpenError, OpsinError, Unsupported
from opsin.images.readers import open_image
from opsin.images.source import Array
from opsin.images.store import LocalStore
from opsin.images.waiting import wait_for
from opsin.images.zarr.array import ZarrArray, open_array
from tests.fault_server import Site

RANDOM = np.random.default_rng(5)
DTYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


def noise(shape: tuple[int, ...], dtype: Any) -> Array:
    values: Array = RANDOM.integers(0, 200, shape)
    return (values > 99) if np.dtype(dtype) == bool else values.astype(dtype)


def check(path: Path | str, expected: Array) -> None:
    with open_image(path) as image:
        assert image.dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(image.read(), expected)


V2 = {
    "none": None,
    "blosc": numcodecs.Blosc(),
    "zstd": numcodecs.Zstd(),
    "zlib": numcodecs.Zlib(),
    "gzip": numcodecs.GZip(),
    "lz4": numcodecs.LZ4(),
    "bz2": numcodecs.BZ2(),
    "lzma": numcodecs.LZMA(),
}


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", V2)
def test_zarr_2(tmp_path: Path, compressor: str, order: Any, separator: Any) -> None:
    dtype = RANDOM.choice(["<u2", ">u2", ">f4", "|u1", "<i8"])
    data = noise((7, 33, 50), dtype)
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=data.shape,
        dtype=dtype,
        chunks=(3, 16, 20),
        compressors=V2[compressor],
        order=order,
        zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": separator},
    )
    array[:] = data
    check(tmp_path / "a.zarr", data)


V3: dict[str, list[Any]] = {
    "bytes": [BytesCodec()],
    "big": [BytesCodec(endian="big")],
    "blosc": [BytesCodec(), BloscCodec(cname="lz4", shuffle="bitshuffle")],
    "zstd": [BytesCodec(), ZstdCodec(level=1)],
    "gzip+crc32c": [BytesCodec(endian="big"), GzipCodec(), Crc32cCodec()],
    "transpose": [TransposeCodec(order=(2, 0, 1)), BytesCodec(), ZstdCodec()],
    "shard": [
        ShardingCodec(chunk_shape=(1, 8, 20), codecs=[BytesCodec(), BloscCodec()]),
    ],
    "shard-start": [
        ShardingCodec(
            chunk_shape=(3, 16, 10),
            codecs=[TransposeCodec(order=(1, 2, 0)), BytesCodec(), GzipCodec(), Crc32cCodec()],
            index_codecs=[BytesCodec(endian="big")],
            index_location="start",
        )
    ],
}


@pytest.mark.parametrize("name", V3)
@pytest.mark.parametrize("encoding", ["default/", "default.", "v2.", "v2/"])
def test_zarr_3(tmp_path: Path, name: str, encoding: str) -> None:
    kind: Any = (encoding[:-1], encoding[-1])
    data = noise((7, 33, 50), RANDOM.choice(DTYPES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of codecs beside sharding
        array = zarr.create(
            store=str(tmp_path / "a.zarr"),
            shape=data.shape,
            dtype=data.dtype,
            chunks=(3, 16, 20),
            codecs=V3[name],
            zarr_format=3,
            chunk_key_encoding=kind,
        )
    array[:] = data
    check(tmp_path / "a.zarr", data)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_data_types_and_fill_values(tmp_path: Path, dtype: str, zarr_format: Any) -> None:
    kind = np.dtype(dtype).kind
    fills: dict[str, list[Any]] = {"b": [True], "f": [np.nan, -np.inf, 0.5]}
    for number, fill in enumerate(fills.get(kind, [0, 77])):
        path = tmp_path / f"{number}.zarr"
        array = zarr.create_array(
            path,
            shape=(20, 30),
            dtype=dtype,
            chunks=(8, 8),
            fill_value=fill,
            zarr_format=zarr_format,
        )
        array[:8, 8:16] = noise((8, 8), dtype)
        check(path, np.asarray(array[:]))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_region_of_any_array(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    draw = data.draw
    count = draw(st.integers(2, 4))
    shape = draw(st.tuples(*[st.integers(1, 17)] * count))
    chunks = draw(st.tuples(*[st.integers(1, 7)] * count))
    shards = tuple(c * draw(st.integers(1, 3)) for c in chunks) if draw(st.booleans()) else None
    values = noise(shape, "u2")
    folder = tmp_path_factory.mktemp("any") / "a.zarr"
    zarr.create_array(folder, data=values, chunks=chunks, shards=shards)
    index = []
    for size in shape[: draw(st.integers(0, count))]:
        start = draw(st.integers(0, size - 1))
        index.append(draw(st.sampled_from([start, slice(start, draw(st.integers(start, size)))])))
    with open_image(folder) as image:
        if not image.rgb:
            assert image.levels[0].chunks == chunks
        np.testing.assert_array_equal(image.read(0, index), values[tuple(index)])


def test_over_http_an_index_is_read_once_and_chunks_by_range(site: Site) -> None:
    values = noise((64, 64), "u2")
    array = zarr.create_array(
        site.root / "a.zarr", shape=(64, 96), dtype="u2", chunks=(16, 16), shards=(64, 32)
    )
    array[:, :64] = values  # the third shard is not there
    with open_image(f"{site.url}/a.zarr") as image:
        site.requests.clear()
        expected = np.concatenate([values, np.zeros((64, 32), "u2")], 1)
        np.testing.assert_array_equal(image.read(), expected)
    asked = [key for key, span in site.requests if span and span.startswith("bytes=-")]
    assert sorted(asked) == ["a.zarr/c/0/0", "a.zarr/c/0/1", "a.zarr/c/0/2"]
    assert all(span for _, span in site.requests)
    assert len(site.requests) == 3 + 16


def opened(path: Path) -> tuple[LocalStore, ZarrArray]:
    store = LocalStore(path)
    array = wait_for(open_array(store, ""))
    assert array is not None
    return store, array


def test_a_broken_chunk_names_its_key_and_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=noise((40, 40), "u2"), chunks=(20, 20))
    file = path / "c/1/0"
    file.write_bytes(file.read_bytes()[:-9])
    with open_image(path) as image:
        with pytest.raises(Corrupt, match=r"a.zarr/c/1/0 is corrupt: it does not decode"):
            image.read()
        image.read(0, (slice(0, 20),))
    file.write_bytes(bytes(100_000))
    with open_image(path) as image, pytest.raises(Corrupt, match="100000 bytes, more than"):
        image.read()
    file.unlink()
    file.mkdir()
    with open_image(path) as image, pytest.raises(Corrupt, match="not a file"):
        image.read()


def test_a_broken_shard_index_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=noise((40, 40), "u2"), chunks=(20, 20), shards=(40, 40))
    file = path / "c/0/0"
    good = file.read_bytes()
    file.write_bytes(good[:-30] + b"\1" + good[-29:])
    with open_image(path) as image, pytest.raises(Corrupt, match=r"index of the shard .* checksum"):
        image.read()
    file.write_bytes(good[-40:])
    with open_image(path) as image, pytest.raises(Corrupt, match="index of the shard"):
        image.read()
    file.write_bytes(good[len(good) // 2 :])
    with open_image(path) as image, pytest.raises(Corrupt):
        image.read()


def test_a_shard_index_that_points_out_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create(
        store=str(path),
        shape=(4, 4),
        dtype="u2",
        chunks=(4, 4),
        codecs=[
            ShardingCodec(chunk_shape=(4, 4), codecs=[BytesCodec()], index_codecs=[BytesCodec()])
        ],
    )
    (path / "c/0").mkdir(parents=True)
    for start, length in ((1 << 63, 32), (10**6, 32), (0, 2**64 - 1), (0, 1 << 40), (0, 33)):
        index = np.array([start, length], "<u8").tobytes()
        (path / "c/0/0").write_bytes(bytes(32) + index)
        with open_image(path) as image, pytest.raises(Corrupt):
            image.read()


def test_tasks_share_the_read_of_an_index_and_cancel_it_with_the_last(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    data = noise((40, 40), "u2")
    zarr.create_array(path, data=data, chunks=(20, 20), shards=(40, 40))
    store, array = opened(path)
    reads = 0
    gate = asyncio.Event()
    original = store.get_range

    async def counting(key: str, **options: Any) -> bytes | None:
        nonlocal reads
        reads += "suffix" in options
        await gate.wait()
        return await original(key, **options)

    store.get_range = counting  # type: ignore[method-assign]

    async def run() -> None:
        first, second = (asyncio.create_task(array.fetch((0, n))) for n in (0, 1))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0)
        gate.set()
        assert await second is not None
        with pytest.raises(asyncio.CancelledError):
            await first
        await array.fetch((1, 1))
        assert reads == 1

    wait_for(run())
    store.close()


def test_an_empty_place_is_no_array(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert wait_for(open_array(store, "x/y")) is None
    store.close()


GOOD3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [8, 8],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
    "chunk_key_encoding": {"name": "default"},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}],
}
SHARD = {"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 2], "codecs": ["bytes"]}}
LIES3: list[dict[str, Any]] = [
    {"shape": "8x8"},
    {"shape": [8, -1]},
    {"shape": [8, 0]},
    {"shape": [8, True]},
    {"shape": [8, 8.5]},
    {"shape": [8]},
    {"shape": []},
    {"shape": [1] * 100},
    {"data_type": "complex64"},
    {"data_type": ["u", 8]},
    {"data_type": {"name": "numpy.datetime64"}},
    {"chunk_grid": None},
    {"chunk_grid": {"name": "rectilinear"}},
    {"chunk_grid": {"name": "regular", "configuration": 3}},
    {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2**40, 2**40]}}},
    {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 4]}}},
    {"chunk_key_encoding": {"name": "hash"}},
    {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "-"}}},
    {"fill_value": "red"},
    {"fill_value": 300},
    {"fill_value": -1},
    {"fill_value": 0.5},
    {"fill_value": [0]},
    {"fill_value": float("nan")},
    {"codecs": []},
    {"codecs": "bytes"},
    {"codecs": [{"name": "magic"}]},
    {"codecs": [SHARD, "gzip"]},
    {"codecs": [{"name": "sharding_indexed"}]},
    {"codecs": [{**SHARD, "configuration": {"chunk_shape": [3, 3], "codecs": ["bytes"]}}]},
    {"codecs": [{**SHARD, "configuration": {"chunk_shape": [2, 2], "codecs": [SHARD]}}]},
    {"codecs": [{**SHARD, "configuration": {**SHARD["configuration"], "index_codecs": 5}}]},  # type: ignore[dict-item]
    {"codecs": [{**SHARD, "configuration": {**SHARD["configuration"], "index_codecs": ["gzip"]}}]},  # type: ignore[dict-item]
    {"codecs": [{**SHARD, "configuration": {**SHARD["configuration"], "index_location": "up"}}]},  # type: ignore[dict-item]
    {"storage_transformers": [{"name": "x"}]},
    {"node_type": "thing"},
    {"zarr_format": 4},
]
GOOD2 = {
    "zarr_format": 2,
    "shape": [8, 8],
    "chunks": [4, 4],
    "dtype": "|u1",
    "compressor": None,
    "filters": None,
    "fill_value": 0,
    "order": "C",
}
LIES2: list[dict[str, Any]] = [
    {"dtype": "|S5"},
    {"dtype": "<c8"},
    {"dtype": "<M8[ns]"},
    {"dtype": [["a", "<u2"]]},
    {"dtype": "hello("},
    {"dtype": "<f16"},
    {"chunks": None},
    {"chunks": [4]},
    {"order": "K"},
    {"filters": [{"id": "pickle"}]},
    {"filters": [9]},
    {"compressor": {"id": "jpeg2k"}},
    {"compressor": 9},
    {"compressor": {"id": "lzma", "format": 3, "filters": [{"id": 1}]}},
    {"dimension_separator": ""},
    {"fill_value": "AAAA"},
    {"zarr_format": 1},
]


@pytest.mark.parametrize("lie", LIES3, ids=str)
def test_metadata_of_zarr_3_that_makes_no_sense(tmp_path: Path, lie: dict[str, Any]) -> None:
    (tmp_path / "zarr.json").write_text(json.dumps({**GOOD3, **lie}))
    with pytest.raises(OpenError) as caught:
        open_image(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("lie", LIES2, ids=str)
def test_metadata_of_zarr_2_that_makes_no_sense(tmp_path: Path, lie: dict[str, Any]) -> None:
    (tmp_path / ".zarray").write_text(json.dumps({**GOOD2, **lie}))
    with pytest.raises(OpenError) as caught:
        open_image(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"x"', "\xff", "[" * 100_000, "{}"])
def test_metadata_that_is_not_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "zarr.json").write_text(text, encoding="latin-1")
    with pytest.raises(OpenError) as caught:
        open_image(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_good_metadata_is_good(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text(json.dumps(GOOD3))
    check(tmp_path, np.zeros((8, 8), np.uint8))


@settings(max_examples=150, deadline=None)
@given(
    key=st.sampled_from(sorted(GOOD3)),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["name", "configuration", "chunk_shape"]), inner)
        ),
        max_leaves=6,
    ),
)
def test_nonsense_in_metadata_is_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "zarr.json").write_text(json.dumps({**GOOD3, key: value}))
    with contextlib.suppress(OpsinError):
        open_image(folder).close()


def test_unsupported_says_what_is_not_supported(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text(json.dumps({**GOOD3, "codecs": ["bytes", "magic"]}))
    with pytest.raises(Unsupported, match=r"cannot be read: Opsin cannot decode its codec magic"):
        open_image(tmp_path)
