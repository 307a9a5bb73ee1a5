"""Imaris files (.ims): levels, times and channels are datasets; sizes and names are attributes.

Attributes are numbers spelled out, one character per element. Datasets are padded to whole chunks.
(The layout is told in "Imaris 5.5 file format", Oxford Instruments.)
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from opsin.errors import OpenError
from opsin.images.hdf5.dataset import why_no_pixels
from opsin.images.hdf5.file import Hdf5File, attribute, words
from opsin.images.hdf5.found import Found, FoundLevel
from opsin.images.image import Axis, Channel
from opsin.images.placement import factor
from opsin.images.units import unit_called

if TYPE_CHECKING:
    import h5py

_LEVELS_LIMIT = 32


def is_imaris(file: Hdf5File) -> bool:
    """Whether the file has Imaris's datasets."""
    return file.has("DataSetInfo") and file.has(_path(0, 0, 0))


def imaris_image(file: Hdf5File) -> Found:
    """The image of an Imaris file: axes t, c, z, y, x.

    Raises:
        OpenError: it is damaged, or its pixels are no numbers.
    """
    import h5py

    shapes: list[tuple[int, ...]] = []
    dtype: np.dtype[np.generic] | None = None
    while len(shapes) < _LEVELS_LIMIT and file.has(_path(len(shapes), 0, 0)):
        data = file.find(_path(len(shapes), 0, 0))
        problem = None if isinstance(data, h5py.Dataset) else "it is a group"
        problem = problem or why_no_pixels(data)
        if problem is None and len(data.shape) != 3:
            problem = f"it has {len(data.shape)} axes"
        if problem is not None:
            raise OpenError(f"{_path(len(shapes), 0, 0)} in {file.name} is no image: {problem}.")
        if dtype is not None and data.dtype != dtype:
            break
        dtype = data.dtype
        shapes.append(_image_size(data))
    assert dtype is not None
    times = _count(file, "DataSet/ResolutionLevel 0", "TimePoint")
    channels = _count(file, "DataSet/ResolutionLevel 0/TimePoint 0", "Channel")
    scale, translation, unit = _extent(file, shapes[0])
    step = _time_step(file, times)
    levels = tuple(
        FoundLevel(
            _path(number, 0, 0),
            (times, channels, *shape),
            (1.0, 1.0, *(factor(a, b) for a, b in zip(shapes[0], shape, strict=True))),
        )
        for number, shape in enumerate(shapes)
    )
    return Found(
        path="",
        title="",
        axes=(
            Axis("t", "time", "second" if step is not None else None),
            Axis("c", "channel"),
            *(Axis(name, "space", unit) for name in "zyx"),
        ),
        levels=levels,
        scale=(step or 1.0, 1.0, *scale),
        translation=(0.0, 0.0, *translation),
        dtype=np.dtype(dtype.newbyteorder("=").str),
        locate=lambda level, outer: _path(level, *outer),
        layout="imaris",
        channels=tuple(_channel(file, number) for number in range(channels)),
    )


def _path(level: int, time: int, channel: int) -> str:
    return f"DataSet/ResolutionLevel {level}/TimePoint {time}/Channel {channel}/Data"


def _image_size(data: h5py.Dataset) -> tuple[int, ...]:
    """Without the padding, as far as the attributes of the channel make sense."""
    sizes: list[int] = []
    for axis, stored in zip("ZYX", data.shape, strict=True):
        said = _number(attribute(data.parent, f"ImageSize{axis}"))
        inside = said is not None and 1 <= said <= stored
        sizes.append(int(said) if said is not None and inside else stored)
    return tuple(sizes)


def _count(file: Hdf5File, path: str, noun: str) -> int:
    """How many members of a group are called `noun 0`, `noun 1` and so on."""
    import h5py

    group = file.find(path)
    assert isinstance(group, h5py.Group)
    names = {name.decode(errors="replace") for name in group.id}
    count = 0
    while f"{noun} {count}" in names:
        count += 1
    return count


def _extent(
    file: Hdf5File, shape: tuple[int, ...]
) -> tuple[tuple[float, ...], tuple[float, ...], str | None]:
    """Scale, centre of the first voxel and unit, of z, y, x."""
    none = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), None
    if not file.has("DataSetInfo/Image"):
        return none
    info = file.find("DataSetInfo/Image")
    scale: list[float] = []
    translation: list[float] = []
    for axis, size in zip((2, 1, 0), shape, strict=True):
        low = _number(attribute(info, f"ExtMin{axis}"))
        high = _number(attribute(info, f"ExtMax{axis}"))
        if low is None or high is None or high <= low:
            return none
        scale.append((high - low) / size)
        translation.append(low + scale[-1] / 2)
    return tuple(scale), tuple(translation), unit_called(attribute(info, "Unit"))


def _time_step(file: Hdf5File, times: int) -> float | None:
    """Seconds from one time point to the next, on average."""
    if times < 2 or not file.has("DataSetInfo/TimeInfo"):
        return None
    info = file.find("DataSetInfo/TimeInfo")
    try:
        first, last = (
            datetime.fromisoformat(str(attribute(info, f"TimePoint{number}")))
            for number in (1, times)
        )
        seconds = (last - first).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds / (times - 1) if seconds > 0 else None


def _channel(file: Hdf5File, number: int) -> Channel:
    path = f"DataSetInfo/Channel {number}"
    if not file.has(path):
        return Channel(f"channel {number}")
    info = file.find(path)
    name = words(info, "Name").strip()
    colour = _numbers(attribute(info, "Color"))
    window = _numbers(attribute(info, "ColorRange"))
    low_high = (window[0], window[1]) if len(window) == 2 and window[0] < window[1] else None
    rgb = None
    if len(colour) == 3 and all(0 <= part <= 1 for part in colour):
        rgb = bytes(round(255 * part) for part in colour).hex()
    named = name and not name.startswith("(name not")
    return Channel(name if named else f"channel {number}", rgb, low_high)


def _number(value: object) -> float | None:
    found = _numbers(value)
    return found[0] if len(found) == 1 else None


def _numbers(value: object) -> list[float]:
    """The numbers that a text spells; none if it has anything else in it."""
    if isinstance(value, int | float | np.number):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[0-9eE+.\s-]+", value):
        return []
    try:
        found = [float(word) for word in value.split()]
    except ValueError:
        return []
    return found if all(map(math.isfinite, found)) else []
