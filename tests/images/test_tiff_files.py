"""TIFFs of instruments: several files that are one image, Micro-Manager, LSM, palettes, codecs."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from opsin.errors import ReadError
from opsin.images.image import Image
from opsin.images.readers import tiff
from opsin.images.readers.address import Address
from opsin.images.source import Array
from opsin.images.tiff import files as tiff_files

RANDOM = np.random.default_rng(11)


def noise(*shape: int, dtype: str = "u2", most: int = 9999) -> Array:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return RANDOM.normal(size=shape).astype(kind)
    return RANDOM.integers(0, min(np.iinfo(kind).max, most), shape).astype(kind)


def open_one(path: Path) -> Image:
    images = tiff.open(Address.parse(path))
    assert len(images) == 1
    return images[0]


# ------------------------------------------------------------------------- OME, several files


def uuid(number: int) -> str:
    return f"urn:uuid:00000000-0000-0000-0000-{number:012}"


def ome_xml(shape: tuple[int, ...], names: list[str], own: int, planes: str = "") -> str:
    """Of axes t, y, x: one file per time, of which number `own` holds this XML."""
    data = "".join(
        f'<TiffData FirstT="{t}" IFD="0" PlaneCount="1"><UUID FileName="{name}">{uuid(t)}</UUID>'
        "</TiffData>"
        for t, name in enumerate(names)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/'
        f'OME/2016-06" UUID="{uuid(own)}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        f'DimensionOrder="XYZCT" Type="uint16" SizeT="{shape[0]}" SizeC="1" SizeZ="1" '
        f'SizeY="{shape[1]}" SizeX="{shape[2]}" PhysicalSizeX="0.5" PhysicalSizeXUnit="µm">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}{planes}</Pixels></Image></OME>'
    )


def write_ome(folder: Path, array: Array, **options: Any) -> list[Path]:
    names = [f"movie_{t}.ome.tif" for t in range(len(array))]
    for t, plane in enumerate(array):
        xml = ome_xml(array.shape, names, t)
        tifffile.imwrite(
            folder / names[t], plane, description=xml.encode(), metadata=None, **options
        )
    return [folder / name for name in names]


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}])
def test_ome_of_several_files(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiff_files, "OPEN_LIMIT", 2)
    array = noise(5, 40, 50)
    paths = write_ome(tmp_path, array, **options)
    for path in (paths[0], paths[3]):
        with open_one(path) as image:
            assert image.axis_names == ("t", "y", "x")
            assert image.levels[0].scale == (1, 1, 0.5)
            assert image.warnings == ()
            for _ in range(2):
                np.testing.assert_array_equal(image.read(), array)
        with pytest.raises(ReadError, match="the file is closed"):
            image.read()


def test_ome_with_files_missing(tmp_path: Path) -> None:
    array = noise(4, 40, 50)
    paths = write_ome(tmp_path, array, compression="zlib")
    paths[2].unlink()
    with open_one(paths[0]) as image:
        assert image.shape == (4, 40, 50)
        assert image.warnings == (
            "Files that belong to movie_0.ome.tif are not beside it: movie_2.ome.tif.",
            "movie_0.ome.tif lacks 1 of 4 planes, which cannot be shown.",
        )
        np.testing.assert_array_equal(image.read(0, (slice(0, 2),)), array[:2])
        np.testing.assert_array_equal(image.read(0, (3,)), array[3])
        with pytest.raises(ReadError, match=r"Plane 2 is in a file .* movie_2\.ome\.tif\."):
            image.read(0, (2,))
    paths[1].write_bytes(paths[1].read_bytes()[:-300])
    with open_one(paths[0]) as image:
        paths[3].unlink()
        with pytest.raises(ReadError, match=r"movie_3\.ome\.tif cannot be read"):
            image.read(0, (3,))


@pytest.mark.parametrize("evil", ["../outside.tif", "/etc/passwd", "..", "a\\b.tif", "a/b.tif"])
def test_ome_that_names_files_elsewhere_is_shown_alone(evil: str, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    array = noise(2, 40, 50)
    tifffile.imwrite(tmp_path / "outside.tif", array[1])
    xml = ome_xml(array.shape, ["a.ome.tif", evil], 0)
    tifffile.imwrite(folder / "a.ome.tif", array[0], description=xml.encode(), metadata=None)
    with open_one(folder / "a.ome.tif") as image:
        assert "several files" in image.warnings[0]
        np.testing.assert_array_equal(image.read(), array[0])


@pytest.mark.parametrize("kind", ["companion.ome", "ome.tif"])
def test_ome_metadata_in_another_file(kind: str, tmp_path: Path) -> None:
    array = noise(3, 40, 50)
    names = [f"plane_{t}.ome.tif" for t in range(3)]
    where = f"movie.{kind}" if kind == "companion.ome" else names[0]
    stub = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{}">'
        '<BinaryOnly MetadataFile="{}" UUID="urn:uuid:9"/></OME>'
    )
    for t, name in enumerate(names):
        xml = ome_xml(array.shape, names, 0) if name == where else stub.format(uuid(t), where)
        tifffile.imwrite(tmp_path / name, array[t], description=xml.encode(), metadata=None)
    if kind == "companion.ome":
        (tmp_path / where).write_text(ome_xml(array.shape, names, 9))
    with open_one(tmp_path / names[1]) as image:
        assert image.name == "plane_1"
        assert image.levels[0].scale == (1, 1, 0.5)
        np.testing.assert_array_equal(image.read(), array)
    (tmp_path / where).unlink()
    with open_one(tmp_path / names[1]) as image:
        np.testing.assert_array_equal(image.read(), array[1])


def test_another_process_opens_the_files_again(tmp_path: Path) -> None:
    array = noise(3, 40, 50)
    paths = write_ome(tmp_path, array, compression="zlib")
    with open_one(paths[1]) as image:
        direct = pickle.loads(pickle.dumps(image.source)).direct(0)
        np.testing.assert_array_equal(direct((2, 0, 0))[0][0], array[2])


def test_the_time_step_may_be_said_plane_by_plane(tmp_path: Path) -> None:
    array = noise(3, 20, 30)
    planes = "".join(
        f'<Plane TheC="0" TheZ="0" TheT="{t}" DeltaT="{t * 1500.0}" DeltaTUnit="ms"/>'
        for t in range(3)
    )
    xml = ome_xml(array.shape, [], 0, planes).replace("<Plane", "<TiffData/><Plane", 1)
    tifffile.imwrite(
        tmp_path / "a.ome.tif", array, description=xml.encode(), metadata=None,
        photometric="minisblack",
    )  # fmt: skip
    with open_one(tmp_path / "a.ome.tif") as image:
        assert image.levels[0].scale == (1500, 1, 0.5)
        assert image.axes[0].unit == "millisecond"


# ------------------------------------------------------------------------------ Micro-Manager


def write_micromanager(path: Path, array: Array, frames: range, summary: dict[str, Any]) -> None:
    """A stack as Micro-Manager writes it, of t, c, y, x, with only some of its frames."""
    _, channels, height, width = array.shape
    text = json.dumps(summary).encode()
    data = bytearray(struct.pack("<2sHI", b"II", 42, 0) + bytes(32) + text)
    data += bytes(-len(data) % 2)
    index: list[tuple[int, ...]] = []
    for t in frames:
        for c in range(channels):
            index.append((c, 0, t, 0, len(data)))
            begin = len(data) + 162
            size = height * width * 2
            last = t == frames[-1] and c == channels - 1
            described = begin + size
            size_with_text = size + 4
            entries = [
                (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1),
                (262, 3, 1, 1), (270, 2, 1, 0), (273, 4, 1, begin), (277, 3, 1, 1),
                (278, 3, 1, height), (279, 4, 1, size), (296, 3, 1, 1),
                (305, 2, 1, 0), (51123, 2, 3, described),
            ]  # fmt: skip
            data += struct.pack("<H", len(entries))
            for entry in entries:
                data += struct.pack("<HHII", *entry)
            data += struct.pack("<I", 0 if last else begin + size_with_text)
            assert len(data) == begin
            data += array[t, c].tobytes() + b"{}\0\0"
    where = len(data)
    data += struct.pack("<II", 3453623, len(index))
    for row in index:
        data += struct.pack("<5I", *row)
    data[4:8] = struct.pack("<I", index[0][4])
    data[8:40] = struct.pack("<8I", 54773648, where, 483765892, 0, 99384722, 0, 2355492, len(text))
    path.write_bytes(data)


SUMMARY: dict[str, Any] = {
    "MicroManagerVersion": "2.0", "Frames": 3, "Channels": 2, "Slices": 1, "Positions": 1,
    "PixelSize_um": 0.65, "z-step_um": 2.0, "Interval_ms": 2500, "ChNames": ["DAPI", "GFP"],
    "ChColors": [255, 65280], "TimeFirst": True, "SlicesFirst": False, "Prefix": "run",
}  # fmt: skip


def test_micromanager(tmp_path: Path) -> None:
    array = noise(3, 2, 20, 30)
    path = tmp_path / "run_MMStack.tif"
    write_micromanager(path, array, range(3), SUMMARY)
    with open_one(path) as image:
        assert image.axis_names == ("t", "c", "y", "x")
        assert image.levels[0].scale == (2.5, 1, 0.65, 0.65)
        assert [axis.unit for axis in image.axes] == ["second", None, *["micrometer"] * 2]
        assert [(c.name, c.colour) for c in image.channels] == [
            ("DAPI", "0000ff"), ("GFP", "00ff00"),
        ]  # fmt: skip
        np.testing.assert_array_equal(image.read(), array)


def test_micromanager_in_several_files(tmp_path: Path) -> None:
    array = noise(3, 2, 20, 30)
    write_micromanager(tmp_path / "run_MMStack.tif", array, range(2), SUMMARY)
    write_micromanager(tmp_path / "run_MMStack_1.tif", array, range(2, 3), SUMMARY)
    for name in ("run_MMStack.tif", "run_MMStack_1.tif"):
        with open_one(tmp_path / name) as image:
            np.testing.assert_array_equal(image.read(), array)
    (tmp_path / "run_MMStack_1.tif").unlink()
    with open_one(tmp_path / "run_MMStack.tif") as image:
        np.testing.assert_array_equal(image.read(), array[:2])
        assert image.warnings


# ---------------------------------------------------------------------------------------- LSM


def test_lsm(tmp_path: Path) -> None:
    """As Zeiss writes them: every plane has a thumbnail behind it."""
    array = noise(2, 3, 32, 48)
    names = b"".join(struct.pack("<I", 4) + name + b"\0" for name in (b"Ch1", b"Ch2", b"Ch3"))
    rgb = bytes([255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0])
    colours = struct.pack("<6I", 24 + len(rgb) + len(names), 3, 3, 24, 24 + len(rgb), 0)
    colours += rgb + names
    fields = {
        0: ("I", 0x0400494C), 4: ("i", 500), 8: ("i", 48), 12: ("i", 32), 16: ("i", 2),
        20: ("i", 3), 24: ("i", 1), 28: ("i", 2), 32: ("i", 4), 36: ("i", 4), 40: ("d", 2e-7),
        48: ("d", 3e-7), 56: ("d", 1e-6), 88: ("H", 0), 112: ("d", 0),
    }  # fmt: skip
    info = bytearray(500)
    for offset, (kind, value) in fields.items():
        struct.pack_into(f"<{kind}", info, offset, value)
    path = tmp_path / "a.lsm"
    with tifffile.TiffWriter(path, byteorder="<") as writer:
        for z in range(2):
            extra = [(34412, 1, len(info), bytes(info), True)] if z == 0 else []
            writer.write(
                array[z], photometric="minisblack", planarconfig="separate", extratags=extra,
                metadata=None, description=None, contiguous=False,
            )  # fmt: skip
            writer.write(
                array[z, :, ::8, ::8].astype("u1"), photometric="minisblack",
                planarconfig="separate", subfiletype=1, metadata=None, contiguous=False,
            )  # fmt: skip
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(info) + 108, len(data))  # where the colours are
    path.write_bytes(data + colours)
    with tifffile.TiffFile(path) as file:
        assert file.is_lsm
        assert [one.kind for one in file.series] == ["lsm", "lsm"]
    with open_one(path) as image:
        assert image.name == "a"
        assert image.axis_names == ("z", "c", "y", "x")
        assert image.levels[0].scale == pytest.approx((1, 1, 0.3, 0.2))
        assert image.axes[0].unit == "micrometer"
        assert image.channel_axis == 1
        assert [(c.name, c.colour) for c in image.channels] == [
            ("Ch1", "ff0000"), ("Ch2", "00ff00"), ("Ch3", None),
        ]  # fmt: skip
        np.testing.assert_array_equal(image.read(), array)


# ------------------------------------------------------------------------------------- slides


def test_a_slide_of_aperio(tmp_path: Path) -> None:
    """The slide, a thumbnail in strips, coarser levels, a label and an overview of the glass."""
    base = noise(600, 800, 3, dtype="u1")
    said = "Aperio Image Library v11.2.1\r\n800x600 [0,0 800x600] (240x240) JPEG|MPP = 0.4990"
    path = tmp_path / "a.svs"
    with tifffile.TiffWriter(path) as writer:

        def put(array: Array, text: str, **options: Any) -> None:
            writer.write(array, photometric="rgb", description=text, metadata=None, **options)

        put(base, said, tile=(240, 240))
        put(base[::8, ::8], "Aperio\r\n800x600 -> 100x75", rowsperstrip=16)
        put(base[::4, ::4], said.replace("[0,0", "-> 200x150"), tile=(240, 240))
        put(base[:50, :40], "Aperio\r\nlabel 40x50", subfiletype=1)
        put(base[:60, :90], "Aperio\r\nmacro 90x60", subfiletype=9)
    with tifffile.TiffFile(path) as file:
        assert file.is_svs
        assert len(file.series) > 1
    with open_one(path) as image:
        assert image.name == "a"
        assert image.format == "tiff/svs"
        assert image.rgb
        assert [level.shape for level in image.levels] == [(600, 800, 3), (150, 200, 3)]
        assert [level.scale[:2] for level in image.levels] == [(0.499, 0.499), (1.996, 1.996)]
        assert image.axes[0].unit == "micrometer"
        np.testing.assert_array_equal(image.read(1), base[::4, ::4])
        assert image.warnings == ()


# ------------------------------------------------------------------------ palettes and colours


@pytest.mark.parametrize("options", [{}, {"tile": (32, 32), "compression": "zlib"}])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_palettes_become_colours(dtype: str, options: dict[str, Any], tmp_path: Path) -> None:
    array = noise(90, 80, dtype=dtype)
    table = RANDOM.integers(0, 256, (3, 256 ** np.dtype(dtype).itemsize)).astype("u2")
    tifffile.imwrite(
        tmp_path / "a.tif", array, photometric="palette", colormap=table * 257, **options
    )
    with open_one(tmp_path / "a.tif") as image:
        assert image.rgb
        assert image.axis_names == ("y", "x", "c")
        np.testing.assert_array_equal(image.read(), table.T[array].astype("u1"))
        part = (slice(10, 50), slice(7, 70), slice(1, 3))
        np.testing.assert_array_equal(image.read(0, part), table.T[array][part])


def test_a_stack_with_a_palette(tmp_path: Path) -> None:
    array = noise(4, 30, 40, dtype="u1")
    table = RANDOM.integers(0, 65535, (3, 256)).astype("u2")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="palette", colormap=table)
    with open_one(tmp_path / "a.tif") as image:
        assert image.axis_names == ("z", "y", "x", "c")
        assert image.levels[0].chunks == (1, 30, 40, 3)
        expected = (table.T[array].astype("u4") + 128) // 257
        np.testing.assert_array_equal(image.read(), expected)


def test_imagejs_colour_table_is_how_numbers_are_shown(tmp_path: Path) -> None:
    array = noise(30, 40, dtype="u1")
    tifffile.imwrite(
        tmp_path / "a.tif", array, imagej=True, photometric="palette",
        colormap=np.stack([np.arange(256), np.zeros(256), np.zeros(256)]).astype("u2") * 257,
    )  # fmt: skip
    with open_one(tmp_path / "a.tif") as image:
        assert not image.rgb
        np.testing.assert_array_equal(image.read(), array)


def test_separate_planes_of_colour_are_red_green_and_blue(tmp_path: Path) -> None:
    array = noise(3, 30, 40)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", planarconfig="separate")
    with open_one(tmp_path / "a.tif") as image:
        assert [channel.colour for channel in image.channels] == ["ff0000", "00ff00", "0000ff"]


def test_an_imagej_stack_of_one_page(tmp_path: Path) -> None:
    """ImageJ writes one page, with all planes behind it, where there are more than 4 GB."""
    array = noise(4, 2, 50, 60)
    tifffile.imwrite(
        tmp_path / "a.tif", array, imagej=True, truncate=True,
        metadata={"axes": "TCYX", "finterval": 2.5, "unit": "um"},
    )  # fmt: skip
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 1
    with open_one(tmp_path / "a.tif") as image:
        assert image.axis_names == ("t", "c", "y", "x")
        assert image.levels[0].scale == (2.5, 1, 1, 1)
        np.testing.assert_array_equal(image.read(), array)
    cut = (tmp_path / "a.tif").read_bytes()[:-5000]
    (tmp_path / "a.tif").write_bytes(cut)
    with open_one(tmp_path / "a.tif") as image:  # better than nothing
        np.testing.assert_array_equal(image.read(), array[0, 0])
        assert image.warnings


def test_more_than_four_gigabytes_in_one_page(tmp_path: Path) -> None:
    """In a sparse file: 5 GB, of which hardly anything is on the disk."""
    path = tmp_path / "a.tif"
    plane = noise(1000, 1000)
    tifffile.imwrite(path, plane, imagej=True, metadata={"images": 2600, "slices": 2600})
    with tifffile.TiffFile(path) as file:
        (start,) = file.pages.first.dataoffsets
        text = file.pages.first.description.replace("images=1", "images=2600\nslices=2600", 1)
    tifffile.tiffcomment(path, text.encode())
    with tifffile.TiffFile(path) as file:
        (start,) = file.pages.first.dataoffsets
    with path.open("r+b") as file_:
        file_.truncate(start + 2600 * plane.nbytes)
        file_.seek(start + 2500 * plane.nbytes)
        file_.write(plane.tobytes())
    with open_one(path) as image:
        assert image.shape == (2600, 1000, 1000)
        np.testing.assert_array_equal(image.read(0, (2500,)), plane)
        assert not image.read(0, (2499,)).any()


# ------------------------------------------------------------------------------------- codecs


CODECS: dict[str, tuple[Array, dict[str, Any]]] = {
    "lerc": (noise(99, 101), {"compression": "lerc", "tile": (32, 32)}),
    "jpeg xl": (noise(99, 101, dtype="u1"), {"compression": "jpegxl", "tile": (32, 32)}),
    "jpeg xr": (noise(99, 101, dtype="u1"), {"compression": "jpegxr", "tile": (32, 32)}),
    "png": (noise(99, 101, dtype="u1"), {"compression": "png", "tile": (32, 32)}),
    "webp": (
        noise(99, 101, 3, dtype="u1"),
        {"compression": "webp", "tile": (32, 32), "photometric": "rgb"},
    ),
    "aperio": (
        noise(99, 101, 3, dtype="u1"),
        {"compression": "aperio_jp2000_rgb", "tile": (32, 32), "photometric": "rgb"},
    ),
    "ycbcr": (
        noise(96, 112, 3, dtype="u1"),
        {
            "compression": "jpeg", "tile": (32, 32), "photometric": "ycbcr",
            "subsampling": (2, 2),
        },
    ),
    "ycbcr strips": (
        noise(96, 112, 3, dtype="u1"),
        {"compression": "jpeg", "rowsperstrip": 16, "photometric": "ycbcr"},
    ),
    "planar jpeg": (
        noise(3, 96, 112, dtype="u1"),
        {
            "compression": "jpeg", "tile": (32, 32), "photometric": "rgb",
            "planarconfig": "separate",
        },
    ),
    "jpeg of 12 bits": (
        noise(96, 112, most=4000), {"compression": "jpeg", "bitspersample": 12, "tile": (32, 32)},
    ),
    "12 bits": (noise(99, 101, most=4096), {"bitspersample": 12}),
    "4 bits in tiles": (
        noise(99, 101, dtype="u1", most=16), {"bitspersample": 4, "tile": (16, 16)},
    ),
    "bilevel packbits": (noise(99, 101) > 5000, {"compression": "packbits"}),
    "bilevel tiles": (noise(99, 101) > 5000, {"tile": (32, 32)}),
    "float16 predictor": (noise(99, 101, dtype="f2"), {"compression": "zstd", "predictor": 3}),
    "big endian predictor": (
        noise(99, 101), {"compression": "lzw", "predictor": True, "byteorder": ">"},
    ),
    "big endian bigtiff": (noise(5, 99, 101), {"bigtiff": True, "byteorder": ">"}),
    "five samples": (
        noise(50, 60, 5, dtype="u1"),
        {"photometric": "rgb", "extrasamples": ["unassalpha", "unspecified"]},
    ),
    "wide": (noise(40, 40000, dtype="u1"), {}),
    "wide colour": (noise(40, 20000, 3, dtype="u1"), {"photometric": "rgb"}),
    "wide big endian": (noise(3, 40, 20000), {"byteorder": ">", "photometric": "minisblack"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CODECS)
def test_pixels_are_those_of_tifffile(name: str, tmp_path: Path) -> None:
    array, options = CODECS[name]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, **options)
    expected = tifffile.imread(path)
    with open_one(path) as image:
        assert image.dtype == expected.dtype
        assert image.warnings == ()
        np.testing.assert_array_equal(image.read(), expected)
        part = tuple(slice(n // 3, n // 3 + 20) for n in expected.shape)
        np.testing.assert_array_equal(image.read(0, part), expected[part])


def test_a_window_into_a_wide_image_reads_a_window(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(40, 40000, dtype="u1"))
    with open_one(tmp_path / "a.tif") as image:
        assert image.levels[0].chunks[0] == 40
        assert image.levels[0].chunks[1] < 27000
