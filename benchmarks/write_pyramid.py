"""What it costs to write all levels of an image: Opsin's `write_image` beside other writers.

All read the same uncompressed zarr (uint16, 1024² chunks, real nuclei, in the page cache) each in
its own way, and write all levels down to one of 512², in chunks of 512² of blosc (lz4, 5, bit
shuffle). Every case runs in a fresh process. Counted are the CPU time of writing without imports,
and the highest resident memory of the whole process.

* zarr_python: zarr and numpy, level by level, in blocks of 2048²: what one would write by hand.
* ngff_zarr, ome_zarr: what they offer for dask arrays. Left out where they are not installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from harness.demo import CACHE, demo_image, scratch
from harness.side_by_side import Figure, alternate, arguments, conclude, medians
from zarr.codecs import BloscCodec

from opsin.images.readers import open_image
from opsin.images.source import Array
from opsin.images.write import write_image

MEASURES = "CPU seconds and peak memory of writing all levels of an image, a fresh process per case"
CHUNK = 512
BLOCK = 2048
PEERS = {"zarr_python": "zarr_python", "ngff_zarr": "ngff_zarr", "ome_zarr": "ome_zarr_py"}
"""Modules (but the first, which is below), and what their figures are called."""


@dataclass(frozen=True)
class Cost:
    """Of one case in its process."""

    cpu: float
    """Seconds."""
    wall: float
    """Seconds."""
    peak: float
    """MiB of resident memory."""


def by_opsin(source: Path, out: Path) -> None:
    with open_image(source) as image:
        write_image(image, out, chunks=CHUNK)


def by_zarr_python(source: Path, out: Path) -> None:
    finer: Any = zarr.open_array(source, mode="r")
    group = zarr.create_group(out)
    number = 0
    while True:
        halved = number > 0
        shape = tuple(-(-n // 2) for n in finer.shape) if halved else finer.shape
        level: Any = group.create_array(
            str(number),
            shape=shape,
            chunks=(CHUNK, CHUNK),
            dtype=finer.dtype,
            compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=2),
        )
        for y, x in product(range(0, shape[0], BLOCK), range(0, shape[1], BLOCK)):
            scale = 2 if halved else 1
            block = finer[scale * y : scale * (y + BLOCK), scale * x : scale * (x + BLOCK)]
            level[y : y + BLOCK, x : x + BLOCK] = _halved(block) if halved else block
        if max(shape) <= CHUNK:
            return
        finer = level
        number += 1


def _halved(block: Array) -> Array:
    block = np.pad(block, [(0, n % 2) for n in block.shape], mode="edge")
    pairs = block.astype(np.uint32).reshape(block.shape[0] // 2, 2, block.shape[1] // 2, 2)
    mean: Array = ((pairs.sum(axis=(1, 3)) + 2) >> 2).astype(block.dtype)
    return mean


def by_ngff_zarr(source: Path, out: Path) -> None:
    ngff: Any = importlib.import_module("ngff_zarr")
    dask: Any = importlib.import_module("dask.array")
    pixels = dask.from_zarr(str(source))
    image = ngff.to_ngff_image(pixels, dims=["y", "x"])
    factors = [2**k for k in range(1, _levels(pixels.shape))]
    levels = ngff.to_multiscales(image, scale_factors=factors, chunks=CHUNK)
    ngff.to_ngff_zarr(str(out), levels, version="0.5")


def by_ome_zarr(source: Path, out: Path) -> None:
    writer: Any = importlib.import_module("ome_zarr.writer")
    dask: Any = importlib.import_module("dask.array")
    pixels = dask.from_zarr(str(source)).rechunk((CHUNK, CHUNK))
    factors = [2**k for k in range(1, _levels(pixels.shape))]
    writer.write_image(
        pixels, zarr.open_group(out, mode="w"), axes="yx", scale_factors=factors, method="resize"
    )


def _levels(shape: tuple[int, ...]) -> int:
    """How many there are down to one that fits into a chunk."""
    return 1 + max(0, (-(-max(shape) // CHUNK) - 1).bit_length())


CASES: dict[str, Callable[[Path, Path], None]] = {
    "ours": by_opsin,
    "zarr_python": by_zarr_python,
    "ngff_zarr": by_ngff_zarr,
    "ome_zarr": by_ome_zarr,
}

IMPORTS = {
    "ngff_zarr": ("ngff_zarr", "dask.array", "itkwasm_downsample"),
    "ome_zarr": ("ome_zarr.writer", "dask.array"),
}
"""What a case needs beside what is imported above; not counted."""


def raw_image(size: int) -> Path:
    """The pixels of the demo image as an uncompressed zarr."""
    path = CACHE / "benchmarks" / f"raw_{size}.zarr"
    if not path.exists():
        with scratch() as folder, open_image(demo_image(size)) as image:
            array: Any = zarr.create_array(
                folder / path.name,
                shape=image.shape,
                dtype=image.dtype,
                chunks=(1024, 1024),
                compressors=None,
            )
            for y, x in product(range(0, size, BLOCK), repeat=2):
                box = (slice(y, min(y + BLOCK, size)), slice(x, min(x + BLOCK, size)))
                array[box] = image.read(0, box)
            (folder / path.name).rename(path)
    return path


def run(case: str, source: Path) -> Cost:
    """One case in a process of its own."""
    with scratch() as folder:
        out = folder / "out.zarr"
        command = [sys.executable, __file__, "--case", case, str(source), str(out)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        made = zarr.open_group(out, mode="r").members(max_depth=None)
        shapes = sorted((node.shape for _, node in made if isinstance(node, zarr.Array)))[::-1]
        finest = zarr.open_array(source, mode="r").shape
        halved = [tuple(-(-n >> k) for n in finest) for k in range(_levels(finest))]
        assert [*map(tuple, shapes)] == halved, f"{case} wrote other levels: {shapes}"
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def run_here(case: str, source: Path, out: Path) -> Cost:
    for module in IMPORTS.get(case, ()):
        importlib.import_module(module)
    wall, before = time.perf_counter(), time.process_time()
    CASES[case](source, out)
    children = sum(os.times()[2:4])
    return Cost(time.process_time() - before + children, time.perf_counter() - wall, _peak())


def _peak() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` would also count the process that started this one
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1]) / 1024
    resource: Any = importlib.import_module("resource")
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 2**20


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--size", type=int, help="pixels of the image along y and x")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        case, source, out = options.case
        print(json.dumps(vars(run_here(case, Path(source), Path(out)))))
        return
    size = options.size or (4096 if options.quick else 16384)
    rounds = options.rounds or 3
    source = raw_image(size)
    peers = [n for n in PEERS if n == "zarr_python" or importlib.util.find_spec(n) is not None]
    if absent := ", ".join(name for name in PEERS if name not in peers):
        print(f"Not installed here, so left out: {absent}.", file=sys.stderr)
    costs = alternate({name: partial(run, name, source) for name in ("ours", *peers)}, rounds)
    figures: list[Figure] = []
    for what, unit in (("cpu", "s of CPU"), ("peak", "MiB"), ("wall", "s")):
        found = medians({name: [vars(cost)[what] for cost in costs[name]] for name in costs})
        figures += [
            Figure(f"{what}_vs_{PEERS[peer]}", unit, found["ours"], found[peer], peer)
            for peer in peers
        ]
    conclude(f"{MEASURES}; {size} × {size} uint16", figures, options.json)


if __name__ == "__main__":
    main()
