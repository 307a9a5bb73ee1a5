"""Samples: images that are computed while they are looked at, in napari's *File → Open Sample*."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsin.napari.layers import LayerData


def mandelbrot() -> list[LayerData]:
    """The Mandelbrot set, 2^27 pixels square."""
    return _computed("synthetic:mandelbrot")


def mandelbulb() -> list[LayerData]:
    """The Mandelbulb, 2^20 voxels cubed."""
    return _computed("synthetic:mandelbulb")


def _computed(address: str) -> list[LayerData]:
    from opsin.napari.reader import layers_at

    return layers_at(address)
