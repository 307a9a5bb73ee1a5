"""Lazy types: what travels to plugins and other programs by reference, and is read there in parts.

Arrays of zarr, dask and h5py, and images of Opsin (their finest level). A graph of dask is never
sent: dask computes here what the other side asks for.
"""

from __future__ import annotations

from typing import Any

from opsin.images.image import Image
from opsin.images.source import Array
from opsin.rpc.codec import register_lazy
from opsin.rpc.lazy_source import LazySource, lazy

ARRAYS = ("zarr.core.array.Array", "dask.array.core.Array", "h5py._hl.dataset.Dataset")
"""Classes that have a shape, a dtype and slices. They are named, because nobody may need them."""


def register() -> None:
    """Let arguments and results of the RPC be such arrays. Idempotent."""
    for name in ARRAYS:
        register_lazy(name, lazy)
    register_lazy(Image, lazy_image)


def lazy_image(image: Image) -> LazySource:
    """The finest level of an image, along all its axes."""
    level = image.levels[0]

    def read(index: tuple[slice, ...]) -> Array:
        bounds = [part.indices(size) for part, size in zip(index, level.shape, strict=True)]
        box = [slice(low, max(low, high)) for low, high, _ in bounds]
        return image.read(0, box)[tuple(slice(None, None, step) for _, _, step in bounds)]

    return LazySource(read, level.shape, image.dtype, level.chunks)


def is_lazy(value: Any) -> bool:
    """Whether a value is an array that need not be in memory: one of zarr, say."""
    named = {f"{cls.__module__}.{cls.__qualname__}" for cls in type(value).__mro__}
    return not named.isdisjoint(ARRAYS)
