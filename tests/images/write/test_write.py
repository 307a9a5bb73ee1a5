"""Writing: valid OME-Zarr that others read, exact levels, all or nothing, bounded memory."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr

from opsin.errors import Corrupt, ReadError, UsageError, WriteError
from opsin.images.image import Channel, Level
from opsin.images.memory import MemorySource, image_from_array
from opsin.images.readers import open_image, open_images
from opsin.images.source import Array, Index
from opsin.images.write import write_image
from opsin.images.write.codec import CODECS
from tests.images.write.outside import coarser, levels_of, noise, validated
from tests.images.write.wide import WIDE

DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
ROOT = Path(__file__).parents[3]


def check_levels(path: Path, array: Array, axes: tuple[int, ...], count: int) -> None:
    """zarr-python and we read what NumPy makes of an array."""
    levels = levels_of(path)
    assert len(levels) == count
    labels = "image-label" in json.dumps(dict(zarr.open_group(str(path), mode="r").attrs))
    with open_image(path) as image:
        for number, level in enumerate(levels):
            assert level.dtype == array.dtype
            np.testing.assert_array_equal(level, array)
            np.testing.assert_array_equal(image.read(number), array)
            array = coarser(array, axes, labels)


@pytest.mark.parametrize("dtype", DTYPES)
def test_levels_of_every_type_are_exact(tmp_path: Path, dtype: str) -> None:
    array = noise(75, 131, dtype=dtype)
    array[:40, :40] = 0
    write_image(image_from_array(array), tmp_path / "a.zarr", chunks=16)
    assert validated(tmp_path / "a.zarr") == "0.5"
    check_levels(tmp_path / "a.zarr", array, (0, 1), 5)
    assert not (tmp_path / "a.zarr/0/c/0/0").exists()  # all zero: not stored


VARIANTS: list[dict[str, Any]] = [
    *({"codec": codec, "ome": ome} for codec in CODECS for ome in ("0.4", "0.5", "0.6")),
    *({"codec": codec, "shards": 64} for codec in CODECS),
    {"shards": (2, 48, 32)},
    {"shards": (1, 160, 1600), "ome": "0.6"},
    {"halve": "zyx", "chunks": (2, 16, 16)},
    {"halve": "zyx", "chunks": 8, "shards": 24},
    {"halve": "zyx", "chunks": (4, 8, 16), "shards": (8, 8, 64), "ome": "0.6", "codec": "zstd"},
]


@pytest.mark.parametrize(
    ("options", "kind"),
    [*((one, "image") for one in VARIANTS), *((one, "labels") for one in VARIANTS[::4])],
    ids=str,
)
def test_every_variant_is_valid_and_exact(
    tmp_path: Path, options: dict[str, Any], kind: Literal["image", "labels"]
) -> None:
    array = noise(5, 75, 131) if kind == "image" else noise(5, 75, 131, dtype="u4") // 40
    array[:, 16:32, 32:] = 0
    image = image_from_array(array, axes="zyx", kind=kind, chunks=(3, 33, 70))
    options = {"chunks": 16, "levels": 3, **options}
    write_image(image, tmp_path / "a.zarr", **options)
    assert validated(tmp_path / "a.zarr") == options.get("ome", "0.5")
    axes = (0, 1, 2) if "halve" in options else (1, 2)
    check_levels(tmp_path / "a.zarr", array, axes, 3)
    stored: Any = zarr.open_array(str(tmp_path / "a.zarr/0"), mode="r")
    assert (stored.shards is None) == ("shards" not in options)
    with open_image(tmp_path / "a.zarr") as back:
        assert back.kind == kind


def test_what_is_known_of_an_image_comes_back(tmp_path: Path) -> None:
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
    mask = noise(3, 100, 80, dtype="u4")
    labels = image_from_array(mask, axes="zyx", name="nuclei")
    for ome in ("0.4", "0.5", "0.6"):
        path = tmp_path / f"{ome}.zarr"
        write_image(replace(image, channels=channels), path, chunks=32, labels=(labels,), ome=ome)
        assert validated(path) == validated(path / "labels/nuclei") == ome
        back, nuclei = open_images(path)
        with back, nuclei:
            assert back.axes == image.axes
            assert back.warnings == nuclei.warnings == ()
            assert back.channels == (channels[0], Channel("actin", "ffffff", (0, 65535), False))
            assert [level.shape for level in back.levels][:3] == [
                (2, 3, 100, 80), (2, 3, 50, 40), (2, 3, 25, 20)
            ]  # fmt: skip
            assert back.levels[0].chunks == (1, 1, 32, 32)
            assert back.levels[2].scale == (1, 2, 2, 1)
            assert back.levels[2].translation == (0, 0, 10.75, -4.625)
            assert (nuclei.kind, nuclei.name) == ("labels", "nuclei")
            np.testing.assert_array_equal(back.read(1), coarser(array, (2, 3), False))
            np.testing.assert_array_equal(nuclei.read(1), coarser(mask, (1, 2), True))


def test_sizes_for_labels_go_by_the_names_of_axes(tmp_path: Path) -> None:
    image = image_from_array(noise(2, 6, 40, 40), axes="tzyx", name="cells")
    labels = [
        image_from_array(noise(6, 40, 40, dtype="u1"), axes="zyx", name="deep"),
        image_from_array(noise(40, 40, dtype="u1"), axes="yx", name="flat"),
    ]
    write_image(
        image,
        tmp_path / "a.zarr",
        chunks=(2, 4, 8, 16),
        shards=(2, 4, 16, 32),
        halve="zyx",
        labels=labels,
    )
    opened = open_images(tmp_path / "a.zarr")
    assert [one.levels[0].chunks for one in opened] == [(2, 4, 8, 16), (4, 8, 16), (8, 16)]
    for one in opened:
        one.close()


def test_colours_become_channels_before_space(tmp_path: Path) -> None:
    array = noise(50, 70, 4, dtype="u1")
    image = replace(image_from_array(array, axes="yxc", chunks=(20, 20, 4)), rgb=True)
    write_image(image, tmp_path / "a.zarr", chunks=16)
    validated(tmp_path / "a.zarr")
    with open_image(tmp_path / "a.zarr") as back:
        assert back.axis_names == ("c", "y", "x")
        assert back.levels[0].chunks == (4, 16, 16)
        assert [channel.colour for channel in back.channels] == [
            "ff0000", "00ff00", "0000ff", "ffffff"
        ]  # fmt: skip
        assert [channel.visible for channel in back.channels] == [True, True, True, False]
        assert back.channels[0].window == (0, 255)
        expected = coarser(array.transpose(2, 0, 1), (1, 2), False)
        np.testing.assert_array_equal(back.read(1), expected)


@pytest.mark.parametrize(
    ("given", "written"), [("zyxct", "tczyx"), ("yxt", "tyx"), ("xzyc", "cxzy"), ("czyx", "czyx")]
)
def test_axes_are_put_in_order(tmp_path: Path, given: str, written: str) -> None:
    array = noise(*range(4, 4 + len(given)))
    image = image_from_array(array, axes=given, scale=range(1, 1 + len(given)))
    write_image(image, tmp_path / "a.zarr", chunks=4)
    validated(tmp_path / "a.zarr")
    with open_image(tmp_path / "a.zarr") as back:
        assert "".join(back.axis_names) == written
        order = [given.index(name) for name in written]
        np.testing.assert_array_equal(back.read(), array.transpose(order))
        assert back.levels[0].scale == tuple(1 + axis for axis in order)
        halved = [written.index("y"), written.index("x")]
        np.testing.assert_array_equal(back.read(1), coarser(back.read(), halved, False))


class Counting(MemorySource):
    """Knows what was read, and is read piece by piece."""

    def __init__(self, array: Array, level: Level) -> None:
        super().__init__(array, level)
        self.reads: list[Index] = []

    async def fetch(self, level: int, index: Index) -> Any:
        self.reads.append(index)
        return await super().fetch(level, index)

    def direct(self, level: int) -> Any:
        return None


@pytest.mark.parametrize(
    "chunks", [(1, 7, 3000), (5, 13, 17), (5, 100, 90), (1, 1, 1000), (2, 64, 64), (4, 128, 32)]
)
@pytest.mark.parametrize("options", [{}, {"halve": "zyx", "chunks": (2, 64, 32)}], ids=str)
def test_source_chunks_of_any_shape_are_read_once(
    tmp_path: Path, chunks: Any, options: dict[str, Any]
) -> None:
    array = noise(5, 100, 90)
    image = image_from_array(array, axes="zyx", chunks=chunks)
    source = Counting(array, image.levels[0])
    write_image(replace(image, source=source), tmp_path / "a.zarr", **{"chunks": 64, **options})
    assert len(source.reads) == len(set(source.reads)) == np.prod(image.levels[0].grid)
    with open_image(tmp_path / "a.zarr") as back:
        np.testing.assert_array_equal(back.read(), array)


def test_levels_and_small_images(tmp_path: Path) -> None:
    array = noise(30, 20)
    write_image(image_from_array(array), tmp_path / "a.zarr", shards=1024)
    with open_image(tmp_path / "a.zarr") as image:
        assert len(image.levels) == 1
        assert image.levels[0].chunks == (30, 20)
    write_image(image_from_array(array), tmp_path / "b.zarr", levels=3, chunks=8)
    assert [level.shape for level in levels_of(tmp_path / "b.zarr")] == [
        (30, 20), (15, 10), (8, 5)
    ]  # fmt: skip
    write_image(image_from_array(noise(1, 100)), tmp_path / "c.zarr", chunks=8)
    with open_image(tmp_path / "c.zarr") as image:
        assert image.levels[3].shape == (1, 13)
    write_image(image_from_array(array), tmp_path / "d.zarr", levels=1, chunks=7)
    np.testing.assert_array_equal(levels_of(tmp_path / "d.zarr")[0], array)


def test_progress_counts_every_chunk_once(tmp_path: Path) -> None:
    for shards in (None, 32):
        seen: list[tuple[int, int]] = []
        image = image_from_array(noise(60, 60))
        write_image(
            image,
            tmp_path / f"{shards}.zarr",
            chunks=16,
            shards=shards,
            labels=(replace(image, name="l"),),
            progress=partial(_note, seen),
        )
        assert seen[-1] == (42, 42)
        assert seen == sorted(seen)


def _note(seen: list[tuple[int, int]], done: int, total: int) -> None:
    seen.append((done, total))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunks": 7}, "give an even number"),
        ({"chunks": 0}, "no chunks of 0 pixels"),
        ({"chunks": (2, 2, 2)}, "3 sizes of chunks for an image of 2 axes"),
        ({"chunks": ()}, "no chunks of nothing"),
        ({"chunks": 1 << 21}, "no chunks of 2097152"),
        ({"levels": 0}, "cannot have 0 levels"),
        ({"levels": 99}, "give 1 to 64"),
        ({"codec": "lz5"}, "There is no codec 'lz5': give one of blosc-lz4, "),
        ({"ome": "0.7"}, "OME-Zarr 0.7 cannot be written: give one of 0.4, 0.5, 0.6"),
        ({"ome": "0.4", "shards": 64}, "0.4 has no shards"),
        ({"chunks": 4, "shards": 6}, "Shards of 6 × 6 pixels are not whole numbers of chunks"),
        ({"halve": "zyx"}, "cannot be halved along z: its axes in space are y, x"),
        ({"halve": "y"}, "Two or three different axes are halved"),
        ({"halve": "yy"}, "Two or three different axes are halved"),
        ({"labels": ["a/b"]}, "different names"),
        ({"labels": [".."]}, "different names"),
        ({"labels": ["a", "a"]}, "different names"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    image = image_from_array(noise(9, 9))
    if "labels" in options:
        options = {"labels": [replace(image, name=name) for name in options["labels"]]}
    with pytest.raises(UsageError, match=message):
        write_image(image, tmp_path / "a.zarr", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("abcyx", "several axes that are neither time, channels nor space"),
        ("tczayx", r"has 6 axes \(t, c, a, z, y, x\), but OME-Zarr has at most 5"),
        ("tx", "needs two or three in space"),
    ],
)
def test_axes_that_ome_zarr_does_not_have(tmp_path: Path, axes: str, message: str) -> None:
    image = image_from_array(noise(*[2] * len(axes)), axes=axes)
    with pytest.raises(UsageError, match=message):
        write_image(image, tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []


def test_more_chunks_than_can_be_known(tmp_path: Path) -> None:
    pixels = np.broadcast_to(np.uint8(0), (1 << 24, 1 << 24))
    with pytest.raises(UsageError, match="would have 1073741824 chunks, more than the 67108864"):
        write_image(image_from_array(pixels), tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_path_is_refused(tmp_path: Path) -> None:
    image = image_from_array(noise(9, 9))
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "b.zarr").write_text("x")
    for name, message in (("a.zarr", "exists already"), ("b.zarr", "exists"), ("c/d", "no folder")):
        with pytest.raises(WriteError, match=message):
            write_image(image, tmp_path / name)
    for name in ("a.zarr", "b.zarr"):
        with pytest.raises(WriteError, match="is no zarr, so it is not overwritten"):
            write_image(image, tmp_path / name, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]


def test_a_zarr_may_be_overwritten_which_happens_at_the_end(tmp_path: Path) -> None:
    first, second = noise(40, 40), noise(30, 30)
    path = tmp_path / "a.zarr"
    write_image(image_from_array(first), path)
    image = image_from_array(second, chunks=(10, 10))

    class Looking(Counting):
        async def fetch(self, level: int, index: Index) -> Any:
            np.testing.assert_array_equal(levels_of(path)[0], first)
            return await super().fetch(level, index)

    failing = Failing(second, image.levels[0])
    failing.last = (2, 2)
    with pytest.raises(Corrupt):
        write_image(replace(image, source=failing), path, overwrite=True)
    np.testing.assert_array_equal(levels_of(path)[0], first)
    looking = Looking(second, image.levels[0])
    write_image(replace(image, source=looking), path, overwrite=True)
    assert looking.reads
    np.testing.assert_array_equal(levels_of(path)[0], second)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


class Failing(MemorySource):
    """Fails, or is interrupted, at its last chunk."""

    error: BaseException | None = Corrupt("This chunk is broken.")
    last = (3, 3)

    async def fetch(self, level: int, index: Index) -> Any:
        if index == self.last:
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


class FailingDirectly(Failing):
    """The same, on the threads of the writer."""

    def direct(self, level: int) -> Any:
        def read(index: Index) -> tuple[Array, int]:
            array: Array = asyncio.run(self.fetch(level, index))
            return array, 0

        return read


@pytest.mark.parametrize("error", [Corrupt("broken"), ReadError("gone"), None])
@pytest.mark.parametrize("options", [{}, {"shards": 16}], ids=str)
def test_nothing_is_left_after_a_failure_or_an_interrupt(
    tmp_path: Path, error: BaseException | None, options: dict[str, Any]
) -> None:
    image = image_from_array(noise(64, 64), chunks=(16, 16))
    kinds = (Failing,) if error is None else (Failing, FailingDirectly)
    for kind in kinds:
        source = kind(noise(64, 64), image.levels[0])
        source.error = error
        expected = KeyboardInterrupt if error is None else type(error)
        with pytest.raises(expected):
            write_image(replace(image, source=source), tmp_path / "a.zarr", chunks=8, **options)
        assert list(tmp_path.iterdir()) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("opsin-write")]


@pytest.mark.parametrize("shards", [None, 64])
def test_a_disk_that_is_full_is_an_error_and_nothing_is_left(
    tmp_path: Path, shards: int | None
) -> None:
    """A limit for the size of files stands for the disk: it needs no rights."""
    code = (
        "import resource, signal, sys, numpy as np, opsin\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n"
        "noise = np.random.default_rng(0).integers(0, 2**16, (96, 96)).astype(np.uint16)\n"
        "try:\n"
        "    opsin.write_image(opsin.image_from_array(noise), sys.argv[1], chunks=64, "
        f"shards={shards})\n"
        "except opsin.OpsinError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.zarr"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    expected = os.strerror(errno.EFBIG)
    assert done.stdout == f"WriteError {tmp_path / 'a.zarr'} cannot be written: {expected}.\n"
    assert list(tmp_path.iterdir()) == []


def test_the_name_appears_only_when_all_is_there(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    write_image(
        image_from_array(noise(64, 64)),
        tmp_path / "a.zarr",
        chunks=8,
        progress=lambda done, total: seen.append([path.name for path in tmp_path.iterdir()]),
    )
    assert all(names != ["a.zarr"] and len(names) == 1 for names in seen)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert json.loads((tmp_path / "a.zarr/zarr.json").read_text())["node_type"] == "group"


@pytest.mark.parametrize("case", WIDE)
def test_memory_is_bounded_however_wide_the_image(tmp_path: Path, case: str) -> None:
    """128 MiB of pixels, in shapes in which some part of it would have to wait for another."""
    code = (
        "import sys, pathlib; from tests.images.write.wide import write_wide; "
        "write_wide(sys.argv[1], pathlib.Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, case, tmp_path / "a.zarr"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(done.stdout) < 125


def test_channels_of_floats_get_the_limits_of_what_is_there(tmp_path: Path) -> None:
    array = noise(3, 4, 70, 50, dtype="f4") / 7
    array[0, :, 0, 0] = np.nan
    array[1] = 2.5
    array[2] = np.nan
    names = tuple(Channel(name) for name in ("one", "flat", "nothing"))
    image = replace(image_from_array(array, axes="czyx"), channels=names)
    write_image(image, tmp_path / "a.zarr", chunks=16)
    validated(tmp_path / "a.zarr")
    with open_image(tmp_path / "a.zarr") as back:
        coarsest = back.read(len(back.levels) - 1, (0,))
        low, high = float(np.nanmin(coarsest)), float(np.nanmax(coarsest))
        windows = [(one.name, one.window) for one in back.channels]
        assert windows == [("one", (low, high)), ("flat", (2.5, 3.5)), ("nothing", (0, 1))]


def test_booleans_keep_the_names_of_channels(tmp_path: Path) -> None:
    image = replace(image_from_array(noise(2, 9, 9) > 5, axes="cyx"), channels=(Channel("a"),) * 2)
    write_image(image, tmp_path / "a.zarr", ome="0.4")
    assert validated(tmp_path / "a.zarr") == "0.4"
    with open_image(tmp_path / "a.zarr") as back:
        assert [channel.name for channel in back.channels] == ["a", "a"]
