"""BigDataViewer's HDF5: `t00000/s00/0/cells`: a dataset per time point, setup and level.

Every setup (a channel, angle or tile) is an image. The XML file beside it, if there is one, names
them and gives voxel sizes; setups that differ in their channel only are the channels of one image.
16-bit values are stored as signed ones and mean unsigned ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from opsin.errors import OpenError
from opsin.images.hdf5.file import Hdf5File
from opsin.images.hdf5.found import Found, FoundLevel
from opsin.images.image import Axis, Channel
from opsin.images.text import shown
from opsin.images.units import unit_called

_XML_LIMIT = 16 << 20
_LEVELS_LIMIT = 32
CELLS = re.compile(r"/?t\d{5,}/s\d{2,}/\d+/cells")
"""Paths of the datasets of such a file."""


@dataclass(frozen=True, slots=True)
class _Setup:
    """What the XML says of one setup."""

    name: str = ""
    scale: tuple[float, float, float] | None = None
    """Of z, y, x."""
    unit: str | None = None
    channel: str = ""
    others: Mapping[str, str] = field(default_factory=dict)
    """Its other attributes: angle, tile, illumination."""


def is_bigdataviewer(file: Hdf5File) -> bool:
    """Whether the file has a time point and a setup as BigDataViewer names them."""
    return bool(_named(file, r"t\d{5,}")) and any(
        file.has(f"{setup}/resolutions") for setup in _named(file, r"s\d{2,}")[:1]
    )


def bigdataviewer_images(file: Hdf5File, only: str | None = None) -> list[Found]:
    """The images of such a file, or the one of the setup called `only`, such as `s00`.

    Raises:
        OpenError: it has none that can be read.
    """
    said = _read_xml(file.path.with_suffix(".xml"), file.path.name)
    times = _named(file, r"t\d{5,}")
    images: list[Found] = []
    settings: list[_Setup] = []
    problem: OpenError | None = None
    for setup in _named(file, r"s\d{2,}"):
        if only not in (None, setup):
            continue
        setting = said.get(int(setup[1:]), _Setup())
        try:
            images.append(_image(file, setup, times, setting))
            settings.append(setting)
        except OpenError as error:
            problem = problem or error
    if not images:
        raise problem or OpenError(f"{file.name} names no setup that has pixels.")
    merged = _as_channels(images, settings)
    return images if merged is None else [merged]


def _named(file: Hdf5File, pattern: str) -> list[str]:
    """Members of the root whose name matches, in the order of their numbers."""
    names = (name.decode(errors="replace") for name in file.root.id)
    return sorted((n for n in names if re.fullmatch(pattern, n)), key=lambda n: int(n[1:]))


def _image(file: Hdf5File, setup: str, times: Sequence[str], said: _Setup) -> Found:
    import h5py

    moments = [time for time in times if file.has(f"{time}/{setup}/0/cells")]
    if not moments:
        raise OpenError(f"{file.name} has no pixels of {setup}.")
    factors = _factors(file, setup)
    levels: list[FoundLevel] = []
    dtype: np.dtype[np.generic] | None = None
    for number, steps in enumerate(factors):
        path = f"{moments[0]}/{setup}/{number}/cells"
        data = file.find(path) if file.has(path) else None
        if not isinstance(data, h5py.Dataset) or len(data.shape or ()) != 3:
            break
        if dtype is not None and data.dtype != dtype:
            break
        dtype = data.dtype
        levels.append(FoundLevel(path, (len(moments), *data.shape), (1.0, *steps)))
    if dtype is None:
        raise OpenError(f"{moments[0]}/{setup} in {file.name} has no pixels.")
    if dtype.kind == "i":
        dtype = np.dtype(f"u{dtype.itemsize}")
    return Found(
        path=setup,
        title=said.name or setup,
        axes=(Axis("t", "time"), *(Axis(name, "space", said.unit) for name in "zyx")),
        levels=tuple(levels),
        scale=(1.0, *(said.scale or (1.0, 1.0, 1.0))),
        translation=(0.0, 0.0, 0.0, 0.0),
        dtype=np.dtype(dtype.newbyteorder("=").str),
        locate=lambda level, outer: f"{moments[outer[0]]}/{setup}/{level}/cells",
        layout="bigdataviewer",
    )


def _factors(file: Hdf5File, setup: str) -> list[tuple[float, float, float]]:
    """Pixels of the finest level along z, y, x per pixel of each level, fine to coarse."""
    import h5py

    path = f"{setup}/resolutions"
    table = file.find(path)
    try:
        assert isinstance(table, h5py.Dataset)
        assert table.ndim == 2
        assert 1 <= table.shape[0] <= _LEVELS_LIMIT
        assert table.shape[1] == 3
        steps = np.asarray(table[...], np.float64)[:, ::-1]
        assert np.isfinite(steps).all()
        assert (steps > 0).all()
    except Exception:
        raise OpenError(f"{path} in {file.name} is no table of resolutions.") from None
    return [(float(z), float(y), float(x)) for z, y, x in steps / steps[0]]


def _as_channels(images: Sequence[Found], settings: Sequence[_Setup]) -> Found | None:
    """One image of several channels, if the setups differ in nothing else."""
    first, same = images[0], settings[0]
    if len(images) < 2 or not all(s.channel and s.others == same.others for s in settings):
        return None
    for image in images[1:]:
        alike = [(level.shape, level.factors) for level in image.levels] == [
            (level.shape, level.factors) for level in first.levels
        ]
        if not alike or (image.dtype, image.scale) != (first.dtype, first.scale):
            return None

    def locate(level: int, outer: tuple[int, ...]) -> str:
        return images[outer[1]].locate(level, outer[:1])

    count = len(images)
    return Found(
        path="",
        title="",
        axes=(first.axes[0], Axis("c", "channel"), *first.axes[1:]),
        levels=tuple(
            FoundLevel(
                level.path,
                (level.shape[0], count, *level.shape[1:]),
                (1.0, 1.0, *level.factors[1:]),
            )
            for level in first.levels
        ),
        scale=(1.0, 1.0, *first.scale[1:]),
        translation=(0.0,) * 5,
        dtype=first.dtype,
        locate=locate,
        layout="bigdataviewer",
        channels=tuple(Channel(setting.channel) for setting in settings),
    )


def _read_xml(path: Path, name: str) -> dict[int, _Setup]:
    """Setups by their number; none where there is no XML of this file, or it makes no sense."""
    try:
        if path.stat().st_size > _XML_LIMIT:
            return {}
        root = ElementTree.fromstring(path.read_bytes())
        named = (root.findtext(".//ImageLoader/hdf5") or "").replace("\\", "/")
        if named.rpartition("/")[2] != name:
            return {}
        names = {
            (kind.get("name", ""), entry.findtext("id", "")): entry.findtext("name", "")
            for kind in root.iter("Attributes")
            for entry in kind
        }
        return dict(_setup(one, names) for one in root.iter("ViewSetup"))
    except (OSError, ElementTree.ParseError, ValueError):
        return {}


def _setup(
    element: ElementTree.Element, names: Mapping[tuple[str, str], str]
) -> tuple[int, _Setup]:
    number = int(element.findtext("id", ""))
    sizes = [float(word) for word in element.findtext("voxelSize/size", "").split()]
    sensible = len(sizes) == 3 and all(math.isfinite(size) and size > 0 for size in sizes)
    given = element.find("attributes")
    attributes = {one.tag: (one.text or "").strip() for one in given} if given is not None else {}
    channel = attributes.pop("channel", "")
    return number, _Setup(
        name=shown(element.findtext("name", "").strip()),
        scale=(sizes[2], sizes[1], sizes[0]) if sensible else None,
        unit=unit_called(element.findtext("voxelSize/unit", "")) if sensible else None,
        channel=shown(names.get(("channel", channel)) or f"channel {channel}") if channel else "",
        others=attributes,
    )
