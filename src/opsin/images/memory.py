"""Memory: an image over a numpy array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from opsin.errors import UsageError
from opsin.images.image import Axis, Image, Kind, Level, chunk_origin
from opsin.images.ome_metadata import axis_type
from opsin.images.source import Array, Direct, Encoded, Index, Source, contiguous


class MemorySource(Source):
    """Chunks of one array in memory, which has one level."""

    def __init__(self, array: Array, level: Level) -> None:
        self._array = array
        self._level = level

    @property
    def provenance(self) -> Literal["memory"]:
        return "memory"

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        return self._cut(index)

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        return contiguous(np.asarray(encoded))

    def direct(self, level: int) -> Direct:
        return lambda index: (contiguous(self._cut(index)), 0)

    def transient_bytes(self, level: int, index: Index) -> int:
        return 0

    def close(self) -> None:
        self._array = np.empty((0,) * self._array.ndim, self._array.dtype)

    def _cut(self, index: Index) -> Array:
        start = chunk_origin(self._level, index)
        shape = self._level.chunk_shape(index)
        return self._array[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))]


def image_from_array(
    array: Array,
    *,
    axes: str | Sequence[str] = "yx",
    name: str = "array",
    scale: Sequence[float] | None = None,
    translation: Sequence[float] | None = None,
    units: Sequence[str | None] | None = None,
    kind: Kind = "image",
    chunks: Sequence[int] | None = None,
) -> Image:
    """An image of one level over `array`, which is not copied.

    Args:
        array: booleans, integers or real floats, of at least one pixel.
        axes: one name per axis, in array order; `t`, `c`, `z`, `y`, `x` get their types.
        name: of the image.
        scale: world units per pixel along each axis; 1 by default.
        translation: world position of the centre of the first pixel; 0 by default.
        units: such as `micrometer`, one per axis.
        kind: `image` or `labels`.
        chunks: what is loaded at once; 512 along the last two axes and 1 along others by default.

    Raises:
        UsageError: the arguments do not fit the array.
    """
    count = array.ndim
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8 or array.size == 0:
        raise UsageError(f"An array of {array.dtype} and shape {array.shape} is no image.")
    given = {"axes": axes, "scale": scale, "translation": translation, "units": units}
    for what, values in {**given, "chunks": chunks}.items():
        if values is not None and len(values) != count:
            raise UsageError(f"{what} has {len(values)} entries for an array of {count} axes.")
    if len(set(axes)) < count:
        raise UsageError(f"axes names an axis twice: {axes}.")
    if chunks is None:
        chunks = [1] * (count - 2) + [512] * min(count, 2)
    level = Level(
        shape=array.shape,
        chunks=tuple(
            max(1, min(chunk, size)) for chunk, size in zip(chunks, array.shape, strict=True)
        ),
        scale=tuple(map(float, scale)) if scale is not None else (1.0,) * count,
        translation=tuple(map(float, translation)) if translation is not None else (0.0,) * count,
    )
    units = units if units is not None else [None] * count
    return Image(
        name=name,
        axes=tuple(Axis(n, axis_type(n), unit) for n, unit in zip(axes, units, strict=True)),
        levels=(level,),
        dtype=array.dtype.newbyteorder("="),
        source=MemorySource(array, level),
        kind=kind,
    )
