"""What it costs to write all levels of an image: Opsin's `write_image` beside other writers.

All read the same uncompressed zarr (uint16, 1024² chunks, real nuclei, in the page cache), each in
its own way, and write all levels down to one of 512², in chunks of 512². Every case runs in a fresh
process, the peers' in an environment of theirs (`harness/writers/`). Counted are the CPU time of
all threads, and the memory above what the process held when it had imported everything.

* `cpu_…`, `wall_…`, `peak_…`: each as it comes. Opsin writes blosc-lz4 (1, bit shuffle) and means
  of 2 × 2 pixels; the others zstd, and what they take for coarser levels by default.
* `cpu_zstd_…`: all write zstd (2). `cpu_lz4_…`: all write blosc-lz4 (1, bit shuffle).
* `cpu_mean_…`: that, and all make means.
* zarr_python is what one would write by hand, with means; the other two are given Dask arrays.

Files go to memory (/dev/shm) where there is room: what a disk's file system takes, which depends on
what was removed from it a moment before, is the same for all.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import zarr
from harness.demo import CACHE, demo_image, scratch
from harness.environments import python_of
from harness.side_by_side import Figure, alternate, arguments, conclude, medians
from harness.writers.measure import factors

from opsin.images.readers import open_image

MEASURES = "CPU seconds and memory of writing all levels of an image, a fresh process per case"
BLOCK = 2048
PROGRAMS = {
    "opsin": "with_opsin",
    "zarr_python": "with_zarr",
    "ngff_zarr": "with_ngff_zarr",
    "ome_zarr_py": "with_ome_zarr",
}
ENVIRONMENTS = {"ngff_zarr": "ngff_zarr", "ome_zarr_py": "ome_zarr"}
"""Of those that need one of their own."""
KINDS = {
    "": ("default", "default"),
    "zstd_": ("zstd", "default"),
    "lz4_": ("blosc-lz4", "default"),
    "mean_": ("blosc-lz4", "mean"),
}
"""Codec and method of each kind of figures."""
QUICK = ("", "zstd_")


@dataclass(frozen=True)
class Case:
    """One writer, one codec, one method."""

    program: str
    codec: str
    method: str

    def __str__(self) -> str:
        return f"{self.program} {self.codec} {self.method}"


def case_of(program: str, kind: str) -> Case:
    """The case of a kind. What makes no difference is one case."""
    codec, method = KINDS[kind]
    if program == "opsin" and codec == "blosc-lz4":
        codec = "default"
    return Case(program, codec, "default" if program in ("opsin", "zarr_python") else method)


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


def run(case: Case, python: Path, source: Path, folder: Path) -> dict[str, float]:
    """One case in a process of its own."""
    out = folder / "out.zarr"
    program = f"harness.writers.{PROGRAMS[case.program]}"
    try:
        done = subprocess.run(
            [python, "-m", program, source, out, case.codec, case.method],
            cwd=Path(__file__).parent,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        made = zarr.open_group(out, mode="r").members(max_depth=None)
        shapes = sorted((node.shape for _, node in made if isinstance(node, zarr.Array)))[::-1]
        finest = zarr.open_array(source, mode="r").shape
        halved = [tuple(-(-n // k) for n in finest) for k in (1, *factors(finest))]
        assert [*map(tuple, shapes)] == halved, f"{case} wrote other levels: {shapes}"
    finally:
        shutil.rmtree(out, ignore_errors=True)
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def room(size: int) -> Path | None:
    """A folder in memory with room for an image of a size; None: there is none."""
    with suppress(OSError):
        memory = Path("/dev/shm")
        if shutil.disk_usage(memory).free > 8 * size * size:
            return memory
    return None


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--size", type=int, help="pixels of the image along y and x")
    options = parser.parse_args()
    size = options.size or (4096 if options.quick else 16384)
    rounds = options.rounds or (1 if options.quick else 3)
    kinds = QUICK if options.quick else tuple(KINDS)
    source = raw_image(size)
    pythons: dict[str, Path] = {}
    for program in PROGRAMS:
        environment = ENVIRONMENTS.get(program)
        python = Path(sys.executable) if environment is None else python_of(environment)
        if python is not None:
            pythons[program] = python
    with (
        scratch() as on_disk,
        tempfile.TemporaryDirectory(dir=room(size) or on_disk, prefix="opsin-bench-") as folder,
    ):
        cases = {
            case: partial(run, case, pythons[case.program], source, Path(folder))
            for case in (case_of(program, kind) for kind in kinds for program in pythons)
        }
        costs = alternate(cases, rounds)
    figures: list[Figure] = []
    for what, unit in (("cpu", "s of CPU"), ("peak", "MiB"), ("wall", "s")):
        found = medians({case: [one[what] for one in costs[case]] for case in costs})
        for kind, peer in product(kinds if what == "cpu" else ("",), pythons):
            if peer != "opsin":
                ours, theirs = (found[case_of(program, kind)] for program in ("opsin", peer))
                figures.append(Figure(f"{what}_{kind}vs_{peer}", unit, ours, theirs, peer))
    conclude(f"{MEASURES}; {size} × {size} uint16", figures, options.json)


if __name__ == "__main__":
    main()
