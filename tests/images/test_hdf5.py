"""The HDF5 reader against h5py, for as many ways of storing pixels as there are."""

from __future__ import annotations

import asyncio
import bz2
import fcntl
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
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import Corrupt, OpenError, OpsinError, ReadError, Unsupported
from opsin.images.hdf5 import dataset as datasets
from opsin.images.readers import hdf5, open_image
from opsin.images.readers.address import Address
from opsin.images.source import Array
from tests.fault_server import Site
from tests.images.hdf5_files import axistags, check, noise, write, write_imaris

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


# ------------------------------------------------------------------------------------ trouble


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


@pytest.mark.parametrize("limit", [datasets.TABLE_LIMIT, 0])
def test_a_chunk_that_is_far_too_long(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "TABLE_LIMIT", limit)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        pixels = file.create_dataset("p", (20, 30), "u2", chunks=(10, 30), compression="gzip")
        pixels.id.write_direct_chunk((0, 0), bytes(200_000))
    with open_image(tmp_path / "a.h5") as image:
        with pytest.raises(Corrupt, match="it says 200000 bytes, which is too much"):
            image.read()
        assert not image.read(0, (slice(10, 20),)).any()


@pytest.mark.parametrize("chunks", [None, (10, 30)])
def test_a_place_far_behind_the_end(chunks: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        pixels = file.create_dataset("p", data=noise(20, 30), chunks=chunks)
        place = pixels.id.get_offset()
        if chunks is not None:
            place = pixels.id.get_chunk_info_by_coord((10, 0)).byte_offset
    data = path.read_bytes().replace(place.to_bytes(8, "little"), (2**63 + 5).to_bytes(8, "little"))
    path.write_bytes(data)
    with pytest.raises(OpsinError, match=r"a\.h5"), open_image(path) as image:
        image.read()


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
