"""What TIFF files say of names, pixel sizes and channels: OME-XML, ImageJ, resolution tags, slides.

Files often lie here, so nothing in this module raises: what makes no sense is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np

from opsin.images.image import Channel
from opsin.images.text import shown
from opsin.images.units import unit_called

_PRINT = (1, 72, 90, 96, 100, 120, 144, 150, 180, 200, 240, 300, 400, 600, 1200)
"""Dots per inch of screens and printers: in a TIFF they say nothing of the specimen."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says of one image; scale and unit by tifffile's letter of the axis."""

    name: str | None = None
    scale: Mapping[str, float] = field(default_factory=dict)
    unit: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()


def from_ome(xml: str, number: int, count: int) -> Metadata:
    """OME-XML's image `number`, if the file holds `count` images as the XML says."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return Metadata()
    images = [(i, p) for i in _children(root, "Image") for p in _children(i, "Pixels")]
    if len(images) != count or not 0 <= number < count:
        return Metadata()
    image, pixels = images[number]
    scale: dict[str, float] = {}
    unit: dict[str, str] = {}
    for letter in "XYZ":
        size = _positive(pixels.get(f"PhysicalSize{letter}"))
        if size is not None:
            scale[letter] = size
            name = unit_called(pixels.get(f"PhysicalSize{letter}Unit", "µm"))
            if name is not None:
                unit[letter] = name
    step = _positive(pixels.get("TimeIncrement"))
    if step is not None:
        scale["T"] = step
        unit["T"] = unit_called(pixels.get("TimeIncrementUnit", "s")) or "second"
    else:
        _time_of_planes(pixels, scale, unit)
    channels = tuple(
        Channel(channel.get("Name") or f"channel {i}", _ome_colour(channel.get("Color")))
        for i, channel in enumerate(_children(pixels, "Channel"))
    )
    return Metadata(image.get("Name") or None, scale, unit, channels)


def from_imagej(said: Mapping[str, Any], per_unit: tuple[float, float]) -> Metadata:
    """ImageJ's description and its private tag; `per_unit` is pixels per unit along x and y."""
    scale: dict[str, float] = {}
    unit: dict[str, str] = {}
    name = unit_called(str(said.get("unit", "")))
    if name is not None:
        for letter, density in zip("XY", per_unit, strict=True):
            if math.isfinite(density) and density > 0:
                scale[letter] = 1 / density
                unit[letter] = name
        spacing = _positive(said.get("spacing"))
        if spacing is not None:
            scale["Z"] = spacing
            unit["Z"] = name
    step = _positive(said.get("finterval"))
    if step is not None:
        scale["T"] = step
        unit["T"] = unit_called(str(said.get("tunit", "s"))) or "second"
    return Metadata(None, scale, unit, _imagej_channels(said))


def from_lsm(said: Mapping[str, Any]) -> Metadata:
    """Zeiss's LSM: voxel sizes in metres, seconds between time points, channels with colours."""
    scale: dict[str, float] = {}
    unit: dict[str, str] = {}
    for letter in "XYZ":
        size = _positive(said.get(f"VoxelSize{letter}"))
        if size is not None:
            scale[letter] = 1e6 * size
            unit[letter] = "micrometer"
    step = _positive(said.get("TimeIntervall"))
    if step is not None:
        scale["T"] = step
        unit["T"] = "second"
    found = said.get("ChannelColors")
    found = found if isinstance(found, Mapping) else {}
    names, colours = found.get("ColorNames") or (), found.get("Colors") or ()
    channels: list[Channel] = []
    for i, name in enumerate(names):
        colour = colours[i] if i < len(colours) else ()
        rgb = bytes(colour[:3]).hex() if len(colour) >= 3 and any(colour[:3]) else None
        channels.append(Channel(shown(str(name)).strip() or f"channel {i}", rgb))
    return Metadata(None, scale, unit, tuple(channels))


def from_micromanager(summary: Mapping[str, Any]) -> Metadata:
    """The summary that Micro-Manager writes at the beginning of a stack."""
    scale: dict[str, float] = {}
    unit: dict[str, str] = {}
    for letters, key, name, factor in (
        ("XY", "PixelSize_um", "micrometer", 1.0),
        ("Z", "z-step_um", "micrometer", 1.0),
        ("T", "Interval_ms", "second", 1e-3),
    ):
        size = _positive(summary.get(key))
        if size is not None:
            scale |= dict.fromkeys(letters, size * factor)
            unit |= dict.fromkeys(letters, name)
    names, colours = summary.get("ChNames"), summary.get("ChColors")
    channels: list[Channel] = []
    for i, name in enumerate(names if isinstance(names, list) else ()):
        colour = colours[i] if isinstance(colours, list) and i < len(colours) else None
        rgb = f"{colour & 0xFFFFFF:06x}" if isinstance(colour, int) and colour & 0xFFFFFF else None
        channels.append(Channel(shown(str(name)) or f"channel {i}", rgb))
    return Metadata(None, scale, unit, tuple(channels))


def from_slide(description: str) -> Metadata:
    """Aperio's `MPP = 0.499`, micrometres per pixel."""
    found = re.search(r"\bMPP\s*=\s*([0-9.]+)", description)
    size = _positive(found.group(1)) if found else None
    if size is None:
        return Metadata()
    return Metadata(None, dict.fromkeys("XY", size), dict.fromkeys("XY", "micrometer"))


def from_resolution(per_unit: tuple[float, float], unit: int) -> Metadata:
    """The resolution tags, unless they are a printer's; `unit` as TIFF's ResolutionUnit."""
    micrometres = {2: 25400.0, 3: 10000.0, 4: 1000.0, 5: 1.0}.get(unit)
    if micrometres is None:
        return Metadata()
    scale: dict[str, float] = {}
    for letter, density in zip("XY", per_unit, strict=True):
        if not math.isfinite(density) or density <= 0:
            return Metadata()
        scale[letter] = micrometres / density
        dots = 25400 / scale[letter]
        if unit in {2, 3} and any(abs(dots - usual) < 0.01 * usual for usual in _PRINT):
            return Metadata()
    if unit == 3 and per_unit == (1.0, 1.0):
        return Metadata()
    return Metadata(None, scale, dict.fromkeys("XY", "micrometer"))


def _time_of_planes(
    pixels: ElementTree.Element, scale: dict[str, float], unit: dict[str, str]
) -> None:
    """The time step that the planes' own times show, if they rise evenly on the whole."""
    times: dict[int, float] = {}
    for plane in _children(pixels, "Plane"):
        if plane.get("TheC", "0") == "0" and plane.get("TheZ", "0") == "0":
            try:
                times[int(plane.get("TheT", ""))] = float(plane.get("DeltaT", ""))
            except ValueError:
                continue
            unit["T"] = unit_called(plane.get("DeltaTUnit", "s")) or "second"
    if len(times) > 1 and max(times) == len(times) - 1:
        step = _positive((times[len(times) - 1] - times[0]) / (len(times) - 1))
        if step is not None:
            scale["T"] = step
    if "T" not in scale:
        unit.pop("T", None)


def _imagej_channels(said: Mapping[str, Any]) -> tuple[Channel, ...]:
    """Names, display ranges and colours of ImageJ's channels, as far as they are given."""
    count = said.get("channels", 1)
    if not isinstance(count, int) or not 1 <= count <= 1024:
        return ()
    ranges = said.get("Ranges", ())
    tables = said.get("LUTs", ())
    labels = said.get("Labels", ())
    grey = said.get("mode") == "grayscale" or not isinstance(tables, Sequence)
    channels: list[Channel] = []
    for i in range(count):
        low, high = said.get("min"), said.get("max")
        if isinstance(ranges, Sequence) and len(ranges) >= 2 * (i + 1):
            low, high = ranges[2 * i], ranges[2 * i + 1]
        colour = None if grey or i >= len(tables) else _ramp(tables[i])
        named = isinstance(labels, Sequence) and len(labels) == count
        name = str(labels[i]) if named and labels[i] else f"channel {i}"
        channels.append(Channel(name, colour, _window(low, high)))
    return tuple(channels)


def _window(low: object, high: object) -> tuple[float, float] | None:
    if not (isinstance(low, int | float) and isinstance(high, int | float)):
        return None
    sensible = math.isfinite(low) and math.isfinite(high) and low < high
    return (float(low), float(high)) if sensible else None


def _ramp(table: object) -> str | None:
    """The colour that a look-up table of 3 × 256 leads to from black in a straight line."""
    lut = np.asarray(table)
    if lut.shape != (3, 256) or lut.dtype != np.uint8:
        return None
    end = lut[:, -1].astype(np.float64)
    straight = np.arange(256) / 255 * end[:, np.newaxis]
    if not end.any() or np.abs(lut - straight).max() > 2:
        return None
    return bytes(lut[:, -1]).hex()


def _ome_colour(text: str | None) -> str | None:
    """`rrggbb` of OME's colour, a signed 32-bit integer of red, green, blue, alpha."""
    try:
        value = int(text or "")
    except ValueError:
        return None
    return f"{(value & 0xFFFFFFFF) >> 8:06x}"


def _positive(value: object) -> float | None:
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _children(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Children by their name without namespace, which changes with every version of OME-XML."""
    return (child for child in element if child.tag.rpartition("}")[2] == name)
