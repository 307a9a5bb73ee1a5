"""Images over arrays that are not NumPy's, and over lists of arrays."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import ReadError, UsageError
from opsin.images.arrays import IndexedArray, StoredArray
from opsin.images.memory import image_from_array
from opsin.images.source import Array
from opsin.render.snapshot import snapshot

ARRAY = np.arange(3 * 90 * 70, dtype="u2").reshape(3, 90, 70)


class Slow:
    """What gives slices when it is asked for them, and notes who asked for what."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.shape = array.shape
        self.dtype = array.dtype
        self.threads: list[str] = []
        self.asked: list[tuple[slice, ...]] = []

    def __getitem__(self, box: tuple[slice, ...]) -> Array:
        self.threads.append(threading.current_thread().name)
        self.asked.append(box)
        return self._array[box]


@pytest.mark.parametrize("dtype", ["u2", ">f4", "?"])
def test_whatever_gives_slices(dtype: str) -> None:
    array = ARRAY.astype(dtype)
    slow = Slow(array)
    image = image_from_array(slow, chunks=(1, 50, 50))
    assert image.axis_names == ("z", "y", "x")
    assert image.source.direct(0) is None, "it may be slow"
    np.testing.assert_array_equal(image.read(), array)
    assert image.read().dtype == np.dtype(dtype).newbyteorder("=")
    assert all(name.startswith("opsin-array") for name in slow.threads)
    assert all(part.stop - part.start <= 50 for box in slow.asked for part in box)
    image.close()
    image.close()
    with pytest.raises(ReadError, match="closed"):
        image.read()


def test_what_gives_something_else_than_it_said() -> None:
    class Lying(Slow):
        def __getitem__(self, box: tuple[slice, ...]) -> Array:
            if box[0].start == 2:
                raise KeyError("gone")
            return super().__getitem__(box).astype("f8")

    image = image_from_array(Lying(ARRAY))
    with pytest.raises(ReadError, match=r"is float64 of shape .* but it was said to be uint16"):
        image.read(0, (0,))
    with pytest.raises(ReadError, match=r"Chunk \(2, 0, 0\) .* cannot be read \(KeyError: 'gone'"):
        image.read(0, (2,))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_in_a_folder_is_read_without_zarr(tmp_path: Path, zarr_format: Any) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr", data=ARRAY, chunks=(1, 40, 100), zarr_format=zarr_format,
        dimension_names=("c", "y", "x") if zarr_format == 3 else None,
    )  # fmt: skip
    with image_from_array(array) as image:
        assert image.axis_names == ("c" if zarr_format == 3 else "z", "y", "x")
        assert image.levels[0].chunks == (1, 40, 70)
        assert isinstance(image.source._arrays[0], StoredArray)  # type: ignore[attr-defined]
        assert image.source.provenance == "disk"
        assert image.source.direct(0) is not None
        np.testing.assert_array_equal(image.read(), ARRAY)


def test_zarr_elsewhere_or_in_another_grid_is_read_through_zarr(tmp_path: Path) -> None:
    inside = zarr.create_array({}, data=ARRAY, chunks=(1, 40, 30))
    local = zarr.create_array(tmp_path / "a.zarr", data=ARRAY, chunks=(1, 40, 30))
    for array, chunks in ((inside, None), (local, (1, 20, 30))):
        with image_from_array(array, chunks=chunks) as image:
            assert image.levels[0].chunks == (chunks or (1, 40, 30))
            assert isinstance(image.source._arrays[0], IndexedArray)  # type: ignore[attr-defined]
            np.testing.assert_array_equal(image.read(), ARRAY)


def test_h5py(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        chunked = file.create_dataset("a", data=ARRAY, chunks=(2, 30, 70))
        contiguous = file.create_dataset("b", data=ARRAY)
        for dataset, chunks in ((chunked, (2, 30, 70)), (contiguous, (3, 90, 70))):
            image = image_from_array(dataset)
            assert image.levels[0].chunks == chunks
            np.testing.assert_array_equal(image.read(), ARRAY)


@pytest.mark.parametrize("shape", [(20, 30, 3), (5, 20, 30, 4)])
def test_colour(shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, "u1")
    image = image_from_array(array)
    assert image.rgb
    assert image.axis_names == ("z", "y", "x", "c")[-len(shape) :]
    assert image.channel_axis == len(shape) - 1
    assert image.levels[0].chunks[-3:] == (20, 30, shape[-1])
    assert not image_from_array(array, rgb=False).rgb
    assert not image_from_array(array, kind="labels").rgb
    assert not image_from_array(array.astype("u2")).rgb
    explicit = image_from_array(array.astype("f4"), axes="zyxs"[-len(shape) :], rgb=True)
    assert explicit.rgb
    assert explicit.axes[-1].type == "channel"


def test_nested_lists_are_an_array() -> None:
    np.testing.assert_array_equal(image_from_array([[1, 2], [3, 4]]).read(), [[1, 2], [3, 4]])
    with pytest.raises(UsageError, match="no one shape"):
        image_from_array([[1, 2], [3]])
    with pytest.raises(UsageError, match="no image"):
        image_from_array("text")


# ------------------------------------------------------------------------------------- pyramids


def test_a_list_is_the_levels_of_one_image(tmp_path: Path) -> None:
    fine = ARRAY[:, :89]
    stored = zarr.create_array(tmp_path / "a.zarr", data=fine[:, ::4, ::4])
    levels = [fine, Slow(fine[:, ::2, ::2]), stored]
    image = image_from_array(levels, scale=(2, 0.5, 0.5), translation=(0, 1, 2), axes="zyx")
    assert [level.shape for level in image.levels] == [(3, 89, 70), (3, 45, 35), (3, 23, 18)]
    assert [level.scale for level in image.levels] == [(2, 0.5, 0.5), (2, 1, 1), (2, 2, 2)]
    assert [level.translation for level in image.levels] == [
        (0, 1, 2), (0, 1.25, 2.25), (0, 1.75, 2.75),
    ]  # fmt: skip
    for number, step in enumerate((1, 2, 4)):
        np.testing.assert_array_equal(image.read(number), fine[:, ::step, ::step])
    image.close()
    strided = image_from_array(
        levels[:2], scale=[(1, 1, 1), (1, 2, 2)], translation=[(0, 0, 0)] * 2, axes="zyx"
    )
    assert strided.levels[1].translation == (0, 0, 0)
    assert strided.levels[1].scale == (1, 2, 2)


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([ARRAY, ARRAY], r"number 1, \(3, 90, 70\), is not smaller .* numpy\.stack"),
        ([ARRAY[:, ::2], ARRAY], "is not smaller"),
        ([ARRAY, ARRAY[0]], "is not smaller"),
        ([ARRAY, ARRAY[:, ::2].astype("u1")], "Level 1 is uint8, but level 0 is uint16"),
        ([ARRAY, ARRAY[:, :0]], "no image"),
    ],
)
def test_lists_that_are_no_pyramid(levels: list[Array], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        image_from_array(levels)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scale": [(1, 1, 1)] * 3}, "scale is given for 3 levels, but there are 2"),
        ({"scale": (1, 1)}, "scale has 2 entries for an array of 3 axes"),
        ({"scale": (1, 0, 1)}, "makes no sense"),
        ({"translation": (1, float("nan"), 1)}, "makes no sense"),
        ({"translation": [(1, 1, 1), (1, 1)]}, "translation has 2 entries"),
    ],
)
def test_places_that_do_not_fit(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        image_from_array([ARRAY, ARRAY[:, ::2]], **wrong)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_levels_of_any_factor_cover_the_same_area(data: Any) -> None:
    shape = data.draw(st.tuples(st.integers(1, 300), st.integers(1, 300)))
    factors = data.draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    up = data.draw(st.booleans())
    coarse = tuple(
        -(-n // f) if up else max(1, n // f) for n, f in zip(shape, factors, strict=True)
    )
    if coarse == shape:
        return
    image = image_from_array([np.zeros(shape), np.zeros(coarse)], scale=(0.5, 2))
    fine, level = image.levels
    for axis in (0, 1):
        assert fine.translation[axis] - fine.scale[axis] / 2 == pytest.approx(
            level.translation[axis] - level.scale[axis] / 2
        )
        # The far edges differ by less than one coarse pixel.
        ends = [
            one.translation[axis] + one.scale[axis] * (one.shape[axis] - 0.5)
            for one in image.levels
        ]
        assert abs(ends[0] - ends[1]) < level.scale[axis]


def test_a_snapshot_of_an_array() -> None:
    flat = np.full((60, 80), 200, "u1")
    picture = snapshot(flat, size=(40, 30))
    assert (picture[10:20, 10:30] == 200).all()
    colour = np.zeros((60, 80, 3), "u1")
    colour[..., 1] = 99
    assert (snapshot([colour, colour[::2, ::2]], size=(40, 30))[15, 20] == (0, 99, 0)).all()


def test_fetching_is_cancelled_before_it_begins() -> None:
    """Only as many reads begin as there are threads; those that wait are dropped."""
    gate = threading.Event()

    class Stuck(Slow):
        def __getitem__(self, box: tuple[slice, ...]) -> Array:
            self.asked.append(box)
            gate.wait(10)
            return self._array[box]

    stuck = Stuck(np.zeros((40, 40), "u1"))

    async def test() -> None:
        image = image_from_array(stuck, chunks=(10, 10))
        tasks = [
            asyncio.create_task(image.source.fetch(0, index))
            for index in image.levels[0].chunks_in((0, 0), (40, 40))
        ]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0.05)
        gate.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in done)

    asyncio.run(test())
    assert len(stuck.asked) == 4
