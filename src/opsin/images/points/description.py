"""Description: what points are, for people and as JSON. No points are read and no paths told."""

from __future__ import annotations

from typing import Any

from opsin.images.points import Points, Property

_SAID = 6
"""Categories that people are told."""


def describe_points(points: Points) -> dict[str, Any]:
    """The points as a dict that JSON can hold.

    Keys: `name`, `kind` (`points`), `provenance`, `count`, `axes` (each with `name`, `type`,
    `unit`, `low` and `high`: the world positions of the first and the last point, and `step`: the
    distance of two, 0 if it can be any), `properties` (`name`, `dtype`, `range` or None, and
    `categories`: how many, or None), `levels` (fine to coarse, each with `cells` and `count`, the
    points in them), `warnings`.
    """
    steps = points.steps or (0.0,) * len(points.axes)
    return {
        "name": points.name,
        "kind": "points",
        "provenance": points.source.provenance,
        "count": points.count,
        "axes": [
            {
                "name": axis.name,
                "type": axis.type,
                "unit": axis.unit,
                "low": low,
                "high": high,
                "step": step,
            }
            for axis, (low, high), step in zip(points.axes, points.extent, steps, strict=True)
        ],
        "properties": [
            {
                "name": one.name,
                "dtype": str(one.dtype),
                "range": None if one.range is None else list(one.range),
                "categories": len(one.categories) or None,
            }
            for one in points.properties
        ],
        "levels": [{"cells": cells, "count": count} for cells, count in points.tree.level_sizes()],
        "warnings": list(points.warnings),
    }


def describe_points_text(points: Points) -> str:
    """The points in some aligned lines for people, without a newline at the end."""
    facts = [("kind", "points"), ("count", str(points.count))]
    for axis, (low, high) in zip(points.axes, points.extent, strict=True):
        unit = "" if axis.unit is None else f" {axis.unit}"
        facts.append(("axis", f"{axis.name}, {low:.6g} to {high:.6g}{unit}"))
    facts += [("property", _said(one)) for one in points.properties]
    facts += [("warning", warning) for warning in points.warnings]
    lines = [points.name, *(f"  {label:<11} {value}" for label, value in facts), ""]
    rows = [("level", "cells", "points")]
    for level, (cells, count) in enumerate(points.tree.level_sizes()):
        rows.append((str(level), str(cells), str(count)))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        cells_of_row = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  " + "  ".join(cells_of_row).rstrip())
    return "\n".join(lines)


def _said(one: Property) -> str:
    if one.categories:
        some = ", ".join(word or "(none)" for word in one.categories[:_SAID])
        more = ", …" if len(one.categories) > _SAID else ""
        return f"{one.name}, {len(one.categories)} categories: {some}{more}"
    if one.range is None:
        return f"{one.name}, {one.dtype}, no value"
    return f"{one.name}, {one.dtype}, {one.range[0]:.6g} to {one.range[1]:.6g}"
