"""Writing: valid OME-Zarr 0.5 that others read, exact levels, all or nothing, bounded memory."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import ome_zarr_models
import pytest
import zarr
from ome_zarr_models.v05 import Image as OmeImage
from ome_zarr_models.v05 import ImageLabel as OmeLabels

from opsin.errors import Corrupt, ReadError, UsageError, WriteError
from opsin.images.image import Channel, Image, Level
from opsin.images.memory import MemorySource, image_from_array
from opsin.images.pyramid import halve
from opsin.images.readers import open_image, open_images
from opsin.images.source import Array, Index, Source
from opsin.images.write import write_image

RANDOM = np.random.default_rng(9)
DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


def noise(*shape: int, dtype: Any = "u2") -> Array:
    values: Array = RANDOM.integers(0, 120, shape).astype(dtype)
    return values


def expected_levels(array: Array, plane: tuple[int, int], count: int, labels: bool) -> list[Array]:
    levels = [array]
    while len(levels) < count:
        levels.append(halve(levels[-1], plane, labels))
    return levels


@pytest.mark.parametrize("dtype", DTYPES)
def test_zarr_python_reads_exact_levels(tmp_path: Path, dtype: str) -> None:
    array = noise(75, 131, dtype=dtype)
    array[:40, :40] = 0
    write_image(image_from_array(array), tmp_path / "a.zarr", chunk=16)
    group: Any = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    expected = expected_levels(array, (0, 1), 5, labels=False)
    assert sorted(group.array_keys()) == list("01234")
    for number, level in enumerate(expected):
        np.testing.assert_array_equal(group[str(number)][:], level)
    assert not (tmp_path / "a.zarr/0/c/0/0").exists()  # all zero: not stored
    with open_image(tmp_path / "a.zarr") as image:
        for number, level in enumerate(expected):
            np.testing.assert_array_equal(image.read(number), level)


def test_what_is_written_validates_and_comes_back(tmp_path: Path) -> None:
    array = noise(2, 3, 100, 80)
    image = image_from_array(
        array,
        axes="czyx",
        name="cells",
        scale=(1, 2, 0.5, 0.25),
        translation=(0, 0, 10, -5),
        units=(None, "micrometer", "micrometer", "micrometer"),
    )
    channels = (Channel("DNA", "0000ff", (3, 90)), Channel("actin", None, None, visible=False))
    labels = image_from_array(noise(3, 100, 80, dtype="u4"), axes="zyx", name="nuclei")
    write_image(replace(image, channels=channels), tmp_path / "a.zarr", chunk=32, labels=(labels,))
    model = ome_zarr_models.open_ome_zarr(zarr.open_group(str(tmp_path / "a.zarr"), mode="r"))
    assert isinstance(model, OmeImage)
    inner = zarr.open_group(str(tmp_path / "a.zarr/labels/nuclei"), mode="r")
    assert isinstance(ome_zarr_models.open_ome_zarr(inner), OmeImage | OmeLabels)
    back, nuclei = open_images(tmp_path / "a.zarr")
    assert back.axes == image.axes
    assert back.channels == (channels[0], Channel("actin", "ffffff", (0, 65535), False))
    assert [level.shape for level in back.levels][:3] == [
        (2, 3, 100, 80), (2, 3, 50, 40), (2, 3, 25, 20)
    ]  # fmt: skip
    assert back.levels[0].chunks == (1, 1, 32, 32)
    assert back.levels[2].scale == (1, 2, 2, 1)
    assert back.levels[2].translation == (0, 0, 10.75, -4.625)
    assert nuclei.kind == "labels"
    for number, level in enumerate(expected_levels(array, (2, 3), 3, False)):
        np.testing.assert_array_equal(back.read(number), level)
    for number, level in enumerate(expected_levels(noise_of(labels), (1, 2), 3, True)):
        np.testing.assert_array_equal(nuclei.read(number), level)
    back.close()
    nuclei.close()


def noise_of(image: Image) -> Array:
    return image.read()


def test_colour_images_keep_their_samples_together(tmp_path: Path) -> None:
    array = noise(50, 70, 3, dtype="u1")
    image = replace(image_from_array(array, axes="yxc", chunks=(20, 20, 3)), rgb=True)
    write_image(image, tmp_path / "a.zarr", chunk=16)
    with open_image(tmp_path / "a.zarr") as back:
        assert back.levels[0].chunks == (16, 16, 3)
        np.testing.assert_array_equal(back.read(1), halve(array, (0, 1), False))


@pytest.mark.parametrize("chunks", [(1, 7, 3000), (5, 13, 17), (5, 100, 90), (1, 1, 1000)])
def test_source_chunks_of_any_shape_are_read_once(tmp_path: Path, chunks: Any) -> None:
    array = noise(5, 100, 90)
    image = image_from_array(array, axes="zyx", chunks=chunks)
    reads: list[Index] = []

    class Counting(MemorySource):
        async def fetch(self, level: int, index: Index) -> Any:
            reads.append(index)
            return await super().fetch(level, index)

        def direct(self, level: int) -> Any:
            return None

    counted = replace(image, source=Counting(array, image.levels[0]))
    write_image(counted, tmp_path / "a.zarr", chunk=64)
    assert len(reads) == len(set(reads)) == np.prod(image.levels[0].grid)
    with open_image(tmp_path / "a.zarr") as back:
        np.testing.assert_array_equal(back.read(), array)


def test_levels_and_small_images(tmp_path: Path) -> None:
    array = noise(30, 20)
    write_image(image_from_array(array), tmp_path / "a.zarr")
    with open_image(tmp_path / "a.zarr") as image:
        assert len(image.levels) == 1
        assert image.levels[0].chunks == (30, 20)
    write_image(image_from_array(array), tmp_path / "b.zarr", levels=3, chunk=8)
    group: Any = zarr.open_group(str(tmp_path / "b.zarr"), mode="r")
    assert [group[name].shape for name in "012"] == [(30, 20), (15, 10), (8, 5)]
    write_image(image_from_array(noise(1, 100)), tmp_path / "c.zarr", chunk=8)
    with open_image(tmp_path / "c.zarr") as image:
        assert image.levels[3].shape == (1, 13)


def test_progress_counts_every_chunk_once(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    image = image_from_array(noise(60, 60))
    write_image(
        image,
        tmp_path / "a.zarr",
        chunk=16,
        labels=(replace(image, name="l"),),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (42, 42)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    "options",
    [
        {"chunk": 7},
        {"chunk": 0},
        {"levels": 0},
        {"levels": 99},
        {"labels": ["a/b"]},
        {"labels": [".."]},
        {"labels": ["a", "a"]},
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, Any]) -> None:
    image = image_from_array(noise(9, 9))
    if "labels" in options:
        options["labels"] = [replace(image, name=name) for name in options["labels"]]
    with pytest.raises(UsageError):
        write_image(image, tmp_path / "a.zarr", **options)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_path_is_refused(tmp_path: Path) -> None:
    image = image_from_array(noise(9, 9))
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "b.zarr").write_text("x")
    for name, message in (("a.zarr", "exists already"), ("b.zarr", "exists"), ("c/d", "no folder")):
        with pytest.raises(WriteError, match=message):
            write_image(image, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]


class Failing(MemorySource):
    """Fails, or is interrupted, at its last chunk."""

    error: BaseException | None = Corrupt("This chunk is broken.")

    async def fetch(self, level: int, index: Index) -> Any:
        if index == (3, 3):
            if self.error is None:
                main = threading.main_thread().ident
                assert main is not None
                signal.pthread_kill(main, signal.SIGINT)
                await asyncio.sleep(20)
            else:
                raise self.error
        return await super().fetch(level, index)

    def direct(self, level: int) -> Any:
        return None


@pytest.mark.parametrize("error", [Corrupt("broken"), ReadError("gone"), None])
def test_nothing_is_left_after_a_failure_or_an_interrupt(
    tmp_path: Path, error: BaseException | None
) -> None:
    image = image_from_array(noise(64, 64), chunks=(16, 16))
    source = Failing(noise(64, 64), image.levels[0])
    source.error = error
    kind = KeyboardInterrupt if error is None else type(error)
    with pytest.raises(kind):
        write_image(replace(image, source=source), tmp_path / "a.zarr", chunk=8)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_an_error_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match=r"cannot be written: No space left on device\."):
        write_image(image_from_array(noise(64, 64)), tmp_path / "a.zarr", chunk=8)
    assert list(tmp_path.iterdir()) == []


def test_the_name_appears_only_when_all_is_there(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    write_image(
        image_from_array(noise(64, 64)),
        tmp_path / "a.zarr",
        chunk=8,
        progress=lambda done, total: seen.append([path.name for path in tmp_path.iterdir()]),
    )
    assert all(names != ["a.zarr"] and len(names) == 1 for names in seen)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert json.loads((tmp_path / "a.zarr/zarr.json").read_text())["node_type"] == "group"


class Plain(Source):
    """A wide image out of nothing."""

    def __init__(self, level: Level) -> None:
        self._level = level

    @property
    def provenance(self) -> Literal["memory"]:
        return "memory"

    async def fetch(self, level: int, index: Index) -> None:
        return None

    def decode(self, level: int, index: Index, encoded: object) -> Array:
        return np.full(self._level.chunk_shape(index), 1 + index[1] % 7, np.uint16)

    def transient_bytes(self, level: int, index: Index) -> int:
        return 0

    def close(self) -> None:
        pass


def test_memory_is_bounded_however_wide_the_image(tmp_path: Path) -> None:
    """512 MiB of pixels in two rows of chunks: a band of all of it would be 256 MiB."""
    level = Level((1024, 1 << 18), (512, 4096), (1.0, 1.0), (0.0, 0.0))
    image = replace(
        image_from_array(np.zeros((2, 2), np.uint16)), levels=(level,), source=Plain(level)
    )
    tracemalloc.start()
    write_image(image, tmp_path / "a.zarr")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 180 << 20
    assert (tmp_path / "a.zarr/9/zarr.json").exists()
