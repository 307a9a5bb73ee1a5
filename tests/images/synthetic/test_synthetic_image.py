"""Settings and what they make: levels, axes, chunks that fit together; and mistakes."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import Unsupported, UsageError
from opsin.images import synthetic
from opsin.images.image import Image
from opsin.images.readers import open_image
from opsin.images.synthetic import synthetic_image
from opsin.images.synthetic.catalogue import GENERATORS

NAMES = sorted(GENERATORS)


@pytest.mark.parametrize("name", NAMES)
def test_the_default_is_huge_and_opens_at_once(name: str) -> None:
    image = synthetic_image(name)
    geometry = image.levels
    flat = name != "mandelbulb"
    assert image.axis_names == (("y", "x") if flat else ("z", "y", "x"))
    assert image.shape == ((2**27, 2**27) if flat else (2**20,) * 3)
    assert len(geometry) == (19 if flat else 15)
    assert geometry[-1].grid == (1,) * len(image.axes)
    for number, level in enumerate(geometry):
        middle = 0 if name == "cells" else (2**number - 1) / 2
        assert level.shape == tuple(size >> number for size in image.shape)
        assert level.chunks == ((512, 512) if flat else (64, 64, 64))
        assert level.scale == (2.0**number,) * len(image.axes)
        assert level.translation == (middle,) * len(image.axes)
    assert image.kind == ("labels" if name == "cells" else "image")
    assert image.source.provenance == "computed"
    assert all(axis.unit is None for axis in image.axes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axes", ["yx", "tyx", "zyx", "cyx", "tczyx"])
def test_chunks_are_pieces_of_one_picture(name: str, axes: str) -> None:
    """The same pixels from chunks of different sizes, at all levels, in any order."""
    sizes = {"t": 2, "c": 2, "z": 19, "y": 70, "x": 1203 if name == "checkerboard" else 93}
    size = [sizes[axis] for axis in axes]
    cut = synthetic_image(
        name, axes=axes, size=size, chunk=[1, 1, 13, 31, 37][-len(axes) :], levels=4
    )
    whole = synthetic_image(name, axes=axes, size=size, chunk=size, levels=4)
    for level in range(4):
        expected = whole.read(level)
        assert (cut.read(level) == expected).all()
        for axis in set(axes) & set("tc"):  # which change the picture
            one, other = (expected.take(number, axes.index(axis)) for number in (0, 1))
            assert (one != other).any()


def at_the_far_corner(name: str) -> tuple[Image, Image]:
    return synthetic_image(name), synthetic_image(
        name, chunk=1 << 10 if name != "mandelbulb" else 128
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0, 9])
def test_chunks_fit_at_the_far_corner_and_in_the_middle(name: str, level: int) -> None:
    cut, large = at_the_far_corner(name)
    for part in (2, 1):
        index = tuple(grid // part - 1 for grid in large.levels[level].grid)
        whole = large.source.decode(level, index, None)
        side = cut.levels[level].chunks[0]
        for corner in (0, 1):
            chunk = cut.source.decode(level, tuple(2 * i + corner for i in index), None)
            there = (slice(corner * side, (corner + 1) * side),) * chunk.ndim
            assert (chunk == whole[there]).all()


@pytest.mark.parametrize("name", NAMES)
def test_all_threads_compute_the_same(name: str) -> None:
    image = synthetic_image(name, chunk=32)
    indices = [tuple(grid // 2 for grid in level.grid) for level in image.levels] * 2
    levels = list(range(len(image.levels))) * 2
    alone = [
        image.source.decode(level, index, None)
        for level, index in zip(levels, indices, strict=True)
    ]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(image.source.decode, levels, indices, [None] * len(levels)))
    for one, other in zip(alone, together, strict=True):
        assert (one == other).all()
    direct = image.source.direct(3)
    assert direct is not None
    chunk, count = direct(indices[3])
    assert count == 0
    assert (chunk == alone[3]).all()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (name, dtype)
        for name in NAMES
        for dtype in (synthetic.LABEL_DTYPES if name == "cells" else synthetic.IMAGE_DTYPES)
    ],
)
def test_every_type_has_the_same_picture(name: str, dtype: str) -> None:
    image = synthetic_image(name, size=96, dtype=dtype, chunk=96)
    values = image.read(0)
    assert values.dtype == image.dtype == dtype
    if name == "cells":
        assert set(np.unique(values).tolist()) >= {0, 13, 14}
        return
    fine = synthetic_image(name, size=96, dtype="float64", chunk=96).read(0)
    most = 1 if values.dtype.kind == "f" else np.iinfo(dtype).max
    assert fine.min() >= 0
    assert fine.max() <= 1
    assert np.abs(values / most - fine).max() < (
        1e-3 if dtype == "float16" else 0.51 / min(most, 1e6)
    )
    (channel,) = image.channels
    assert channel.window == (0, most)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "settings", [{}, {"axes": "tczyx", "chunk": (2, 3, 16, 64, 64)}, {"axes": "cyx"}]
)
def test_computing_needs_no_more_memory_than_it_says(
    name: str, settings: dict[str, object]
) -> None:
    for dtype in ("uint8", "uint16", "uint32", "uint64" if name == "cells" else "float64"):
        image = synthetic_image(name, dtype=dtype, **settings)  # type: ignore[arg-type]
        level = len(image.levels) - 2
        index = (0,) * len(image.axes)
        image.source.decode(level, index, None)  # compiled now
        tracemalloc.start()
        chunk = image.source.decode(level, index, None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert chunk.nbytes == image.chunk_bytes(level, index)
        assert peak <= chunk.nbytes + image.source.transient_bytes(level, index)


def test_a_size_along_each_axis_and_levels_on_request() -> None:
    image = synthetic_image("mandelbrot", axes="tczyx", size=[5, 1, 100, 3000, 2000], levels=3)
    assert image.shape == (5, 1, 100, 3000, 2000)
    assert [level.shape[2:] for level in image.levels] == [
        (100, 3000, 2000),
        (50, 1500, 1000),
        (25, 750, 500),
    ]
    assert image.levels[0].chunks == (1, 1, 64, 64, 64)
    assert image.levels[2].chunks == (1, 1, 25, 64, 64)
    assert [axis.type for axis in image.axes] == ["time", "channel", "space", "space", "space"]
    assert synthetic_image("julia", axes="tyx", size=64).shape == (16, 64, 64)
    assert synthetic_image("julia", axes="yx", size=1).read(0).shape == (1, 1)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("mandelbort", {}, "there are cells, checkerboard, julia, mandelbrot and mandelbulb"),
        ("julia", {"axes": "xy"}, "cannot have the axes 'xy': give yx"),
        ("julia", {"axes": "ztyx"}, "as in tczyx"),
        ("julia", {"axes": "cyxc"}, "cannot have the axes 'cyxc'"),
        ("julia", {"axes": ""}, "give yx"),
        ("cells", {"axes": "yxc"}, "give yx"),
        ("julia", {"dtype": "complex64"}, "give one of uint8, uint16"),
        ("cells", {"dtype": "int8"}, "give one of uint8, uint16, uint32, uint64"),
        ("julia", {"size": 0}, "1 to 1073741824 pixels, not 0"),
        ("cells", {"axes": "zyx", "size": 1 << 25}, "1 to 16777216"),
        ("julia", {"size": [3, 4, 5]}, "size has 3 numbers for the axes yx"),
        ("julia", {"axes": "yxc", "size": [9, 9, 4]}, "3 channels, not 4"),
        ("julia", {"axes": "cyx", "size": [65, 9, 9]}, "1 to 64"),
        ("julia", {"chunk": 0}, "at least one pixel"),
        ("julia", {"chunk": 1 << 20}, "is too large"),
        ("julia", {"chunk": [1]}, "chunk has 1 numbers"),
        ("julia", {"levels": 3}, "can have 14 to 28 levels, not 3"),
        ("julia", {"levels": 10**6}, "can have 14 to 28 levels"),
    ],
)  # fmt: skip
def test_mistakes(name: str, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        synthetic_image(name, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert sentence in message
    assert message.endswith(".")


def test_without_numba_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unsupported, match=r"numba, which is missing: pip install opsin\[numba\]"):
        synthetic_image("julia")
    assert synthetic_image("checkerboard").kind == "image"


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(NAMES), st.lists(st.sampled_from("tcz"), unique=True),
    st.lists(st.integers(1, 64), min_size=5, max_size=5),
    st.lists(st.integers(1, 20), min_size=5, max_size=5), st.data(),
)  # fmt: skip
def test_any_sensible_settings_give_an_image_that_reads(
    name: str, others: list[str], size: list[int], chunk: list[int], data: st.DataObject
) -> None:
    axes = "".join(axis for axis in "tcz" if axis in others) + "yx"
    sizes = size[-len(axes) :]
    most = (max(sizes[-3 if "z" in axes else -2 :]) - 1).bit_length() + 1
    levels = data.draw(st.none() | st.integers(1, most))
    image = synthetic_image(name, axes=axes, size=sizes, chunk=chunk[: len(axes)], levels=levels)
    level = data.draw(st.integers(0, len(image.levels) - 1))
    geometry = image.levels[level]
    index = tuple(data.draw(st.integers(0, grid - 1)) for grid in geometry.grid)
    chunk_there = image.source.decode(level, index, None)
    assert chunk_there.shape == geometry.chunk_shape(index)
    assert chunk_there.dtype == image.dtype
    assert chunk_there.flags.c_contiguous
    assert len(image.levels) == (levels or 1)


def test_few_levels_get_more_as_those_of_files_do() -> None:
    with open_image("synthetic:checkerboard,size=4096,levels=1") as image:
        assert [level.shape[0] for level in image.levels] == [4096, 2048, 1024]
        stored = synthetic_image("checkerboard", size=4096)
        assert np.abs(image.read(2).astype(int) - stored.read(2)).max() <= 1
        assert image.levels[2].translation == stored.levels[2].translation
