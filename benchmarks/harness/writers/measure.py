"""What every program of this folder does: write all levels of an image, and tell what that cost.

    python -m harness.writers.with_opsin SOURCE OUT CODEC METHOD

SOURCE is a zarr array of two axes, OUT does not exist yet, CODEC is `default`, `blosc-lz4` (1, bit
shuffle) or `zstd` (2), METHOD how coarser levels are made, `default` or `mean`. A tiny image is
written before, so that nothing is imported or compiled while it is measured. The answer is a line
of JSON: `cpu` and `wall` in seconds, and the `peak` of resident memory in MiB, above what it was.

Runs in the environments of peers too, with the standard library and zarr and nothing else.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zarr
from zarr.codecs import BloscCodec, ZstdCodec

CHUNK = 512
CODECS: dict[str, Any] = {
    "blosc-lz4": BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle", typesize=2),
    "zstd": ZstdCodec(level=2),
}


def factors(shape: tuple[int, ...]) -> list[int]:
    """Of the coarser levels, down to one that fits into a chunk."""
    count = max(0, (-(-max(shape) // CHUNK) - 1).bit_length())
    return [2**k for k in range(1, count + 1)]


def measure(write: Callable[[Path, Path, str, str], None]) -> None:
    """Run `write(source, out, codec, method)` as the arguments of this process say."""
    source, out, codec, method = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.zarr"
        array = zarr.create_array(small, shape=(1024, 1024), dtype="u2", chunks=(1024, 1024))
        array[...] = 1
        write(small, Path(folder) / "out.zarr", codec, method)
    before = _resident()
    wall, cpu = time.perf_counter(), time.process_time()
    write(Path(source), Path(out), codec, method)
    cost = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps({**cost, "peak": _peak() - before}))


def _resident() -> float:
    """MiB; what it was at most so far is forgotten."""
    if not Path("/proc/self/status").exists():
        return _peak()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    """MiB at most."""
    if Path("/proc/self/status").exists():
        # `getrusage` would also count the process that started this one.
        return _status("VmHWM")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _status(name: str) -> float:
    found = re.search(rf"{name}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
