"""Plain zarr arrays as people have them: fill values, byte orders, separators, odd shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from opsin.errors import OpenError, Unsupported
from opsin.images.readers import open_image

DATA = np.arange(120, dtype=np.float64).reshape(10, 12)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("<f4", float("nan")),
        (">f8", float("inf")),
        ("<f2", -float("inf")),
        ("<f4", 1.5),
        (">u2", 65535),
        ("<i8", -(2**53) - 1),
        ("|u1", 7),
        ("|b1", True),
    ],
)
def test_fill_values_and_byte_orders(
    tmp_path: Path, zarr_format: Any, dtype: str, fill: Any
) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=(10, 12),
        dtype=dtype,
        chunks=(4, 5),
        fill_value=fill,
        zarr_format=zarr_format,
    )
    array[:4, :5] = DATA[:4, :5].astype(dtype)  # of nine chunks one is stored
    with open_image(tmp_path / "a.zarr") as image:
        assert image.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(image.read(), array[...])
        np.testing.assert_array_equal(image.read()[5:], np.full((5, 12), fill, dtype))


def test_a_fill_value_by_its_bits(tmp_path: Path) -> None:
    """Zarr 3 writes a NaN that is not the usual one, and any float if it likes, as its bits."""
    zarr.create_array(tmp_path / "a.zarr", shape=(4, 4), dtype="f4", fill_value=0)
    document = tmp_path / "a.zarr/zarr.json"
    said = json.loads(document.read_text())
    for bits, fill in (("0x40490fdb", np.pi), ("0x7fc00001", np.nan), ("0xff800000", -np.inf)):
        document.write_text(json.dumps({**said, "fill_value": bits}))
        with open_image(tmp_path / "a.zarr") as image:
            np.testing.assert_array_equal(image.read(), np.full((4, 4), fill, np.float32))
            assert image.read().view(np.uint32)[0, 0] == int(bits, 16)


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_separators_and_orders_of_zarr_2_deep_inside_of_groups(
    tmp_path: Path, separator: Any, order: Any
) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.create_array(
        "one/two/three",
        data=DATA,
        chunks=(4, 5),
        order=order,
        chunk_key_encoding={"name": "v2", "separator": separator},
    )
    assert (tmp_path / f"a.zarr/one/two/three/1{separator}2").is_file()
    with open_image(tmp_path / "a.zarr/one/two/three") as image:
        assert image.name == "a/one/two/three"
        np.testing.assert_array_equal(image.read(), DATA)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((), "its shape has no axes: it is a single number"),
        ((9,), "has one axis, but an image has at least two"),
        ((0, 5), r"its shape is \[0, 5\], which holds nothing"),
    ],
)
def test_shapes_that_are_no_image(
    tmp_path: Path, zarr_format: Any, shape: tuple[int, ...], message: str
) -> None:
    chunks = tuple(max(1, n) for n in shape)
    zarr.create_array(
        tmp_path / "a.zarr", shape=shape, chunks=chunks, dtype="u1", zarr_format=zarr_format
    )
    with pytest.raises(OpenError, match=message):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("dtype", ["c8", "M8[s]", "S4", "U3"])
def test_pixels_that_are_no_numbers_are_refused(tmp_path: Path, dtype: str) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=(4, 4), dtype=dtype, zarr_format=2)
    with pytest.raises(Unsupported, match=r"its data type .* is none that an image has"):
        open_image(tmp_path / "a.zarr")
