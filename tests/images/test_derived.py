"""Derived levels against plain numpy, through every alignment of blocks and chunks."""

from __future__ import annotations

import asyncio
import fractions
import threading
import tracemalloc
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import ReadError
from opsin.images.derived import with_derived_levels
from opsin.images.image import Axis, Image, Level
from opsin.images.readers import tiff
from opsin.images.readers.address import Address
from opsin.images.source import Array, Encoded, Index, Source


class Memory(Source):
    """A source of chunks cut from an array, which counts what it is asked for."""

    provenance: Literal["memory"] = "memory"

    def __init__(self, array: Array, chunks: tuple[int, ...]) -> None:
        self.array = array
        self.chunks = chunks
        self.fetched: list[Index] = []
        self.third = asyncio.Event()
        self.closed = False

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        await asyncio.sleep(0)
        self.fetched.append(index)
        if len(self.fetched) == 3:
            self.third.set()
        return None

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        window = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, self.chunks, strict=True))
        return np.ascontiguousarray(self.array[window])

    def transient_bytes(self, level: int, index: Index) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


def image_of(
    array: Array, chunks: tuple[int, ...], kind: Literal["image", "labels"] = "image"
) -> tuple[Image, Memory]:
    source = Memory(array, chunks)
    names = "czyx"[-array.ndim :] if array.ndim < 5 else "tczyx"
    axes = tuple(Axis(n, "space" if n in "zyx" else "channel") for n in names)
    scale = tuple(0.5 for _ in names)
    level = Level(array.shape, chunks, scale, tuple(3.0 for _ in names))
    return Image("a", axes, (level,), array.dtype, source, kind), source


def slow_mean(array: Array, k: int) -> Array:
    """Block means by the rule, pixel by pixel, in exact fractions for integers."""
    b = 2**k
    height, width = -(-array.shape[-2] // b), -(-array.shape[-1] // b)
    out = np.empty((*array.shape[:-2], height, width), array.dtype)
    for y in range(height):
        for x in range(width):
            block = array[..., y * b : (y + 1) * b, x * b : (x + 1) * b]
            n = block.shape[-1] * block.shape[-2]
            if array.dtype.kind == "f":
                out[..., y, x] = block.astype("f8").mean(axis=(-2, -1)).astype(array.dtype)
                continue
            for outer in np.ndindex(*array.shape[:-2]):
                total = sum(int(v) for v in block[outer].ravel())
                out[(*outer, y, x)] = round(fractions.Fraction(total, n))  # exact, half to even
    return out


def extremes(dtype: str, shape: tuple[int, ...], seed: int) -> Array:
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    info = np.iinfo(kind)
    values = random.integers(info.min, info.max, shape, dtype=kind, endpoint=True)
    return np.where(random.random(shape) < 0.3, kind.type(info.max), values).astype(kind)


@settings(max_examples=120, deadline=None)
@given(
    dtype=st.sampled_from(["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"]),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 45), st.integers(1, 45)),
    chunks=st.tuples(st.integers(1, 2), st.integers(3, 50), st.integers(3, 50)),
    largest=st.sampled_from([4, 7, 20]),
    seed=st.integers(0, 99),
)
def test_means_are_exact(
    dtype: str, shape: tuple[int, ...], chunks: tuple[int, ...], largest: int, seed: int
) -> None:
    array = extremes(dtype, shape, seed)
    base, _ = image_of(array, chunks)
    image = with_derived_levels(base, largest)
    assert max(image.levels[-1].shape[1:]) <= max(largest, 1)
    assert all(max(level.shape[1:]) > largest for level in image.levels[:-1])
    for k, level in enumerate(image.levels):
        factors = np.array([1, 2**k, 2**k])
        np.testing.assert_allclose(level.scale, 0.5 * factors)
        np.testing.assert_allclose(level.translation, 3.0 + (factors - 1) / 2 * 0.5)
        expected = slow_mean(array, k)
        if dtype[0] == "f":
            np.testing.assert_allclose(image.read(k), expected, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(image.read(k), expected)


def test_extreme_sums_do_not_overflow() -> None:
    for dtype in ("u1", "u2", "i2", "u4", "i4", "u8", "i8"):
        for value in (np.iinfo(dtype).max, np.iinfo(dtype).min):
            base, _ = image_of(np.full((1024, 700), value, dtype), (300, 300))
            image = with_derived_levels(base, 1)
            assert len(image.levels) == 11
            for number in (1, 8, 10):
                assert (image.read(number) == value).all()


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
@pytest.mark.parametrize("rows", [4, 3, 1])
def test_halves_are_rounded_to_even(dtype: str, rows: int) -> None:
    """Blocks of 4 × 4, 3 × 4 and 1 × 4 pixels, whose means lie around every half."""
    low = 0 if dtype[0] == "u" else -100
    huge = np.iinfo(dtype).max - 120 if dtype[1] == "8" else 0
    whole = rows * 4
    totals = [whole * n + more for n in range(4) for more in (whole // 2 - 1, whole // 2, 0, 1)]
    array = np.full((rows, 4 * len(totals)), low + huge, dtype)
    for block, total in enumerate(totals):
        each, rest = divmod(total, whole)
        values = np.full(whole, each)
        values[:rest] += 1
        array[:, 4 * block : 4 * block + 4] += values.reshape(rows, 4).astype(dtype)
    image = with_derived_levels(image_of(array, (rows, 12))[0], len(totals))
    got = [int(value) for value in image.read(2)[0]]
    assert got == [round(low + huge + fractions.Fraction(total, whole)) for total in totals]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    chunks=st.tuples(st.integers(3, 70), st.integers(3, 70)),
    seed=st.integers(0, 99),
)
def test_labels_are_picked_where_the_level_says(
    shape: tuple[int, int], chunks: tuple[int, int], seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 2**63, shape).astype("u8")
    base, _ = image_of(array, chunks, "labels")
    image = with_derived_levels(base, 4)
    for number, level in enumerate(image.levels):
        got = image.read(number)
        for y in range(level.shape[0]):
            for x in range(level.shape[1]):
                # The pixel whose centre is where the level says this one is, while there is one.
                fine = [
                    min(round((t + s * i - 3.0) / 0.5), n - 1)
                    for t, s, i, n in zip(
                        level.translation, level.scale, (y, x), shape, strict=True
                    )
                ]
                assert got[y, x] == array[fine[0], fine[1]]


def test_nan_stays_nan() -> None:
    array = np.zeros((8, 8), "f4")
    array[0, 0] = np.nan
    image = with_derived_levels(image_of(array, (8, 8))[0], 4)
    expected = np.zeros((4, 4))
    expected[0, 0] = np.nan
    np.testing.assert_array_equal(image.read(1), expected)


def test_small_and_flat_images_are_left_alone() -> None:
    small, _ = image_of(np.zeros((30, 30), "u1"), (30, 30))
    assert with_derived_levels(small) is small
    axes = (Axis("t", "time"), Axis("x", "space"))
    level = Level((5, 5000), (5, 5000), (1, 1), (0, 0))
    flat = Image("a", axes, (level,), np.dtype("u1"), Memory(np.zeros((5, 5000)), (5, 5000)))
    assert with_derived_levels(flat) is flat


def test_every_base_chunk_is_fetched_once_per_level_and_closing_closes() -> None:
    array = extremes("u2", (5000, 3000), 1)
    base, source = image_of(array, (256, 256))
    image = with_derived_levels(base)
    assert [level.shape for level in image.levels] == [
        (5000, 3000), (2500, 1500), (1250, 750), (625, 375),
    ]  # fmt: skip
    assert [level.chunks for level in image.levels[1:]] == [(512, 512), (512, 512), (512, 375)]
    for number in (1, 2, 3):
        source.fetched.clear()
        image.read(number)
        assert len(source.fetched) == len(set(source.fetched)) == 20 * 12
    image.close()
    assert source.closed


def test_big_chunks_are_decoded_once_too() -> None:
    base, source = image_of(extremes("u1", (4096, 4096), 1), (32, 4096))  # bands, as in TIFF
    image = with_derived_levels(base)
    assert image.levels[1].chunks == (512, 2048)
    image.read(1)
    assert len(source.fetched) == 128


def test_a_level_that_would_take_days_is_refused_and_the_stored_one_can_be_read() -> None:
    base, source = image_of(np.broadcast_to(np.uint8(7), (2**31, 2**31)), (512, 512))
    image = with_derived_levels(base)
    with pytest.raises(ReadError, match="would be computed from 4,398,046,511,104: look"):
        image.read(len(image.levels) - 1, (slice(0, 10), slice(0, 10)))
    assert source.fetched == []
    part = image.read(3, (slice(2**28 - 2, 2**28), slice(0, 2)))
    np.testing.assert_array_equal(part, np.full((2, 2), 7))


def test_cancelling_stops_before_the_next_base_chunk() -> None:
    base, source = image_of(extremes("u1", (4096, 4096), 1), (64, 64))
    image = with_derived_levels(base)

    async def start_and_cancel() -> None:
        task = asyncio.create_task(image.source.fetch(1, (0, 0)))
        await source.third.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(start_and_cancel())
    assert len(source.fetched) < 250


def test_cancelling_waits_for_the_reduction_that_runs() -> None:
    """Else its memory would be given back to the budget while it is in use."""
    base, source = image_of(extremes("u1", (4096, 4096), 1), (512, 512))
    image = with_derived_levels(base)
    begun, go = threading.Event(), threading.Event()
    ended: list[bool] = []
    decode = source.decode

    def slow(level: int, index: Index, encoded: Encoded | None) -> Array:
        begun.set()
        go.wait(10)
        ended.append(True)
        return decode(level, index, encoded)

    source.decode = slow  # type: ignore[method-assign]

    async def start_and_cancel() -> None:
        task = asyncio.create_task(image.source.fetch(1, (0, 0)))
        await asyncio.to_thread(begun.wait, 10)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    asyncio.run(start_and_cancel())


@pytest.mark.parametrize(
    ("dtype", "chunks", "level"),
    [
        ("u1", (512, 512), 1),
        ("u2", (2048, 2048), 1),
        ("u2", (64, 2048), 2),
        ("f4", (2048, 2048), 1),
        ("u8", (2048, 2048), 1),
        ("u4", (1000, 1000), 1),
    ],
)
def test_memory_stays_within_what_is_told(dtype: str, chunks: tuple[int, int], level: int) -> None:
    base, _ = image_of(extremes(dtype, (2048, 2048), 1), chunks)
    image = with_derived_levels(base, 512)
    index = (0, 0)

    async def fetch() -> Encoded | None:
        return await image.source.fetch(level, index)

    asyncio.run(fetch())  # imports and threads are no concern here
    tracemalloc.start()
    asyncio.run(fetch())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    told = image.source.transient_bytes(level, index) + image.chunk_bytes(level, index)
    assert peak <= told + 100_000
    assert told <= 4 * peak


def test_a_real_file(tmp_path: Path) -> None:
    tiles = [tifffile.imread(path) for path in sorted(Path("tests/data/cells").glob("*.tif"))]
    array = np.tile(np.concatenate(tiles, axis=1), (4, 1))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, tile=(256, 256), compression="zlib")
    (image,) = tiff.open(Address.parse(path))
    with with_derived_levels(image, 512) as derived:
        assert len(derived.levels) == 3
        np.testing.assert_array_equal(derived.read(0), array)
        blocks = array.reshape(512, 4, 384, 4).astype(int).sum(axis=(1, 3))
        np.testing.assert_array_equal(derived.read(2), np.round(blocks / 16))


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    chunks=st.tuples(*[st.integers(1, 9)] * 3),
    dtype=st.sampled_from(["uint8", "int16", "uint64", "float32"]),
    kind=st.sampled_from(["image", "labels"]),
    seed=st.integers(0, 2**32),
)
def test_volumes_are_halved_along_all_three_axes(
    shape: tuple[int, int, int],
    chunks: tuple[int, int, int],
    dtype: str,
    kind: Literal["image", "labels"],
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    top = 1000 if dtype == "float32" else np.iinfo(dtype).max
    array = rng.integers(0, top, shape, dtype=np.int64 if dtype == "float32" else dtype)
    array = array.astype(dtype)
    image, _ = image_of(array, tuple(map(min, chunks, shape)), kind)
    levels = with_derived_levels(image, 4, ("z", "y", "x"), 2)
    assert max(levels.levels[-1].shape) <= 4
    for k, level in enumerate(levels.levels[1:], 1):
        b = 2**k
        assert level.shape == tuple(-(-n // b) for n in shape)
        assert level.scale == (0.5 * b,) * 3
        got = levels.read(k)
        for place in np.ndindex(*level.shape):
            block = array[tuple(slice(i * b, (i + 1) * b) for i in place)]
            if kind == "labels":
                assert got[place] == block[tuple(min(b // 2 - 1, n - 1) for n in block.shape)]
            elif dtype == "float32":
                assert got[place] == pytest.approx(block.astype("f8").mean(), rel=1e-6)
            else:
                total = sum(map(int, block.ravel()))
                assert int(got[place]) == round(fractions.Fraction(total, block.size))
        centre = b // 2 - 1 if kind == "labels" else (b - 1) / 2
        assert level.translation == (3.0 + 0.5 * centre,) * 3
