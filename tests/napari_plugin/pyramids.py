"""Arrays with levels, and what napari would have to draw of them, worked out independently."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from opsin.images.image import Image
from opsin.images.memory import image_from_array
from opsin.images.source import Array

OPEN: list[Image] = []
"""What the stage closes after a scene."""
RANDOM = np.random.default_rng(11)


def picture(*shape: int) -> Array:
    """A smooth pattern with noise on it: uint16 of any shape, y and x last."""
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    plane = (np.sin(y / 97) + np.cos(x / 53)) * 8000 + 20000
    noise: Array = plane + RANDOM.random(shape) * 8000
    return noise.astype(np.uint16)


def by_mean(array: Array, count: int) -> list[Array]:
    """Levels of 2 × 2 means; at the far edge of what exists."""
    levels = [array]
    for _ in range(count - 1):
        fine = levels[-1]
        pad = [(0, 0)] * (fine.ndim - 2) + [(0, n % 2) for n in fine.shape[-2:]]
        even = np.pad(fine, pad, mode="edge").astype(np.float64)
        y, x = even.shape[-2:]
        blocks = even.reshape(*fine.shape[:-2], y // 2, 2, x // 2, 2)
        levels.append(blocks.mean((-3, -1)).astype(array.dtype))
    return levels


def by_stride(array: Array, count: int) -> list[Array]:
    """Levels of every second pixel, beginning at the first."""
    return [array[..., :: 2**n, :: 2**n] for n in range(count)]


def places(count: int, stride: bool) -> list[tuple[list[float], list[float]]]:
    """Scale and translation along y and x of such levels."""
    return [([2.0**n] * 2, [0.0 if stride else (2.0**n - 1) / 2] * 2) for n in range(count)]


def kept(levels: Any, **named: Any) -> Image:
    """Arrays as an image, until the scene ends."""
    OPEN.append(image_from_array(levels, **named))
    return OPEN[-1]


def image_of(levels: list[Any], stride: bool = False, **named: Any) -> Image:
    """The levels as an image, each where it lies."""
    where = places(len(levels), stride)
    extra = levels[0].ndim - 2
    return kept(
        levels,
        axes="tzyx"[-levels[0].ndim :],
        scale=[[1.0] * extra + scale for scale, _ in where],
        translation=[[0.0] * extra + translation for _, translation in where],
        **named,
    )


def as_napari_draws(levels: list[Array], stride: bool) -> list[Array]:
    """The levels put where napari will draw them, pixel by pixel: by the ratio of the shapes."""
    found: list[Array] = []
    for number, level in enumerate(levels):
        indices = []
        for axis in (-2, -1):
            size, finest = level.shape[axis], levels[0].shape[axis]
            scale, translation = 2**number, 0 if stride else (2**number - 1) / 2
            picks = []
            for pixel in range(size):
                centre = (pixel + 0.5) * finest / size - 0.5
                nearest = int(np.floor((centre - translation) / scale + 0.5 + 1e-7))
                picks.append(min(max(int(nearest), 0), size - 1))
            indices.append(picks)
        found.append(level[..., indices[0], :][..., indices[1]])
    return found


class Slow:
    """An array of which every part takes its time, and that counts what it is asked for."""

    def __init__(self, array: Array, seconds: float, chunk: int = 256) -> None:
        self._array = array
        self.seconds = seconds
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.chunks = (*(1,) * (array.ndim - 2), chunk, chunk)
        self.asked = 0

    def __getitem__(self, key: Any) -> Array:
        self.asked += 1
        time.sleep(self.seconds)
        part: Array = self._array[key]
        return part
