"""Volumes of any size and any ratio between their levels: geometry, and a source without pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opsin.images.image import Axis, Image, Kind, Level
from opsin.images.layer import Layer, layers_of
from tests.chunks.pyramid import PyramidSource


def volume(
    shape: Sequence[int],
    *,
    levels: int = 1,
    factors: Sequence[float] = (2, 2, 2),
    strided: bool = False,
    up: bool = True,
    scale: Sequence[float] = (1.0, 1.0, 1.0),
    chunk: int = 64,
    dtype: str = "uint8",
    kind: Kind = "image",
) -> Layer:
    """A layer of axes z, y, x.

    Args:
        factors: how many voxels of a level along each axis are one of the next coarser level.
        strided: whether coarse voxels lie at their first fine one, instead of in its middle.
        up: whether sizes are rounded up.
    """
    geometry: list[Level] = []
    for k in range(levels):
        steps = [factor**k for factor in factors]
        sizes = [
            max(1, int(-(-n // f) if up else n // f)) for n, f in zip(shape, steps, strict=True)
        ]
        geometry.append(
            Level(
                tuple(sizes),
                tuple(min(n, chunk) for n in sizes),
                tuple(s * f for s, f in zip(scale, steps, strict=True)),
                tuple(
                    0.0 if strided else s * (f - 1) / 2 for s, f in zip(scale, steps, strict=True)
                ),
            )
        )
    source = PyramidSource(tuple(geometry), dtype)
    axes = tuple(Axis(name, "space") for name in "zyx")
    image = Image("volume", axes, tuple(geometry), np.dtype(dtype), source, kind=kind)
    return layers_of(image)[0]
