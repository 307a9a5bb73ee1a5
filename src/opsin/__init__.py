"""Opsin: an open platform for image analysis.

The names below are loaded when they are first used, so that `import opsin` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Axes": "opsin.types",
    "Camera": "opsin.chunks.camera",
    "Image": "opsin.types",
    "Labels": "opsin.types",
    "LazyImage": "opsin.types",
    "Metadata": "opsin.types",
    "OpsinError": "opsin.errors",
    "Points": "opsin.types",
    "PointsLayer": "opsin.images.points.layer",
    "Shapes": "opsin.types",
    "Surface": "opsin.types",
    "Table": "opsin.types",
    "Tracks": "opsin.types",
    "Vectors": "opsin.types",
    "VolumeCamera": "opsin.chunks.volume_camera",
    "batch": "opsin.host.batch",
    "crop": "opsin.images.crop",
    "empty": "opsin.rpc.shared_arrays",
    "image_from_array": "opsin.images.memory",
    "load": "opsin.host.blocking",
    "open_image": "opsin.images.readers",
    "open_images": "opsin.images.readers",
    "open_points": "opsin.images.points.reader",
    "run": "opsin.host.blocking",
    "save": "opsin.host.image_calls",
    "sharpen": "opsin.render.snapshot",
    "snapshot": "opsin.render.snapshot",
    "write_image": "opsin.images.write",
    "write_points": "opsin.images.points.write",
}

_OPENING = ("opsin.host.", "opsin.images.readers", "opsin.render.")
"""Where images are opened."""

__all__ = [
    "Axes",
    "Camera",
    "Image",
    "Labels",
    "LazyImage",
    "Metadata",
    "OpsinError",
    "Points",
    "PointsLayer",
    "Shapes",
    "Surface",
    "Table",
    "Tracks",
    "Vectors",
    "VolumeCamera",
    "__version__",
    "batch",
    "crop",
    "empty",
    "image_from_array",
    "load",
    "open_image",
    "open_images",
    "open_points",
    "run",
    "save",
    "sharpen",
    "snapshot",
    "write_image",
    "write_points",
]

if TYPE_CHECKING:
    from opsin.chunks.camera import Camera
    from opsin.chunks.volume_camera import VolumeCamera
    from opsin.errors import OpsinError
    from opsin.host.batch import batch
    from opsin.host.blocking import load, run
    from opsin.host.image_calls import save
    from opsin.images.crop import crop
    from opsin.images.memory import image_from_array
    from opsin.images.points.layer import PointsLayer
    from opsin.images.points.reader import open_points
    from opsin.images.points.write import write_points
    from opsin.images.readers import open_image, open_images
    from opsin.images.write import write_image
    from opsin.render.snapshot import sharpen, snapshot
    from opsin.rpc.shared_arrays import empty
    from opsin.types import (
        Axes,
        Image,
        Labels,
        LazyImage,
        Metadata,
        Points,
        Shapes,
        Surface,
        Table,
        Tracks,
        Vectors,
    )


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'opsin' has no attribute {name!r}") from None
    if home.startswith(_OPENING):
        importlib.import_module("opsin.workers.offered_readers").offer_readers()
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return __all__
