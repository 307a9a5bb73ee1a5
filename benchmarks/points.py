"""What it takes to see a table of points: Opsin's index beside a scan of the same Parquet file.

The points are those of a thousand clusters of different density in 3D, with a number and a word,
in no order. Everything is in the page cache.

* parquet_scan: what one would write by hand: `pyarrow.dataset` with a filter for what the view
  shows, and of that a random sample of as many points as the view has room for.
* sorted_copy: reading the table whole, sorting it along one axis and writing it, with pyarrow.

A view has 100,000 points: of all (first), and of about a thousandth part (zoomed). Ours opens the
index anew for every view. Each write has a process of its own, of which the highest resident memory
is measured.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from harness.demo import CACHE, scratch
from harness.side_by_side import Figure, alternate, arguments, conclude

from opsin.chunks.camera import Camera, fit
from opsin.chunks.points_plan import plan_points
from opsin.chunks.points_sample import points_sample
from opsin.images.points.layer import PointsLayer
from opsin.images.points.reader import open_points
from opsin.images.points.write import write_points
from opsin.images.source import Array

MEASURES = "Time, memory and bytes to write an index of points and to see a view of it"
SHOWN = 100_000
SIDE = 10_000.0
BATCH = 1 << 20
MOST_SORTED = 20_000_000
"""Points of a table that is sorted in memory, beside ours; it takes four times the table."""
WORDS = ("tumour", "stroma", "immune", "vessel", "other")
EXTENTS = ("z", "y", "x")


def table_of(count: int) -> Path:
    """A Parquet file of so many points, made once."""
    path = CACHE / "benchmarks" / f"points_{count}.parquet"
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    centers, spread = rng.random((1000, 3)) * SIDE, rng.gamma(2, 100, 1000)
    with scratch() as folder:
        writer: Any = None
        for first in range(0, count, BATCH):
            many = min(BATCH, count - first)
            which = rng.integers(0, 1000, many)
            away = rng.normal(size=(many, 3)) * spread[which, np.newaxis]
            place = (centers[which] + away).astype(np.float32)
            kind = pa.array((which % len(WORDS)).astype(np.int8))
            table = pa.table(
                {
                    **{name: place[:, axis] for axis, name in enumerate(EXTENTS)},
                    "intensity": rng.gamma(2, 1, many).astype(np.float32),
                    "kind": pa.DictionaryArray.from_arrays(kind, pa.array(WORDS)),
                }
            )
            if writer is None:
                writer = pq.ParquetWriter(folder / path.name, table.schema)
            writer.write_table(table)
        writer.close()
        (folder / path.name).rename(path)
    return path


# ------------------------------------------------------------------------------ writing


@dataclass(frozen=True)
class Cost:
    """Of one write in its process."""

    wall: float
    cpu: float
    peak: float
    """MiB of resident memory."""


def sorted_copy(source: Path, out: Path) -> None:
    pq.write_table(pq.read_table(source).sort_by("x"), out, compression="zstd")


WRITES: dict[str, Callable[[Path, Path], None]] = {"ours": write_points, "peer": sorted_copy}


def write_here(case: str, source: Path, out: Path) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    WRITES[case](source, out)
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return Cost(time.perf_counter() - wall, time.process_time() - cpu, int(found[1]) / 1024)


def write(case: str, source: Path, out: Path) -> Cost:
    """In a process of its own."""
    command = [sys.executable, __file__, "--write", case, str(source), str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


# ------------------------------------------------------------------------------ views


@dataclass(frozen=True)
class Seen:
    """What one view took."""

    seconds: float
    bytes: int
    count: int


def view(index: Path, camera: Camera) -> Seen:
    """Open the index, plan, read what is wanted, and take what is seen."""
    before = time.perf_counter()
    with open_points(index) as points:
        layer = PointsLayer("points", points.with_properties("kind"), most=SHOWN)
        plan = plan_points(layer, camera)
        stored = 0

        def chunk(brick: Any) -> Array:
            nonlocal stored
            direct = layer.points.source.direct(brick.level)
            assert direct is not None
            array, count = direct(brick.grid)
            stored += count
            return array

        found = points_sample(layer, camera, plan, chunk)
    return Seen(time.perf_counter() - before, stored, len(found))


def scan(source: Path, camera: Camera) -> Seen:
    """Read all, keep what is seen, and of that a sample."""
    before = time.perf_counter()
    y0, x0, y1, x1 = camera.rect
    y, x = ds.field("y"), ds.field("x")
    columns = [*EXTENTS, "kind"]
    inside = (y >= y0) & (y <= y1) & (x >= x0) & (x <= x1)
    table = ds.dataset(source).to_table(columns=columns, filter=inside)
    rng = np.random.default_rng(0)
    some = rng.choice(len(table), min(SHOWN, len(table)), replace=False)
    table = table.take(pa.array(np.sort(some)))
    for name in columns[:3]:
        table[name].to_numpy()
    seconds = time.perf_counter() - before
    footer = pq.read_metadata(source)
    stored = sum(
        footer.row_group(group).column(i).total_compressed_size
        for group in range(footer.num_row_groups)
        for i in range(footer.num_columns)
        if footer.schema.column(i).name in columns
    )
    return Seen(seconds, stored, len(table))


def middle(values: list[float]) -> float:
    return float(np.median(values))


def measure(source: Path, rounds: int) -> list[Figure]:
    figures = []
    with scratch() as folder:
        index = folder / "cells.points"
        ours = write("ours", source, index)
        small = pq.read_metadata(source).num_rows <= MOST_SORTED
        peer = write("peer", source, folder / "sorted.parquet") if small else None
        for name, unit in (("wall", "s"), ("cpu", "s"), ("peak", "MiB")):
            theirs = getattr(peer, name, None)
            figure = f"write_{name}_vs_sorted_copy"
            figures.append(Figure(figure, unit, getattr(ours, name), theirs, "sorted_copy"))
        with open_points(index) as points:
            whole = fit([PointsLayer("points", points)], (1024, 1024))
            # Where there are some: around a point.
            place = points.read(points.tree.levels - 1, (0,))["position"][0]
        close = Camera((float(place[1]), float(place[2])), whole.zoom * 32, (1024, 1024))
        for name, camera in (("first", whole), ("zoomed", close)):
            cases = {"ours": partial(view, index, camera), "peer": partial(scan, source, camera)}
            found = alternate(cases, rounds)
            here, there = (
                (middle([one.seconds for one in found[case]]) * 1e3, found[case][0].bytes / 2**20)
                for case in ("ours", "peer")
            )
            counts = {case: seen[0].count for case, seen in found.items()}
            print(f"{name} view: {counts['ours']} points, by the scan {counts['peer']}")
            assert 0.5 * counts["peer"] < counts["ours"] <= SHOWN, "another view"
            figures += [
                Figure(f"{name}_view_vs_parquet_scan", "ms", here[0], there[0], "parquet_scan"),
                Figure(
                    f"{name}_view_mib_vs_parquet_scan", "MiB", here[1], there[1], "parquet_scan"
                ),
            ]
    return figures


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--points", type=int, help="how many there are")
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        case, source, out = options.write
        print(json.dumps(vars(write_here(case, Path(source), Path(out)))))
        return
    count = options.points or (1_000_000 if options.quick else 100_000_000)
    figures = measure(table_of(count), options.rounds or (3 if options.quick else 5))
    conclude(f"{MEASURES}: {count} points", figures, options.json)


if __name__ == "__main__":
    main()
