"""Whatever the napari plugins that are installed read: their readers run in this process.

The very last resort. The tuples that a reader gives become images and labels; what is neither is
left out, and named in a warning. napari itself is not needed.
"""

from __future__ import annotations

import importlib
import math
import os
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from opsin.errors import OpenError, Unsupported
from opsin.images.image import Channel, Image
from opsin.images.layer import NAMED
from opsin.images.memory import image_from_array
from opsin.images.readers.address import Address
from opsin.images.text import shown
from opsin.images.units import unit_called

READS = "what napari plugins read"
LAST_RESORT = 2

_OURS = "opsin"
"""The plugin that brings Opsin's readers into napari is not asked in turn."""

_MOST_IMAGES = 64

_COLOURS = {name: colour for colour, name in NAMED.items()}


def recognises(address: Address) -> bool:
    """Whether a plugin says in its manifest that it reads files of this name."""
    return address.path is not None and bool(_plugins(address.path))


def open(address: Address) -> tuple[Image, ...]:
    """The images and labels that the first plugin gives that gives something.

    Raises:
        Unsupported: no plugin does, or it gives neither images nor labels.
        OpenError: a plugin fails.
    """
    plugins = [] if address.path is None else _plugins(address.path)
    if not plugins:
        raise Unsupported(f"No napari plugin that is installed reads {address.name}.")
    for plugin in plugins:
        tuples = _read(address, plugin)
        if tuples:
            return _images(address, plugin, tuples)
    raise Unsupported(
        f"The napari plugins that say that they read {address.name} ({', '.join(plugins)}) give "
        "nothing of it."
    )


def _plugins(path: Path) -> list[str]:
    """Names of the plugins that say that they read files of this name."""
    if "npe2" not in sys.modules and not entry_points(group="napari.manifest"):
        return []  # npe2 takes a second to load
    if find_spec("npe2") is None:
        return []
    manager = _npe2().PluginManager.instance()
    try:
        manager.discover()
        readers = list(manager.iter_compatible_readers([os.fspath(path)]))
    except Exception:  # a broken manifest of one of them
        return []
    names = dict.fromkeys(str(reader.plugin_name) for reader in readers)
    return [name for name in names if name != _OURS]


def _npe2() -> Any:
    with warnings.catch_warnings():
        # It uses names that pydantic has deprecated, about which a user can do nothing.
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("npe2")


def _read(address: Address, plugin: str) -> list[tuple[Any, ...]]:
    """What a plugin gives; nothing if on a closer look it does not read this file."""
    try:
        found = _npe2().read([os.fspath(address.path or "")], stack=False, plugin_name=plugin)
    except ValueError as error:
        if any(words in str(error) for words in ("refused the file", "returned no data")):
            return []
        raise _failed(address, plugin, error) from error
    except Exception as error:
        raise _failed(address, plugin, error) from error
    return [layer if isinstance(layer, tuple) else (layer,) for layer in found or ()]


def _failed(address: Address, plugin: str, error: Exception) -> OpenError:
    return OpenError(
        f"{address.name} cannot be read by the napari plugin {plugin} "
        f"({type(error).__name__}: {shown(str(error))})."
    )


def _images(address: Address, plugin: str, tuples: Sequence[tuple[Any, ...]]) -> tuple[Image, ...]:
    """The images among the layers, the first of them with a warning of the others."""
    images: list[Image] = []
    others: dict[str, None] = {}
    for data, *more in tuples:
        meta = more[0] if more and isinstance(more[0], Mapping) else {}
        kind = str(more[1]).lower() if len(more) > 1 else "image"
        if kind not in ("image", "labels"):
            others[kind] = None
        elif data is not None and len(images) < _MOST_IMAGES:
            default = address.stem if len(tuples) == 1 else f"{address.stem} · {len(images) + 1}"
            try:
                images.append(_Layer(data, meta, kind, default).image())
            except Exception as error:
                raise _failed(address, plugin, error) from error
    if not images:
        kinds = ", ".join(others) or "nothing that can be shown"
        raise Unsupported(
            f"The napari plugin {plugin} gives no image of {address.name}, but {kinds}."
        )
    if others:
        warning = f"The napari plugin {plugin} also gives {', '.join(others)}, which are left out."
        images[0] = replace(images[0], warnings=(*images[0].warnings, warning))
    return tuple(replace(image, format=f"npe2/{plugin}") for image in images)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One of napari's layer tuples: data, arguments of `add_image` or `add_labels`, type."""

    data: Any
    meta: Mapping[str, Any]
    kind: str
    default_name: str

    def image(self) -> Image:
        """The image that it describes.

        Raises:
            UsageError: its data are no array, or do not fit what is said of them.
        """
        levels = self._levels()
        finest = levels[0]
        count = len(finest.shape)
        channel = self._channel_axis(count)
        rgb = channel is None and self._is_rgb(finest)
        free = [i for i in range(count) if i != channel and not (rgb and i == count - 1)]
        names = self._names(len(free))
        axes = [""] * count
        for position, name in zip(free, names, strict=True):
            axes[position] = name
        if channel is not None or rgb:
            axes[count - 1 if channel is None else channel] = "c" if "c" not in names else "s"
        units = self._units(free, count)
        image = image_from_array(
            levels if len(levels) > 1 else finest,
            axes=axes,
            name=self._name(),
            scale=self._spread(self.meta.get("scale"), free, count, 1.0),
            translation=self._spread(self.meta.get("translate"), free, count, 0.0),
            units=units,
            kind="labels" if self.kind == "labels" else "image",
            rgb=rgb,
        )
        said = [*image.warnings]
        if any(not _is_plain(self.meta.get(name)) for name in ("affine", "rotate", "shear")):
            said.append(f"{image.name} is rotated or sheared, which is not shown.")
        image = replace(image, warnings=tuple(said))
        number = 1 if channel is None else int(finest.shape[channel])
        if image.kind == "labels" or rgb:
            return image
        return replace(image, channels=self._channels(number, channel is not None))

    def _levels(self) -> list[Any]:
        given = self.meta.get("multiscale")
        data: Any = self.data
        listed = isinstance(data, list | tuple) or type(data).__name__ == "MultiScaleData"
        if given or (given is None and listed):
            return list(data)
        return [data if hasattr(data, "shape") else np.asarray(data)]

    def _channel_axis(self, count: int) -> int | None:
        axis = self.meta.get("channel_axis")
        if self.kind == "labels" or not isinstance(axis, int | np.integer):
            return None
        return int(axis) % count if -count <= axis < count else None

    def _is_rgb(self, finest: Any) -> bool:
        given = self.meta.get("rgb")
        fits = len(finest.shape) > 2 and finest.shape[-1] in (3, 4) and self.kind == "image"
        if given is None:
            # As napari guesses.
            return fits and min(finest.shape[-3:-1]) > 30 and np.dtype(finest.dtype) == np.uint8
        return bool(given) and fits

    def _names(self, count: int) -> list[str]:
        given = self.meta.get("axis_labels")
        if isinstance(given, list | tuple) and len(given) == count:
            names = [shown(str(name)).lower() for name in given]
            usable = len(set(names)) == count and all(names)
            if usable and not any(re.fullmatch("axis -?[0-9]+", name) for name in names):
                return names
        # Never c: channels have an axis of their own in napari.
        return [*(f"d{i}" for i in range(count - 4)), *"tzyx"[max(0, 4 - count) :]]

    def _name(self) -> str:
        name = self.meta.get("name")
        return shown(name) if isinstance(name, str) and name else self.default_name

    def _spread(self, values: Any, free: Sequence[int], count: int, default: float) -> list[float]:
        """Numbers for the axes that napari counts, on all axes of the array."""
        spread = [default] * count
        try:
            given = [float(value) for value in values]
        except (TypeError, ValueError):
            return spread
        if not all(map(math.isfinite, given)):
            return spread
        # The last ones are meant where there are too few or too many, as in napari.
        for position, value in zip(reversed(free), reversed(given), strict=False):
            spread[position] = abs(value) or 1.0 if default == 1.0 else value
        return spread

    def _units(self, free: Sequence[int], count: int) -> list[str | None]:
        given = self.meta.get("units")
        units: list[str | None] = [None] * count
        if isinstance(given, str):
            given = [given] * len(free)
        if isinstance(given, list | tuple) and len(given) == len(free):
            for position, unit in zip(free, given, strict=True):
                units[position] = unit_called(str(unit))
        return units

    def _channels(self, count: int, separate: bool) -> tuple[Channel, ...]:
        """Names, windows and visibility, each given once or once per channel."""

        def each(name: str) -> list[Any]:
            value: Any = self.meta.get(name)
            nested = isinstance(value, list | tuple) and len(value) == count and separate
            return list(value) if nested else [value] * count

        channels: list[Channel] = []
        names, windows = each("name"), each("contrast_limits")
        for i, (name, window, colour, visible) in enumerate(
            zip(names, windows, each("colormap"), each("visible"), strict=True)
        ):
            named = isinstance(name, str) and name and separate
            channels.append(
                Channel(
                    shown(str(name)) if named else f"channel {i}",
                    colour=_COLOURS.get(colour) if isinstance(colour, str) else None,
                    window=_window(window),
                    visible=visible is not False,
                )
            )
        return tuple(channels)


def _window(value: Any) -> tuple[float, float] | None:
    try:
        low, high = (float(end) for end in value)
    except (TypeError, ValueError):
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _is_plain(transformation: Any) -> bool:
    """Whether a transformation is none, or changes nothing."""
    if transformation is None:
        return True
    try:
        matrix = np.asarray(transformation, np.float64)
    except (TypeError, ValueError):
        return False
    if matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]:
        return bool(np.array_equal(matrix, np.eye(len(matrix))))
    return not matrix.any()
