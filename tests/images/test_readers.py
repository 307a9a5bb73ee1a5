"""Opening by address: the right reader, and for bad input one sentence that helps."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from opsin.errors import NotFound, OpenError, OpsinError, Unsupported
from opsin.images.layer import layers_of_all
from opsin.images.memory import image_from_array
from opsin.images.readers import ome_zarr, open_image, open_images, readers
from opsin.images.readers.address import Address
from opsin.images.write import write_image
from tests.fault_server import Site

NUCLEI = Path("tests/data/nuclei/test")
ARRAY = np.arange(12000, dtype=np.uint16).reshape(100, 120)


def test_every_reader_keeps_the_contract() -> None:
    found = readers()
    assert len(found) >= 3
    for reader in found:
        assert reader.READS
        assert callable(reader.recognises)
        assert callable(reader.open)


@pytest.mark.parametrize(
    ("text", "name", "stem", "suffix"),
    [
        ("/data/plate.ome.zarr", "plate.ome.zarr", "plate", ".zarr"),
        ("/data/plate.ome.zarr/", "plate.ome.zarr", "plate", ".zarr"),
        ("a.b.TIF", "a.b.TIF", "a.b", ".tif"),
        ("x/folder", "folder", "folder", ""),
        ("https://host/a%20b/c.zarr/", "c.zarr", "c", ".zarr"),
        ("http://host", "host", "host", ""),
        ("file:///data/a%20b.png", "a b.png", "a b", ".png"),
        ("C:/data/x.png", "x.png", "x", ".png"),
    ],
)
def test_addresses(text: str, name: str, stem: str, suffix: str) -> None:
    address = Address.parse(text)
    assert (address.name, address.suffix) == (name, suffix)
    assert address.stem in (stem, name)
    assert (address.path is None) == text.startswith("http")


@pytest.mark.parametrize(
    "text",
    [
        "s3:///a.zarr",
        "s3://bucket/a.zarr?b=c",
        "ftp://host/x",
        "http://",
        "http://:80/x.zarr",
        "http://h/a#b",
        "http://h/a?b=c#d",
        "file://relative.tif",
        "file://",
        "file:///a.tif#b",
    ],
)
def test_addresses_that_cannot_be_read(text: str) -> None:
    with pytest.raises(Unsupported, match="cannot be read: give"):
        open_image(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://[bad]/x.zarr",
        "http://127.0.0.1:99999/x.zarr",
        "http://127.0.0.1:0/x.zarr",
        "http://h:port/x.png",
        "http://exa mple/x",
        "http://exa mple/x.zarr",
        "http://a<b/x.tif",
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(OpenError, match="is no valid address") as caught:
        open_image(text)
    assert text in str(caught.value)


def test_a_user_who_is_unknown() -> None:
    with pytest.raises(NotFound, match=r"There is nothing at ~nobody-of-that-name/x\.tif\."):
        open_image("~nobody-of-that-name/x.tif")


@pytest.mark.parametrize("suffix", ["png", "tif", "zarr"])
def test_a_file_name_that_is_not_utf8(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / os.fsdecode(b"\xff\xe9." + suffix.encode())
    if suffix == "png":
        path.write_bytes(imagecodecs.png_encode(ARRAY))
    elif suffix == "tif":
        tifffile.imwrite(path, ARRAY)
    else:
        write_image(image_from_array(ARRAY), path)
    addresses: list[str | Path] = [path, str(path), path.as_uri()]
    for address in addresses:
        with open_image(address) as image:
            assert image.name == "\ufffd\ufffd"
            np.testing.assert_array_equal(image.read(), ARRAY)
    if suffix == "zarr":
        (path / "0/c/0/0").write_bytes(b"?")
    else:
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(OpsinError) as caught, open_image(path) as image:
        image.read()
    assert f"\ufffd\ufffd.{suffix}" in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("names", "axes", "warning"),
    [
        (["row", "col"], "y x", "The axes row and col are shown as y and x."),
        (["Y", "X"], "y x", "The axes Y and X are shown as y and x."),
        (["X", "Y"], "x y", "The axes X and Y are shown as x and y."),
        (["lat", "t"], "y x", "The axes lat and t are shown as y and x."),
        (["t", "x"], "y x", "The axis t is shown as y."),
        (["y", "depth"], "y x", "The axis depth is shown as x."),
        (["c", "t"], "y x", "The axes c and t are shown as y and x."),
        (["row", "col", "t"], "y x t", "The axes row and col are shown as y and x."),
        (["a", "b", "q"], "a y x", "The axes b and q are shown as y and x."),
        (["c", "row", "col"], "c y x", "The axes row and col are shown as y and x."),
    ],
)
def test_axes_of_other_names_are_shown_all_the_same(
    tmp_path: Path, names: list[str], axes: str, warning: str
) -> None:
    shape = [5 if name in ("c", "a") else 1500 for name in names]
    if len(names) == 3:
        shape[names.index("t") if "t" in names else 0] = 3
    zarr.create_array(
        tmp_path / "a.zarr", shape=shape, chunks=(64,) * len(shape), dtype="u1",
        fill_value=7, dimension_names=names,
    )  # fmt: skip
    with open_image(tmp_path / "a.zarr") as image:
        assert " ".join(image.axis_names) == axes
        assert image.warnings == (warning,)
        assert len(image.levels) == 2
        assert all(image.axes[image.axis(name)].type == "space" for name in "yx")
        assert image.axis_names[image.channel_axis or 0] == ("c" if "c" in axes else axes[0])
        layers_of_all([image])
        assert (image.read(1, [slice(0, 2)] * len(shape)) == 7).all()


def test_one_axis_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = image_from_array(np.zeros(9), axes="x")
    write_image(image_from_array(ARRAY), tmp_path / "a.zarr")
    monkeypatch.setattr(ome_zarr, "open", lambda _address: (line,))
    with pytest.raises(Unsupported, match=r"a\.zarr has one axis, but an image has at least two"):
        open_image(tmp_path / "a.zarr")


def test_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is nothing at .*none\.tif\."):
        open_image(tmp_path / "none.tif")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "notes.tif",
            b"Dear diary,\n",
            "notes.tif is named like a TIFF but begins with plain text",
        ),
        ("x.png", b"II*\0", None),
        ("x.jpg", b"GIF89a", "named like a JPEG but begins with a GIF"),
        ("x.tif", b"", "begins with nothing: it is empty"),
        ("x", b"\0\1\2\3" * 9, "begins with bytes of no known format, which no reader knows"),
        ("x.zarr", b"PK\x03\x04", "named like a zarr but begins with a ZIP archive"),
        ("x.html", b"<!doctype html><html>", "begins with HTML"),
    ],
)
def test_a_file_that_nobody_reads(
    tmp_path: Path, name: str, content: bytes, message: str | None
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OpenError, match=message) as caught:
        open_image(tmp_path / name)
    if message:
        assert isinstance(caught.value, Unsupported)
        assert "Opsin reads " in str(caught.value)
        assert "OME-Zarr" in str(caught.value)


def test_a_folder_that_is_no_zarr(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"is a folder, but not a zarr\. Opsin reads"):
        open_image(tmp_path)
    (tmp_path / "a.ome.zarr").mkdir()
    with pytest.raises(Unsupported, match=r"open one of those in it, such as a\.ome\.zarr"):
        open_image(tmp_path)


def test_a_name_that_the_system_refuses() -> None:
    with pytest.raises(OpenError):
        open_image("x" * 5000)


def test_real_png_local_and_by_http(site: Site) -> None:
    path = NUCLEI / "images/005.png"
    shutil.copy(path, site.root / "n.png")
    expected = imagecodecs.png_decode(path.read_bytes())
    for address in (path, str(path), f"{site.url}/n.png"):
        with open_image(address) as image:
            np.testing.assert_array_equal(image.read(), expected)


def test_http_failures_while_opening(site: Site) -> None:
    write_image(image_from_array(ARRAY), site.root / "a.zarr")
    with pytest.raises(NotFound, match=r"no zarr at http.*b\.zarr"):
        open_image(f"{site.url}/b.zarr")
    with pytest.raises(NotFound, match="There is nothing at"):
        open_image(f"{site.url}/b.png")
    site.status["0/zarr.json"] = 502
    with pytest.raises(OpenError, match=r"a\.zarr/0/zarr\.json answered 502"):
        open_image(f"{site.url}/a.zarr")
    site.status = {".": 500}
    for path in ("a.zarr", "a.png", "a"):
        with pytest.raises(OpenError, match=f"{path}.* answered 500 Internal Server Error"):
            open_image(f"{site.url}/{path}")
    with pytest.raises(OpenError, match=r"127\.0\.0\.1:1/.* did not answer"):
        open_image("http://127.0.0.1:1/a.zarr")


def test_a_zarr_by_an_address_that_does_not_say_so_on_a_server_that_refuses_to_list(
    site: Site,
) -> None:
    write_image(image_from_array(ARRAY), site.root / "data")
    site.status["data/?$"] = 403
    with open_image(f"{site.url}/data") as image:
        np.testing.assert_array_equal(image.read(), ARRAY)


def test_a_server_that_refuses_what_is_missing(site: Site) -> None:
    """As some object stores do where nobody may list."""
    zarr.create_array(site.root / "a.zarr", data=ARRAY, zarr_format=2)
    site.status[r"zarr\.json|zgroup"] = 403
    with pytest.raises(OpenError, match="403"):
        open_image(f"{site.url}/a.zarr")
    site.status = {}
    with open_image(f"{site.url}/a.zarr") as image:
        np.testing.assert_array_equal(image.read(), ARRAY)


def test_labels_in_a_file_that_cannot_say_so(tmp_path: Path) -> None:
    ids = np.repeat(np.repeat(np.arange(400, dtype=np.int32).reshape(20, 20), 60, 0), 60, 1)
    tifffile.imwrite(tmp_path / "mask.tif", ids)
    with open_image(tmp_path / "mask.tif") as image:
        assert image.kind == "image"
        assert image.levels[1].translation == (0.5, 0.5), "averaged"
    with open_image(tmp_path / "mask.tif", kind="labels") as labels:
        assert labels.kind == "labels"
        assert len(labels.levels) == 2
        assert np.isin(labels.read(1), ids).all()
        assert labels.levels[1].translation != (0.5, 0.5), "picked"
    with open_image(tmp_path / "mask.tif", kind="image") as image:
        assert image.kind == "image"


def test_labels_of_several_channels_get_a_slider(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((2, 9, 9), "u2"), metadata={"axes": "CYX"})
    with open_image(tmp_path / "m.tif", kind="labels") as labels:
        assert [axis.type for axis in labels.axes] == ["other", "space", "space"]
        assert labels.channels == ()


@pytest.mark.parametrize(
    ("pixels", "word"),
    [(np.zeros((9, 9), "f4"), "float32"), (np.zeros((9, 9, 3), "u1"), "colours")],
)
def test_what_cannot_be_labels(tmp_path: Path, pixels: np.ndarray, word: str) -> None:
    tifffile.imwrite(tmp_path / "m.tif", pixels)
    with pytest.raises(Unsupported, match=f"m cannot be labels: .* {word}"):
        open_image(tmp_path / "m.tif", kind="labels")


def test_open_image_is_the_first_of_open_images(tmp_path: Path) -> None:
    labels = image_from_array((ARRAY > 50).astype(np.uint8), name="spots", kind="labels")
    write_image(image_from_array(ARRAY), tmp_path / "a.zarr", labels=(labels,))
    images = open_images(tmp_path / "a.zarr")
    assert [(image.name, image.kind) for image in images] == [("a", "image"), ("spots", "labels")]
    for image in images:
        image.close()
    with open_image(tmp_path / "a.zarr") as image:
        assert image.kind == "image"
        np.testing.assert_array_equal(image.read(), ARRAY)
