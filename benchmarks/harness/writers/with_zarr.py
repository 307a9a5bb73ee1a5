"""zarr-python and NumPy, level by level, in blocks of 2048²: what one would write by hand."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from harness.writers.measure import CHUNK, CODECS, factors, measure

BLOCK = 2048


def write(source: Path, out: Path, codec: str, method: str) -> None:
    finer: Any = zarr.open_array(source, mode="r")
    group = zarr.create_group(out)
    for number, _ in enumerate([1, *factors(finer.shape)]):
        scale = 2 if number else 1
        shape = tuple(-(-n // scale) for n in finer.shape)
        level: Any = group.create_array(
            str(number),
            shape=shape,
            chunks=(CHUNK, CHUNK),
            dtype=finer.dtype,
            compressors=CODECS.get(codec, "auto"),
        )
        for y, x in product(range(0, shape[0], BLOCK), range(0, shape[1], BLOCK)):
            block = finer[scale * y : scale * (y + BLOCK), scale * x : scale * (x + BLOCK)]
            level[y : y + BLOCK, x : x + BLOCK] = _halved(block) if number else block
        finer = level


def _halved(block: Any) -> Any:
    block = np.pad(block, [(0, n % 2) for n in block.shape], mode="edge")
    pairs = block.astype(np.uint32).reshape(block.shape[0] // 2, 2, block.shape[1] // 2, 2)
    return ((pairs.sum(axis=(1, 3)) + 2) >> 2).astype(block.dtype)


if __name__ == "__main__":
    measure(write)
