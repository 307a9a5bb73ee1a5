"""The HDF5 reader against h5py, for as many ways of storing pixels as there are."""

from __future__ import annotations

import asyncio
import bz2
import contextlib
import fcntl
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsin.errors import Corrupt, NotFound, OpenError, OpsinError, ReadError, Unsupported
from opsin.images.hdf5 import dataset as datasets
from opsin.images.image import Image
from opsin.images.readers import browse, hdf5, open_image, open_images
from opsin.images.readers.address import Address
from opsin.images.readers.node import describe_node
from opsin.images.source import Array, Encoded, Index
from tests.fault_server import Site

RANDOM = np.random.default_rng(5)


def noise(*shape: int, dtype: str = "u2") -> Array:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return RANDOM.normal(size=shape).astype(kind)
    return RANDOM.integers(0, min(np.iinfo(kind).max, 999), shape).astype(kind)


def write(path: Path, **arrays: Array) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def check(image: Image, expected: Array) -> None:
    """Whole, chunk by chunk in both ways, and what chunks have to be like."""
    np.testing.assert_array_equal(image.read(), expected)
    level = image.levels[0]
    direct = image.source.direct(0)

    async def fetch(indices: list[Index]) -> list[Encoded | None]:
        return [await image.source.fetch(0, index) for index in indices]

    indices = list(level.chunks_in((0,) * expected.ndim, level.shape))
    for index, encoded in zip(indices, asyncio.run(fetch(indices)), strict=True):
        chunk = image.source.decode(0, index, encoded)
        assert chunk.shape == level.chunk_shape(index)
        assert chunk.dtype == image.dtype == expected.dtype.newbyteorder("=")
        assert chunk.flags.c_contiguous
        if direct is not None:
            other, stored = direct(index)
            np.testing.assert_array_equal(chunk, other)
            assert stored == (0 if encoded is None else memoryview(bytes(encoded)).nbytes)


# --------------------------------------------------------------------------- ways of storing pixels

STORED: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "raw chunks": {"chunks": (16, 30)},
    "gzip": {"chunks": (16, 30), "compression": "gzip"},
    "gzip shuffle": {"chunks": (16, 30), "compression": "gzip", "shuffle": True},
    "gzip shuffle checksum": {
        "chunks": (32, 32), "compression": "gzip", "shuffle": True, "fletcher32": True,
    },
    "lzf": {"chunks": (50, 70), "compression": "lzf"},
    "lzf shuffle": {"chunks": (50, 7), "compression": "lzf", "shuffle": True},
    "checksum": {"chunks": (50, 7), "fletcher32": True},
    "one chunk": {"chunks": (50, 70), "compression": "gzip"},
    "resizable": {"chunks": (16, 30), "maxshape": (None, None)},
}  # fmt: skip
LOCKED: dict[str, dict[str, Any]] = {
    "scale-offset": {"chunks": (16, 30), "scaleoffset": 0},
    "szip": {"chunks": (16, 32), "compression": "szip"},
}


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f8", "?"])
@pytest.mark.parametrize("name", STORED)
def test_pixels_are_those_of_h5py(name: str, dtype: str, tmp_path: Path) -> None:
    array = noise(50, 70, dtype=dtype) if dtype != "?" else noise(50, 70) > 500
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("pixels", data=array, **STORED[name])
    with open_image(tmp_path / "a.h5") as image:
        assert image.axis_names == ("y", "x")
        assert image.name == "a"
        assert image.source.direct(0) is not None, "no lock is needed"
        if "chunks" in STORED[name]:
            assert image.levels[0].chunks == STORED[name]["chunks"]
        check(image, array)


@pytest.mark.parametrize("name", LOCKED)
def test_what_only_hdf5_can_decode_is_read_through_it(name: str, tmp_path: Path) -> None:
    options = LOCKED[name]
    if name == "szip" and not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        pytest.skip("this HDF5 has no szip")
    array = noise(50, 70)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("pixels", data=array, **options)
    with open_image(tmp_path / "a.h5") as image:
        assert image.source.direct(0) is None
        check(image, array)


def test_numbers_of_odd_formats_are_converted(tmp_path: Path) -> None:
    array = noise(20, 30)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        odd = h5py.h5t.STD_U16LE.copy()
        odd.set_precision(12)
        space = h5py.h5s.create_simple((20, 30))
        made = h5py.h5d.create(file.id, b"pixels", odd, space)
        h5py.Dataset(made)[...] = array
    with open_image(tmp_path / "a.h5") as image:
        check(image, array)


def test_compact_datasets(tmp_path: Path) -> None:
    array = noise(5, 6)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        settings_ = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings_.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((5, 6))
        made = h5py.h5d.create(file.id, b"pixels", h5py.h5t.STD_U16LE, space, settings_)
        h5py.Dataset(made)[...] = array
    with open_image(tmp_path / "a.h5") as image:
        check(image, array)


ENCODERS: dict[int, tuple[tuple[int, ...], Callable[[bytes], bytes | bytearray]]] = {
    307: ((9,), bz2.compress),
    32001: ((), lambda data: imagecodecs.blosc_encode(data, compressor="lz4", typesize=2)),
    32004: ((1024,), lambda data: imagecodecs.lz4h5_encode(data, blocksize=1024)),
    32015: ((3,), imagecodecs.zstd_encode),
}


def encoded_file(
    path: Path, array: Array, code: int, pieces: list[bytes | bytearray], skip: int = 0
) -> None:
    """A dataset with one chunk per row, which a filter that HDF5 lacks has encoded."""
    with h5py.File(path, "w") as file:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((1, array.shape[1]))
        made.set_filter(code, h5py.h5z.FLAG_OPTIONAL, ENCODERS[code][0])
        kind = h5py.h5t.py_create(array.dtype)
        space = h5py.h5s.create_simple(array.shape)
        chunks = h5py.h5d.create(file.id, b"pixels", kind, space, made)
        for row, piece in enumerate(pieces):
            chunks.write_direct_chunk((row, 0), piece, skip if row == 1 else 0)


@pytest.mark.parametrize("code", ENCODERS)
def test_filters_of_hdf5plugin_are_undone_without_it(code: int, tmp_path: Path) -> None:
    array = noise(4, 3000) // 8
    pieces = [ENCODERS[code][1](row.tobytes()) for row in array]
    pieces[1] = array[1].tobytes()  # a chunk that would have grown is stored without the filter
    encoded_file(tmp_path / "a.h5", array, code, pieces, skip=1)
    with open_image(tmp_path / "a.h5") as image:
        check(image, array)


def test_bitshuffle_with_lz4(tmp_path: Path) -> None:
    """By hand: the header, whole blocks, a shorter one, and what is left of the elements."""
    array = noise(2, 1003)
    pieces = []
    for row in array:
        data = row.nbytes.to_bytes(8, "big") + (512 * 2).to_bytes(4, "big")
        for start, count in ((0, 512), (512, 488)):
            plain = row[start : start + count].tobytes()
            shuffled = imagecodecs.bitshuffle_encode(plain, itemsize=2, blocksize=count)
            packed = imagecodecs.lz4_encode(shuffled)
            data += len(packed).to_bytes(4, "big") + packed
        pieces.append(data + row[1000:].tobytes())
    ENCODERS[32008] = ((0, 5, 2, 512, 2), bytes)
    try:
        encoded_file(tmp_path / "a.h5", array, 32008, pieces)
    finally:
        del ENCODERS[32008]
    with open_image(tmp_path / "a.h5") as image:
        np.testing.assert_array_equal(image.read(), array)


def test_a_filter_that_nobody_has(tmp_path: Path) -> None:
    ENCODERS[32013] = ((), bytes)
    try:
        encoded_file(tmp_path / "a.h5", noise(2, 30), 32013, [])
    finally:
        del ENCODERS[32013]
    with pytest.raises(Unsupported, match="the filter zfp, which is not there: try 'pip install"):
        open_image(tmp_path / "a.h5")


def test_chunks_that_are_not_stored_are_fill_value(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        pixels = file.create_dataset("pixels", (40, 40), "i2", chunks=(20, 20), fillvalue=-3)
        pixels[20:, :20] = 5
        file.create_dataset("contiguous", (9, 9), "u2", fillvalue=7)
    expected = np.full((40, 40), -3, "i2")
    expected[20:, :20] = 5
    with open_image(tmp_path / "a.h5/pixels") as image:
        check(image, expected)
        assert asyncio.run(image.source.fetch(0, (0, 0))) is None
    with open_image(tmp_path / "a.h5/contiguous") as image:
        check(image, np.full((9, 9), 7, "u2"))


def test_very_many_chunks_are_looked_up_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "TABLE_LIMIT", 3)
    array = noise(50, 70)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        pixels = file.create_dataset(
            "pixels", (50, 70), "u2", chunks=(16, 30), compression="gzip", shuffle=True
        )
        pixels[16:] = array[16:]
    array[:16] = 0
    with open_image(tmp_path / "a.h5") as image:
        check(image, array)


def test_a_part_of_a_contiguous_dataset_is_read_as_a_part(tmp_path: Path) -> None:
    array = noise(2, 260, 40000, dtype="u1")
    write(tmp_path / "a.h5", pixels=array)
    with open_image(tmp_path / "a.h5") as image:
        assert image.levels[0].chunks == (1, 256, 4096)
        part = (1, slice(250, 270), slice(4000, 5000))
        np.testing.assert_array_equal(image.read(0, part), array[part])
        direct = image.source.direct(0)
        assert direct is not None
        assert direct((0, 0, 0))[1] == 256 * 4096
        check(image, array)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_region_of_any_layout(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 9), min_size=2, max_size=4))
    dtype = data.draw(st.sampled_from(["u1", ">i2", "f4"]))
    options: dict[str, Any] = {}
    if data.draw(st.booleans()):
        options["chunks"] = tuple(data.draw(st.integers(1, size)) for size in shape)
        options |= data.draw(st.sampled_from([{}, {"compression": "gzip"}, {"shuffle": True}]))
    array = noise(*shape, dtype=dtype)
    path = tmp_path_factory.getbasetemp() / "region.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("pixels", data=array, **options)
    index: list[int | slice] = []
    for size in shape:
        if data.draw(st.booleans()):
            index.append(data.draw(st.integers(-size, size - 1)))
        else:
            low, high = sorted(data.draw(st.tuples(*[st.integers(0, size)] * 2)))
            index.append(slice(low, high))
    with open_image(f"{path}/pixels") as image:
        np.testing.assert_array_equal(image.read(0, index), array[tuple(index)])


def test_many_threads_at_once(tmp_path: Path) -> None:
    array = noise(400, 400)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("p", data=array, chunks=(50, 50), compression="gzip")
        file.create_dataset("q", data=array, chunks=(50, 50), scaleoffset=0)
    failures: list[BaseException] = []

    def read(name: str) -> None:
        try:
            with open_image(tmp_path / "a.h5" / name) as image:
                np.testing.assert_array_equal(image.read(), array)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=("pq"[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# ---------------------------------------------------------------------------------- which dataset


def test_several_images_are_listed_and_one_can_be_named(tmp_path: Path) -> None:
    raw, mask = noise(3, 40, 50), noise(40, 50, dtype="u1")
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file["raw/data"] = raw
        file["mask"] = mask
        file["points"] = np.zeros((90, 3))
        file["title"] = "cells"
        file["profile"] = np.zeros(50)
    path = tmp_path / "cells.h5"
    with pytest.raises(Unsupported) as caught:
        open_image(path)
    assert str(caught.value) == (
        "cells.h5 holds 2 images: mask (40 × 50 uint8) and raw/data (3 × 40 × 50 uint16). Name "
        f"one, as in {path}/mask."
    )
    with open_image(path / "mask") as image:
        assert image.name == "cells/mask"
        np.testing.assert_array_equal(image.read(), mask)
    for inner in ("raw/data", "raw"):
        with open_image(f"{path}/{inner}") as image:
            assert image.axis_names == ("z", "y", "x")
            np.testing.assert_array_equal(image.read(), raw)
    with open_image((path / "mask").as_uri()) as image:
        np.testing.assert_array_equal(image.read(), mask)
    with pytest.raises(NotFound, match=r"nothing called nothing/here in cells\.h5"):
        open_image(path / "nothing/here")
    with pytest.raises(NotFound, match=r"nothing called mask/below in cells\.h5"):
        open_image(path / "mask/below")
    with pytest.raises(Unsupported, match=r"title in cells.h5 is no image: its values are text"):
        open_image(path / "title")
    with pytest.raises(Unsupported, match=r"profile in .* has 1 axes, but an image has at least"):
        open_image(path / "profile")


def test_labels_are_what_the_user_says(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", ids=noise(30, 30))
    with open_image(tmp_path / "a.h5", kind="labels") as labels:
        assert labels.kind == "labels"


def test_a_small_table_is_an_image_where_there_is_no_other(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", table=np.arange(30.0).reshape(10, 3))
    with open_image(tmp_path / "a.h5") as image:
        assert image.shape == (10, 3)


def test_the_tree(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file["raw/data"] = noise(3, 40, 50)
        file["title"] = "cells"
        file["away"] = h5py.ExternalLink("other.h5", "/x")
    root = browse(tmp_path / "cells.h5")
    assert root.kind == "group"
    away, raw, title = root.children
    assert (away.path, raw.path, title.path) == ("away", "raw", "title")
    assert "link to another file" in away.note
    assert title.note == "its values are text or references"
    (data,) = raw.children
    assert (data.kind, data.shape, data.dtype, data.path) == (
        "array", (3, 40, 50), "uint16", "raw/data",
    )  # fmt: skip
    with open_image(data.address) as image:
        assert image.shape == (3, 40, 50)
    assert [node.path for node in browse(tmp_path / "cells.h5/raw").children] == ["data"]
    assert json.loads(json.dumps(describe_node(root)))["children"][1]["children"][0]["path"]


# ---------------------------------------------------------------------------- what attributes mean


def axistags(keys: str, **resolution: float) -> str:
    tags = [
        {"key": key, "typeFlags": 2, "resolution": resolution.get(key, 0), "description": ""}
        for key in keys
    ]
    return json.dumps({"axes": tags})


def test_ilastik(tmp_path: Path) -> None:
    array = noise(2, 5, 20, 30, 2, dtype="f4")
    path = write(tmp_path / "probabilities.h5", exported_data=array)
    with h5py.File(path, "a") as file:
        file["exported_data"].attrs["axistags"] = axistags("tzyxc", x=0.5, y=0.5)
    with open_image(path) as image:
        assert image.axis_names == ("t", "z", "y", "x", "c")
        assert image.channel_axis == 4
        assert not image.rgb
        assert image.levels[0].scale == (1, 1, 0.5, 0.5, 1)
        np.testing.assert_array_equal(image.read(), array)


def test_dimension_labels_and_scales(tmp_path: Path) -> None:
    array = noise(4, 20, 30)
    path = write(tmp_path / "a.nc", T=array, time=np.arange(4) * 60.0, lat=np.linspace(5, 43, 20))
    with h5py.File(path, "a") as file:
        file["lon"] = np.array([1.0] * 30)
        for name in ("time", "lat", "lon"):
            file[name].make_scale(name)
        file["time"].attrs["units"] = "s"
        for axis, name in enumerate(("time", "lat", "lon")):
            file["T"].dims[axis].attach_scale(file[name])
        file["T"].dims[0].label = "t"
    with open_image(path) as image:
        assert image.name == "a"
        assert image.axis_names == ("t", "y", "x")
        assert image.warnings == ("The axes lat and lon are shown as y and x.",)
        assert image.levels[0].scale == (60, 2, 1)
        assert image.levels[0].translation == (0, 5, 0)
        assert image.axes[0].unit == "second"
        np.testing.assert_array_equal(image.read(), array)


def test_element_size_and_unit(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", stack=noise(4, 20, 30))
    with h5py.File(path, "a") as file:
        file["stack"].attrs["element_size_um"] = np.array([2.0, 0.5, 0.25])
    with open_image(path) as image:
        assert image.levels[0].scale == (2, 0.5, 0.25)
        assert {axis.unit for axis in image.axes} == {"micrometer"}


def test_matlab_behind_its_own_header(tmp_path: Path) -> None:
    """MATLAB's rows × columns × planes: the last axis varies slowest, behind 512 bytes of text."""
    matlab = noise(7, 20, 3)
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        for name, options in (("I", {}), ("J", {"chunks": (2, 20, 7), "compression": "gzip"})):
            pixels = file.create_dataset(name, data=matlab.T, **options)
            pixels.attrs["MATLAB_class"] = np.bytes_("uint16")
    with open_image(tmp_path / "a.mat/I") as image:
        assert image.axis_names == ("z", "x", "y")
        check(image, matlab.T)
    with open_image(tmp_path / "a.mat/J") as image:
        check(image, matlab.T)


def test_colour(tmp_path: Path) -> None:
    array = noise(20, 30, 3, dtype="u1")
    with open_image(write(tmp_path / "a.h5", p=array)) as image:
        assert image.rgb
        assert image.axis_names == ("y", "x", "c")
    wide = write(tmp_path / "b.h5", p=noise(20, 30, 3))
    with open_image(wide) as image:
        assert not image.rgb
    with h5py.File(wide, "a") as file:
        file["p"].attrs.update(
            CLASS=np.bytes_("IMAGE"),
            IMAGE_SUBCLASS=np.bytes_("IMAGE_TRUECOLOR"),
            INTERLACE_MODE=np.bytes_("INTERLACE_PIXEL"),
        )
    with open_image(wide) as image:
        assert image.rgb


# --------------------------------------------------------------------------------- Imaris


def letters(text: object) -> Array:
    return np.array([c.encode("latin1") for c in str(text)], "S1")


def write_imaris(path: Path, array: Array, padded: int = 3) -> list[Array]:
    """A file as Imaris writes it, of t, c, z, y, x; the levels that it holds."""
    levels = [array, array[..., ::2, ::2]]
    with h5py.File(path, "w") as file:
        for number, level in enumerate(levels):
            for t in range(level.shape[0]):
                for c in range(level.shape[1]):
                    group = file.create_group(
                        f"DataSet/ResolutionLevel {number}/TimePoint {t}/Channel {c}"
                    )
                    volume = np.pad(level[t, c], [(0, padded)] * 3)
                    group.create_dataset("Data", data=volume, chunks=(2, 8, 8), compression="gzip")
                    for letter, size in zip("ZYX", level.shape[2:], strict=True):
                        group.attrs[f"ImageSize{letter}"] = letters(size)
        info = file.create_group("DataSetInfo/Image")
        for axis, (low, high) in enumerate(((10, 22.5), (0, 10), (-4, 8))):
            info.attrs[f"ExtMin{axis}"] = letters(low)
            info.attrs[f"ExtMax{axis}"] = letters(high)
        info.attrs["Unit"] = letters("um")
        times = file.create_group("DataSetInfo/TimeInfo")
        for number in range(array.shape[0]):
            times.attrs[f"TimePoint{number + 1}"] = letters(
                f"2020-05-15 15:08:{number * 30:02}.500"
            )
        for c, (name, colour) in enumerate((("DAPI", "0 0 1"), ("GFP", "0.000 1.000 0.000"))):
            channel = file.create_group(f"DataSetInfo/Channel {c}")
            channel.attrs["Name"] = letters(name)
            channel.attrs["Color"] = letters(colour)
            channel.attrs["ColorRange"] = letters(f"{c}.000 255.000")
        file["Thumbnail/Data"] = np.zeros((256, 1024), "u1")
    return levels


@pytest.mark.parametrize("padded", [0, 3])
def test_imaris(padded: int, tmp_path: Path) -> None:
    array = noise(2, 2, 4, 20, 25)
    levels = write_imaris(tmp_path / "brain.ims", array, padded)
    with open_image(tmp_path / "brain.ims") as image:
        assert image.name == "brain"
        assert image.axis_names == ("t", "c", "z", "y", "x")
        assert [level.shape for level in image.levels] == [one.shape for one in levels]
        assert image.levels[0].chunks == (1, 1, 2, 8, 8)
        assert image.levels[0].scale == (30, 1, 3, 0.5, 0.5)
        assert image.levels[0].translation == (0, 0, -2.5, 0.25, 10.25)
        assert image.levels[1].scale == (30, 1, 3, 1, 1)
        assert image.levels[1].translation == (0, 0, -2.5, 0.5, 10.5)
        assert [axis.unit for axis in image.axes] == ["second", None, *["micrometer"] * 3]
        assert [(c.name, c.colour, c.window) for c in image.channels] == [
            ("DAPI", "0000ff", (0, 255)), ("GFP", "00ff00", (1, 255)),
        ]  # fmt: skip
        np.testing.assert_array_equal(image.read(1), levels[1])
        check(image, array)


def test_an_imaris_file_with_a_moment_missing(tmp_path: Path) -> None:
    array = noise(3, 1, 4, 20, 25)
    write_imaris(tmp_path / "a.ims", array)
    with h5py.File(tmp_path / "a.ims", "a") as file:
        del file["DataSet/ResolutionLevel 0/TimePoint 1/Channel 0/Data"]
        group = file["DataSet/ResolutionLevel 0/TimePoint 2/Channel 0"]
        del group["Data"]
        group["Data"] = noise(4, 20, 20)
    with open_image(tmp_path / "a.ims") as image:
        np.testing.assert_array_equal(image.read(0, (0,)), array[0])
        with pytest.raises(Corrupt, match=r"nothing called DataSet/.*/TimePoint 1/Channel 0/"):
            image.read(0, (1,))
        with pytest.raises(Corrupt, match=r"shape \(4, 20, 20\) of uint16, not \(4, 20, 25\)"):
            image.read(0, (2,))


@pytest.mark.parametrize("nonsense", ["", "nan", "1e999", "a dog", "1 2", "-5", "9" * 400])
def test_attributes_of_imaris_that_make_no_sense_are_left_out(
    nonsense: str, tmp_path: Path
) -> None:
    array = noise(2, 2, 4, 20, 25)
    write_imaris(tmp_path / "a.ims", array, padded=0)
    with h5py.File(tmp_path / "a.ims", "a") as file:

        def spoil(_: str, node: h5py.Group) -> None:
            for name in list(node.attrs):
                node.attrs[name] = letters(nonsense) if nonsense else h5py.Empty("S1")

        file.visititems(spoil)
    with open_image(tmp_path / "a.ims") as image:
        assert image.levels[0].scale[2:] == (1, 1, 1)
        np.testing.assert_array_equal(image.read(), array)


# ---------------------------------------------------------------------------------- BigDataViewer


def write_bigdataviewer(path: Path, array: Array, setups: int = 2) -> None:
    """A file as BigDataViewer writes it: every setup holds `array` (t, z, y, x) plus its number."""
    with h5py.File(path, "w") as file:
        for s in range(setups):
            file[f"s{s:02}/resolutions"] = np.array([[1.0, 1, 1], [2, 2, 1]])
            file[f"s{s:02}/subdivisions"] = np.array([[16, 16, 4], [16, 16, 4]])
            for t, volume in enumerate(array + s):
                for level, data in enumerate((volume, volume[:, ::2, ::2])):
                    file.create_dataset(
                        f"t{t:05}/s{s:02}/{level}/cells",
                        data=data.astype("u2").view("i2"),
                        chunks=(4, 8, 8),
                        compression="gzip",
                    )


def bigdataviewer_xml(path: Path, angles: tuple[int, int] = (0, 0)) -> None:
    setups = "".join(
        f"<ViewSetup><id>{s}</id><name>setup {s}</name><size>30 20 8</size><voxelSize><unit>µm"
        f"</unit><size>0.4 0.4 2.0</size></voxelSize><attributes><channel>{s}</channel>"
        f"<angle>{angles[s]}</angle></attributes></ViewSetup>"
        for s in (0, 1)
    )
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><SpimData version="0.2"><SequenceDescription>'
        '<ImageLoader format="bdv.hdf5"><hdf5 type="relative">worm.h5</hdf5></ImageLoader>'
        f'<ViewSetups>{setups}<Attributes name="channel"><Channel><id>0</id><name>DAPI</name>'
        "</Channel><Channel><id>1</id><name>GFP</name></Channel></Attributes></ViewSetups>"
        "</SequenceDescription></SpimData>"
    )


def test_bigdataviewer(tmp_path: Path) -> None:
    array = noise(3, 8, 20, 30) + 40_000  # beyond what signed numbers hold
    write_bigdataviewer(tmp_path / "worm.h5", array)
    images = open_images(tmp_path / "worm.h5")
    assert [image.name for image in images] == ["worm · s00", "worm · s01"]
    for number, image in enumerate(images):
        with image:
            assert image.axis_names == ("t", "z", "y", "x")
            assert image.levels[1].scale == (1, 1, 2, 2)
            assert image.levels[1].translation == (0, 0, 0.5, 0.5)
            assert image.levels[0].chunks == (1, 4, 8, 8)
            check(image, (array + number).astype("u2"))
            np.testing.assert_array_equal(image.read(1), array[..., ::2, ::2] + number)
    with open_image(tmp_path / "worm.h5/s01") as image:
        np.testing.assert_array_equal(image.read(), array + 1)
    with open_image(tmp_path / "worm.h5/t00002/s00/1/cells") as image:
        np.testing.assert_array_equal(image.read(), array[2, :, ::2, ::2])


def test_bigdataviewer_with_its_xml(tmp_path: Path) -> None:
    array = noise(3, 8, 20, 30)
    write_bigdataviewer(tmp_path / "worm.h5", array)
    bigdataviewer_xml(tmp_path / "worm.xml")
    with open_image(tmp_path / "worm.h5") as image:
        assert image.axis_names == ("t", "c", "z", "y", "x")
        assert [channel.name for channel in image.channels] == ["DAPI", "GFP"]
        assert image.levels[1].scale == (1, 1, 2, 0.8, 0.8)
        assert image.axes[2].unit == "micrometer"
        check(image, np.stack([array, array + 1], axis=1).astype("u2"))
        np.testing.assert_array_equal(image.read(1, (2, 1)), array[2, :, ::2, ::2] + 1)
    bigdataviewer_xml(tmp_path / "worm.xml", angles=(0, 1))
    assert [image.name for image in open_images(tmp_path / "worm.h5")] == [
        "worm · setup 0", "worm · setup 1",
    ]  # fmt: skip
    (tmp_path / "worm.xml").write_text("<SpimData>")
    assert len(open_images(tmp_path / "worm.h5")) == 2


# --------------------------------------------------------------------- what is refused, and trouble


def test_links_do_not_lead_out_of_the_file(tmp_path: Path) -> None:
    array = noise(20, 30)
    write(tmp_path / "secret.h5", pixels=array)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["inside/pixels"] = array
        file["soft"] = h5py.SoftLink("/inside/pixels")
        file["inside/up"] = h5py.SoftLink("pixels")
        file["away"] = h5py.ExternalLink("secret.h5", "/")
        file["through"] = h5py.SoftLink("/away/pixels")
        file["loop"] = h5py.SoftLink("/loop")
        file["nowhere"] = h5py.SoftLink("/none")
        file["inside/again"] = file["inside"]
    path = tmp_path / "a.h5"
    for inner in ("soft", "inside/up", "inside/again/again/pixels"):
        with open_image(path / inner) as image:
            np.testing.assert_array_equal(image.read(), array)
    for inner in ("away", "away/pixels", "through"):
        with pytest.raises(Unsupported, match="is a link to another file, which is not followed"):
            open_image(path / inner)
    with pytest.raises(OpenError, match="leads nowhere"):
        open_image(path / "loop")
    with pytest.raises(NotFound):
        open_image(path / "nowhere")
    with open_image(path) as image:  # the one image, whatever leads there
        np.testing.assert_array_equal(image.read(), array)


def test_values_outside_the_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.raw").write_bytes(noise(20, 30).tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "external", (20, 30), "u2", external=[(str(tmp_path / "outside.raw"), 0, 1200)]
        )
        layout = h5py.VirtualLayout((20, 30), "u2")
        layout[...] = h5py.VirtualSource("other.h5", "x", (20, 30))
        file.create_virtual_dataset("virtual", layout)
    with pytest.raises(Unsupported, match=r"The values of external lie outside a\.h5"):
        open_image(tmp_path / "a.h5/external")
    with pytest.raises(Unsupported, match="is put together from other datasets"):
        open_image(tmp_path / "a.h5/virtual")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((5, 5), [("a", "u2"), ("b", "f4")]), "records"),
        (np.zeros((5, 5), "c8"), "complex numbers"),
        (np.array([["a", "b"]] * 2, "S3"), "text"),
        (np.zeros((5, 0)), r"its shape is \(5, 0\)"),
        (h5py.Empty("f4"), "it is empty"),
    ],
)
def test_values_that_are_no_pixels(values: Any, said: str, tmp_path: Path) -> None:
    write(tmp_path / "a.h5", it=values)
    with pytest.raises(Unsupported, match=f"it in a.h5 is no image: .*{said}"):
        open_image(tmp_path / "a.h5/it")
    with pytest.raises(Unsupported, match=r"a\.h5 holds no image"):
        open_image(tmp_path / "a.h5")


def test_a_file_that_another_program_has_locked(tmp_path: Path) -> None:
    array = noise(20, 30)
    path = write(tmp_path / "a.h5", pixels=array)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open_image(path) as image:
            np.testing.assert_array_equal(image.read(), array)


def test_a_file_that_is_open_here_already(tmp_path: Path) -> None:
    array = noise(20, 30)
    path = write(tmp_path / "a.h5", pixels=array)
    with h5py.File(path, "r"), open_image(path) as image:
        np.testing.assert_array_equal(image.read(), array)
    first, second = open_image(path), open_image(path)
    first.close()
    first.close()
    np.testing.assert_array_equal(second.read(), array)
    second.close()
    with pytest.raises(ReadError, match=r"a\.h5 was closed while"):
        second.read()


def test_a_file_that_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    writer = (
        "import h5py, numpy, sys\n"
        f"file = h5py.File({str(path)!r}, 'w', libver='latest')\n"
        "pixels = file.create_dataset('p', data=numpy.ones((20, 30), 'u2'), chunks=(10, 30))\n"
        "file.flush()\n"
        "if sys.argv[1] == 'swmr': file.swmr_mode = True\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    for mode in ("swmr", "alone"):
        with subprocess.Popen(
            [sys.executable, "-c", writer, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with pytest.raises(OpenError, match=r"a\.h5 is being written by another program"):
                open_image(path)
            process.communicate()


def test_over_http_it_is_refused(site: Site) -> None:
    write(site.root / "a.h5", pixels=noise(20, 30))
    with pytest.raises(Unsupported, match="HDF5 file behind a URL"):
        open_image(f"{site.url}/a.h5")


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.h5", pixels=noise(20, 30))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(Unsupported, match=r"pip install opsin\[hdf5\]"):
        open_image(path)


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", pixels=noise(200, 300))
    whole = path.read_bytes()
    for size in (8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(OpenError, match=r"a\.h5 is a damaged or truncated HDF5 file"):
            open_image(path)
    path.write_bytes(b"plain text")
    with pytest.raises(Unsupported, match=r"a\.h5 is not an HDF5 file"):
        hdf5.open(Address.parse(path))


def test_a_chunk_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        pixels = file.create_dataset(
            "p", data=noise(20, 30), chunks=(10, 30), compression="gzip", fletcher32=True
        )
        place = pixels.id.get_chunk_info_by_coord((10, 0))
    data = bytearray(path.read_bytes())
    data[place.byte_offset + 20] ^= 0xFF
    path.write_bytes(data)
    with open_image(path) as image:
        image.read(0, (slice(0, 10),))
        with pytest.raises(Corrupt, match=r"Chunk \(1, 0\) of p in a\.h5 is corrupt: its check"):
            image.read()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_attributes_of_any_kind_are_no_trouble(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    """Whatever they say, the pixels are those of the dataset."""
    names = (
        "axistags", "DIMENSION_LABELS", "element_size_um", "MATLAB_class", "IMAGE_SUBCLASS",
        "INTERLACE_MODE", "CLASS",
    )  # fmt: skip
    tag = st.fixed_dictionaries({"key": st.sampled_from(["x", "y", "", "c", "ä"])}) | st.none()
    values: list[st.SearchStrategy[Any]] = [
        st.text("xyzct\x7fäIMAGE_TRUECOLOR", max_size=20),
        st.floats(),
        st.integers(-(2**60), 2**60),
        st.lists(st.floats(), max_size=4).map(lambda one: np.array(one, "f8")),
        st.binary(max_size=8).map(np.bytes_),
        st.lists(tag, max_size=4).map(lambda tags: json.dumps({"axes": tags})),
        st.lists(st.sampled_from(["x", "y", "z", "", "t"]), max_size=4).map(
            lambda one: np.array(one, h5py.string_dtype())
        ),
        st.just(h5py.Empty("f4")),
    ]
    shape = data.draw(st.sampled_from([(6, 7), (4, 6, 3), (2, 4, 5, 4)]))
    array = noise(*shape, dtype="u1")
    path = tmp_path_factory.getbasetemp() / "attributes.h5"
    with h5py.File(path, "w") as file:
        file["p"] = array
        for name in data.draw(st.lists(st.sampled_from(names), max_size=4, unique=True)):
            file["p"].attrs[name] = data.draw(st.one_of(values))
    with open_image(f"{path}/p") as image:
        np.testing.assert_array_equal(image.read(), array)
        assert len(set(image.axis_names)) == len(shape)
        assert all(scale > 0 for scale in image.levels[0].scale)
        image.name.encode()


_FUZZ = """
import sys
from pathlib import Path
import numpy as np
from opsin.errors import OpsinError
from opsin.images.readers import hdf5
from opsin.images.readers.address import Address

path, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
whole = path.read_bytes()
random = np.random.default_rng(seed)
opened = 0
for number in range(count):
    damaged = bytearray(whole)
    for _ in range(random.integers(1, 5)):
        damaged[random.integers(8, min(len(whole), 6000))] = random.integers(0, 256)
    target = path.with_name(f"damaged-{seed}.h5")
    target.write_bytes(damaged)
    for address in (target, f"{target}/p"):
        try:
            for image in hdf5.open(Address.parse(address)):
                with image:
                    opened += 1
                    first = (0,) * len(image.shape)
                    if image.chunk_bytes(0, first) < 1 << 24:
                        direct = image.source.direct(0)
                        if direct is not None:
                            direct(first)
        except OpsinError as error:
            assert str(error).endswith("."), error
print(opened)
"""


@pytest.mark.parametrize("kind", ["imaris", "plain", "latest"])
def test_damage_anywhere_is_an_opsin_error_or_an_image(kind: str, tmp_path: Path) -> None:
    """In a process of its own: HDF5 is a library in C."""
    path = tmp_path / "a.h5"
    if kind == "imaris":
        write_imaris(path, noise(1, 1, 4, 20, 25))
    else:
        with h5py.File(path, "w", libver=None if kind == "plain" else "latest") as file:
            file.create_dataset("p", data=noise(20, 30), chunks=(10, 30), compression="gzip")
            file["p"].attrs["axistags"] = axistags("yx", x=2)
            file.create_dataset("q", data=noise(20, 30))
    done = subprocess.run(
        [sys.executable, "-c", _FUZZ, str(path), "7", "120"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 0


def test_names_that_are_no_text(tmp_path: Path) -> None:
    array = noise(20, 30)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(b"\xff\xe9 bild", data=array)
        file.create_dataset("other", data=array)
    with pytest.raises(Unsupported) as caught:
        open_image(tmp_path / "a.h5")
    str(caught.value).encode()
    with contextlib.suppress(OpsinError), open_image(tmp_path / "a.h5/\udcff\udce9 bild") as image:
        np.testing.assert_array_equal(image.read(), array)
        image.name.encode()
