"""Write: any image as a multiscale OME-Zarr 0.5, all levels in one pass, memory bounded."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from opsin.errors import UsageError, WriteError
from opsin.images.draft import draft_name, remove_dead_drafts
from opsin.images.image import Image, Level
from opsin.images.ome_metadata import attributes_of, checked_path
from opsin.images.pyramid import Pyramid, pyramid_levels
from opsin.images.source import Array, Index
from opsin.images.waiting import wait_for

BLOCK_BYTES = 32 << 20
"""What is read of the image at once; about three such blocks are in memory."""
Progress = Callable[[int, int], None]


def write_image(
    image: Image,
    path: str | Path,
    *,
    chunk: int = 512,
    levels: int | None = None,
    labels: Sequence[Image] = (),
    progress: Progress | None = None,
) -> None:
    """Write an image, and labels that belong to it, as OME-Zarr 0.5 (zarr 3).

    The finest level is copied; coarser ones are made from it as `opsin.images.pyramid` says. Chunks
    are compressed with blosc (lz4, labels zstd; bit shuffle), those that are all zero are left out.
    The folder gets its name only when it is complete; after a failure or Ctrl-C nothing is left.

    Args:
        image: its last two axes in space are halved from level to level.
        path: a folder that does not exist yet, in one that does.
        chunk: pixels of a chunk along y and x, an even number; 1 along other axes.
        levels: how many; by default until one fits into a chunk.
        labels: written to `labels/<name>` inside the image.
        progress: called with (chunks written, chunks in all) from another thread, one call at a
            time.

    Raises:
        UsageError: options that make no sense.
        WriteError: the path exists, or the disk does not take it.
        ReadError: the image cannot be read.
    """
    target = Path(path).absolute()
    if chunk < 2 or chunk % 2:
        raise UsageError(f"Chunks of {chunk} pixels cannot be halved: give an even number.")
    if levels is not None and not 1 <= levels <= 64:
        raise UsageError(f"An image cannot have {levels} levels: give 1 to 64.")
    names = [one.name for one in labels]
    if len(set(names)) < len(names) or any(checked_path(n) != n or "/" in n for n in names):
        raise UsageError(f"Labels need different names that can name a folder, not {names}.")
    if target.exists() or target.is_symlink():
        raise WriteError(f"{target} exists already: choose another name, or remove it first.")
    if not target.parent.is_dir():
        raise WriteError(f"{target.parent} is no folder: make it first.")
    folder = target.with_name(draft_name(target.name))
    try:
        remove_dead_drafts(target.parent)
        folder.mkdir()
        jobs = [_Writing(image, folder, chunk, levels)]
        if labels:
            _write_json(folder / "labels/zarr.json", _group({"version": "0.5", "labels": names}))
        for one in labels:
            one = replace(one, kind="labels")
            jobs.append(_Writing(one, folder / "labels" / one.name, chunk, levels))
        wait_for(_write_all(jobs, progress))
        # Whatever got this name meanwhile makes this fail (but an empty folder, which is no loss).
        folder.rename(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(f"{target} cannot be written: {reason}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _write_all(jobs: Sequence[_Writing], progress: Progress | None) -> None:
    total = sum(job.chunks for job in jobs)
    done = 0
    # The `with` waits for running encoders, so that none writes into a folder being removed.
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="opsin-write") as pool:
        try:
            for job in jobs:
                async with aclosing(job.run(pool)) as running:
                    async for written in running:
                        done += written
                        if progress is not None:
                            progress(done, total)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Writing:
    """One multiscale group being written."""

    def __init__(self, image: Image, folder: Path, chunk: int, levels: int | None) -> None:
        self._image = image
        self._folder = folder
        # lz4 decodes three times as fast; labels are so much smaller with zstd that it wins there.
        self._compressor, self._effort = ("zstd", 1) if image.kind == "labels" else ("lz4", 5)
        self._plane = _plane(image)
        finest = image.levels[0].shape
        halved = levels != 1 and any(finest[axis] > chunk for axis in self._plane)
        sizes = [1] * len(finest)
        for axis in self._plane:
            sizes[axis] = chunk if halved or levels not in (None, 1) else min(chunk, finest[axis])
        if image.rgb and image.channel_axis is not None:
            sizes[image.channel_axis] = finest[image.channel_axis]
        self._levels = pyramid_levels(image, self._plane, tuple(sizes), levels)
        self._pyramid = Pyramid(
            self._levels, self._plane, image.kind == "labels", self._write_chunk
        )
        self._folders: set[str] = set()
        self._write_metadata()

    @property
    def chunks(self) -> int:
        """Chunks of all levels."""
        return sum(math.prod(level.grid) for level in self._levels)

    async def run(self, pool: ThreadPoolExecutor) -> AsyncGenerator[int, None]:
        """Read block after block while the chunks of the one before are encoded."""
        loop = asyncio.get_running_loop()
        encoding: list[asyncio.Future[int]] = []
        try:
            for start, stop in _blocks(self._image.levels[0], self._levels[0].chunks, self._image):
                block = await self._image.read_async(
                    0, [slice(a, b) for a, b in zip(start, stop, strict=True)]
                )
                for task in encoding:
                    yield await task
                encoding = [
                    loop.run_in_executor(pool, self._pyramid.place, index, piece)
                    for index, piece in self._pieces(block, start, stop)
                ]
                del block
            for task in encoding:
                yield await task
        finally:
            for task in encoding:
                task.cancel()

    def _pieces(
        self, block: Array, start: Sequence[int], stop: Sequence[int]
    ) -> Iterator[tuple[Index, Array]]:
        level = self._levels[0]
        for index in level.chunks_in(start, stop):
            origin = [i * c - a for i, c, a in zip(index, level.chunks, start, strict=True)]
            shape = level.chunk_shape(index)
            yield index, block[tuple(slice(o, o + n) for o, n in zip(origin, shape, strict=True))]

    def _write_chunk(self, level: int, index: Index, block: Array) -> None:
        if not block.any() and (block.dtype.kind != "f" or not np.signbit(block).any()):
            return  # what is not stored reads as zero (but not as minus zero)
        chunks = self._levels[level].chunks
        if block.shape != chunks:
            whole = np.zeros(chunks, block.dtype)
            whole[tuple(slice(0, n) for n in block.shape)] = block
            block = whole
        stored = imagecodecs.blosc_encode(
            block.astype(block.dtype.newbyteorder("<"), copy=False).tobytes(),
            level=self._effort,
            compressor=self._compressor,
            shuffle="bitshuffle",
            typesize=block.dtype.itemsize,
            numthreads=1,
        )
        parent, _, name = "/".join([str(level), "c", *map(str, index)]).rpartition("/")
        if parent not in self._folders:
            (self._folder / parent).mkdir(parents=True, exist_ok=True)
            self._folders.add(parent)
        (self._folder / parent / name).write_bytes(stored)

    def _write_metadata(self) -> None:
        paths = [str(number) for number in range(len(self._levels))]
        ome = attributes_of(replace(self._image, levels=self._levels), paths)
        _write_json(self._folder / "zarr.json", _group(ome))
        dtype = self._image.dtype
        blosc = {
            "cname": self._compressor,
            "clevel": self._effort,
            "shuffle": "bitshuffle",
            "typesize": dtype.itemsize,
            "blocksize": 0,
        }
        for path, level in zip(paths, self._levels, strict=True):
            bytes_codec: dict[str, Any] = {"name": "bytes"}
            if dtype.itemsize > 1:
                bytes_codec["configuration"] = {"endian": "little"}
            metadata = {
                "zarr_format": 3,
                "node_type": "array",
                "shape": level.shape,
                "data_type": dtype.name,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": level.chunks}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                "fill_value": False if dtype == np.bool_ else 0,
                "codecs": [bytes_codec, {"name": "blosc", "configuration": blosc}],
                "dimension_names": self._image.axis_names,
                "attributes": {},
            }
            _write_json(self._folder / path / "zarr.json", metadata)


def _plane(image: Image) -> tuple[int, int]:
    """The axes that are halved: y and x, or the last two in space."""
    names = image.axis_names
    if "y" in names and "x" in names:
        return names.index("y"), names.index("x")
    space = [axis for axis, entry in enumerate(image.axes) if entry.type == "space"]
    if len(space) < 2:
        raise UsageError(f"{image.name} has the axes {names}, but needs two in space.")
    return space[-2], space[-1]


def _blocks(
    level: Level, chunks: tuple[int, ...], image: Image
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Boxes that cover a level, of whole target chunks and (as far as they fit) source chunks.

    In Z order, which keeps what waits in a pyramid small.
    """
    size = [-(-source // own) * own for source, own in zip(level.chunks, chunks, strict=True)]
    size = [
        min(n, -(-whole // own) * own)
        for n, whole, own in zip(size, level.shape, chunks, strict=True)
    ]
    plane = _plane(image)
    grows = True
    while grows:
        grows = False
        for axis in reversed(plane):
            bytes_now = math.prod(size) * image.dtype.itemsize
            if size[axis] < level.shape[axis] and 2 * bytes_now <= BLOCK_BYTES:
                size[axis] *= 2
                grows = True
    counts = [-(-whole // n) for whole, n in zip(level.shape, size, strict=True)]
    others = [range(1) if axis in plane else range(n) for axis, n in enumerate(counts)]
    for outer in itertools.product(*others):
        for y, x in _z_order(counts[plane[0]], counts[plane[1]]):
            index = list(outer)
            index[plane[0]], index[plane[1]] = y, x
            start = tuple(i * n for i, n in zip(index, size, strict=True))
            yield (
                start,
                tuple(
                    min(a + n, whole) for a, n, whole in zip(start, size, level.shape, strict=True)
                ),
            )


def _z_order(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    def quadrant(y: int, x: int, size: int) -> Iterator[tuple[int, int]]:
        if y >= rows or x >= columns:
            return
        if size == 1:
            yield y, x
            return
        half = size // 2
        for dy, dx in ((0, 0), (0, half), (half, 0), (half, half)):
            yield from quadrant(y + dy, x + dx, half)

    yield from quadrant(0, 0, 1 << (max(rows, columns) - 1).bit_length())


def _group(ome: dict[str, Any]) -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")
