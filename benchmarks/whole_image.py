"""What it costs to run a plugin on a whole image in a process of its own, beside calling it.

The plugin is `examples/plugins/nuclei.py`, the image is the demo image. Every case starts with a
fresh process and ends with labels on the disk, which are compared.

* ours: `opsin run`: the image goes to a worker by shared memory and the labels come back so; all
  levels are written.
* by_hand: one process with zarr-python: read all, call the function, write level 0.

Counted are the time, the CPU time of all processes, and the highest PSS of the one that is not the
worker, sampled from outside. The worker's memory is that of the function, whoever calls it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import zarr
from harness.demo import ROOT, demo_image, scratch
from harness.side_by_side import Figure, alternate, arguments, conclude, medians

MEASURES = "Seconds and memory of running nuclei.py on a whole image"
NUCLEI = ROOT / "examples" / "plugins" / "nuclei.py"
OPSIN = Path(sys.executable).with_name("opsin")
INTERVAL = 0.05

BY_HAND = """
import sys
sys.path.insert(0, sys.argv[1])
import nuclei, zarr
from zarr.codecs import BloscCodec
labels = nuclei.nuclei(zarr.open_array(sys.argv[2] + "/0", mode="r")[:])
zarr.create_array(
    sys.argv[3] + "/0", data=labels, chunks=(512, 512),
    compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=4),
)
"""


@dataclass(frozen=True)
class Cost:
    """Of one case."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, of all processes."""
    host: float
    """MiB of the process that was started, at its peak."""


def run(case: str, image: Path, kept: dict[str, int]) -> Cost:
    """One case in fresh processes."""
    with scratch() as folder:
        out = folder / "out.ome.zarr"
        command: Sequence[str | Path] = (
            [OPSIN, "run", f"{NUCLEI}:nuclei", image, "-o", out]
            if case == "ours"
            else [sys.executable, "-c", BY_HAND, NUCLEI.parent, image, out]
        )
        environment = {**os.environ, "OPSIN_DATA": str(folder / "data")}
        began, before = time.perf_counter(), sum(os.times()[2:4])
        process = psutil.Popen(
            [str(word) for word in command], env=environment, stdout=subprocess.DEVNULL
        )
        highest = 0
        while process.poll() is None:
            try:
                highest = max(highest, process.memory_full_info().pss)
            except psutil.Error:
                break
            time.sleep(INTERVAL)
        assert process.wait() == 0, f"{case} failed"
        wall, cpu = time.perf_counter() - began, sum(os.times()[2:4]) - before
        kept[case] = fingerprint(out)
    return Cost(wall, cpu, highest / 2**20)


def fingerprint(out: Path) -> int:
    """The same for equal labels."""
    labels = zarr.open_array(out / "0", mode="r")
    total = 0
    for row in range(0, labels.shape[0], 512):
        block = np.asarray(labels[row : row + 512]).astype(np.uint64)
        weights = np.arange(block.size, dtype=np.uint64).reshape(block.shape) + np.uint64(row)
        total += int((block * weights).sum())
    return total


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--size", type=int, help="pixels of the image along y and x")
    options = parser.parse_args()
    size = options.size or (2048 if options.quick else 16384)
    image = demo_image(size)
    kept: dict[str, int] = {}
    cases = {name: partial(run, name, image, kept) for name in ("ours", "by_hand")}
    costs = alternate(cases, options.rounds or (2 if options.quick else 3))
    assert kept["ours"] == kept["by_hand"], "the labels differ"
    figures = []
    for what, unit in (("wall", "s"), ("cpu", "s of CPU"), ("host", "MiB")):
        found = medians({name: [vars(cost)[what] for cost in costs[name]] for name in costs})
        figures.append(
            Figure(f"whole_run_{what}_vs_by_hand", unit, found["ours"], found["by_hand"], "by_hand")
        )
    conclude(f"{MEASURES}; {size} × {size} uint16", figures, options.json)


if __name__ == "__main__":
    main()
