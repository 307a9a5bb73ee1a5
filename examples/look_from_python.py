"""Look from Python: read the middle of an image, mark what is bright, write both, save a picture.

    python examples/look_from_python.py cells.tif bright.ome.zarr bright.png

`open_image` and `write_image` raise `OpsinError` with one sentence that says what to do.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import opsin
from opsin.render.snapshot import save_png

SIDE = 256
"""Pixels along y and x of the part that is read, or fewer where the image is smaller."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Mark what is bright in the middle of an image.")
    parser.add_argument("image", help="any image that Opsin reads: path or http(s) address")
    parser.add_argument("out", type=Path, help="the OME-Zarr to write, such as bright.ome.zarr")
    parser.add_argument("picture", type=Path, help="the picture to save, such as bright.png")
    options = parser.parse_args(arguments)
    try:
        mark(options.image, options.out, options.picture)
    except opsin.OpsinError as error:
        print(f"look_from_python: {error}", file=sys.stderr)
        return 1
    return 0


def mark(path: str, out: Path, picture: Path) -> None:
    with opsin.open_image(path) as image:
        y, x = image.axis("y"), image.axis("x")
        print(f"{image.name}: {image.shape} {image.dtype}, axes {image.axis_names}")
        # The middle along y and x, the first place on all other axes.
        index: list[int | slice] = [0] * len(image.shape)
        for axis in (y, x):
            start = max(0, (image.shape[axis] - SIDE) // 2)
            index[axis] = slice(start, start + SIDE)
        part = image.read(0, index)
        level = image.levels[0]
        scale = [level.scale[axis] for axis in (y, x)]
        units = [image.axes[axis].unit for axis in (y, x)]
    if y > x:
        part = part.T

    limit = float(np.quantile(part, 0.9))
    bright = (part > limit).astype(np.uint8)
    print(f"read {part.shape}; {bright.mean():.1%} of it is brighter than {limit:g}")

    pixels = opsin.image_from_array(part, name="part", scale=scale, units=units)
    mask = opsin.image_from_array(bright, name="mask", scale=scale, units=units, kind="labels")
    opsin.write_image(pixels, out, labels=[mask])
    save_png(opsin.snapshot(out, size=(SIDE, SIDE)), picture)
    print(f"wrote {out} and {picture}")


if __name__ == "__main__":
    sys.exit(main())
