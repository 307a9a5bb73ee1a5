"""CPU that one chunk costs: Opsin's loader beside the floor and beside other readers.

All read the same uint16 chunks from the local disk (they are in the page cache), keep them as a
cache would, and drop them together. Counted is the CPU time of the process, all threads. Each
reader has a process of its own (`harness/chunk_readers/`), the peers in an environment of theirs.

* ours: the loader, which plans by urgency, sets memory aside and tells its clients.
* floor: open, read, close and an imagecodecs decoder, on one thread; nothing can be cheaper.
* tensorstore, zarrs, zarr_python, dask: what they offer for many chunks at a time, 12 of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zarr
from harness.chunk_readers.measure import PER_SHARD, Stored
from harness.demo import demo_image, scratch
from harness.environments import python_of
from harness.side_by_side import Figure, alternate, arguments, conclude, medians
from zarr.codecs import BloscCodec, ZstdCodec

from opsin.images.readers import open_image
from opsin.images.source import Array

MEASURES = "CPU milliseconds per chunk read and decoded from the page cache, all threads together"
CODECS = ("raw", "blosc_lz4", "zstd", "sharded_raw", "sharded_blosc_lz4", "sharded_zstd")
SIZES = (256, 512, 1024)
READERS = {
    "ours": ("with_opsin",),
    "floor": ("with_floor",),
    "tensorstore": ("with_tensorstore",),
    "zarrs": ("with_zarr", "zarrs"),
    "zarr_python": ("with_zarr",),
    "dask": ("with_dask",),
}
HERE = ("ours", "floor")
"""Readers that need no environment of their own."""


class Reader:
    """A process that reads chunks and tells what that cost."""

    def __init__(self, name: str, python: Path) -> None:
        module, *rest = READERS[name]
        self._process = subprocess.Popen(
            [python, "-m", f"harness.chunk_readers.{module}", *rest],
            cwd=Path(__file__).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def read(self, stored: Stored, total: int) -> float:
        """Milliseconds of CPU per chunk; `total` is the sum of all pixels."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({**vars(stored), "path": str(stored.path)}), file=self._process.stdin)
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"A reader has ended with status {self._process.wait()}.")
        answer = json.loads(line)
        assert answer["sum"] == total, "something else was read"
        return float(answer["cpu"])


def store(pixels: Array, folder: Path, codec: str, chunk: int, count: int) -> Stored:
    """Write pixels as zarr 3 with zarr-python: whole shards of whole chunks, at most `count`."""
    side = min(pixels.shape[0] // chunk, int(count**0.5)) // PER_SHARD * PER_SHARD
    path = folder / f"{codec}_{chunk}.zarr"
    compressors: dict[str, Any] = {
        "raw": None,
        "blosc_lz4": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=2),
        "zstd": ZstdCodec(level=3),
    }
    array: Any = zarr.create_array(
        path,
        shape=(side * chunk,) * 2,
        dtype=pixels.dtype,
        chunks=(chunk, chunk),
        shards=(PER_SHARD * chunk,) * 2 if codec.startswith("sharded_") else None,
        compressors=compressors[codec.removeprefix("sharded_")],
    )
    array[:] = pixels[: side * chunk, : side * chunk]
    return Stored(path, codec, chunk, side)


def measure(
    stored: Stored, pixels: Array, rounds: int, readers: dict[str, Reader]
) -> Sequence[Figure]:
    size = stored.side * stored.chunk
    total = int(pixels[:size, :size].sum(dtype=np.uint64))
    cases = {name: partial(reader.read, stored, total) for name, reader in readers.items()}
    for read in cases.values():  # opens the array, and warms up
        read()
    found = medians(alternate(cases, rounds))
    case = f"{stored.codec}_{stored.chunk}"
    return [
        Figure(f"{case}_vs_{peer}", "ms of CPU", found["ours"], found[peer], peer)
        for peer in readers
        if peer != "ours"
    ]


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--size", type=int, default=4096, help="pixels of the image along y and x")
    options = parser.parse_args()
    rounds = options.rounds or (3 if options.quick else 15)
    theirs = python_of("chunk_readers")
    pythons = {name: Path(sys.executable) if name in HERE else theirs for name in READERS}
    with open_image(demo_image(options.size)) as image:
        pixels = image.read()
    figures: list[Figure] = []
    with scratch() as folder:
        readers = {n: Reader(n, python) for n, python in pythons.items() if python is not None}
        try:
            for codec, chunk in product(CODECS, SIZES):
                if chunk * PER_SHARD > options.size:
                    continue
                stored = store(pixels, folder, codec, chunk, count=64)
                figures += measure(stored, pixels, rounds, readers)
        finally:
            for reader in readers.values():
                with reader:
                    pass
    conclude(MEASURES, figures, options.json)


if __name__ == "__main__":
    main()
