"""Windows: contrast limits of channels that have none, read off the coarsest level.

OME-Zarr demands them, and integers have those of their type. Floats have only what is there.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from opsin.images.source import Direct
from opsin.images.store import LocalStore
from opsin.images.write.layout import Layout
from opsin.images.zarr.array import open_array

CHUNKS = 16
"""That are read for a channel, at most."""


async def with_windows(layout: Layout, folder: Path) -> Layout:
    """The layout of an image that is written to a folder, with the limits of all its channels."""
    image = layout.image
    if image.dtype.kind != "f" or all(one.window is not None for one in image.channels):
        return layout
    store = LocalStore(folder)
    try:
        array = await open_array(store, str(len(layout.levels) - 1))
        read = None if array is None else array.direct()
        assert read is not None
        channels = tuple(
            one if one.window is not None else replace(one, window=_window(layout, number, read))
            for number, one in enumerate(image.channels)
        )
    finally:
        store.close()
    return replace(layout, image=replace(image, channels=channels))


def _window(layout: Layout, number: int, read: Direct) -> tuple[float, float]:
    level, axis = layout.levels[-1], layout.image.channel_axis
    ranges = [range(n) for n in level.grid]
    if axis is not None:
        place = min(number, level.shape[axis] - 1)
        ranges[axis] = range(place // level.chunks[axis], place // level.chunks[axis] + 1)
    step = -(-math.prod(map(len, ranges)) // CHUNKS)
    low, high = math.inf, -math.inf
    for index in itertools.islice(itertools.product(*ranges), 0, None, step):
        pixels = read(index)[0]
        if axis is not None:
            pixels = pixels.take(place % level.chunks[axis], axis)
        pixels = pixels[np.isfinite(pixels)]
        if pixels.size:
            low, high = min(low, float(pixels.min())), max(high, float(pixels.max()))
    if low > high:
        return 0.0, 1.0
    return low, high if high > low else low + 1.0
