"""Layer tuple: what napari's readers and functions give, as an image: data, attributes, type."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from opsin.images.image import Channel, Image
from opsin.images.layer import NAMED
from opsin.images.memory import image_from_array
from opsin.images.text import shown
from opsin.images.units import unit_called

_COLOURS = {name: colour for colour, name in NAMED.items()}


@dataclass(frozen=True, slots=True)
class LayerTuple:
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
            if usable and not any(re.fullmatch("(axis )?-?[0-9]+", name) for name in names):
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
