"""Data: what the viewers show, as OME-Zarr 0.5 with a world of one unit per pixel, made once.

* plane: the demo image, whose chunks are 512 × 512, without its labels;
* stack: 24 slices of 2048 × 2048, each a part of the demo image a little further on;
* volume: 1024 × 512 × 512 voxels, every level halved along all three axes, chunks of 64 cubed:
  real nuclei, enlarged 4 times and mirrored to and fro.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from harness.demo import CACHE, FULL, ROOT, demo_image, scratch
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

SLICES, SIDE, FURTHER = 24, 2048, 24
VOLUME = (1024, 512, 512)
ENLARGED = 4

Pixels = NDArray[np.uint16]


@dataclass(frozen=True)
class Data:
    """An image on the disk.

    Attributes:
        folder: with an array per level, named by its number.
        metadata: the `zarr.json` of its group.
        contrast: the values that are shown black and white.
    """

    folder: Path
    axes: str
    metadata: bytes
    contrast: tuple[float, float]

    def level(self, number: int) -> Any:
        """The array of a level."""
        return zarr.open_array(str(self.folder / str(number)), mode="r")


def plane(size: int = FULL) -> Data:
    """The demo image."""
    folder = demo_image(size)
    levels = sum(1 for path in folder.iterdir() if path.name.isdigit())
    return _data(folder, "yx", levels, "yx", (400.0, 28500.0))


def stack(size: int = FULL) -> Data:
    """Slices, only halved along y and x."""
    folder = CACHE / "benchmarks" / f"stack_{size}.ome.zarr"
    levels = 3
    if not folder.exists():
        side = min(SIDE, size // 2)
        pixels = plane(size).level(0)[: side + SLICES * FURTHER, : side + SLICES * FURTHER]
        slices = np.stack(
            [
                np.asarray(pixels)[
                    n * FURTHER : n * FURTHER + side, n * FURTHER : n * FURTHER + side
                ]
                for n in range(SLICES)
            ]
        )
        _write(folder, slices, levels, (1, 512, 512), halved=(1, 2))
    return _data(folder, "zyx", levels, "yx", (400.0, 28500.0))


def volume(shape: tuple[int, int, int] = VOLUME) -> Data:
    """Voxels."""
    folder = CACHE / "benchmarks" / f"volume_{'x'.join(map(str, shape))}.ome.zarr"
    levels = 4
    if not folder.exists():
        _write(folder, _nuclei(shape), levels, (64, 64, 64), halved=(0, 1, 2))
    return _data(folder, "zyx", levels, "zyx", (2000.0, 30000.0))


def _nuclei(shape: tuple[int, int, int]) -> Pixels:
    from scipy.ndimage import zoom

    from opsin.images.readers import open_image

    with open_image(ROOT / "tests/data/volume/img3d.tif") as image:
        small = np.asarray(image.read(0, ()), np.float32)
    values = zoom((small - small.min()) * 140, ENLARGED, order=1)
    values += np.random.default_rng(5).normal(0, 60, values.shape).astype(np.float32)
    pixels: Pixels = np.clip(values, 0, 65535).astype(np.uint16)
    for axis, size in enumerate(shape):
        there = np.arange(size) % (2 * pixels.shape[axis])
        mirrored = np.minimum(there, 2 * pixels.shape[axis] - 1 - there)
        pixels = np.take(pixels, mirrored, axis)
    return pixels


def _write(
    folder: Path, pixels: Pixels, levels: int, chunks: tuple[int, ...], halved: tuple[int, ...]
) -> None:
    with scratch() as place:
        made = place / folder.name
        for level in range(levels):
            array = zarr.create_array(
                str(made / str(level)),
                shape=pixels.shape,
                chunks=chunks,
                dtype=pixels.dtype,
                compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
            )
            array[...] = pixels
            for axis in halved:
                even, odd = (pixels.take(range(n, pixels.shape[axis], 2), axis) for n in (0, 1))
                pixels = ((even.astype(np.uint32) + odd + 1) // 2).astype(np.uint16)
        made.rename(folder)


def _data(folder: Path, axes: str, levels: int, halved: str, contrast: tuple[float, float]) -> Data:
    datasets = []
    for level in range(levels):
        factors = [2**level if name in halved else 1 for name in axes]
        place = [
            {"type": "scale", "scale": [float(by) for by in factors]},
            {"type": "translation", "translation": [(by - 1) / 2 for by in factors]},
        ]
        datasets.append({"path": str(level), "coordinateTransformations": place})
    window = {"min": 0, "max": 65535, "start": contrast[0], "end": contrast[1]}
    channel = {"label": "DNA", "color": "FFFFFF", "window": window, "active": True}
    ome = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [{"name": name, "type": "space"} for name in axes],
                "datasets": datasets,
            }
        ],
        "omero": {"channels": [channel]},
    }
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
    return Data(folder, axes, json.dumps(group).encode(), contrast)
