"""Labelled arrays: what xarray's DataArray says of its axes, in the words of an image."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from opsin.images.coordinates import Spacing, spacing_of
from opsin.images.image import Channel
from opsin.images.ome_metadata import axis_type
from opsin.images.source import Array
from opsin.images.text import shown
from opsin.images.units import unit_called


@dataclass(frozen=True, slots=True)
class Labelled:
    """The array, and what is known of it. Tuples have one entry per axis."""

    array: Any
    """NumPy, Dask, or an object whose slices are loaded when they are asked for."""
    name: str | None
    axes: tuple[str, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    units: tuple[str | None, ...]
    channels: tuple[Channel, ...]
    """By the coordinates of a channel axis that are names."""
    warnings: tuple[str, ...]


def labelled(array: Any) -> Labelled | None:
    """What a DataArray says; None for what is no DataArray."""
    xarray = sys.modules.get("xarray")
    if xarray is None or not isinstance(array, xarray.DataArray):
        return None
    scale: list[float] = []
    translation: list[float] = []
    units: list[str | None] = []
    channels: tuple[Channel, ...] = ()
    warnings: list[str] = []
    for dimension in array.dims:
        spacing, unit = Spacing(1.0, 0.0), None
        coordinates = array.coords.get(dimension)
        if coordinates is not None and coordinates.ndim == 1:
            values = np.asarray(coordinates.values)
            if axis_type(str(dimension)) == "channel" and values.dtype.kind in "USO":
                channels = tuple(Channel(shown(str(value))) for value in values)
            elif values.dtype.kind in "iufmM":
                spacing, said = _spacing(values, str(dimension))
                warnings.extend(said)
            unit = spacing.unit or unit_called(coordinates.attrs.get("units"))
        scale.append(spacing.step)
        translation.append(spacing.start)
        units.append(unit)
    return Labelled(
        array=_content(array),
        name=shown(str(array.name)) if array.name is not None else None,
        axes=tuple(shown(str(dimension)) for dimension in array.dims),
        scale=tuple(scale),
        translation=tuple(translation),
        units=tuple(units),
        channels=channels,
        warnings=tuple(warnings),
    )


def _spacing(values: Array, dimension: str) -> tuple[Spacing, list[str]]:
    """The spacing, and what of it an image cannot show."""
    if len(values) < 2:
        start = float(values[0]) if values.dtype.kind in "iuf" and np.isfinite(values).all() else 0
        return Spacing(1.0, start), []
    found = spacing_of(values)
    if found is None:
        what = f"The coordinates of {dimension} are not evenly spaced, so its pixels are counted."
        return Spacing(1.0, 0.0), [what]
    if found.backwards:
        what = f"The coordinates of {dimension} run backwards, so only their spacing is kept."
        return found, [what]
    return found, []


def _content(array: Any) -> Any:
    """What holds the values. Loading all of them, as `.data` may do, is avoided."""
    if array.chunks is not None:
        return array.data
    if getattr(array.variable, "_in_memory", False):
        return np.asarray(array.values)
    return _Lazy(array)


class _Lazy:
    """A DataArray over a file: a slice of it is loaded alone."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = array.dtype
        preferred: dict[Hashable, Any] = array.encoding.get("preferred_chunks") or {}
        sizes = [preferred.get(dimension) for dimension in array.dims]
        self.chunks = tuple(sizes) if all(isinstance(size, int) for size in sizes) else None

    def __getitem__(self, box: tuple[slice, ...]) -> Array:
        values: Array = np.asarray(self._array[box].values)
        return values
