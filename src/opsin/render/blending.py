"""Blending: values become colours, and colours lie over others. The same in slices and volumes.

The rules stand in `opsin.render.slices`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from opsin.errors import UsageError
from opsin.images.layer import Layer
from opsin.images.source import Array
from opsin.render import colormaps, labels

Floats = npt.NDArray[np.float32]


def colours(layer: Layer, values: Array) -> tuple[Floats, Floats]:
    """Colour (rows, columns, 3) and opacity (rows, columns) of values."""
    if layer.image.kind == "labels":
        opacity = np.where(values == 0, 0, layer.opacity).astype(np.float32)
        return labels.colours(values).astype(np.float32), opacity
    if layer.contrast is None:
        raise UsageError(f"{layer.name} has no contrast limits yet: set them before drawing.")
    numbers = values.astype(np.float32)
    opacity = np.full(values.shape[:2], layer.opacity, np.float32)
    if layer.image.rgb:
        if values.shape[2] == 4:
            kind = layer.image.dtype  # not that of `values`: they may be interpolated
            largest = float(np.iinfo(kind.str).max) if kind.kind in "iu" else 1.0
            opacity *= np.nan_to_num((numbers[..., 3] / np.float32(largest)).clip(0, 1))
            numbers = numbers[..., :3]
        missing = np.isnan(numbers).any(axis=-1)
        colour = scaled(numbers, layer.contrast, layer.gamma)
    else:
        missing = np.isnan(numbers)
        t = scaled(numbers, layer.contrast, layer.gamma)
        index = np.floor(t * np.float32(255) + np.float32(0.5)).astype(np.intp)
        colour = (colormaps.lut(layer.colormap) / np.float32(255))[index]
    opacity[missing] = 0
    return colour.astype(np.float32, copy=False), opacity


def scaled(numbers: Floats, contrast: tuple[float, float], gamma: float) -> Floats:
    """0 to 1 by contrast and gamma; 0 for NaN."""
    low, high = np.float32(contrast[0]), np.float32(contrast[1])
    with np.errstate(invalid="ignore", over="ignore"):
        t = (numbers > low).astype(np.float32) if low == high else (numbers - low) / (high - low)
    t = np.where(np.isnan(t), np.float32(0), t).clip(0, 1)
    return t if gamma == 1 else t ** np.float32(gamma)


def blend(target: Floats, colour: Floats, alpha: Floats, blending: str) -> None:
    """Put colours (rows, columns, 3) of some opacity (rows, columns) onto what lies behind."""
    a = alpha[..., np.newaxis]
    if blending == "translucent":
        target[...] = colour * a + target * (1 - a)
    elif blending == "additive":
        target[...] = np.minimum(target + colour * a, 1)
    elif blending == "opaque":
        target[...] = np.where(a > 0, colour, target)
    elif blending == "minimum":
        target[...] = np.where(a > 0, np.minimum(colour, target), target)
    else:
        raise UsageError(f"There is no blending {blending!r}.")
