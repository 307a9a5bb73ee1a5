"""ome-zarr-py on a Dask array. By default it resizes without smoothing."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import dask.array as da
import zarr
from harness.writers.measure import CHUNK, CODECS, factors, measure

writer: Any = importlib.import_module("ome_zarr.writer")


def write(source: Path, out: Path, codec: str, method: str) -> None:
    pixels = da.from_zarr(str(source)).rechunk((CHUNK, CHUNK))
    named: dict[str, Any] = {}
    if method == "mean":
        named["method"] = "local_mean"
    if codec in CODECS:
        named["storage_options"] = {"compressors": [CODECS[codec]], "chunks": (CHUNK, CHUNK)}
    writer.write_image(
        pixels,
        zarr.open_group(out, mode="w"),
        axes="yx",
        scale_factors=factors(pixels.shape),
        **named,
    )


if __name__ == "__main__":
    measure(write)
