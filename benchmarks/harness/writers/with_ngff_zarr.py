"""ngff-zarr on a Dask array, which it reads with zarr-python. By default it makes Gaussians."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import dask.array as da
from harness.writers.measure import CHUNK, CODECS, factors, measure

ngff_zarr: Any = importlib.import_module("ngff_zarr")


def write(source: Path, out: Path, codec: str, method: str) -> None:
    pixels = da.from_zarr(str(source))
    named: dict[str, Any] = {}
    if method == "mean":
        named["method"] = ngff_zarr.Methods.ITKWASM_BIN_SHRINK
    levels = ngff_zarr.to_multiscales(
        ngff_zarr.to_ngff_image(pixels, dims=["y", "x"]),
        scale_factors=factors(pixels.shape),
        chunks=CHUNK,
        **named,
    )
    stored = {"compressors": CODECS[codec]} if codec in CODECS else {}
    ngff_zarr.to_ngff_zarr(str(out), levels, version="0.5", **stored)


if __name__ == "__main__":
    measure(write)
