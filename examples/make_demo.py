"""Make the demo image: a large mosaic of real fluorescence nuclei, with labels, as OME-Zarr.

    python examples/make_demo.py demo.ome.zarr [--size 16384]

Every cell of the mosaic shows a part of one of the images of `tests/data/nuclei`, turned or
mirrored. There are no seams: a nucleus belongs to the cell that its centre is in, and is shown
whole. A smooth gain over the whole mosaic spreads the 8-bit data over 16 bits and makes no two
places equal. Pixels are computed as they are written; nothing but a few blocks is ever in memory.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import imagecodecs
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from opsin.errors import OpsinError
from opsin.images.image import Axis, Channel, Image, Kind, Level
from opsin.images.source import Array, Index, Source
from opsin.images.write import write_image

NUCLEI = Path(__file__).parents[1] / "tests" / "data" / "nuclei"
CHUNK = 512
PITCH = 224
"""From one cell of the mosaic to the next; not a divisor of the chunk size."""
MARGIN = 32
"""How far a nucleus may reach out of its cell."""
FADE = 12
"""How far the background of a cell fades into its neighbours, and a nucleus into the background."""
MICROMETER = 0.325
OFFSET, RANGE = 400.0, 38000.0
"""Dark value, and what the brightest nuclei add to it where the gain is 1."""
STEP = 8
"""Values are multiples of this, as from a camera of 13 bits: noise does not compress."""
IDS_PER_CELL = 1 << 10

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Stamp:
    """What one cell of the mosaic shows, with a margin. Both arrays square, axes y, x."""

    values: Floats
    """0 is the background, 1 bright nuclei; faded out in the margin, but for whole nuclei."""
    ids: npt.NDArray[np.uint16]
    nucleus_area: float


def load_stamps(folder: Path = NUCLEI) -> list[Stamp]:
    """Parts of the well-exposed, well-filled images, by the size of their nuclei."""
    stamps: list[Stamp] = []
    for path in sorted(folder.glob("*/images/*.png")):
        raw: Array = imagecodecs.png_decode(path.read_bytes())
        mask: Array = imagecodecs.png_decode((path.parents[1] / "masks" / path.name).read_bytes())
        if raw.ndim != 2 or raw.shape in ((512, 640), (603, 1272)):  # noisy, or cut out of black
            continue
        dark, back, glow = np.percentile(raw[mask == 0], [2, 50, 90])
        bright = np.percentile(raw[mask > 0], 96)
        if bright < back + 18 or (glow - dark) > 0.4 * (bright - back):
            continue
        pixels = (raw.astype(np.float32) - np.float32(back)) / np.float32(bright - back)
        parts = [max(1, round(size / PITCH - 0.3)) for size in raw.shape]
        for row, column in np.ndindex(*parts):
            # The first cell is as far from the near edge as the last one from the far edge.
            top, left = (
                round((size - PITCH * n) / 2) + PITCH * k
                for size, n, k in zip(raw.shape, parts, (row, column), strict=True)
            )
            stamp = _stamp(pixels, mask.astype(np.uint16), top, left)
            if np.count_nonzero(stamp.ids) > 0.09 * PITCH**2:
                stamps.append(stamp)
    if not stamps:
        raise SystemExit(f"There are no images in {folder}: run this from a checkout of Opsin.")
    return sorted(stamps, key=lambda stamp: stamp.nucleus_area)


def _stamp(pixels: Floats, mask: npt.NDArray[np.uint16], top: int, left: int) -> Stamp:
    """The stamp of the cell whose first pixel is at (top, left)."""
    side = PITCH + 2 * MARGIN
    pad = [(MARGIN + FADE, side)] * 2
    window = tuple(slice(n + FADE, n + FADE + side) for n in (top, left))
    near, strength = _grown(np.pad(mask, pad)[window])
    values = np.pad(pixels, pad)[window]
    ids = np.where(strength == 1, near, 0).astype(np.uint16)
    # Whole nuclei with their centre in the cell are its own.
    own = np.zeros(int(mask.max()) + 1, bool)
    edge = np.unique(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]))
    for number in np.setdiff1d(np.unique(ids), [0, *edge]):
        y, x = (float(c.mean()) - MARGIN for c in np.nonzero(ids == number))
        own[number] = 0 <= y < PITCH and 0 <= x < PITCH
    place = np.arange(side) - MARGIN
    depth = np.minimum(place, PITCH - 1 - place)
    inside = np.clip((depth + FADE) / FADE, 0, 1)
    fade = np.outer(inside, inside)
    weight = np.where(own[near], np.maximum(fade, strength), fade * (1 - strength))
    ids[~own[ids]] = 0
    count = max(1, int(np.count_nonzero(own)))
    # Very bright nuclei are toned down, as a camera with a shoulder would.
    toned = np.where(values > 1, 1 + np.tanh((values - 1) / 0.6) * 0.6, np.maximum(values, 0))
    return Stamp((toned * weight).astype(np.float32), ids, np.count_nonzero(ids) / count)


def _grown(mask: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.uint16], Floats]:
    """The nucleus that each pixel is of or near to (0: none), and how much: 1 in it, fading."""
    near, strength = mask.copy(), (mask > 0).astype(np.float32)
    for step in range(1, FADE):
        grown = near
        for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
            grown = np.where(grown == 0, np.roll(near, shift, axis), grown)
        strength[(near == 0) & (grown > 0)] = 1 - step / FADE
        near = grown
    return near, strength


class Waves:
    """A smooth random field over the plane: a sum of sines, in about -1 to 1."""

    def __init__(self, random: np.random.Generator, longest: float, count: int = 7) -> None:
        lengths = longest * np.geomspace(1, 0.18, count)
        angles = random.uniform(0, 2 * np.pi, count)
        self._y = 2 * np.pi * np.sin(angles) / lengths
        self._x = 2 * np.pi * np.cos(angles) / lengths
        self._phase = random.uniform(0, 2 * np.pi, count)
        weights = lengths**0.7
        self._weight = weights / np.sqrt(np.sum(weights**2)) * 0.8

    def __call__(self, y: Array, x: Array) -> Floats:
        """The field at rows `y` and columns `x`: shape (len(y), len(x))."""
        total = np.zeros((len(y), len(x)), np.float32)
        for ky, kx, phase, weight in zip(self._y, self._x, self._phase, self._weight, strict=True):
            # sin(a + b) of an outer sum is two outer products of vectors.
            a, b = ky * y + phase, kx * x
            total += np.outer(weight * np.sin(a), np.cos(b)).astype(np.float32)
            total += np.outer(weight * np.cos(a), np.sin(b)).astype(np.float32)
        return total


class Mosaic(Source):
    """A source that computes its chunks: the pixels (uint16) or the labels (uint32)."""

    def __init__(self, size: int, kind: Kind, stamps: list[Stamp]) -> None:
        random = np.random.default_rng(20)
        self._kind = kind
        self._level = Level((size, size), (CHUNK, CHUNK), (MICROMETER,) * 2, (0.0, 0.0))
        self._stamps = stamps
        self._gain = Waves(random, 0.9 * size)
        self._cells = -(-size // PITCH)
        # Cells near each other show nuclei of about the same size, as in a tissue.
        centres = np.arange(self._cells) * PITCH
        field = Waves(random, max(0.7 * size, 4 * PITCH))(centres, centres)
        rank = field + random.normal(0, 0.12, field.shape)
        order = np.argsort(np.argsort(rank, axis=None)) / rank.size
        self._chosen = (order * len(stamps)).astype(int).reshape(rank.shape)
        self._turns = random.integers(0, 8, field.shape)

    def image(self, name: str) -> Image:
        window = Channel("DNA", colour="ffffff", window=(OFFSET, 0.75 * RANGE))
        return Image(
            name=name,
            axes=(Axis("y", "space", "micrometer"), Axis("x", "space", "micrometer")),
            levels=(self._level,),
            dtype=np.dtype(np.uint32 if self._kind == "labels" else np.uint16),
            source=self,
            kind=self._kind,
            channels=() if self._kind == "labels" else (window,),
        )

    @property
    def provenance(self) -> Literal["memory"]:
        return "memory"

    async def fetch(self, level: int, index: Index) -> None:
        return None

    def decode(self, level: int, index: Index, encoded: object) -> Array:
        y, x = (
            np.arange(i * CHUNK, i * CHUNK + n)
            for i, n in zip(index, self._level.chunk_shape(index), strict=True)
        )
        values, ids = self._composed(y, x)
        if self._kind == "labels":
            return ids
        gain = np.clip(0.72 + 0.3 * self._gain(y, x), 0.3, 1.05)
        counts = (OFFSET + RANGE * gain * (values + 0.01)) / STEP
        pixels: Array = (np.rint(counts) * STEP).astype(np.uint16)
        return pixels

    def transient_bytes(self, level: int, index: Index) -> int:
        return 16 * CHUNK * CHUNK

    def close(self) -> None:
        pass

    def _composed(self, y: Array, x: Array) -> tuple[Floats, npt.NDArray[np.uint32]]:
        """The brightest of all stamps at every pixel, and whose nucleus it is."""
        values = np.zeros((len(y), len(x)), np.float32)
        ids = np.zeros((len(y), len(x)), np.uint32)
        for row in self._cells_over(y):
            for column in self._cells_over(x):
                stamp = self._stamps[self._chosen[row, column]]
                (rows, from_rows), (columns, from_columns) = _overlap(y, row), _overlap(x, column)
                turned = int(self._turns[row, column])
                own = _turned(stamp.values, turned)[from_rows, from_columns]
                own_ids = _turned(stamp.ids, turned)[from_rows, from_columns].astype(np.uint32)
                own_ids[own_ids > 0] += np.uint32((row * self._cells + column) * IDS_PER_CELL)
                better = own > values[rows, columns]
                np.copyto(values[rows, columns], own, where=better)
                np.copyto(ids[rows, columns], own_ids, where=better)
        return values, ids

    def _cells_over(self, position: Array) -> range:
        first = max(0, (int(position[0]) - MARGIN) // PITCH)
        return range(first, min(self._cells, (int(position[-1]) + MARGIN) // PITCH + 1))


def _overlap(position: Array, cell: int) -> tuple[slice, slice]:
    """The part of an ascending range of positions that a cell's stamp covers, and of the stamp."""
    start = cell * PITCH - MARGIN - int(position[0])
    first, last = max(0, start), min(len(position), start + PITCH + 2 * MARGIN)
    return slice(first, last), slice(first - start, last - start)


def _turned(square: Array, turned: int) -> Array:
    """One of the eight ways to lay a square, as a view."""
    square = square[::-1] if turned & 1 else square
    square = square[:, ::-1] if turned & 2 else square
    return square.T if turned & 4 else square


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the demo image.")
    parser.add_argument("out", type=Path, help="the OME-Zarr to make, such as demo.ome.zarr")
    parser.add_argument("--size", type=int, default=16384, help="pixels along y and x")
    options = parser.parse_args(arguments)
    if not CHUNK <= options.size <= 1 << 16:
        parser.error(f"--size {options.size}: give {CHUNK} to {1 << 16}")
    stamps = load_stamps()
    name = options.out.name.split(".")[0]
    pixels = Mosaic(options.size, "image", stamps).image(name)
    labels = Mosaic(options.size, "labels", stamps).image("nuclei")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(f"Making {options.out} ({options.size}² pixels)", total=None)
        try:
            write_image(
                pixels,
                options.out,
                labels=(labels,),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        except OpsinError as error:
            console.print(f"[red]{error}[/red]")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
