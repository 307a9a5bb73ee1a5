"""Palette: pages of numbers that stand for colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from opsin.images.source import Array, Encoded, Index
from opsin.images.tiff.layout import Layout, Plan, Span


class Palette:
    """The chunks of such a level, with an axis of red, green and blue behind the others."""

    def __init__(self, base: Layout, table: Array) -> None:
        """Take the table of colours, uint8 of shape (numbers, 3)."""
        self._base = base
        self._table = table
        self.plan = coloured(base.plan)
        self.chunks = (*base.chunks, 3)
        self.codec = f"{base.codec}, palette"

    def file(self, index: Index) -> int:
        """Number of the file that holds a chunk."""
        return self._base.file(index[:-1])

    def spans(self, index: Index) -> list[Span]:
        """Those of the numbers."""
        return self._base.spans(index[:-1])

    def decode(self, index: Index, shape: tuple[int, ...], data: Encoded) -> Array:
        """The colours; a number without one is black."""
        numbers = self._base.decode(index[:-1], shape[:-1], data)
        return np.take(self._table, numbers, axis=0, mode="clip")

    def transient_bytes(self, index: Index, result: int) -> int:
        """The numbers, and what decoding them takes."""
        numbers = result // 3 * self._base.plan.dtype.itemsize
        return numbers + self._base.transient_bytes(index[:-1], numbers)

    def describe(self, index: Index) -> str:
        """That of the numbers."""
        return self._base.describe(index[:-1])


def coloured(plan: Plan) -> Plan:
    """The plan of a level of numbers with colours in their place."""
    separate, depth, rows, columns, _ = plan.shaped
    return replace(
        plan,
        shaped=(separate, depth, rows, columns, 3),
        dims=(*plan.dims, 4),
        dtype=np.dtype(np.uint8),
    )


def table_of(colormap: Array | None, dtype: np.dtype[np.generic]) -> Array | None:
    """TIFF's 16-bit colours as 8-bit ones, shape (numbers, 3); None for what is no such table.

    Old files have 8-bit values in place of 16-bit ones.
    """
    if colormap is None or dtype.kind != "u" or colormap.ndim != 2 or len(colormap) != 3:
        return None
    if colormap.shape[1] < 2:
        return None
    wide = colormap.astype(np.uint16)
    eight = wide if wide.max() < 256 else (wide.astype(np.uint32) + 128) // 257
    return np.ascontiguousarray(eight.T.astype(np.uint8))
