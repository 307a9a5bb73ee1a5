"""The TIFF reader against tifffile.imread, for as many ways of storing pixels as there are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import Corrupt, NotFound, OpenError, OpsinError, ReadError, Unsupported
from opsin.images.image import Image
from opsin.images.readers import tiff
from opsin.images.readers.address import Address
from opsin.images.source import Array

DATA = Path("tests/data")
RANDOM = np.random.default_rng(7)


def noise(*shape: int, dtype: str = "u2") -> Array:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return RANDOM.normal(size=shape).astype(kind)
    return RANDOM.integers(0, min(np.iinfo(kind).max, 9999), shape).astype(kind)


def open_one(path: Path) -> Image:
    images = tiff.open(Address.parse(path))
    assert len(images) == 1
    return images[0]


def axes_of(image: Image) -> str:
    return "".join(image.axis_names)


VARIANTS: dict[str, tuple[Array, dict[str, Any], str]] = {
    "uncompressed": (noise(300, 200), {}, "yx"),
    "strips": (noise(300, 200), {"rowsperstrip": 7}, "yx"),
    "strips zlib": (noise(300, 200), {"rowsperstrip": 7, "compression": "zlib"}, "yx"),
    "one strip": (noise(300, 200), {"rowsperstrip": 300, "compression": "zlib"}, "yx"),
    "tiles": (noise(300, 200), {"tile": (64, 48)}, "yx"),
    "tiles lzw predictor": (
        noise(300, 200), {"tile": (64, 64), "compression": "lzw", "predictor": True}, "yx",
    ),
    "float predictor": (
        noise(99, 101, dtype="f4"), {"compression": "zlib", "predictor": 3, "tile": (32, 32)}, "yx",
    ),
    "zstd": (noise(300, 200), {"compression": "zstd"}, "yx"),
    "packbits": (noise(99, 101, dtype="u1"), {"compression": "packbits"}, "yx"),
    "lzma": (noise(99, 101), {"compression": "lzma"}, "yx"),
    "jpeg 2000": (noise(99, 101), {"compression": "jpeg2000", "tile": (64, 64)}, "yx"),
    "jpeg": (noise(96, 112, dtype="u1"), {"compression": "jpeg", "tile": (32, 32)}, "yx"),
    "jpeg colour": (
        noise(96, 112, 3, dtype="u1") // 16 * 16,
        {"compression": "jpeg", "tile": (32, 32), "photometric": "rgb"}, "yxc",
    ),
    "big endian": (noise(300, 200), {"byteorder": ">"}, "yx"),
    "big endian zlib": (noise(300, 200), {"byteorder": ">", "compression": "zlib"}, "yx"),
    "big endian float": (noise(30, 20, dtype="f8"), {"byteorder": ">"}, "yx"),
    "bigtiff": (noise(300, 200), {"bigtiff": True, "tile": (64, 64)}, "yx"),
    "int8": (noise(30, 20, dtype="i1"), {}, "yx"),
    "int32": (noise(30, 20, dtype="i4"), {"compression": "zlib"}, "yx"),
    "uint64": (noise(30, 20, dtype="u8"), {}, "yx"),
    "float16": (noise(30, 20, dtype="f2"), {}, "yx"),
    "bilevel": (noise(30, 20) > 5000, {}, "yx"),
    "stack": (noise(5, 60, 40), {}, "zyx"),
    "stack zlib": (noise(5, 60, 40), {"compression": "zlib"}, "zyx"),
    "five axes": (
        noise(2, 3, 4, 30, 20),
        {"photometric": "minisblack", "metadata": {"axes": "TZCYX"}, "compression": "zlib"},
        "tzcyx",
    ),
    "axes of one name": (noise(2, 3, 30, 20), {"photometric": "minisblack"}, "q1q2yx"),
    "rgb": (noise(90, 80, 3, dtype="u1"), {"photometric": "rgb"}, "yxc"),
    "rgb zlib": (noise(90, 80, 3), {"photometric": "rgb", "compression": "zlib"}, "yxc"),
    "rgba tiles": (
        noise(90, 80, 4, dtype="u1"), {"photometric": "rgb", "tile": (32, 32)}, "yxc",
    ),
    "rgb stack": (noise(4, 90, 80, 3, dtype="u1"), {"photometric": "rgb"}, "zyxc"),
    "two samples": (
        noise(90, 80, 2), {"photometric": "minisblack", "planarconfig": "contig"}, "yxc",
    ),
    "planar": (noise(3, 90, 80), {"photometric": "rgb", "planarconfig": "separate"}, "cyx"),
    "planar tiles": (
        noise(3, 90, 80),
        {"photometric": "rgb", "planarconfig": "separate", "tile": (32, 32), "compression": "zlib"},
        "cyx",
    ),
    "planar stack": (
        noise(4, 3, 90, 80),
        {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"},
        "zcyx",
    ),
    "volume tiles": (
        noise(20, 70, 60),
        {"tile": (16, 32, 32), "volumetric": True, "compression": "zlib"},
        "zyx",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_pixels_are_those_of_tifffile(name: str, tmp_path: Path) -> None:
    array, options, axes = VARIANTS[name]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, **options)
    expected = tifffile.imread(path)
    with open_one(path) as image:
        assert axes_of(image) == axes
        axes = axes.replace("1", "").replace("2", "")
        assert image.dtype == expected.dtype
        assert image.warnings == ()
        np.testing.assert_array_equal(image.read(), expected)
        level = image.levels[0]
        for chunk in level.chunks_in((0,) * len(axes), level.shape):
            encoded = asyncio.run(image.source.fetch(0, chunk))
            decoded = image.source.decode(0, chunk, encoded)
            assert decoded.shape == level.chunk_shape(chunk)
            assert decoded.dtype.isnative
            assert decoded.flags.c_contiguous


def test_colour_is_one_layer_and_other_samples_are_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for name, colour, last in (("rgb", True, "channel"), ("two samples", False, "channel")):
        array, options, _ = VARIANTS[name]
        tifffile.imwrite(path, array, **options)
        image = open_one(path)
        assert image.rgb is colour
        assert image.axes[-1].type == last
    tifffile.imwrite(path, noise(3, 90, 80), photometric="rgb", planarconfig="separate")
    planar = open_one(path)
    assert not planar.rgb
    assert planar.channel_axis == 0
    tifffile.imwrite(path, noise(9, 8, 4), photometric="rgb", extrasamples=["unspecified"])
    infrared = open_one(path)  # a fourth sample that is not alpha is no part of a colour
    assert not infrared.rgb
    assert infrared.channel_axis == 2
    tifffile.imwrite(
        path, noise(2, 9, 8, 3), photometric="rgb", metadata={"axes": "CYXS"}, ome=True
    )
    both = open_one(path)
    assert both.rgb
    assert both.channel_axis == 3
    assert both.axis_names == ("c", "y", "x", "s")
    assert both.axes[0].type == "other"


@pytest.fixture(scope="module")
def region_files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Image, Array]]:
    folder = tmp_path_factory.mktemp("regions")
    opened: list[tuple[Image, Array]] = []
    for name in ("strips", "tiles lzw predictor", "five axes", "planar tiles", "rgb stack",
                 "volume tiles", "big endian"):  # fmt: skip
        array, options, _ = VARIANTS[name]
        tifffile.imwrite(folder / f"{name}.tif", array, **options)
        opened.append((open_one(folder / f"{name}.tif"), array))
    return opened


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_region(region_files: list[tuple[Image, Array]], data: st.DataObject) -> None:
    image, array = data.draw(st.sampled_from(region_files))
    index: list[int | slice] = []
    for size in array.shape:
        if data.draw(st.booleans()):
            index.append(data.draw(st.integers(-size, size - 1)))
        else:
            low, high = sorted(data.draw(st.tuples(*[st.integers(0, size)] * 2)))
            index.append(slice(low, high))
    np.testing.assert_array_equal(image.read(0, index), array[tuple(index)])


def test_uncompressed_is_cut_into_bands_whatever_the_strips(tmp_path: Path) -> None:
    array = noise(3000, 1000)
    for rows in (1, 3000):
        path = tmp_path / f"{rows}.tif"
        tifffile.imwrite(path, array, rowsperstrip=rows)
        with open_one(path) as image:
            assert image.levels[0].chunks == (524, 1000)
            np.testing.assert_array_equal(image.read(0, [slice(500, 600), 7]), array[500:600, 7])
            assert image.source.transient_bytes(0, (0, 0)) == 0


def test_short_strips_are_grouped(tmp_path: Path) -> None:
    array = noise(3000, 1000)
    tifffile.imwrite(tmp_path / "a.tif", array, rowsperstrip=4, compression="zlib")
    with open_one(tmp_path / "a.tif") as image:
        assert image.levels[0].chunks == (524, 1000)
        np.testing.assert_array_equal(image.read(), array)


def test_sub_ifd_pyramid(tmp_path: Path) -> None:
    base = noise(501, 402)
    steps = (base[::2, ::2], base[::4, ::4])
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(base, subifds=2, tile=(64, 64), resolution=(20000, 10000), resolutionunit=3)
        for step in steps:
            writer.write(step, subfiletype=1, tile=(64, 64))
    with open_one(path) as image:
        assert [level.shape for level in image.levels] == [(501, 402), (251, 201), (126, 101)]
        assert [level.scale for level in image.levels] == [(1, 0.5), (2, 1), (4, 2)]
        assert [level.translation for level in image.levels] == [(0, 0), (0.5, 0.25), (1.5, 0.75)]
        for number, expected in enumerate((base, *steps)):
            np.testing.assert_array_equal(image.read(number), expected)


def test_ome_pyramid_with_channels_and_units(tmp_path: Path) -> None:
    base = noise(3, 2, 200, 160)
    path = tmp_path / "a.ome.tif"
    metadata = {
        "axes": "ZCYX", "Name": "kidney",
        "PhysicalSizeX": 0.325, "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 650.0, "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 2.0, "PhysicalSizeZUnit": "µm",
        "Channel": {"Name": ["DAPI", "GFP"], "Color": [0x0000FFFF, 0x00FF00FF]},
    }  # fmt: skip
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(base, subifds=1, tile=(64, 64), metadata=metadata, compression="zlib")
        writer.write(base[..., ::2, ::2], subfiletype=1, tile=(64, 64), compression="zlib")
    with open_one(path) as image:
        assert image.name == "a"
        assert axes_of(image) == "zcyx"
        assert [axis.unit for axis in image.axes] == [
            "micrometer", None, "nanometer", "micrometer",
        ]  # fmt: skip
        assert image.levels[0].scale == (2, 1, 650, 0.325)
        assert image.levels[1].scale == (2, 1, 1300, 0.65)
        assert image.levels[1].translation == (0, 0, 325, 0.1625)
        assert [(c.name, c.colour) for c in image.channels] == [
            ("DAPI", "0000ff"), ("GFP", "00ff00"),
        ]  # fmt: skip
        np.testing.assert_array_equal(image.read(1), base[..., ::2, ::2])


def test_ome_of_several_images(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    parts = (noise(20, 30), noise(3, 40, 50))
    with tifffile.TiffWriter(path) as writer:
        writer.write(parts[0], metadata={"axes": "YX", "Name": "label"})
        writer.write(parts[1], metadata={"axes": "TYX", "Name": "movie", "TimeIncrement": 0.5})
    images = tiff.open(Address.parse(path))
    assert [image.name for image in images] == ["a · label", "a · movie"]
    assert images[1].levels[0].scale == (0.5, 1, 1)
    assert images[1].axes[0].unit == "second"
    for image, part in zip(images, parts, strict=True):
        np.testing.assert_array_equal(image.read(), part)
        image.close()


def test_one_file_of_a_multi_file_ome_tiff_shows_what_it_has(tmp_path: Path) -> None:
    array = noise(2, 30, 20)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, array, metadata={"axes": "TYX"}, compression="zlib")
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
    assert xml is not None
    other = xml.replace('<TiffData IFD="0"', '<TiffData IFD="0" FirstT="0"').replace(
        'PlaneCount="2"/>',
        'PlaneCount="2"><UUID FileName="/etc/passwd">urn:uuid:1</UUID></TiffData>',
    )
    assert "passwd" in other
    tifffile.tiffcomment(path, other.encode())
    with open_one(path) as image:
        assert "several files" in image.warnings[0]
        np.testing.assert_array_equal(image.read(), array)


@pytest.mark.parametrize("nonsense", ["<OME", "<OME/>", "<!DOCTYPE a><OME><Image/></OME>"])
def test_broken_ome_xml_costs_only_the_metadata(nonsense: str, tmp_path: Path) -> None:
    array = noise(2, 30, 20)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, array, metadata={"axes": "TYX"})
    tifffile.tiffcomment(path, nonsense.encode())
    with open_one(path) as image:
        np.testing.assert_array_equal(image.read(), array)


def test_imagej_hyperstack(tmp_path: Path) -> None:
    array = noise(2, 3, 2, 40, 50)
    path = tmp_path / "a.tif"
    ramp = np.arange(256, dtype="u1")
    tables = [np.stack([ramp, 0 * ramp, ramp]), np.stack([0 * ramp, ramp, 0 * ramp])]
    tifffile.imwrite(
        path, array, imagej=True, resolution=(2, 4),
        metadata={
            "axes": "TZCYX", "unit": "um", "spacing": 3.0, "finterval": 1.5, "mode": "composite",
            "Ranges": (10.0, 400.0, 20.0, 500.0), "LUTs": tables,
        },
    )  # fmt: skip
    with open_one(path) as image:
        assert axes_of(image) == "tzcyx"
        assert image.levels[0].scale == (1.5, 3.0, 1, 0.25, 0.5)
        assert image.levels[0].chunks == (1, 1, 1, 40, 50)
        assert [axis.unit for axis in image.axes] == [
            "second", "micrometer", None, "micrometer", "micrometer",
        ]  # fmt: skip
        assert [c.colour for c in image.channels] == ["ff00ff", "00ff00"]
        assert [c.window for c in image.channels] == [(10, 400), (20, 500)]
        np.testing.assert_array_equal(image.read(), array)


@pytest.mark.parametrize(
    ("resolution", "unit", "scale", "name"),
    [
        ((40000, 20000), 3, (0.5, 0.25), "micrometer"),
        ((72, 72), 2, (1, 1), None),
        ((300, 300), 2, (1, 1), None),
        ((28.346, 28.346), 3, (1, 1), None),
        ((50800, 50800), 2, (0.5, 0.5), "micrometer"),
        ((4, 4), 1, (1, 1), None),
    ],
)
def test_resolution_counts_unless_it_is_a_printers(
    resolution: tuple[float, float],
    unit: int,
    scale: tuple[float, float],
    name: str | None,
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(9, 8), resolution=resolution, resolutionunit=unit)
    image = open_one(path)
    assert image.levels[0].scale == pytest.approx(scale)
    assert image.axes[1].unit == name


@pytest.mark.parametrize("path", sorted(DATA.glob("*/*.tif")), ids=lambda path: path.stem)
def test_real_images(path: Path) -> None:
    with open_one(path) as image:
        np.testing.assert_array_equal(image.read(), tifffile.imread(path))
        assert image.levels[0].scale == (1,) * len(image.axes)


def test_missing_planes_and_tiles_are_zeros(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    array = noise(128, 128)
    array[:64, 64:] = 0
    tiles = [array[:64, :64], None, array[64:, :64], array[64:, 64:]]
    tifffile.imwrite(path, iter(tiles), shape=(128, 128), dtype="u2", tile=(64, 64))
    with open_one(path) as image:
        assert asyncio.run(image.source.fetch(0, (0, 1))) is None
        np.testing.assert_array_equal(image.read(), array)


def test_opening_many_pages_is_quick_and_reads_no_pixels(tmp_path: Path) -> None:
    array = noise(2000, 16, 16)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, array, metadata={"axes": "TYX"}, compression="zlib")
    tracemalloc.start()
    with open_one(path) as image:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10e6
        np.testing.assert_array_equal(image.read(0, [1234]), array[1234])


def test_many_threads_read_at_once_and_close_in_between(tmp_path: Path) -> None:
    array = noise(512, 512)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, tile=(64, 64), compression="zlib")
    links = set(_open_files())
    image = open_one(path)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(5):
                np.testing.assert_array_equal(image.read(), array)
        except ReadError:
            pass  # closed meanwhile
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    image.close()
    for thread in threads:
        thread.join()
    assert not failures
    with pytest.raises(ReadError, match="closed"):
        image.read()
    assert set(_open_files()) <= links


def _open_files() -> list[str]:
    """What this process has open, where the system says so."""
    folder = Path("/proc/self/fd")
    entries = list(folder.iterdir()) if folder.exists() else []
    found = []
    for entry in entries:
        with contextlib.suppress(OSError):
            found.append(str(entry.readlink()))
    return [name for name in found if name.endswith(".tif")]


# ------------------------------------------------------------------------------ bad input


def test_what_is_no_local_tiff(tmp_path: Path) -> None:
    text = tmp_path / "notes.tif"
    text.write_text("these are notes")
    assert not tiff.recognises(Address.parse(text))
    with pytest.raises(Unsupported, match=r"notes\.tif is not a TIFF"):
        tiff.open(Address.parse(text))
    with pytest.raises(NotFound):
        tiff.open(Address.parse(tmp_path / "missing.tif"))
    with pytest.raises(Unsupported, match="OME-Zarr"):
        tiff.open(Address.parse("http://localhost:1/a.tif"))


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "rowsperstrip": 8}])
@pytest.mark.parametrize("keep", [8, 100, 0.5, 0.99])
def test_truncated(
    options: dict[str, Any], keep: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    array = noise(5, 300, 200)
    whole = tmp_path / "whole.tif"
    tifffile.imwrite(whole, array, **options)
    data = whole.read_bytes()
    path = tmp_path / "part.tif"
    path.write_bytes(data[: int(keep if keep > 1 else keep * len(data))])
    said = ""
    try:
        for image in tiff.open(Address.parse(path)):
            said += " ".join(image.warnings)  # the first pages are whole, and better than nothing
            image.read()
    except (OpenError, Corrupt) as error:
        said += str(error)
    assert "part.tif" in said
    assert "cut off" in said or "truncated" in said
    assert capfd.readouterr().err == ""


def test_a_corrupt_segment_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    array = noise(2, 128, 128)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[1].dataoffsets[2]
    data = bytearray(path.read_bytes())
    data[offset : offset + 50] = bytes(50)
    path.write_bytes(data)
    with open_one(path) as image:
        np.testing.assert_array_equal(image.read(0, [0]), array[0])
        np.testing.assert_array_equal(image.read(0, [1, slice(0, 64)]), array[1, :64])
        with pytest.raises(Corrupt, match=r"a\.tif is damaged: tile 2 of page 1"):
            image.read(0, [1])


def test_unsupported_pixels_and_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(9, 8, dtype="f4").astype("c8"))
    with pytest.raises(Unsupported, match="complex64"):
        tiff.open(Address.parse(path))
    tifffile.imwrite(path, noise(9, 8), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["Compression"].overwrite(4711)
    with pytest.raises(Unsupported, match=r"4711"):
        tiff.open(Address.parse(path))


def test_tifffiles_log_stays_off_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("tifffile").warning("<tifffile.TiffFile 'a'> something odd")
    assert capfd.readouterr().err == ""


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_an_opsin_error_or_an_image(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = _small_files(tmp_path_factory)[data.draw(st.integers(0, 3))]
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        # Structure is dense at the front of these files.
        position = data.draw(st.integers(4, min(len(damaged) - 1, 700)))
        damaged[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.tif"
    path.write_bytes(damaged)
    with contextlib.suppress(OpsinError):
        for image in tiff.open(Address.parse(path)):
            with image:
                level = image.levels[-1]
                first = (0,) * len(level.shape)
                if image.chunk_bytes(len(image.levels) - 1, first) < 1 << 24:
                    encoded = asyncio.run(image.source.fetch(len(image.levels) - 1, first))
                    image.source.decode(len(image.levels) - 1, first, encoded)


_cache: list[bytes] = []


def _small_files(factory: pytest.TempPathFactory) -> list[bytes]:
    if not _cache:
        path = factory.mktemp("small") / "a.ome.tif"
        writes: tuple[Callable[[], object], ...] = (
            lambda: tifffile.imwrite(path, noise(3, 20, 30), metadata={"axes": "TYX"}),
            lambda: tifffile.imwrite(path, noise(40, 50), tile=(16, 16), compression="zlib"),
            lambda: tifffile.imwrite(path, noise(4, 20, 30), imagej=True),
            lambda: tifffile.imwrite(path, noise(20, 30, 3, dtype="u1"), compression="lzw"),
        )
        for write in writes:
            write()
            _cache.append(path.read_bytes())
    return _cache
