"""Plain datasets: one dataset is one image, and its attributes say what its axes mean.

Understood are ilastik's `axistags`, HDF5's dimension labels and scales (netCDF 4 too), MATLAB's
order, HDF5's own image attributes, and `element_size_um` of ImageJ's plugin.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from opsin.images.coordinates import spacing_of
from opsin.images.hdf5.dataset import check_pixels, why_no_pixels
from opsin.images.hdf5.file import Hdf5File, attribute, path_of, words
from opsin.images.hdf5.found import Found, FoundLevel
from opsin.images.image import Axis
from opsin.images.ome_metadata import axis_type, default_axes
from opsin.images.text import shown
from opsin.images.units import unit_called

if TYPE_CHECKING:
    import h5py

    from opsin.images.hdf5.file import Object

OBJECTS_LIMIT = 20_000
"""Groups and datasets that are looked at in search of images."""

_TABLE_SIDE = 4
"""What has fewer values along an axis is a table, such as one of points, not an image."""

_COORDINATES_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class _Said:
    """What one kind of attribute says; None: nothing."""

    names: tuple[str, ...] | None = None
    scale: tuple[float, ...] | None = None
    translation: tuple[float, ...] | None = None
    units: tuple[str | None, ...] | None = None
    rgb: bool | None = None


def images_in(file: Hdf5File, group: h5py.Group) -> list[h5py.Dataset]:
    """The datasets below a group that are images, in the order of their names.

    Small tables, and what describes the axes of others, are images only where there is nothing
    else.
    """
    found = [dataset for dataset in _datasets(file, group) if why_no_pixels(dataset) is None]
    found = [one for one in found if sum(size > 1 for size in one.shape) > 1]
    large = [one for one in found if sorted(one.shape)[-2] >= _TABLE_SIDE]
    large = [one for one in large if words(one, "CLASS") not in ("DIMENSION_SCALE", "PALETTE")]
    return large or found


def plain_image(file: Hdf5File, dataset: h5py.Dataset, *, unsigned: bool = False) -> Found:
    """One dataset as an image of one level; `unsigned` takes signed integers as unsigned ones.

    Raises:
        Unsupported: its values are no pixels.
    """
    check_pixels(file, dataset)
    shape = tuple(dataset.shape)
    said = _Said()
    for look in (_axistags, _dimensions, _matlab, _image_class, _element_size):
        more = look(dataset)
        said = _Said(
            names=said.names if said.names is not None else more.names,
            scale=said.scale if said.scale is not None else more.scale,
            translation=said.translation if said.translation is not None else more.translation,
            units=said.units if said.units is not None else more.units,
            rgb=said.rgb if said.rgb is not None else more.rgb,
        )
    rgb = said.rgb
    if rgb is None:
        # As with plain zarr arrays: bytes in threes or fours are colours.
        colours = dataset.dtype == np.uint8 and len(shape) >= 3 and shape[-1] in (3, 4)
        last = said.names[-1] if said.names is not None else "c"
        rgb = colours and last.lower() in ("c", "rgb") and _together(dataset)
    axes = _axes(said, len(shape), rgb)
    dtype = np.dtype(dataset.dtype.newbyteorder("=").str)
    if unsigned and dtype.kind == "i":
        dtype = np.dtype(f"u{dtype.itemsize}")
    path = path_of(dataset)
    ones = (1.0,) * len(shape)
    return Found(
        path=path,
        title="",
        axes=axes,
        levels=(FoundLevel(path, shape, ones),),
        scale=said.scale or ones,
        translation=said.translation or (0.0,) * len(shape),
        dtype=dtype,
        locate=lambda _level, _outer: path,
        rgb=rgb,
    )


def _together(dataset: h5py.Dataset) -> bool:
    """Whether the samples of a pixel lie in one chunk."""
    chunks = dataset.chunks
    return chunks is None or chunks[-1] >= dataset.shape[-1]


def _axes(said: _Said, count: int, rgb: bool) -> tuple[Axis, ...]:
    units = said.units or (None,) * count
    axes = default_axes(count)
    if said.names is not None:
        names = [shown(name) or axes[i].name for i, name in enumerate(said.names)]
        if len(set(names)) == count:
            axes = tuple(Axis(name, axis_type(name)) for name in names)
    elif rgb:
        axes = (*default_axes(count - 1), Axis("c", "channel"))
    if rgb:
        axes = (*axes[:-1], Axis(axes[-1].name, "channel"))
    return tuple(replace(axis, unit=unit) for axis, unit in zip(axes, units, strict=True))


def _axistags(dataset: h5py.Dataset) -> _Said:
    """Of ilastik and vigra: JSON with a key and a resolution (0: unknown) per axis."""
    text = words(dataset, "axistags")
    try:
        tags = json.loads(text)["axes"]
        names = tuple(str(tag["key"]) for tag in tags)
    except (AttributeError, TypeError, ValueError, KeyError, RecursionError):
        return _Said()
    count = len(dataset.shape)
    if len(names) != count or len(set(names)) < count or not all(names):
        return _Said()
    found = [_positive(tag.get("resolution")) for tag in tags]
    scale = tuple(size or 1.0 for size in found) if any(found) else None
    return _Said(names=names, scale=scale)


def _dimensions(dataset: h5py.Dataset) -> _Said:
    """Labels of the dimensions, or the names of their scales, which hold coordinates and a unit."""
    count = len(dataset.shape)
    names: list[str] = []
    scale: list[float] = []
    translation: list[float] = []
    units: list[str | None] = []
    labels = attribute(dataset, "DIMENSION_LABELS")
    for axis in range(count):
        label, coordinates = _label(labels, axis), _scale_of(dataset, axis)
        unit, step, start = None, 1.0, 0.0
        if coordinates is not None:
            label = label or path_of(coordinates).rpartition("/")[2]
            unit = unit_called(attribute(coordinates, "units"))
            step, start = _spacing(coordinates)
        names.append(label)
        scale.append(step)
        translation.append(start)
        units.append(unit)
    if not any(names):
        return _Said()
    placed = any(step != 1 for step in scale) or any(start != 0 for start in translation)
    return _Said(
        names=tuple(names),
        scale=tuple(scale) if placed else None,
        translation=tuple(translation) if placed else None,
        units=tuple(units) if any(units) else None,
    )


def _label(labels: Any, axis: int) -> str:
    if not isinstance(labels, np.ndarray | Sequence) or isinstance(labels, str):
        return ""
    label = labels[axis] if axis < len(labels) else ""
    if isinstance(label, bytes):
        label = label.decode(errors="replace")
    return label if isinstance(label, str) else ""


def _scale_of(dataset: h5py.Dataset, axis: int) -> h5py.Dataset | None:
    try:
        if "DIMENSION_LIST" not in dataset.attrs:
            return None
        scales = dataset.dims[axis]
        found: h5py.Dataset | None = scales[0] if len(scales) else None
    except Exception:  # a reference that leads nowhere
        return None
    return found


def _spacing(coordinates: h5py.Dataset) -> tuple[float, float]:
    """Step and first of evenly spaced coordinates; 1 and 0 of others."""
    try:
        if coordinates.ndim != 1 or not 1 < coordinates.size <= _COORDINATES_LIMIT:
            return 1.0, 0.0
        found = spacing_of(np.asarray(coordinates[...]))
    except Exception:
        return 1.0, 0.0
    return (1.0, 0.0) if found is None else (found.step, found.start)


def _matlab(dataset: h5py.Dataset) -> _Said:
    """MATLAB's arrays have rows first and are stored the other way round."""
    if attribute(dataset, "MATLAB_class") is None:
        return _Said()
    names = [axis.name for axis in default_axes(len(dataset.shape))]
    names[-2:] = ["x", "y"]
    return _Said(names=tuple(names), rgb=False)


def _image_class(dataset: h5py.Dataset) -> _Said:
    """HDF5's own specification of images."""
    if words(dataset, "IMAGE_SUBCLASS") != "IMAGE_TRUECOLOR":
        return _Said()
    together = words(dataset, "INTERLACE_MODE") in ("", "INTERLACE_PIXEL")
    return _Said(rgb=together and len(dataset.shape) == 3 and dataset.shape[-1] in (3, 4))


def _element_size(dataset: h5py.Dataset) -> _Said:
    """Micrometres per pixel along the last axes in space, z first."""
    sizes = attribute(dataset, "element_size_um")
    count = len(dataset.shape)
    try:
        given = [_positive(size) for size in sizes][-count:]
    except TypeError:
        return _Said()
    if not given or len(given) > 3 or None in given:
        return _Said()
    scale = [1.0] * (count - len(given)) + [size or 1.0 for size in given]
    units = [None] * (count - len(given)) + ["micrometer"] * len(given)
    return _Said(scale=tuple(scale), units=tuple(units))


def _positive(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _datasets(file: Hdf5File, group: h5py.Group) -> Iterator[h5py.Dataset]:
    """All datasets below a group, each once, whatever the links between them."""
    import h5py

    seen: set[Any] = set()
    waiting: list[Object] = [group]
    while waiting and len(seen) < OBJECTS_LIMIT:
        node = waiting.pop()
        place = h5py.h5g.get_objinfo(node.id).objno
        if place in seen:
            continue
        seen.add(place)
        if isinstance(node, h5py.Dataset):
            yield node
        else:
            inside = [one for _, one in file.members(node) if not isinstance(one, Exception)]
            waiting.extend(reversed(inside))
