"""What an image looks like as OME-Zarr, without a server: read back by zarr-python."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import ome_zarr_models.v05
import pytest
import zarr
import zarr.storage
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.core.buffer.cpu import Buffer

from opsin.errors import UsageError
from opsin.images.image import Channel, Image
from opsin.images.layer import layers_of
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.images.source import Array
from opsin.images.write.codec import CodecName
from opsin.server.zarr_image import LARGEST, ZarrImage

DTYPES = ["bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))]
DTYPES += ["float16", "float32", "float64"]


def stored(image: Image, codec: CodecName = "none") -> zarr.Group:
    """All that a server would answer, in a store in memory."""
    served = ZarrImage(image, codec)
    content: dict[str, Any] = {
        key: json.dumps(document, allow_nan=False).encode()
        for key, document in served.documents(layers_of(image)).items()
    }
    for number, level in enumerate(served.levels):
        for index in itertools.product(*map(range, level.grid)):
            key = f"{number}/c/{'/'.join(map(str, index))}"
            piece = served.piece(key)
            assert piece is not None
            where = tuple(map(slice, piece.start, piece.stop))
            content[key] = bytes(served.encode(number, image.read(piece.level, where)))
    buffers: dict[str, Any] = {key: Buffer.from_bytes(value) for key, value in content.items()}
    return zarr.open_group(zarr.storage.MemoryStore(buffers, read_only=True), mode="r")


def attributes(image: Image) -> Mapping[str, Any]:
    found: Mapping[str, Any] = ZarrImage(image).documents(layers_of(image))["zarr.json"]
    return found["attributes"]["ome"]  # type: ignore[no-any-return]


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_zarr_python_reads_what_the_image_holds(data: st.DataObject) -> None:
    axes = "".join(data.draw(st.permutations("tczyx")))[: data.draw(st.integers(2, 5))]
    if not {"y", "x"} <= set(axes):
        axes = "".join({*axes, "y", "x"})
        axes = "".join(data.draw(st.permutations(axes)))
    shape = tuple(data.draw(st.integers(1, 5)) for _ in axes)
    chunks = tuple(data.draw(st.integers(1, size)) for size in shape)
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    codec: CodecName = data.draw(st.sampled_from(["none", "zstd"]))
    image = image_from_array(array, axes=axes, chunks=chunks, rgb=False)
    group = stored(image, codec)
    types = ["tc".find(name) % 3 for name in axes]  # 0, 1, and 2 for space
    order = sorted(range(len(axes)), key=lambda axis: types[axis])
    got = group["0"]
    assert isinstance(got, zarr.Array)
    assert got.dtype == (np.uint8 if dtype == np.bool_ else dtype)
    np.testing.assert_array_equal(got[...], array.transpose(order))
    ome_zarr_models.v05.Image.from_zarr(group)


@pytest.mark.parametrize(
    ("shape", "chunks", "itemsize"),
    [((40000, 50000), (40000, 50000), 2), ((300, 3000, 3000), (300, 256, 256), 4)],
)
def test_large_chunks_are_cut(
    shape: tuple[int, ...], chunks: tuple[int, ...], itemsize: int
) -> None:
    array = np.broadcast_to(np.zeros((), f"u{itemsize}"), shape)
    served = ZarrImage(image_from_array(array, axes="zyx"[-len(shape) :], chunks=chunks))
    for level in served.levels:
        size = np.prod(level.chunks) * itemsize
        assert LARGEST / 4 <= size <= LARGEST or level.grid == (1,) * len(shape)


def test_small_chunks_are_put_together_and_others_are_the_source_s() -> None:
    def chunks(axes: str, shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[int, ...]:
        image = image_from_array(np.zeros(shape, np.uint8), axes=axes, chunks=chunks, rgb=False)
        return ZarrImage(image).levels[0].chunks

    assert chunks("yx", (900, 700), (1, 700)) == (256, 700)
    assert chunks("yx", (900, 700), (60, 64)) == (300, 256)
    assert chunks("yx", (90, 70), (10, 10)) == (90, 70)
    assert chunks("zyx", (9, 600, 600), (3, 300, 300)) == (3, 300, 300)
    assert chunks("tczyx", (2, 3, 9, 600, 600), (2, 3, 3, 300, 300)) == (1, 1, 3, 300, 300)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "0",
        "0/c",
        "0/c/",
        "0/c/0",
        "0/c/0/0/0",
        "0/c/2/0",
        "0/c/0/99999999999999999999",
        "0/c/-1/0",
        "0/c/00/0",
        "00/c/0/0",
        "1/c/0/0",
        "0/c/0/0/",
        "/0/c/0/0",
        "0/c/0/0\n",
        "0/c/0/٠",
        "0/c/+0/0",
        "0/c/ 0/0",
    ],
)
def test_what_is_no_chunk_is_none(key: str) -> None:
    served = ZarrImage(image_from_array(np.zeros((600, 300)), axes="yx", chunks=(300, 300)))
    assert served.piece("0/c/1/0") is not None
    assert served.piece(key) is None


@given(st.text() | st.from_regex(r"[0-9]{0,3}/c(/[0-9]{0,4}){0,4}", fullmatch=True))
def test_any_key_is_a_chunk_of_its_level_or_none(key: str) -> None:
    image = image_from_array(np.zeros((600, 300)), axes="yx", chunks=(300, 300))
    piece = ZarrImage(image).piece(key)
    if piece is not None:
        assert image.read(piece.level, tuple(map(slice, piece.start, piece.stop))).size


@pytest.mark.parametrize("kind", ["image", "labels"])
def test_units_places_and_kinds_are_told(kind: Literal["image", "labels"]) -> None:
    array = np.zeros((4, 32, 16), np.uint16)
    image = image_from_array(
        array,
        axes="zyx",
        scale=(2, 0.5, 0.25),
        translation=(1, 2, 3),
        units=["micrometer"] * 3,
        kind=kind,
    )
    ome = attributes(image)
    (multiscale,) = ome["multiscales"]
    assert multiscale["axes"][0] == {"name": "z", "type": "space", "unit": "micrometer"}
    assert multiscale["datasets"][0]["coordinateTransformations"] == [
        {"type": "scale", "scale": [2, 0.5, 0.25]},
        {"type": "translation", "translation": [1, 2, 3]},
    ]
    assert ("image-label" in ome) == (kind == "labels")
    assert ("omero" in ome) == (kind == "image")
    assert "type" not in multiscale, "how a file made its levels is not known"


def test_channels_have_the_colours_and_contrast_of_the_layers() -> None:
    array = np.zeros((3, 8, 8), np.uint16)
    image = image_from_array(array, axes="cyx", rgb=False)
    layers = layers_of(image)
    named = replace(
        image, channels=(Channel("DAPI", "0000ff", (5, 50)), Channel("GFP"), Channel("c"))
    )
    shown = [replace(layer, image=named, contrast=(7, 70 + i)) for i, layer in enumerate(layers)]
    document = ZarrImage(named).documents(shown)["zarr.json"]
    channels = document["attributes"]["ome"]["omero"]["channels"]
    assert [one["label"] for one in channels] == ["DAPI", "GFP", "c"]
    assert [one["color"] for one in channels] == ["0000FF", "FF00FF", "FFFF00"]
    assert [one["window"]["end"] for one in channels] == [70, 71, 72]
    assert channels[0]["window"] == {"min": 0, "max": 65535, "start": 7, "end": 70}


def test_colours_of_one_pixel_are_channels() -> None:
    rgb = image_from_array(np.zeros((20, 30, 3), np.uint8), axes="yxc", rgb=True)
    ome = attributes(rgb)
    assert [axis["name"] for axis in ome["multiscales"][0]["axes"]] == ["c", "y", "x"]
    assert [one["color"] for one in ome["omero"]["channels"]] == ["FF0000", "00FF00", "0000FF"]
    assert ZarrImage(rgb).levels[0].chunks == (1, 20, 30)


def test_levels_of_an_exabyte_are_told_at_once() -> None:
    image = open_image("synthetic:mandelbulb")
    served = ZarrImage(image)
    documents = served.documents(layers_of(image))
    assert documents["0/zarr.json"]["shape"] == [2**20] * 3
    last = "/".join(str(count - 1) for count in served.levels[0].grid)
    piece = served.piece(f"0/c/{last}")
    assert piece is not None
    assert piece.stop == (2**20,) * 3


def test_axes_that_ome_zarr_has_not_are_refused_with_a_reason() -> None:
    image = image_from_array(np.zeros((2, 2, 4, 4)), axes=["q", "r", "y", "x"])
    with pytest.raises(UsageError, match="OME-Zarr has"):
        ZarrImage(image)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_passed_on_and_kept_out_of_the_documents(
    value: float,
) -> None:
    array: Array = np.array([[value, 1], [2, value]], np.float32)
    image = image_from_array(array, axes="yx")
    odd = replace(image, channels=(Channel("odd", None, (value, 1.0)),))
    documents = ZarrImage(odd).documents(layers_of(odd))
    assert "omero" not in documents["zarr.json"]["attributes"]["ome"]
    got = stored(odd)["0"]
    assert isinstance(got, zarr.Array)
    np.testing.assert_array_equal(got[...], array)
