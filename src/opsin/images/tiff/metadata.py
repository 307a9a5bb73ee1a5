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

UNITS = {
    "Å": "angstrom",
    "pm": "picometer",
    "nm": "nanometer",
    "nanometer": "nanometer",
    "µm": "micrometer",  # micro sign
    "μm": "micrometer",  # Greek mu
    "um": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
    "micrometer": "micrometer",
    "mm": "millimeter",
    "millimeter": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "km": "kilometer",
    "in": "inch",
    "inch": "inch",
    "ft": "foot",
    "ns": "nanosecond",
    "µs": "microsecond",
    "μs": "microsecond",
    "us": "microsecond",
    "ms": "millisecond",
    "msec": "millisecond",
    "s": "second",
    "sec": "second",
    "min": "minute",
    "h": "hour",
    "d": "day",
}
"""Units as OME-XML and ImageJ write them, and as OME-NGFF calls them."""

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
            name = UNITS.get(pixels.get(f"PhysicalSize{letter}Unit", "µm"))
            if name is not None:
                unit[letter] = name
    step = _positive(pixels.get("TimeIncrement"))
    if step is not None:
        scale["T"] = step
        unit["T"] = UNITS.get(pixels.get("TimeIncrementUnit", "s"), "second")
    channels = tuple(
        Channel(channel.get("Name") or f"channel {i}", _ome_colour(channel.get("Color")))
        for i, channel in enumerate(_children(pixels, "Channel"))
    )
    return Metadata(image.get("Name") or None, scale, unit, channels)


def from_imagej(said: Mapping[str, Any], per_unit: tuple[float, float]) -> Metadata:
    """ImageJ's description and its private tag; `per_unit` is pixels per unit along x and y."""
    scale: dict[str, float] = {}
    unit: dict[str, str] = {}
    name = UNITS.get(str(said.get("unit", "")).replace("\\u00B5", "µ"))
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
        unit["T"] = UNITS.get(str(said.get("tunit", "s")), "second")
    return Metadata(None, scale, unit, _imagej_channels(said))


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
