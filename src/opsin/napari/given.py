"""Given: a layer of napari as an input of an operation, with the place that it has in the viewer.

Layers of ours are given as the images that they show. Of others the arrays are: NumPy, Dask, zarr,
or anything else that napari draws. Nothing is read before the host asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from opsin.errors import UsageError
from opsin.images.image import Axis, Image, Level
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.napari.paintable import paintable_of, was_painted
from opsin.napari.volatile_array import VolatileArray

PIXELS = ("image", "labels")
"""Types of napari's layers that operations can be given."""
HIDDEN = "opsin-hidden"
"""Key in the metadata of layers that are no data of the user's: what helps to draw others."""
MOST_NAMED = "tzyx"
"""Names of the axes of a layer that names none itself, the last ones of them."""
SQUARE = 1e-6
"""Share of a pixel by which a layer may be turned and still be called upright."""


@dataclass(eq=False)
class Given:
    """A layer of napari as an input; to be closed when nothing reads it any more.

    Attributes:
        layer: what the host gets. Its axes are those of napari's layer, in its order.
        source: napari's layer.
        axes: their names.
    """

    layer: Layer
    source: Any
    axes: tuple[str, ...]
    _own: Image | None = None
    _kept: object = None

    def close(self) -> None:
        """Let go of arrays. Idempotent."""
        own, self._own, self._kept = self._own, None, None
        if own is not None:
            own.close()


def given(source: Any, *, frozen: bool = True) -> Given:
    """A layer of napari as an input of an operation.

    Args:
        source: napari's layer.
        frozen: what is painted on labels later is not in it. That takes a look at all of them:
            who only wants to know where they lie does without.

    Raises:
        UsageError: an operation cannot be given it.
    """
    kind = type_of(source)
    if kind not in PIXELS:
        raise UsageError(
            f"{source.name} is a layer of {kind}, which can only be given from Python."
        )
    scale, translation = place_of(source)
    first = source.data[0] if source.multiscale else source.data
    member = first.member if isinstance(first, VolatileArray) else None
    if member is not None:
        layer = _moved(member.layer, scale, translation, units_of(source))
        layer = replace(layer, name=source.name)
        return Given(layer, source, tuple(axis.name for axis in layer.axes), _kept=member)
    made_of = paintable_of(source)
    if made_of is not None and not (frozen and was_painted(source)):
        (layer,) = layers_of(made_of.image)
        layer = replace(_moved(layer, scale, translation, units_of(source)), name=source.name)
        return Given(layer, source, tuple(axis.name for axis in layer.axes), _kept=made_of)
    image = _plain(source, kind, scale, translation, frozen=frozen)
    return Given(Layer(source.name, image), source, image.axis_names[: source.ndim], _own=image)


def type_of(source: Any) -> str:
    """The type of a layer of napari, in small letters."""
    for one in type(source).__mro__:
        if one.__module__.startswith("napari.layers"):
            return one.__name__.lower()
    return type(source).__name__.lower()


def units_of(source: Any) -> tuple[str | None, ...]:
    """The unit along each axis of a layer of napari; None where it counts pixels."""
    named = (str(unit) for unit in source.units)
    return tuple(None if name in ("pixel", "dimensionless") else name for name in named)


def axes_of(source: Any) -> tuple[str, ...]:
    """Names of the axes of a layer of napari: its own if these make sense, or else t, z, y, x."""
    own = tuple(str(name).strip().lower() for name in source.axis_labels)
    if {"y", "x"} <= set(own) and len(set(own)) == len(own) and all(own):
        return own
    count = source.ndim
    beyond = tuple(f"axis-{number}" for number in range(count - len(MOST_NAMED)))
    return (*beyond, *MOST_NAMED[-count:])


def _plain(
    source: Any,
    kind: str,
    scale: Sequence[float],
    translation: Sequence[float],
    *,
    frozen: bool,
) -> Image:
    """An image over the arrays of a layer that is none of ours, where napari draws it."""
    levels = list(source.data) if source.multiscale else [source.data]
    if frozen and kind == "labels" and isinstance(levels[0], np.ndarray):
        levels = [np.array(level) for level in levels]
    rgb = bool(getattr(source, "rgb", False))
    names = axes_of(source)
    shape = levels[0].shape[: len(names)]
    ratios = [
        [a / b for a, b in zip(shape, level.shape[: len(names)], strict=True)] for level in levels
    ]
    image = image_from_array(
        levels if len(levels) > 1 else levels[0],
        axes=(*names, "samples") if rgb else names,
        name=source.name,
        scale=[
            [*(s * r for s, r in zip(scale, ratio, strict=True)), *[1.0] * rgb] for ratio in ratios
        ],
        translation=[
            [
                *(t + s * (r - 1) / 2 for t, s, r in zip(translation, scale, ratio, strict=True)),
                *[0.0] * rgb,
            ]
            for ratio in ratios
        ],
        units=(*units_of(source), *[None] * rgb),
        kind="labels" if kind == "labels" else "image",
        rgb=rgb,
    )
    # Along all of them napari has a slider: none is a channel to be chosen.
    axes = tuple(
        Axis(axis.name, "other", axis.unit)
        if axis.type == "channel" and number < len(names)
        else replace(axis, name="c" if number >= len(names) else axis.name)
        for number, axis in enumerate(image.axes)
    )
    if len({axis.name for axis in axes}) < len(axes):
        image.close()
        raise UsageError(f"{source.name} has colours, and an axis that is called c too: rename it.")
    return replace(image, axes=axes)


def _moved(
    layer: Layer,
    scale: Sequence[float],
    translation: Sequence[float],
    units: Sequence[str | None],
) -> Layer:
    """A layer of ours where napari has it now: users set scales, and move layers."""
    image, own = layer.image, layer.level(0)
    same = np.allclose(own.scale, scale, rtol=1e-9, atol=0) and np.allclose(
        own.translation, translation, rtol=1e-9, atol=1e-9 * min(map(abs, scale))
    )
    if same and tuple(axis.unit for axis in layer.axes) == tuple(units):
        return layer
    axes, finest = list(image.axes), image.levels[0]
    levels = [(list(level.scale), list(level.translation)) for level in image.levels]
    for place, axis in enumerate(layer.kept_axes):
        factor = scale[place] / finest.scale[axis]
        axes[axis] = replace(axes[axis], unit=units[place])
        for scales, translations in levels:
            scales[axis] *= factor
            beyond = (translations[axis] - finest.translation[axis]) * factor
            translations[axis] = translation[place] + beyond
    moved = tuple(
        Level(level.shape, level.chunks, tuple(scales), tuple(translations))
        for level, (scales, translations) in zip(image.levels, levels, strict=True)
    )
    # It is not what stands in its file any more: who repeats this has to keep it.
    return replace(layer, image=replace(image, axes=tuple(axes), levels=moved, origin=None))


def place_of(source: Any) -> tuple[list[float], list[float]]:
    """Scale and translation of a layer of napari, with its affine transform.

    Raises:
        UsageError: it is turned, sheared or mirrored.
    """
    count = source.ndim
    origin = np.asarray(source.data_to_world((0.0,) * count), np.float64)[-count:]
    columns = [
        np.asarray(source.data_to_world(tuple(corner)), np.float64)[-count:] - origin
        for corner in np.eye(count)
    ]
    matrix = np.stack(columns, 1)
    scale = np.diag(matrix)
    beside = np.abs(matrix - np.diag(scale)).max() if count > 1 else 0.0
    if beside > SQUARE * np.abs(matrix).max():
        raise UsageError(
            f"{source.name} is turned or sheared: reset its rotation, shear and affine first."
        )
    if not (scale > 0).all():
        raise UsageError(f"{source.name} is mirrored: give it a scale above 0 first.")
    return scale.tolist(), origin.tolist()
