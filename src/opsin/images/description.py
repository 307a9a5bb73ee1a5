"""Description: what an image is, for people and as JSON. No pixels are read and no paths told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from opsin.images.derived import stored_levels
from opsin.images.image import Axis, Channel, Image, Level
from opsin.images.zarr.mosaic import mosaic_of

_SYMBOLS = {
    "angstrom": "Å",
    "picometer": "pm",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "kilometer": "km",
    "inch": "in",
    "foot": "ft",
    "nanosecond": "ns",
    "microsecond": "µs",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
}


def describe(image: Image) -> dict[str, Any]:
    """The image as a dict that JSON can hold.

    Keys: `name`, `kind`, `format` (which reader read it), `provenance`, `axes` (each with `name`,
    `type`, `unit`), `shape` (of the finest level, in the order of the axes), `dtype`,
    `dtype_bytes` (of a pixel), `rgb`, `channels` (`name`, `colour`, `window`, `visible`), `levels`
    (fine to coarse, each with `shape`, `chunks`, `grid`: the number of chunks along each axis,
    `chunk_count`, `chunk_bytes`: of one chunk, decoded, `transient_bytes`: what reading it takes
    beside that, `bytes`: of all, decoded, `factors`: pixels of the finest level per pixel, `scale`,
    `translation`, `codec`, and whether it is `stored` or computed), `stored_bytes` and
    `computed_bytes` (of the levels of each kind, decoded), `mosaic` (None, or `rows` and `columns`
    of wells by name, `wells` by path, `fields`: rows and columns of fields in a well, and `pitch`:
    pixels of the finest level from one field to the next, y and x), `warnings`.
    """
    stored = _stored(image)
    return {
        "name": image.name,
        "kind": image.kind,
        "format": image.format,
        "provenance": image.source.provenance,
        "axes": [{"name": a.name, "type": a.type, "unit": a.unit} for a in image.axes],
        "shape": list(image.shape),
        "dtype": str(image.dtype),
        "dtype_bytes": image.dtype.itemsize,
        "rgb": image.rgb,
        "channels": [
            {
                "name": channel.name,
                "colour": channel.colour,
                "window": None if channel.window is None else list(channel.window),
                "visible": channel.visible,
            }
            for channel in image.channels
        ],
        "levels": [_level(image, number, number < stored) for number in range(len(image.levels))],
        "stored_bytes": sum(_bytes(image, level) for level in image.levels[:stored]),
        "computed_bytes": sum(_bytes(image, level) for level in image.levels[stored:]),
        "mosaic": _mosaic(image),
        "warnings": list(image.warnings),
    }


def _level(image: Image, number: int, stored: bool) -> dict[str, Any]:
    level, finest = image.levels[number], image.levels[0]
    first = (0,) * len(level.shape)
    return {
        "shape": list(level.shape),
        "chunks": list(level.chunks),
        "grid": list(level.grid),
        "chunk_count": math.prod(level.grid),
        "chunk_bytes": image.chunk_bytes(number, first),
        "transient_bytes": image.source.transient_bytes(number, first),
        "bytes": _bytes(image, level),
        "factors": [a / b for a, b in zip(level.scale, finest.scale, strict=True)],
        "scale": list(level.scale),
        "translation": list(level.translation),
        "codec": image.source.codec(number),
        "stored": stored,
    }


def _bytes(image: Image, level: Level) -> int:
    return math.prod(level.shape) * image.dtype.itemsize


def _mosaic(image: Image) -> dict[str, Any] | None:
    mosaic = mosaic_of(image)
    if mosaic is None:
        return None
    wells = mosaic.fields.wells
    return {
        "rows": list(wells.rows),
        "columns": list(wells.columns),
        "wells": [path for _, path in sorted(wells.paths.items())],
        "fields": list(wells.grid),
        "pitch": list(mosaic.levels[0].pitch),
    }


def describe_text(image: Image) -> str:
    """The image in some aligned lines for people, without a newline at the end."""
    finest = image.levels[0]
    sizes = zip(image.axes, finest.shape, strict=True)
    facts = [
        ("kind", f"{image.kind}{' (colour)' if image.rgb else ''}"),
        ("axes", " · ".join(f"{axis.name} {size}" for axis, size in sizes)),
        ("type", str(image.dtype)),
        *_steps(image.axes, finest),
        *(("channel", line) for line in _channels(image.channels)),
        *_wells(image),
        *(("warning", warning) for warning in image.warnings),
    ]
    lines = [image.name, *(f"  {label:<11} {value}" for label, value in facts), ""]
    return "\n".join([*lines, *_table(image)])


def _steps(axes: Sequence[Axis], level: Level) -> list[tuple[str, str]]:
    """Pixel size and time step, where the file says them or they are not 1."""
    facts: list[tuple[str, str]] = []
    for kind, label in (("space", "pixel size"), ("time", "time step")):
        found = [
            (axis, scale)
            for axis, scale in zip(axes, level.scale, strict=True)
            if axis.type == kind and (axis.unit is not None or scale != 1)
        ]
        if not found:
            continue
        units = {axis.unit for axis, _ in found}
        if len(units) == 1:
            value = " × ".join(f"{scale:.4g}" for _, scale in found) + _symbol(found[0][0])
        else:
            value = " × ".join(f"{scale:.4g}{_symbol(axis)}" for axis, scale in found)
        names = f" ({', '.join(axis.name for axis, _ in found)})" if len(found) > 1 else ""
        facts.append((label, value + names))
    return facts


def _symbol(axis: Axis) -> str:
    return "" if axis.unit is None else f" {_SYMBOLS.get(axis.unit, axis.unit)}"


def _channels(channels: Sequence[Channel]) -> list[str]:
    lines: list[str] = []
    for channel in channels:
        parts = [channel.name]
        if channel.colour is not None:
            parts.append(f"#{channel.colour.lower()}")
        if channel.window is not None:
            parts.append(f"{channel.window[0]:g} to {channel.window[1]:g}")
        if not channel.visible:
            parts.append("hidden")
        lines.append(", ".join(parts))
    return lines


def _wells(image: Image) -> list[tuple[str, str]]:
    """What lies where in a mosaic."""
    mosaic = mosaic_of(image)
    if mosaic is None:
        return []
    wells = mosaic.fields.wells
    lines = []
    if any(wells.paths.values()):
        rows, columns = (
            f"{len(names)} {what}{'s' if len(names) > 1 else ''} ({_span(names)})"
            for names, what in ((wells.rows, "row"), (wells.columns, "column"))
        )
        lines.append(("wells", f"{len(wells.paths)} in {rows} and {columns}"))
    fields, (down, across) = len(wells.fields), wells.grid
    each = " in each well" if lines else ""
    if fields > 1:
        lines.append(("fields", f"{fields}{each}, in {down} × {across}"))
    y, x = mosaic.levels[0].pitch
    return [*lines, ("one field", f"every {y} × {x} pixels (y, x)")]


def _stored(image: Image) -> int:
    """How many of the levels are stored."""
    return 0 if image.source.provenance == "computed" else stored_levels(image)


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _table(image: Image) -> list[str]:
    """The levels, one line each, in aligned columns."""
    stored = _stored(image)
    rows = [("level", "shape", "chunks", "number", "size", "")]
    for number, level in enumerate(image.levels):
        rows.append(
            (
                str(number),
                " × ".join(map(str, level.shape)),
                " × ".join(map(str, level.chunks)),
                str(math.prod(level.grid)),
                size_text(_bytes(image, level)),
                "" if number < stored else "computed",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def size_text(count: int) -> str:
    """Bytes for people: `512 B`, `1.5 KiB`, `384 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1000 or unit == "PiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.3g} {unit}"
