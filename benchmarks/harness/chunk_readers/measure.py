"""What every program of this folder does: read the chunks of arrays, and tell the CPU it took.

    python -m harness.chunk_readers.with_opsin

Each line on standard input is a request in JSON: `path` of a zarr 3 array, its `codec`, the rows
and columns of a `chunk`, how many chunks a `side` has. The answer is a line of JSON: `cpu` in
milliseconds per chunk, all threads together, and the `sum` of all pixels.

Runs in the environments of peers too, with the standard library and NumPy and nothing else.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

AT_ONCE = 12
"""Chunks on their way: as many as Opsin's loader has."""
PER_SHARD = 4
"""Chunks of a shard along each axis."""

Read: TypeAlias = "Callable[[Sequence[tuple[int, int]]], list[np.ndarray[Any, Any]]]"


@dataclass(frozen=True)
class Stored:
    """One zarr array on disk: rows and columns."""

    path: Path
    codec: str
    chunk: int
    side: int

    @property
    def indices(self) -> list[tuple[int, int]]:
        """All chunks, in a fixed order that is no order on the disk."""
        order = np.random.default_rng(0).permutation(self.side**2)
        every = list(product(range(self.side), repeat=2))
        return [every[n] for n in order]

    def box(self, index: tuple[int, int]) -> tuple[slice, slice]:
        y, x = (slice(i * self.chunk, (i + 1) * self.chunk) for i in index)
        return y, x


def serve(reader: Callable[[Stored], Read]) -> None:
    """Answer requests until there are no more; `reader` opens an array."""
    _keep_memory()
    readers: dict[Stored, Read] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        stored = Stored(Path(asked["path"]), asked["codec"], asked["chunk"], asked["side"])
        if stored not in readers:
            readers[stored] = reader(stored)
        read, indices = readers[stored], stored.indices
        before = time.process_time()
        chunks = read(indices)
        cpu = time.process_time() - before
        total = sum(int(chunk.sum(dtype=np.uint64)) for chunk in chunks)
        del chunks  # when all are here: as in a cache, no chunk takes the memory of one before
        print(json.dumps({"cpu": cpu / len(indices) * 1e3, "sum": total}), flush=True)


def _keep_memory() -> None:
    """Let malloc reuse memory, as it does under a full cache.

    Otherwise chance decides who gets new pages from the kernel, which costs more than some reads.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in ((-8, 1), (-1, 2**31 - 1), (-3, 32 << 20)):
            mallopt(option, value)  # one arena; never give memory back; use maps for nothing
