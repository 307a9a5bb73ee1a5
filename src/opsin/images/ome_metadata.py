"""OME metadata: what the attributes of an OME-Zarr group say of an image.

Plain dictionaries with checks. Reading is lenient (many files stray from the specification) and
raises `OpenError` for what makes no sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsin.errors import OpenError
from opsin.images.image import Axis, AxisType, Channel
from opsin.images.text import shown
from opsin.images.transformation import Transformation, parse_transformations

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
    placed: Transformation | None
    """From its pixels to the world; None in OME-Zarr 0.3 and older, which do not say."""


@dataclass(frozen=True, slots=True)
class Multiscale:
    """One entry of `multiscales`."""

    axes: tuple[Axis, ...] | None
    """None in OME-Zarr 0.2 and older: t, c, z, y, x."""
    datasets: tuple[Dataset, ...]
    system: str = ""
    """The coordinate system of `axes` and `placed`: the intrinsic one, of OME-Zarr 0.6."""
    others: tuple[tuple[str, str], ...] = ()
    """Other coordinate systems of 0.6, each with the type of transformation that leads there."""
    children: Mapping[str, Transformation | str] = field(default_factory=dict)
    """To this image's world from those of the labels at these paths; or why it is not known."""


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
        Unsupported: it places pixels in a way that Opsin cannot show; likewise.
    """
    if not isinstance(entry, Mapping):
        raise OpenError("has a multiscale that is not an object")
    datasets = entry.get("datasets")
    if not isinstance(datasets, list) or not 0 < len(datasets) <= LEVELS_LIMIT:
        raise OpenError("has no list of levels ('datasets')")
    for dataset in datasets:
        if not isinstance(dataset, Mapping):
            raise OpenError("has a level that is not an object")
    if "coordinateSystems" in entry and "axes" not in entry:
        return _in_systems(entry, datasets)
    axes = _axes(entry.get("axes"))
    common = entry.get("coordinateTransformations")
    found = []
    for dataset in datasets:
        path, own = _path(dataset.get("path")), dataset.get("coordinateTransformations")
        placed = None
        if axes is not None and not (own is None and common is None):
            placed = parse_transformations(f"level {path!r}", len(axes), own, common)
        found.append(Dataset(path, placed))
    return Multiscale(axes, tuple(found))


def _in_systems(entry: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]]) -> Multiscale:
    """A multiscale of OME-Zarr 0.6: its world is the system that all levels are placed in."""
    systems = _systems(entry.get("coordinateSystems"))
    paths = [_path(dataset.get("path")) for dataset in datasets]
    transformations = [_listed(dataset.get("coordinateTransformations")) for dataset in datasets]
    named = {end_of(t, "output")[0] for listed in transformations for t in listed} - {""}
    if len(named) > 1:
        raise OpenError(f"places its levels in several coordinate systems: {_quoted(named)}")
    system = named.pop() if named else next(iter(systems))
    if system not in systems:
        raise OpenError(f"places its levels in the coordinate system {system!r}, which it lacks")
    axes = systems[system]
    added = _listed(entry.get("coordinateTransformations"))
    common = [one for one in added if "input" not in one and "output" not in one]
    found = tuple(
        Dataset(path, parse_transformations(f"level {path!r}", len(axes), listed, common))
        for path, listed in zip(paths, transformations, strict=True)
    )
    others: list[tuple[str, str]] = []
    children: dict[str, Transformation | str] = {}
    for one in added:
        kind = one.get("type")
        (start, start_path), (end, end_path) = end_of(one, "input"), end_of(one, "output")
        if child := start_path or end_path:
            try:
                known = parse_transformations(f"the labels {child!r}", len(axes), [one])
                children[child] = known if start_path else known.inverse()
            except OpenError as error:
                children[child] = str(error)
        else:
            other = end if start == system else start
            if kind != "identity" and other not in ("", system):
                others.append((shown(other), shown(kind) if isinstance(kind, str) else "unknown"))
    return Multiscale(axes, found, system, tuple(others[:LEVELS_LIMIT]), children)


def _systems(entries: Any) -> dict[str, tuple[Axis, ...]]:
    found: dict[str, tuple[Axis, ...]] = {}
    for entry in entries if isinstance(entries, list) else []:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        axes = _axes(entry.get("axes")) if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name or axes is None:
            raise OpenError("has a coordinate system without a name or without axes")
        if name in found:
            raise OpenError(f"names the coordinate system {name!r} twice")
        found[name] = axes
    if not found:
        raise OpenError("has no list of coordinate systems")
    return found


def _listed(entries: Any) -> list[Mapping[str, Any]]:
    """Transformations, of which each is at least an object."""
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(one, Mapping) for one in entries):
        raise OpenError("has transformations that are not a list of objects")
    return entries


def end_of(transformation: Mapping[str, Any], which: str) -> tuple[str, str]:
    """Name and path of the coordinate system that a transformation begins or ends in, or ''.

    Drafts of 0.6 gave the name alone, which was the path of an array at the beginning.
    """
    end = transformation.get(which)
    if isinstance(end, str):
        return end, ""
    name, path = (end.get("name"), end.get("path")) if isinstance(end, Mapping) else (None, None)
    return name if isinstance(name, str) else "", checked_path(path) or ""


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))


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
