"""CPU that one chunk costs: Opsin's thin reader beside the floor and beside other readers.

All read the same uint16 chunks from the local disk (they are in the page cache), keep them as a
cache would, and drop them together. Counted is the CPU time of the process, all threads.

* ours: fetch on the event loop and decode on a pool, 12 chunks at a time, as the loader does.
* floor: open, read, close and an imagecodecs decoder, on one thread; nothing can be cheaper.
* zarr_python, tensorstore: what they offer for many chunks at a time, 12 of them.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import zarr
from harness.demo import demo_image, scratch
from harness.side_by_side import Figure, alternate, arguments, conclude, medians
from zarr.codecs import BloscCodec, ZstdCodec

from opsin.chunks.loader import FETCHES
from opsin.images.readers import open_image
from opsin.images.source import Array, Index

MEASURES = "CPU milliseconds per chunk read and decoded from the page cache, all threads together"
CODECS = ("raw", "blosc_lz4", "zstd", "sharded_blosc_lz4")
SIZES = (256, 512, 1024)
PER_SHARD = 4
"""Chunks of a shard along each axis."""

Read = Callable[[Sequence[Index]], list[Array]]


@dataclass(frozen=True)
class Stored:
    """One zarr array on disk."""

    path: Path
    codec: str
    chunk: int
    indices: tuple[Index, ...]

    def box(self, index: Index) -> tuple[slice, ...]:
        return tuple(slice(i * self.chunk, (i + 1) * self.chunk) for i in index)


def store(pixels: Array, folder: Path, codec: str, chunk: int, count: int) -> Stored:
    """Write pixels as zarr 3 with zarr-python: whole shards of whole chunks, at most `count`."""
    side = min(pixels.shape[0] // chunk, int(count**0.5)) // PER_SHARD * PER_SHARD
    pixels = pixels[: side * chunk, : side * chunk]
    path = folder / f"{codec}_{chunk}.zarr"
    compressors: dict[str, Any] = {
        "raw": None,
        "blosc_lz4": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=2),
        "zstd": ZstdCodec(level=3),
    }
    array: Any = zarr.create_array(
        path,
        shape=pixels.shape,
        dtype=pixels.dtype,
        chunks=(chunk, chunk),
        shards=(PER_SHARD * chunk,) * 2 if codec.startswith("sharded_") else None,
        compressors=compressors[codec.removeprefix("sharded_")],
    )
    array[:] = pixels
    return Stored(path, codec, chunk, tuple(product(range(side), repeat=2)))


class Ours:
    """Opsin's reader, driven as the loader drives it."""

    def __init__(self, stored: Stored) -> None:
        self._image = open_image(stored.path)
        self._loop = asyncio.new_event_loop()
        self._pool = ThreadPoolExecutor(os.cpu_count())

    def __call__(self, indices: Sequence[Index]) -> list[Array]:
        return _several(self._loop, self._read, indices)

    async def _read(self, index: Index) -> Array:
        source = self._image.source
        encoded = await source.fetch(0, index)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, source.decode, 0, index, encoded)


class Floor:
    """Raw reads and a decoder, with everything known beforehand."""

    def __init__(self, stored: Stored) -> None:
        self._shape = (stored.chunk, stored.chunk)
        self._codec = stored.codec.removeprefix("sharded_")
        self._where = dict(_places(stored))

    def __call__(self, indices: Sequence[Index]) -> list[Array]:
        return [self._read(*self._where[index]) for index in indices]

    def _read(self, path: str, start: int, length: int) -> Array:
        fd = os.open(path, os.O_RDONLY)
        data = os.pread(fd, length, start)
        os.close(fd)
        if self._codec == "raw":
            return np.frombuffer(data, np.uint16).reshape(self._shape)
        out = np.empty(2 * self._shape[0] * self._shape[1], np.uint8)
        decode: Any = imagecodecs.zstd_decode if self._codec == "zstd" else imagecodecs.blosc_decode
        decode(data, out=out)
        return out.view(np.uint16).reshape(self._shape)


class ZarrPython:
    """zarr-python's asynchronous interface, which costs less than its other one."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._loop = asyncio.new_event_loop()
        self._array: Any = self._loop.run_until_complete(zarr.AsyncArray.open(stored.path))

    def __call__(self, indices: Sequence[Index]) -> list[Array]:
        return _several(self._loop, self._read, indices)

    async def _read(self, index: Index) -> Array:
        chunk: Array = await self._array.getitem(self._stored.box(index))
        return chunk


class TensorStore:
    """tensorstore, without a cache."""

    def __init__(self, stored: Stored) -> None:
        tensorstore: Any = importlib.import_module("tensorstore")
        self._stored = stored
        self._array = tensorstore.open(
            {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{stored.path}/"}}
        ).result()

    def __call__(self, indices: Sequence[Index]) -> list[Array]:
        chunks: list[Array] = []
        waiting: list[Any] = []
        for index in indices:
            waiting.append(self._array[self._stored.box(index)].read())
            if len(waiting) == FETCHES:
                chunks.append(waiting.pop(0).result())
        return [*chunks, *(future.result() for future in waiting)]


def _several(
    loop: asyncio.AbstractEventLoop,
    read: Callable[[Index], Coroutine[Any, Any, Array]],
    indices: Sequence[Index],
) -> list[Array]:
    """All chunks, some at a time."""
    chunks: list[Array] = []
    rest = iter(indices)

    async def work() -> None:
        for index in rest:
            chunks.append(await read(index))

    async def works() -> None:
        await asyncio.gather(*(work() for _ in range(FETCHES)))

    # Not `asyncio.run`: on its way out it spells every chunk as text, at 0.2 ms each.
    loop.run_until_complete(works())
    return chunks


def _places(stored: Stored) -> Iterator[tuple[Index, tuple[str, int, int]]]:
    """File, first byte and length of every chunk."""
    for y, x in stored.indices:
        path = stored.path / "c"
        if not stored.codec.startswith("sharded_"):
            path = path / f"{y}" / f"{x}"
            yield (y, x), (str(path), 0, path.stat().st_size)
            continue
        path = path / f"{y // PER_SHARD}" / f"{x // PER_SHARD}"
        count = PER_SHARD**2
        table = np.frombuffer(path.read_bytes()[-16 * count - 4 : -4], np.uint64).reshape(count, 2)
        start, length = table[y % PER_SHARD * PER_SHARD + x % PER_SHARD]
        yield (y, x), (str(path), int(start), int(length))


def keep_memory() -> None:
    """Let malloc reuse memory, as it does under a full cache.

    Otherwise chance decides who gets new pages from the kernel, which costs more than some reads.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in ((-8, 1), (-1, 2**31 - 1), (-3, 32 << 20)):
            mallopt(option, value)  # one arena; never give memory back; use maps for nothing


def cpu_per_chunk(read: Read, indices: Sequence[Index]) -> float:
    """Milliseconds."""
    before = time.process_time()
    chunks = read(indices)
    after = time.process_time()
    del chunks  # when all are here: as in a cache, no chunk takes the memory of one before
    return (after - before) / len(indices) * 1e3


def measure(stored: Stored, pixels: Array, rounds: int, peers: Sequence[str]) -> list[Figure]:
    makers: dict[str, Callable[[Stored], Read]] = {
        "ours": Ours,
        "floor": Floor,
        "zarr_python": ZarrPython,
        "tensorstore": TensorStore,
    }
    readers = {name: makers[name](stored) for name in ("ours", *peers)}
    for name, read in readers.items():  # also warms up
        values = sum(int(chunk.sum(dtype=np.uint64)) for chunk in read(stored.indices))
        whole = pixels[tuple(slice(0, part.stop) for part in stored.box(stored.indices[-1]))]
        assert values == int(whole.sum(dtype=np.uint64)), f"{name} reads something else"
    cases = {name: partial(cpu_per_chunk, read, stored.indices) for name, read in readers.items()}
    found = medians(alternate(cases, rounds))
    case = f"{stored.codec}_{stored.chunk}"
    return [
        Figure(f"{case}_vs_{peer}", "ms of CPU", found["ours"], found[peer], peer) for peer in peers
    ]


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--size", type=int, default=4096, help="pixels of the image along y and x")
    options = parser.parse_args()
    keep_memory()
    rounds = options.rounds or (5 if options.quick else 25)
    peers = ["floor", "zarr_python"]
    if importlib.util.find_spec("tensorstore") is not None:
        peers.append("tensorstore")
    else:
        print("tensorstore is not installed here, so it is left out.", file=sys.stderr)
    with open_image(demo_image(options.size)) as image:
        pixels = image.read()
    figures: list[Figure] = []
    with scratch() as folder:
        for codec, chunk in product(CODECS, SIZES):
            if chunk * PER_SHARD > options.size:
                continue
            stored = store(pixels, folder, codec, chunk, count=64)
            figures += measure(stored, pixels, rounds, peers)
    conclude(MEASURES, figures, options.json)


if __name__ == "__main__":
    main()
