"""Coordinates: what evenly spaced coordinates of pixels say of scale and translation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from opsin.images.source import Array

_TOLERANCE = 0.01
"""Of a step: so far may a coordinate be off. (Many are rounded, or stored as 32-bit floats.)"""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Coordinates that rise by `step` from `start`, which is the centre of the first pixel."""

    step: float
    start: float
    unit: str | None = None
    backwards: bool = False
    """They fall by `step` instead. An image cannot say so: `start` is 0."""


def spacing_of(coordinates: Array) -> Spacing | None:
    """The spacing of 1D coordinates: numbers, times (in seconds from the first) or durations.

    None if they are not evenly spaced, or fewer than two.
    """
    values, unit, start = coordinates, None, None
    if values.ndim != 1 or len(values) < 2:
        return None
    if values.dtype.kind in "Mm":
        start = 0.0 if values.dtype.kind == "M" else None
        values = (values - values[0] if start is not None else values) / np.timedelta64(1, "s")
        unit = "second"
    if values.dtype.kind not in "iuf":
        return None
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        return None
    step = (values[-1] - values[0]) / (len(values) - 1)
    even = values[0] + step * np.arange(len(values))
    if step == 0 or np.abs(values - even).max() > _TOLERANCE * abs(step):
        return None
    if step < 0:
        return Spacing(float(-step), 0.0, unit, backwards=True)
    return Spacing(float(step), float(values[0]) if start is None else start, unit)
