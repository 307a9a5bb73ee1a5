from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.chunks.brick import (
    BRICK,
    SMALL_BRICK,
    Brick,
    assemble,
    brick_bytes,
    brick_chunks,
    brick_shape,
    brick_side,
    display_dtype,
)
from opsin.images.layer import layers_of
from opsin.images.source import Array, Index, Provenance
from tests.chunks.pyramid import pyramid, values


@settings(max_examples=40, deadline=None)
@given(
    axes=st.sampled_from(["yx", "xy", "zyx", "tczyx", "cyx", "yzx"]),
    chunk=st.integers(100, 700),
    height=st.integers(1, 1300),
    width=st.integers(1, 1300),
    provenance=st.sampled_from(["disk", "network"]),
    data=st.data(),
)
def test_a_brick_is_the_pixels_of_its_place(
    axes: str, chunk: int, height: int, width: int, provenance: Provenance, data: st.DataObject
) -> None:
    sizes = {"y": height, "x": width, "z": 3, "t": 2, "c": 2}
    shape = tuple(sizes[name] for name in axes)
    image, source = pyramid(shape, axes=axes, chunk=chunk, provenance=provenance)
    layer = layers_of(image)[-1]
    side = brick_side(layer)
    others = [name for name in axes if name not in "yxc"]
    where = tuple(data.draw(st.integers(0, sizes[name] - 1)) for name in others)
    row = data.draw(st.integers(0, (height - 1) // side))
    column = data.draw(st.integers(0, (width - 1) // side))
    brick = Brick(0, 0, where, row, column)

    asked: set[Index] = set()

    def chunk_at(index: Index) -> Array:
        asked.add(index)
        return source.decode(0, index, b"")

    got = assemble(layer, brick, ("y", "x"), chunk_at)

    fixed = {**dict(zip(others, where, strict=True)), "c": 1}
    whole = values(0, (0,) * len(shape), shape, "uint16")
    plane = whole[tuple(fixed.get(name, slice(None)) for name in axes)]
    if axes.index("x") < axes.index("y"):
        plane = plane.T
    rows, columns = (
        slice(row * side, (row + 1) * side),
        slice(column * side, (column + 1) * side),
    )
    np.testing.assert_array_equal(got, plane[rows, columns])
    assert got.flags.c_contiguous
    assert got.shape == brick_shape(layer, brick, ("y", "x"))
    assert got.nbytes == brick_bytes(layer, brick, ("y", "x"))
    assert asked == set(brick_chunks(layer, brick, ("y", "x")))


@pytest.mark.parametrize(
    ("provenance", "chunk", "side"),
    [
        ("disk", 100, BRICK),
        ("memory", 256, BRICK),
        ("network", 256, SMALL_BRICK),
        ("computed", 64, SMALL_BRICK),
        ("network", 257, BRICK),
    ],
)
def test_bricks_are_small_where_small_chunks_are_waited_for(
    provenance: Provenance, chunk: int, side: int
) -> None:
    image, _ = pyramid((3, 2000, 2000), axes="zyx", chunk=chunk, provenance=provenance)
    assert brick_side(layers_of(image)[0]) == side


def test_an_rgb_brick_holds_its_samples_last() -> None:
    for axes, shape in (("yxc", (600, 700, 3)), ("cyx", (3, 600, 700))):
        image, source = pyramid(shape, axes=axes, dtype="uint8", rgb=True)
        (layer,) = layers_of(image)
        brick = Brick(0, 0, (), 1, 1)
        got = assemble(layer, brick, ("y", "x"), partial(source.decode, 0, encoded=b""))
        whole = np.moveaxis(values(0, (0, 0, 0), shape, "uint8"), axes.index("c"), -1)
        np.testing.assert_array_equal(got, whole[512:, 512:])


@pytest.mark.parametrize(
    ("dtype", "kind", "wire"),
    [
        ("uint8", "image", "uint8"),
        ("bool", "image", "uint8"),
        ("int16", "image", "int16"),
        (">u2", "image", "uint16"),
        ("uint32", "image", "uint32"),
        ("uint64", "image", "float32"),
        ("float16", "image", "float32"),
        ("float64", "image", "float32"),
        ("uint64", "labels", "uint64"),
        ("int32", "labels", "uint32"),
        ("int64", "labels", "uint64"),
    ],
)
def test_bricks_travel_in_a_type_that_a_graphics_card_holds(
    dtype: str, kind: str, wire: str
) -> None:
    image, source = pyramid((40, 50), dtype=dtype, kind=kind)  # type: ignore[arg-type]
    (layer,) = layers_of(image)
    assert display_dtype(layer) == np.dtype(wire)
    got = assemble(layer, Brick(0, 0, (), 0, 0), ("y", "x"), lambda i: source.decode(0, i, b""))
    assert got.dtype == np.dtype(wire)
    np.testing.assert_array_equal(got, values(0, (0, 0), (40, 50), dtype).astype(wire))
