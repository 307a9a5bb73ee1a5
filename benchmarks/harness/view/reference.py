"""Reference: what a viewer must show, by NumPy alone; and whether it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from harness.view.data import Data
from numpy.typing import NDArray

FOREGROUND = 8
"""Of 255, above the darkest."""
LEAST_FOREGROUND = 0.05
"""Of the canvas."""
AGREES = 10
"""Of 255, for 99 % of the foreground."""
Picture = NDArray[np.uint8]


def slice_picture(data: Data, camera: Mapping[str, Any], canvas: tuple[int, int]) -> Picture:
    """The canvas (rows, columns) where one pixel of the screen is one of the level, or more."""
    zoom = camera["zoom"]
    number = max(0, round(-np.log2(zoom)))
    level = data.level(number)
    scale = 2**number
    width, height = canvas
    places = []
    for middle, count in zip(camera["center"], (height, width), strict=True):
        world = middle + (np.arange(count) + 0.5 - count / 2) / zoom
        places.append(np.floor((world + 0.5) / scale).astype(int))
    rows, columns = places
    inside = [(p >= 0) & (p < n) for p, n in zip(places, level.shape[-2:], strict=True)]
    box = tuple(
        slice(max(0, int(p[0])), min(n, int(p[-1]) + 1))
        for p, n in zip(places, level.shape[-2:], strict=True)
    )
    pixels = np.asarray(level[(camera["z"], *box) if "z" in camera else box], np.float64)
    low, high = data.contrast
    grey = np.rint(np.clip((pixels - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    picture = np.zeros((height, width), np.uint8)  # the clear colour has no green
    picture[np.ix_(*inside)] = grey[
        np.ix_(rows[inside[0]] - box[0].start, columns[inside[1]] - box[1].start)
    ]
    return picture


def disagreement(shown: Picture, expected: Picture) -> float:
    """99th percentile of the difference over the foreground of either, in parts of 255."""
    if shown.shape != expected.shape:
        return 255.0
    a, b = shown.astype(int), expected.astype(int)
    foreground = np.maximum(a - a.min(), b - b.min()) > FOREGROUND
    if foreground.mean() < LEAST_FOREGROUND:
        return 255.0
    return float(np.percentile(np.abs(a - b)[foreground], 99))
