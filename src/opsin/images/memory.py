"""Memory: an image over arrays that a program holds: one, or one per level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from opsin.errors import UsageError
from opsin.images.arrays import ArraysSource, NumpyArray, dtype_of, own_chunks, source_of
from opsin.images.image import Axis, Image, Kind, Level
from opsin.images.labelled import Labelled, labelled
from opsin.images.ome_metadata import axis_type, default_axes
from opsin.images.placement import factor, placed
from opsin.images.source import Array

CHUNK = 512
"""Along y and x, for arrays without chunks of their own."""


Places: TypeAlias = Sequence[float] | Sequence[Sequence[float]] | None
"""One number per axis for the finest level, or such a list for every level."""


class MemorySource(ArraysSource):
    """Chunks of one NumPy array, which has one level."""

    def __init__(self, array: Array, level: Level) -> None:
        super().__init__([NumpyArray(array, level)], ThreadPoolExecutor(1))


def image_from_array(
    array: Any,
    *,
    axes: str | Sequence[str] | None = None,
    name: str | None = None,
    scale: Places = None,
    translation: Places = None,
    units: Sequence[str | None] | None = None,
    kind: Kind = "image",
    chunks: Sequence[int] | None = None,
    rgb: bool | None = None,
    client: Any = None,
) -> Image:
    """An image over an array, which is not copied, or over a list of arrays, one per level.

    Args:
        array: NumPy, Dask, zarr or xarray, or anything else with `shape`, `dtype` and slices, such
            as an h5py dataset; of booleans, integers or real floats, with at least one pixel. Or a
            list of such, fine to coarse, of the same dtype: a pyramid as napari takes it.
        axes: one name per axis, in array order; `t`, `c`, `z`, `y`, `x` get their types. By default
            what xarray or zarr says, or the last of t, c, z, y, x.
        name: of the image; by default what xarray says, or `array`.
        scale: world units per pixel along each axis, of the finest level (or one list per level);
            by default what xarray's coordinates say, or 1. Coarser levels follow from their shapes.
        translation: world position of the centre of the first pixel, likewise; 0 by default, and
            so that coarser levels cover the same area.
        units: such as `micrometer`, one per axis; by default what xarray says.
        kind: `image` or `labels`.
        chunks: what is loaded at once; by default the array's own chunks, or else 512 along y and x
            and 1 along others.
        rgb: whether the last axis is the samples of one colour; by default, it is if `axes` are
            not given and it has three or four uint8 values.
        client: a `distributed.Client` whose workers compute the chunks of Dask arrays. Without one
            they are computed here, on threads of the image.

    Raises:
        UsageError: the arguments do not fit the array.
    """
    given = list(array) if _is_pyramid(array) else [array]
    said = [labelled(one) for one in given]
    arrays = [
        _usable(one if own is None else own.array) for one, own in zip(given, said, strict=True)
    ]
    finest, first = arrays[0], said[0]
    dtype, count = dtype_of(finest), len(finest.shape)
    for what, values in {"axes": axes, "units": units, "chunks": chunks}.items():
        if values is not None and len(values) != count:
            raise UsageError(f"{what} has {len(values)} entries for an array of {count} axes.")
    names = tuple(axes) if axes is not None else _names(finest, first)
    if rgb is None:
        colours = dtype == np.uint8 and count > 2 and finest.shape[-1] in (3, 4)
        rgb = names is None and colours and kind == "image"
    if names is None:
        plain = default_axes(count - 1 if rgb else count)
        names = (*(axis.name for axis in plain), *("c" * rgb))
    if len(set(names)) < count:
        raise UsageError(f"axes names an axis twice: {', '.join(names)}.")
    if units is None:
        units = [None] * count if first is None else first.units
    types = [axis_type(one) for one in names[: count - rgb]] + ["channel" for _ in range(rgb)]
    geometry = _Geometry(names, rgb, chunks, scale, translation)
    levels = geometry.levels(arrays, said, dtype)
    return Image(
        name=name or (first.name if first is not None else None) or "array",
        axes=tuple(Axis(n, t, unit) for n, t, unit in zip(names, types, units, strict=True)),
        levels=levels,
        dtype=dtype,
        source=source_of(arrays, levels, dtype, client),
        kind=kind,
        channels=first.channels if first is not None and kind == "image" and not rgb else (),
        rgb=rgb,
        warnings=first.warnings if first is not None else (),
    )


@dataclass(frozen=True, slots=True)
class _Geometry:
    """How the levels of a pyramid lie, from what the caller says, the arrays, and their shapes."""

    names: tuple[str, ...]
    rgb: bool
    chunks: Sequence[int] | None
    scale: Places
    translation: Places

    def levels(
        self,
        arrays: Sequence[Any],
        said: Sequence[Labelled | None],
        dtype: np.dtype[np.generic],
    ) -> tuple[Level, ...]:
        """The geometry of all levels."""
        scales = self._per_level("scale", self.scale, len(arrays))
        translations = self._per_level("translation", self.translation, len(arrays))
        first = said[0]
        ones, zeros = (1.0,) * len(self.names), (0.0,) * len(self.names)
        scale = scales[0] or (ones if first is None else first.scale)
        translation = translations[0] or (zeros if first is None else first.translation)
        shape = tuple(int(size) for size in arrays[0].shape)
        levels = [Level(shape, self._chunks(arrays[0], shape), scale, translation)]
        for number, array in enumerate(arrays[1:], 1):
            before = levels[-1].shape
            coarse = tuple(int(size) for size in array.shape)
            fits = len(coarse) == len(before) and coarse != before
            if not fits or any(a > b for a, b in zip(coarse, before, strict=True)):
                raise UsageError(
                    f"A list of arrays is the levels of one image, but the shape of number "
                    f"{number}, {coarse}, is not smaller than {before}: put pages into one array "
                    "with numpy.stack."
                )
            if dtype_of(array) != dtype:
                raise UsageError(f"Level {number} is {dtype_of(array)}, but level 0 is {dtype}.")
            own = said[number]
            factors = [factor(a, b) for a, b in zip(shape, coarse, strict=True)]
            level = placed(coarse, self._chunks(array, coarse), factors, scale, translation)
            if own is not None and own.scale != ones and self.scale is None:
                level = replace(level, scale=own.scale, translation=own.translation)
            levels.append(
                replace(
                    level,
                    scale=scales[number] or level.scale,
                    translation=translations[number] or level.translation,
                )
            )
        return tuple(levels)

    def _per_level(self, what: str, values: Places, count: int) -> list[tuple[float, ...] | None]:
        """What is given for each level: one list is that of the finest."""
        if values is None:
            return [None] * count
        nested = len(values) > 0 and not isinstance(values[0], int | float | np.number)
        given: list[Any] = list(values) if nested else [values]
        if nested and len(given) != count:
            raise UsageError(f"{what} is given for {len(given)} levels, but there are {count}.")
        found: list[tuple[float, ...] | None] = []
        for one in given:
            if len(one) != len(self.names):
                raise UsageError(
                    f"{what} has {len(one)} entries for an array of {len(self.names)} axes."
                )
            numbers = tuple(float(value) for value in one)
            if not all(map(math.isfinite, numbers)) or (what == "scale" and min(numbers) <= 0):
                raise UsageError(f"{what} is {list(numbers)}, which makes no sense.")
            found.append(numbers)
        return found + [None] * (count - len(found))

    def _chunks(self, array: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
        wanted = self.chunks or own_chunks(array)
        if wanted is None:
            plane = [i for i, name in enumerate(self.names) if name in ("y", "x")]
            last = len(shape) - self.rgb
            plane = plane if len(plane) == 2 else list(range(max(0, last - 2), last))
            wanted = [CHUNK if i in plane else 1 for i in range(last)] + [4] * self.rgb
        return tuple(max(1, min(chunk, size)) for chunk, size in zip(wanted, shape, strict=True))


def _is_pyramid(array: Any) -> bool:
    """Whether this is a list of arrays, not one of numbers."""
    if not isinstance(array, list | tuple) or not array:
        return False
    return all(hasattr(one, "shape") and hasattr(one, "dtype") and one.shape for one in array)


def _usable(array: Any) -> Any:
    """The array, or one made of nested lists and the like."""
    if hasattr(array, "data_vars"):
        raise UsageError("An xarray Dataset has several arrays: choose one of them, by its name.")
    if all(hasattr(array, name) for name in ("shape", "dtype", "__getitem__")):
        if any(math.isnan(size) for size in array.shape):
            raise UsageError(
                "The shape of this Dask array is not known: call its compute_chunk_sizes() first."
            )
        return array
    try:
        return np.asarray(array)
    except ValueError:
        raise UsageError(f"{type(array).__name__} is no array: it has no one shape.") from None


def _names(array: Any, said: Labelled | None) -> tuple[str, ...] | None:
    """The names that an array gives its axes, if it names all of them."""
    if said is not None:
        return said.axes
    names = getattr(getattr(array, "metadata", None), "dimension_names", None)  # zarr's
    if isinstance(names, Sequence) and len(names) == len(array.shape) and all(names):
        return tuple(map(str, names))
    return None
