"""Lazy levels: a lazy array whose coarser levels others can have too, as viewers want them.

Whoever got the array calls `levels` on what serves it, and reads of each level what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from opsin.host.selection import Part
from opsin.rpc.lazy_source import LazySource, Read
from opsin.rpc.objects import by_reference

EDGE = 1e-6
"""Of a pixel: what is within it of an edge is that edge."""


@by_reference
class LazyLevels(LazySource):
    """Serves the parts of one array, and the same at lower resolutions.

    Args:
        about: `{axes, scale, translation, units, name, kind}` of this array.
        coarser: gives the others, fine to coarse.
        The rest as of `LazySource`.
    """

    def __init__(
        self,
        read: Read,
        shape: tuple[int, ...],
        dtype: Any,
        chunks: tuple[int, ...],
        about: dict[str, Any],
        coarser: Callable[[], Iterator[LazyLevels]] = lambda: iter(()),
    ) -> None:
        super().__init__(read, shape, dtype, chunks)
        self._about = about
        self._coarser = coarser

    def levels(self) -> list[dict[str, Any]]:
        """All, itself first: `{array, axes, scale, translation, units, name, kind}` of each."""
        return [{"array": one, **one._about} for one in (self, *self._coarser())]


def coarser(part: Part) -> Iterator[Part]:
    """What a part is at the levels that are coarser than its own: all pixels that touch it."""
    image = part.layer.image
    for number in range(part.level + 1, len(image.levels)):
        level = image.levels[number]
        start, stop = [], []
        for axis, pixels in enumerate(part.shape):
            step, zero = level.scale[axis], level.translation[axis]
            first, last = part.origin(axis), part.origin(axis) + (pixels - 1) * part.scale(axis)
            half = 0.0 if pixels == 1 else part.scale(axis) / 2  # one pixel stays one
            low = math.floor((first - half - zero) / step + 0.5 + EDGE)
            high = math.ceil((last + half - zero) / step + 0.5 - EDGE)
            low = min(max(low, 0), level.shape[axis] - 1)
            start.append(low)
            stop.append(min(max(high, low + 1), level.shape[axis] if pixels > 1 else low + 1))
        yield Part(part.layer, number, tuple(start), tuple(stop))
