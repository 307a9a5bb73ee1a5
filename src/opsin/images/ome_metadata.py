"""OME metadata: what the attributes of an OME-Zarr group say of an image, and saying it.

Plain dictionaries with checks. Reading is lenient (many files stray from the specification) and
raises `OpenError` for what makes no sense; writing follows OME-Zarr 0.5 to the letter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from opsin.errors import OpenError, Unsupported
from opsin.images.image import Axis, AxisType, Channel, Image
from opsin.images.text import shown

LEVELS_LIMIT = 64
_TYPES: dict[str, AxisType] = {
    "x": "space",
    "y": "space",
    "z": "space",
    "t": "time",
    "c": "channel",
}
_KNOWN_TYPES: dict[str, AxisType] = {"space": "space", "time": "time", "channel": "channel"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """One level, as the metadata names it."""

    path: str
    scale: tuple[float, ...] | None
    """None in OME-Zarr 0.3 and older, which do not say."""
    translation: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Multiscale:
    """One entry of `multiscales`."""

    axes: tuple[Axis, ...] | None
    """None in OME-Zarr 0.2 and older: t, c, z, y, x."""
    datasets: tuple[Dataset, ...]


def default_axes(count: int) -> tuple[Axis, ...]:
    """The axes of an array that names none: the last of t, c, z, y, x."""
    names = [*(f"d{i}" for i in range(count - 5)), *"tczyx"[max(0, 5 - count) :]]
    return tuple(Axis(name, axis_type(name)) for name in names)


def axis_type(name: str) -> AxisType:
    """The type that an axis of this name has where nothing else is said."""
    return _TYPES.get(name.lower(), "other")


def parse_multiscale(entry: Any) -> Multiscale:
    """Parse one entry of `multiscales`.

    Raises:
        OpenError: it makes no sense; the message reads on from "The metadata of … ".
        Unsupported: a version that Opsin cannot read; likewise.
    """
    if not isinstance(entry, Mapping):
        raise OpenError("has a multiscale that is not an object")
    if "coordinateSystems" in entry and "axes" not in entry:
        raise Unsupported("is of OME-Zarr 0.6 or newer, which this Opsin does not read yet")
    axes = _axes(entry.get("axes"))
    datasets = entry.get("datasets")
    if not isinstance(datasets, list) or not 0 < len(datasets) <= LEVELS_LIMIT:
        raise OpenError("has no list of levels ('datasets')")
    common = entry.get("coordinateTransformations")
    found = []
    for dataset in datasets:
        if not isinstance(dataset, Mapping):
            raise OpenError("has a level that is not an object")
        path = _path(dataset.get("path"))
        own = dataset.get("coordinateTransformations")
        if axes is None or (own is None and common is None):
            found.append(Dataset(path, None, None))
            continue
        scale, translation = _transformed(own, path, *_transformed_start(len(axes)))
        scale, translation = _transformed(common, path, scale, translation)
        found.append(Dataset(path, scale, translation))
    return Multiscale(axes, tuple(found))


def checked_path(path: Any) -> str | None:
    """A path below a group as a key, or None if it leads elsewhere or makes no sense."""
    if not isinstance(path, str) or not path.isprintable():
        return None
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or path.startswith("/") or "\\" in path:
        return None
    return "/".join(parts)


def _path(path: Any) -> str:
    key = checked_path(path)
    if key is None:
        raise OpenError(f"has a level with the path {path!r}, which is not below the image")
    return key


def _axes(value: Any) -> tuple[Axis, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not 2 <= len(value) <= 16:
        raise OpenError("has axes that are not a list of 2 to 16")
    axes = []
    for entry in value:
        name = entry.get("name") if isinstance(entry, Mapping) else entry
        if not isinstance(name, str) or not name:
            raise OpenError("has an axis without a name")
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        unit = entry.get("unit") if isinstance(entry, Mapping) else None
        type_: AxisType = axis_type(name)
        if isinstance(kind, str):
            type_ = _KNOWN_TYPES.get(kind, "other")
        unit = shown(unit) if isinstance(unit, str) and unit else None
        axes.append(Axis(shown(name), type_, unit))
    if len({axis.name for axis in axes}) < len(axes):
        raise OpenError("names an axis twice")
    return tuple(axes)


def _transformed_start(count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (1.0,) * count, (0.0,) * count


def _transformed(
    transformations: Any,
    path: str,
    scale: tuple[float, ...],
    translation: tuple[float, ...],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Apply transformations, in their order, to world = translation + scale · pixel."""
    if transformations is None:
        return scale, translation
    if not isinstance(transformations, list):
        raise OpenError(f"has transformations of level {path!r} that are not a list")
    for entry in transformations:
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        if kind == "identity":
            continue
        if kind == "scale":
            factors = _numbers(entry, kind, path, len(scale))
            if any(factor <= 0 for factor in factors):
                raise OpenError(
                    f"gives level {path!r} the scale {list(factors)}, but a scale is positive"
                )
            scale = tuple(s * f for s, f in zip(scale, factors, strict=True))
            translation = tuple(t * f for t, f in zip(translation, factors, strict=True))
        elif kind == "translation":
            shift = _numbers(entry, kind, path, len(scale))
            translation = tuple(t + d for t, d in zip(translation, shift, strict=True))
        else:
            raise OpenError(f"gives level {path!r} a transformation of unknown type {kind!r}")
    if not all(0 < s < math.inf for s in scale) or not all(map(math.isfinite, translation)):
        raise OpenError(f"places level {path!r} out of all bounds")
    return scale, translation


def _numbers(entry: Mapping[str, Any], kind: str, path: str, count: int) -> tuple[float, ...]:
    values = entry.get(kind)
    if (
        not isinstance(values, list)
        or len(values) != count
        or not all(type(v) in (int, float) and abs(v) < 1e300 for v in values)
    ):
        raise OpenError(f"gives level {path!r} a {kind} that is not {count} numbers, one per axis")
    return tuple(float(v) for v in values)


def parse_channels(omero: Any) -> tuple[Channel, ...]:
    """The channels of the `omero` attribute; what makes no sense there is left out."""
    entries = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(entries, list):
        return ()
    channels = []
    for number, entry in enumerate(entries[:4096]):
        entry = entry if isinstance(entry, Mapping) else {}
        label = entry.get("label")
        channels.append(
            Channel(
                name=shown(label) if isinstance(label, str) and label else f"channel {number}",
                colour=_colour(entry.get("color")),
                window=_window(entry.get("window")),
                visible=entry.get("active") is not False,
            )
        )
    return tuple(channels)


def _colour(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    digits = value.removeprefix("#").removeprefix("0x").lower()
    if re.fullmatch("[0-9a-f]{3}", digits):
        digits = "".join(digit * 2 for digit in digits)
    return digits[:6] if re.fullmatch("[0-9a-f]{6}([0-9a-f]{2})?", digits) else None


def _window(value: Any) -> tuple[float, float] | None:
    ends = [value.get(key) for key in ("start", "end")] if isinstance(value, Mapping) else []
    numbers = [float(v) for v in ends if isinstance(v, int | float) and abs(v) < 1e300]
    return (numbers[0], numbers[1]) if len(numbers) == 2 and numbers[0] < numbers[1] else None


def attributes_of(image: Image, paths: Sequence[str]) -> dict[str, Any]:
    """The attribute `ome` (0.5) of a group that holds the levels of `image` at `paths`."""
    axes = []
    for axis in image.axes:
        entry = {"name": axis.name}
        if axis.type != "other":
            entry["type"] = axis.type
        if axis.unit:
            entry["unit"] = axis.unit
        axes.append(entry)
    datasets = [
        {
            "path": path,
            "coordinateTransformations": [
                {"type": "scale", "scale": list(level.scale)},
                {"type": "translation", "translation": list(level.translation)},
            ],
        }
        for path, level in zip(paths, image.levels, strict=True)
    ]
    method = "mode" if image.kind == "labels" or image.dtype == np.bool_ else "mean"
    ome: dict[str, Any] = {
        "version": "0.5",
        "multiscales": [
            {"name": image.name, "axes": axes, "datasets": datasets, "type": f"2x2 {method}"}
        ],
    }
    if image.kind == "labels":
        ome["image-label"] = {}
    elif channels := _omero_channels(image):
        ome["omero"] = {"channels": channels}
    return ome


def _omero_channels(image: Image) -> list[dict[str, Any]]:
    """`omero` channels; none where a window is not known, which the specification demands."""
    channels: list[dict[str, Any]] = []
    for channel in image.channels:
        whole: tuple[float, float] | None = None
        if image.dtype.kind in "iu":
            limits = np.iinfo(str(image.dtype))
            whole = (int(limits.min), int(limits.max))
        window = channel.window or whole
        if window is None:
            return []
        lowest, highest = whole or window
        channels.append(
            {
                "label": channel.name,
                "color": (channel.colour or "ffffff").upper(),
                "window": {"min": lowest, "max": highest, "start": window[0], "end": window[1]},
                "active": channel.visible,
            }
        )
    return channels
