"""Reading a part of an image: straight on threads where it is here, by waiting where it is not."""

from __future__ import annotations

import asyncio
import itertools
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

from opsin.errors import Corrupt
from opsin.images.image import Axis, Image, Level
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.images.source import Array, Direct, Encoded, Index, Provenance, Source
from opsin.images.waiting import wait_for

PIXELS = np.random.default_rng(7).integers(0, 60000, (130, 200)).astype(np.uint16)


def zarr_with(**options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        array: Any = zarr.create_array(
            folder / "image.zarr", shape=PIXELS.shape, dtype=PIXELS.dtype, **options
        )
        array[:] = PIXELS
        array[64:, :64] = 0  # chunks that are not stored
        return folder / "image.zarr"

    return write


def tiff(folder: Path) -> Path:
    tifffile.imwrite(folder / "image.tif", PIXELS, tile=(64, 64), compression="zlib")
    return folder / "image.tif"


SOURCES = {
    "raw": zarr_with(chunks=(32, 64), compressors=None),
    "blosc": zarr_with(chunks=(32, 64), compressors=BloscCodec(cname="lz4", shuffle="bitshuffle")),
    "sharded": zarr_with(chunks=(32, 32), shards=(64, 64), compressors=ZstdCodec()),
    "zarr 2": zarr_with(chunks=(50, 60), zarr_format=2, order="F"),
    "tiff": tiff,
}


@pytest.mark.parametrize("write", SOURCES.values(), ids=SOURCES)
def test_one_step_gives_what_two_give(write: Callable[[Path], Path], tmp_path: Path) -> None:
    with open_image(write(tmp_path)) as image:
        direct = image.source.direct(0)
        assert direct is not None
        for index in image.levels[0].chunks_in((0, 0), image.shape):
            encoded = wait_for(image.source.fetch(0, index))
            chunk, count = direct(index)
            assert count == (0 if encoded is None else len(encoded))
            np.testing.assert_array_equal(chunk, image.source.decode(0, index, encoded))
        whole = image.read()
    np.testing.assert_array_equal(whole[:64], PIXELS[:64])
    np.testing.assert_array_equal(whole[64:, 64:], PIXELS[64:, 64:])


class Slow(Source):
    """Chunks of one pixel, which come when they may."""

    provenance: Provenance = "disk"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[Index] = []
        self.corrupt: Index | None = None

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        raise AssertionError("there is a shorter way")

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        raise AssertionError("there is a shorter way")

    def direct(self, level: int) -> Direct:
        def read(index: Index) -> tuple[Array, int]:
            self.asked.append(index)
            assert self.go.wait(10)
            if index == self.corrupt:
                raise Corrupt(f"{index} is corrupt")
            return np.full((1, 1), index[1], np.uint8), 1

        return read

    def transient_bytes(self, level: int, index: Index) -> int:
        return 0

    def close(self) -> None:
        pass


def slow_image() -> tuple[Image, Slow]:
    source = Slow()
    level = Level((1, 200), (1, 1), (1.0, 1.0), (0.0, 0.0))
    axes = (Axis("y", "space"), Axis("x", "space"))
    return Image("slow", axes, (level,), np.dtype(np.uint8), source), source


def test_a_cancelled_read_asks_for_nothing_more_and_leaves_no_thread_at_work() -> None:
    image, source = slow_image()

    async def cancel() -> None:
        reading = asyncio.create_task(image.read_async())
        while not source.asked:  # noqa: ASYNC110 # it is a thread that asks
            await asyncio.sleep(0.001)
        reading.cancel()
        await asyncio.sleep(0.01)
        assert not reading.done(), "a thread still writes into its memory"
        source.go.set()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert len(source.asked) < 20

    wait_for(asyncio.wait_for(cancel(), 20))


def test_what_is_wrong_with_a_chunk_is_told_and_ends_the_read() -> None:
    image, source = slow_image()
    source.go.set()
    np.testing.assert_array_equal(image.read()[0], np.arange(200))
    source.asked.clear()
    source.corrupt = (0, 3)
    with pytest.raises(Corrupt, match="corrupt"):
        image.read()
    assert len(source.asked) < 100


def test_memory_is_read_in_one_step() -> None:
    image = image_from_array(PIXELS, chunks=(50, 70))
    direct = image.source.direct(0)
    assert direct is not None
    np.testing.assert_array_equal(direct((2, 1))[0], PIXELS[100:, 70:140])
    np.testing.assert_array_equal(image.read(0, [slice(10, 120), 5]), PIXELS[10:120, 5])


def test_chunks_of_any_shape_are_counted_and_named_without_holding_all() -> None:
    """What a header says may be far more than memory holds."""
    level = Level((2**40, 3, 2**62), (1, 2, 512), (1.0,) * 3, (0.0,) * 3)
    assert level.chunks_between((0, 0, 0), level.shape) == 2**40 * 2 * 2**53
    tracemalloc.start()
    found = list(itertools.islice(level.chunks_in((5, 0, 1024), level.shape), 3))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [(5, 0, 2), (5, 0, 3), (5, 0, 4)]
    assert most < 2**16
    last = list(level.chunks_in((2**40 - 2, 0, 2**62 - 700), level.shape))
    assert last[0] == (2**40 - 2, 0, 2**53 - 2)
    assert len(last) == level.chunks_between((2**40 - 2, 0, 2**62 - 700), level.shape) == 8
