"""Lazy types: what travels to plugins and other programs by reference, and is read there in parts.

Arrays of zarr, dask and h5py, and images of Opsin, with all their levels. A graph of dask is never
sent: dask computes here what the other side asks for.
"""

from __future__ import annotations

from typing import Any

from opsin.host.inputs import lazy_part
from opsin.host.lazy_levels import LazyLevels
from opsin.host.selection import Part
from opsin.images.image import Image
from opsin.images.layer import Layer
from opsin.rpc.codec import register_lazy
from opsin.rpc.lazy_source import ARRAYS, register_arrays


def register() -> None:
    """Let arguments and results of the RPC be such arrays. Idempotent."""
    register_arrays()
    register_lazy(Image, lazy_image)


def lazy_image(image: Image) -> LazyLevels:
    """The finest level of an image, along all its axes. The others can be had, too."""
    shape = image.levels[0].shape
    whole = Part(Layer(image.name, image), 0, (0,) * len(shape), shape)
    return lazy_part(whole, image.axis_names)


def is_lazy(value: Any) -> bool:
    """Whether a value is an array that need not be in memory: one of zarr, say."""
    named = {f"{cls.__module__}.{cls.__qualname__}" for cls in type(value).__mro__}
    return not named.isdisjoint(ARRAYS)
