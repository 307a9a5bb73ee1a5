"""Histogram, and contrast limits read off the values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from opsin.images.source import Array

LOW_QUANTILE, HIGH_QUANTILE = 0.001, 0.999


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of values between `low` and `high`, in bins of equal width."""

    low: float
    high: float
    counts: npt.NDArray[np.int64]


def histogram(values: Array, bins: int = 256) -> Histogram:
    """Histogram of all finite values, in at most `bins` bins.

    Bins of integers are whole numbers wide, so that none is empty by arithmetic: bin i holds
    `low + i · width` up to but without `low + (i + 1) · width`. Without any finite value there is
    one empty bin from 0 to 1.
    """
    flat = _finite(values)
    if flat.size == 0:
        return Histogram(0, 1, np.zeros(1, np.int64))
    if flat.dtype.kind in "iu":
        low, high = int(flat.min()), int(flat.max())
        width = -(-(high - low + 1) // bins)
        count = -(-(high - low + 1) // width)
        if count == 1:  # of all that 64 bits hold, its width would not fit them
            return Histogram(low, low + width, np.array([flat.size], np.int64))
        # Differences of 64-bit integers fit 64 bits without sign, whatever the signs.
        wide = flat.astype(np.int64 if flat.dtype.kind == "i" else np.uint64).view(np.uint64)
        number = (wide - np.uint64(low % 2**64)) // np.uint64(width)
        counts = np.bincount(number.astype(np.int64), minlength=count)
        return Histogram(low, low + width * count, counts.astype(np.int64))
    first, last = float(flat.min()), float(flat.max())
    if first == last:
        return Histogram(first, first + 1, np.array([flat.size], np.int64))
    # Halves, so that the span of the widest floats is finite.
    place = (flat.astype(np.float64) / 2 - first / 2) / (last / 2 - first / 2) * bins
    number = np.minimum(place.astype(np.int64), bins - 1)
    return Histogram(first, last, np.bincount(number, minlength=bins).astype(np.int64))


def auto_contrast(values: Array) -> tuple[float, float]:
    """Limits between which nearly all values lie, for display; always low < high.

    The 0.1 and 99.9 percent quantiles of the finite values, taken from the values themselves (of
    integers they are Python ints); the extremes where the quantiles are equal; one apart where all
    values are equal; (0, 1) where there is none.
    """
    flat = _finite(values)
    if flat.size == 0:
        return (0, 1)
    low = np.quantile(flat, LOW_QUANTILE, method="lower").item()
    high = np.quantile(flat, HIGH_QUANTILE, method="higher").item()
    if low >= high:
        low, high = flat.min().item(), flat.max().item()
    if low >= high:
        high = low + 1
    if low >= high:  # a float so large that adding 1 changes nothing
        low, high = sorted((low, low * 2 if np.isfinite(low * 2) else low / 2))
    return (low, high)


def _finite(values: Array) -> Array:
    flat = values.ravel()
    if flat.dtype.kind == "b":
        return flat.astype(np.uint8)
    if flat.dtype.kind == "f":
        return flat[np.isfinite(flat)]
    return flat
