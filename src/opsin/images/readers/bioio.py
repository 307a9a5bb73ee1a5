"""Vendor formats, by bioio and the reader packages that are installed beside it.

bioio chooses the package by the end of the name and asks it; pixels come as Dask arrays, which are
computed chunk by chunk. Every scene of a file is an image.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import entry_points
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from opsin.errors import OpenError, Unsupported
from opsin.images.image import Channel, Image
from opsin.images.memory import image_from_array
from opsin.images.readers.address import Address
from opsin.images.text import shown
from opsin.images.units import unit_called

READS = "vendor formats through bioio"
LAST_RESORT = 1

_MOST_IMAGES = 64
_MOST_LEVELS = 32

_PACKAGES = {
    ".czi": "bioio-czi",
    ".dv": "bioio-dv",
    ".r3d": "bioio-dv",
    ".lif": "bioio-lif",
    ".nd2": "bioio-nd2",
    ".sld": "bioio-sldy",
    ".sldy": "bioio-sldy",
}
"""What reads a format by itself; Bio-Formats, which needs Java, reads most others."""


def recognises(address: Address) -> bool:
    """Whether one of bioio's readers takes it. The first time, importing them takes seconds."""
    if address.path is None or not _is_installed() or not entry_points(group="bioio.readers"):
        return False
    return _plugin(address.path) is not None


def advice(address: Address) -> str:
    """What to install for formats of which bioio knows more."""
    package = _PACKAGES.get(address.suffix, "bioio-bioformats")
    if _is_installed():
        return f"More formats are read with a reader package of bioio: try 'pip install {package}'."
    return (
        "Formats of microscopes are read through bioio: try 'pip install opsin[bioio]' and the "
        f"reader package for it, such as {package}."
    )


def open(address: Address) -> tuple[Image, ...]:
    """The scenes of a file, as images.

    Raises:
        Unsupported: none of bioio's readers takes it.
        OpenError: one does, but fails.
    """
    if address.path is None or not _is_installed():
        raise Unsupported(f"{address.text} cannot be read by bioio. {advice(address)}")
    plugin = _plugin(address.path)
    if plugin is None:
        raise Unsupported(f"None of bioio's readers takes {address.name}. {advice(address)}")
    images: list[Image] = []
    try:
        file = importlib.import_module("bioio").BioImage(
            address.path, reader=plugin.metadata.get_reader()
        )
        scenes = list(file.scenes)[:_MOST_IMAGES]
        for scene in scenes:
            file.set_scene(scene)
            name = address.stem if len(scenes) == 1 else f"{address.stem} · {shown(str(scene))}"
            images.append(replace(_image(file, name), format=f"bioio/{plugin.entrypoint.name}"))
    except Exception as error:
        for image in images:
            image.close()
        raise OpenError(
            f"{address.name} cannot be read by {plugin.entrypoint.name} "
            f"({type(error).__name__}: {shown(str(error))})."
        ) from error
    return tuple(images)


def _is_installed() -> bool:
    return find_spec("bioio") is not None


def _plugin(path: Path) -> Any:
    """The reader package that bioio determines, or None."""
    bioio = importlib.import_module("bioio")
    try:
        return bioio.BioImage.determine_plugin(path)
    except Exception:  # bioio's own error, or whatever a reader package stumbles over
        return None


def _image(file: Any, name: str) -> Image:
    """The scene that is set, with the levels that it has."""
    found: list[Any] = []
    for level in sorted(file.resolution_levels)[:_MOST_LEVELS]:
        file.set_resolution_level(level)
        found.append(file.xarray_dask_data)
    file.set_resolution_level(0)
    finest = found[0]
    dimensions = [str(dimension) for dimension in finest.dims]
    sizes = dict(zip(dimensions, finest.shape, strict=True))
    # bioio gives all of T, C, Z, Y, X; a length of 1 says that the file has no such axis.
    kept = [d for d in dimensions if sizes[d] > 1 or d in ("Y", "X")]
    rgb = kept[-1] == "S" and sizes["S"] in (3, 4)
    whole = {d: 0 for d in dimensions if d not in kept}
    arrays = [level.isel(whole).data for level in found]
    while len(arrays) > 1 and not _shrink(arrays):
        arrays.pop()
    steps = {dimension: _step(file, dimension) for dimension in kept}
    image = image_from_array(
        arrays,
        axes=["c" if d == "S" and "C" not in kept else shown(d.lower()) for d in kept],
        name=name,
        scale=[steps[d][0] for d in kept],
        units=[steps[d][1] for d in kept],
        rgb=rgb,
    )
    names = [str(one) for one in file.channel_names or ()]
    if rgb or "C" not in kept or len(names) != sizes["C"] or _counted(names):
        return image
    return replace(image, channels=tuple(Channel(shown(one)) for one in names))


def _shrink(arrays: Sequence[Any]) -> bool:
    """Whether every level has the axes of the one before, and is smaller."""
    return all(
        len(a.shape) == len(b.shape)
        and a.shape != b.shape
        and all(m >= n > 0 for m, n in zip(a.shape, b.shape, strict=True))
        for a, b in pairwise(arrays)
    )


def _step(file: Any, dimension: str) -> tuple[float, str | None]:
    """Scale and unit of an axis: 1 and None where the file says nothing."""
    if dimension in ("X", "Y", "Z"):
        size, unit = getattr(file.physical_pixel_sizes, dimension), "micrometer"
    elif dimension == "T":
        size, unit = file.time_interval, "second"
        size = size.total_seconds() if isinstance(size, timedelta) else size
    else:
        return 1.0, None
    if not isinstance(size, int | float | np.number) or not 0 < size < math.inf:
        return 1.0, None
    said = getattr(file.dimension_properties, dimension, None)
    return float(size), unit_called(str(getattr(said, "unit", ""))) or unit


def _counted(names: Sequence[str]) -> bool:
    """Whether these are the names that bioio makes up: Channel:0:0, Channel:0:1, …"""
    return all(name.startswith("Channel:") for name in names)
