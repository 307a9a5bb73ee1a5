"""Flights through synthetic images without a screen, in a process that is watched from outside.

`python -m harness.flight FOLDER [--quick]` flies, writes the last frame of every stop into the
folder and prints what it measured, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from opsin.chunks.camera import Camera, target_level
from opsin.chunks.loader import Loader
from opsin.chunks.policy import EXPLORE
from opsin.chunks.volume_camera import VolumeCamera, fit_volume, looking
from opsin.images.image import Image
from opsin.images.layer import layers_of
from opsin.images.readers import open_image
from opsin.images.source import Array, Index, Source
from opsin.render.canvas import Canvas, Picture
from opsin.render.held_slices import HeldSlices
from opsin.render.held_volumes import HeldVolumes
from opsin.render.snapshot import save_png
from opsin.render.volume import Projection

MEMORY = 512 * 2**20
FOR_BRICKS = 0.75
"""Share of the memory that the canvas may fill; the others is for chunks."""

GLIDE = 6
"""Views between two stops, which are left before they are loaded."""
GLIDES_FOR = 0.05
"""Seconds that each of them is looked at."""

PLANE = (512, 384)
DEEP = complex(-0.743643887037151, 0.131825904205330)
"""A point on the edge of the Mandelbrot set, where there is something to see at every zoom."""
CENTRE_OF_PLANE, WIDTH_OF_PLANE = -0.75, 3.0

VOLUME = (256, 256)
BRICKS = 64
"""At most, of a view of the Mandelbulb: a block of 64³ voxels costs up to 290 CPU milliseconds."""
ANGLES = (35.0, 25.0)
THRESHOLD = 25.0


@dataclass(frozen=True)
class Stop:
    """What was measured of one view, from the moment when it was looked at."""

    name: str
    first_content: float
    """Seconds until 95 % of the foreground was within 10/255 of the last picture, both reduced 16
    times."""
    covered: float
    """Until there was something everywhere."""
    target: float
    """Until all bricks were there."""
    bricks: int
    """That the view wants."""


@dataclass(frozen=True)
class Report:
    """What was measured of a flight."""

    name: str
    stops: list[Stop]
    cache_peak: int
    """Bytes of chunks at most, those on their way included."""
    generated: int
    """Chunks."""
    wasted: int
    """Of them, those that were in no brick of the canvas, or were not the first."""


class Counted:
    """A source that counts the chunks it generates."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.generated = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def decode(self, level: int, index: Index, encoded: Any) -> Array:
        self.generated += 1
        return self._source.decode(level, index, encoded)

    def direct(self, level: int) -> Callable[[Index], tuple[Array, int]]:
        return lambda index: (self.decode(level, index, None), 0)


class Flight:
    """A canvas that goes from view to view."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        image = open_image(f"synthetic:{name}")
        self._source = Counted(image.source)
        self.image = replace(image, source=cast(Source, self._source))
        (layer,) = layers_of(self.image)
        self.layer = replace(layer, contrast=layer.contrast or (0.0, largest(image)))
        room = int(MEMORY * FOR_BRICKS)
        self._loader = Loader(MEMORY - room, fetches=4)
        self._held: HeldSlices | HeldVolumes
        if name == "mandelbrot":
            self.layer = replace(self.layer, colormap="twilight")
            self._held = HeldSlices([self.layer], room, EXPLORE)
        else:
            policy = replace(EXPLORE, bricks=BRICKS)
            projection = Projection("iso", threshold=THRESHOLD)
            self._held = HeldVolumes([self.layer], room, projection, policy)
        self._canvas: Canvas[Any, Any] = Canvas(self._loader, self._held)
        self._stops: list[Stop] = []
        self._used: set[Any] = set()
        put = self._held.put

        def counted(brick: Any, values: Array) -> None:
            self._used.add(brick)
            put(brick, values)

        self._held.put = counted  # type: ignore[method-assign]

    async def stop(self, name: str, view: Camera | VolumeCamera) -> None:
        """Look at a view until it is loaded."""
        began = perf_counter()
        self._canvas.look(view)
        covered = None
        frames: list[tuple[float, Callable[[], Picture]]] = []
        while not self._canvas.settled:
            await self._canvas.changed()
            if covered is None and self._canvas.covered:
                covered = perf_counter() - began
            if covered is not None:
                frames.append((perf_counter() - began, self._canvas.frame()))
        target = perf_counter() - began
        last = self._canvas.frame()()
        save_png(last, self._folder / f"{self.name}_{name}.png")
        wanted, here = self._canvas.counts
        assert wanted == here, self._canvas.failures
        self._stops.append(
            Stop(
                name=name,
                first_content=first_content(frames, last) or target,
                covered=target if covered is None else covered,
                target=target,
                bricks=wanted,
            )
        )

    async def glide(self, start: Camera | VolumeCamera, end: Camera | VolumeCamera) -> None:
        """Go from one view to another without waiting for what is in between."""
        for number in range(1, GLIDE + 1):
            share = number / (GLIDE + 1)
            zoom = start.zoom * (end.zoom / start.zoom) ** share
            # The centre moves as fast on the canvas, whatever the zoom.
            moved = (1 / start.zoom - 1 / zoom) / (1 / start.zoom - 1 / end.zoom)
            center = tuple(
                a + (b - a) * moved for a, b in zip(start.center, end.center, strict=True)
            )
            view: Camera | VolumeCamera = replace(start, center=center, zoom=zoom)  # type: ignore[arg-type]
            self._canvas.look(view)
            await asyncio.sleep(GLIDES_FOR)

    async def end(self) -> Report:
        """Let go of everything."""
        self._canvas.close()
        peak = self._loader.cache.peak
        await self._loader.close()
        self.image.close()
        generated = self._source.generated  # a chunk is a brick, here
        wasted = generated - len(self._used)
        return Report(self.name, self._stops, peak, generated, wasted)


def largest(image: Image) -> float:
    """The largest value of an image's type."""
    return 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype.str).max)


def first_content(frames: list[tuple[float, Callable[[], Picture]]], last: Picture) -> float | None:
    """When the first frame came that nearly was the last one, if one can hardly see them."""
    want = reduced(last)
    foreground = want.max(axis=-1) > 8

    def like(number: int) -> bool:
        off = np.abs(reduced(frames[number][1]()) - want).max(axis=-1)
        return float((off[foreground] <= 10).mean()) >= 0.95

    low, high = 0, len(frames)  # frames only become better
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if like(middle) else (middle + 1, high)
    return frames[low][0] if low < len(frames) else None


def reduced(picture: Picture) -> npt.NDArray[np.float64]:
    """The means of 16 × 16 pixels."""
    height, width = (length // 16 * 16 for length in picture.shape[:2])
    blocks = picture[:height, :width].reshape(height // 16, 16, width // 16, 16, 3)
    mean: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return mean


async def plane(folder: Path, quick: bool) -> Report:
    """From all of the Mandelbrot set to single pixels of 2^27 × 2^27, a stop at every level."""
    flight = Flight("mandelbrot", folder)
    size = flight.image.shape[0]
    step = WIDTH_OF_PLANE / size
    x = (DEEP.real - CENTRE_OF_PLANE) / step + size / 2 - 0.5
    y = size / 2 - 0.5 - DEEP.imag / step
    middle = ((size - 1) / 2, (size - 1) / 2)
    levels = range(17, -1, -1) if not quick else (17, 12, 6, 0)
    before: Camera | None = None
    for level in levels:
        near = min(1.0, (17 - level) / 2)  # the first views are of the whole set
        center = tuple(a + (b - a) * near for a, b in zip(middle, (y, x), strict=True))
        view = Camera((center[0], center[1]), 1 / 2**level, PLANE)
        assert target_level(flight.layer, view) == level
        if before is not None:
            await flight.glide(before, view)
        await flight.stop(f"level_{level:02}", view)
        before = view
    return await flight.end()


async def volume(folder: Path, quick: bool) -> Report:
    """From all of the Mandelbulb to single voxels of 2^20 cubed."""
    flight = Flight("mandelbulb", folder)
    whole = fit_volume([flight.layer], VOLUME, looking(*ANGLES), 40.0)
    surface = surface_of(flight, whole)
    deepest = round(math.log2(1 / whole.zoom))
    steps = range(0, deepest + 1, 2) if not quick else (0, deepest // 2, deepest)
    before: VolumeCamera | None = None
    for halvings in steps:
        near = min(1.0, halvings / 2)
        center = tuple(a + (b - a) * near for a, b in zip(whole.center, surface, strict=True))
        view = replace(whole, center=center, zoom=whole.zoom * 2**halvings)  # type: ignore[arg-type]
        if before is not None:
            await flight.glide(before, view)
        await flight.stop(f"zoom_{halvings:02}", view)
        before = view
    return await flight.end()


def surface_of(flight: Flight, view: VolumeCamera) -> tuple[float, ...]:
    """Where the line of sight through the middle meets what is solid at every level.

    From level to level it is looked for near where it was at the coarser one, and it is some voxels
    thick: there is dust in front of it, which other levels do not show.
    """
    image = flight.image
    center, forward = np.array(view.center), view.axes[2]

    def solid(level: int, distance: float) -> bool:
        geometry = image.levels[level]
        place = (center + distance * forward - geometry.translation) / geometry.scale
        box = [slice(max(round(at) - 1, 0), round(at) + 2) for at in place.tolist()]
        return bool((image.read(level, box) >= THRESHOLD).all())

    coarsest = len(image.levels) - 1
    half = image.levels[coarsest].scale[0] / 2
    steps = np.arange(-0.5 * image.shape[0], 0, half)
    found = next(float(at) for at in steps if solid(coarsest, at))
    for level in reversed(range(coarsest)):
        step = image.levels[level].scale[0]
        near = (found + number * step for number in range(-2, 3))
        found = next((at for at in near if solid(level, at)), found)
    return tuple((center + found * forward).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for flight in (plane, volume):
        report = asyncio.run(flight(options.folder, options.quick))
        print(json.dumps(asdict(report)), flush=True)


if __name__ == "__main__":
    main()
