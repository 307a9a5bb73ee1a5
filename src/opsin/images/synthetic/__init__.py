"""Synthetic images: of any size and 2 to 5 dimensions, computed from a formula, chunk by chunk.

`catalogue` lists the formulas and `generator` says what one is; each has a module of its own.
Chunks are computed when they are asked for and stored nowhere.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from opsin.errors import Unsupported, UsageError
from opsin.images.image import Axis, AxisType, Channel, Image, Level
from opsin.images.synthetic.catalogue import generator
from opsin.images.synthetic.generator import AXES, SPACE, Generator
from opsin.images.synthetic.source import Computed, largest

PLANE_CHUNK, VOLUME_CHUNK = 512, 64
"""Sides of chunks, by default: those of the bricks that views are made of."""

SIZES = {"t": 16, "c": 3}
"""Pixels along axes that are not in space, by default."""

LARGEST = {False: 1 << 30, True: 1 << 24}
"""The longest side in space, by whether there is a z axis: ids of cells fit into 64 bits."""

MOST = {"t": 1 << 20, "c": 64}
MOST_IN_CHUNK = 1 << 24
LARGEST_COARSEST = 1 << 14
"""A coarsest level of more rows or columns could not be shown: too much would be computed."""

LABEL_DTYPES = ("uint8", "uint16", "uint32", "uint64")
IMAGE_DTYPES = (*LABEL_DTYPES[:3], "int8", "int16", "int32", "float16", "float32", "float64")

_TYPES: Mapping[str, AxisType] = {"t": "time", "c": "channel"}
_COLOURS = (("red", "ff0000"), ("green", "00ff00"), ("blue", "0000ff"))


def synthetic_image(
    name: str,
    *,
    axes: str | None = None,
    size: int | Sequence[int] | None = None,
    dtype: str | None = None,
    levels: int | None = None,
    chunk: int | Sequence[int] | None = None,
) -> Image:
    """An image, or labels, that is computed and not stored.

    A pixel is one world unit wide, without a unit. The default is 2^27 pixels square, or 2^20
    voxels cubed, with levels down to 512 pixels square, or 64 voxels cubed; each level halves all
    axes in space.

    Args:
        name: `cells` (labels), `checkerboard`, `julia`, `mandelbrot` or `mandelbulb`.
        axes: some of t, c, z, y, x, in this order, y and x among them: `"tzyx"`. In `"yxc"` and
            the like the channels are red, green and blue (of `julia` and `mandelbrot`).
        size: pixels of level 0 along z, y and x, or along each axis.
        dtype: of integers, all of the range from 0 is used; of floats, 0 to 1. Labels are unsigned,
            and their ids are certain to be unique where they fit.
        levels: how many.
        chunk: the sides of a chunk along z, y and x, or along each axis.

    Raises:
        UsageError: there is no such formula, or a setting makes no sense.
        Unsupported: numba is not installed.
    """
    formula = generator(name)
    if formula.compiled and importlib.util.find_spec("numba") is None:
        raise Unsupported(
            f"Synthetic {name} is computed by numba, which is missing: pip install opsin[numba]."
        )
    axes = _checked_axes(formula, axes if axes is not None else formula.axes)
    kind = np.dtype(_checked_dtype(formula, axes, dtype))
    shape = _shape(formula, axes, size)
    chunks = _chunks(formula, axes, shape, chunk)
    count = _level_count(name, axes, shape, levels)
    geometry = tuple(_level(formula, axes, shape, chunks, number) for number in range(count))
    return Image(
        name=name,
        axes=tuple(Axis(axis, _axis_type(formula, axis)) for axis in axes),
        levels=geometry,
        dtype=kind,
        source=Computed(formula, axes, geometry, kind),
        kind=formula.kind,
        channels=_channels(formula, axes, shape, kind),
        rgb=axes.endswith("c"),
    )


def _checked_axes(formula: Generator, axes: str) -> str:
    spatial = axes.removesuffix("c") if formula.colour else axes
    ordered = "".join(axis for axis in AXES if axis in spatial)
    if ordered != spatial or not spatial.endswith("yx") or axes.count("c") > 1:
        raise UsageError(
            f"Synthetic {formula.name} cannot have the axes {axes!r}: give yx, and any of t, c and "
            f"z before it{', or c behind it for colour' if formula.colour else ''}, as in tczyx."
        )
    return axes


def _checked_dtype(formula: Generator, axes: str, dtype: str | None) -> str:
    if dtype is None:
        return "uint8" if axes.endswith("c") else formula.dtype
    possible = LABEL_DTYPES if formula.kind == "labels" else IMAGE_DTYPES
    if dtype not in possible:
        raise UsageError(
            f"Synthetic {formula.name} cannot be of type {dtype!r}: give one of "
            f"{', '.join(possible)}."
        )
    return dtype


def _shape(formula: Generator, axes: str, size: int | Sequence[int] | None) -> tuple[int, ...]:
    if size is None:
        size = formula.volume if "z" in axes else formula.plane
    sizes = _per_axis("size", axes, size, SIZES)
    for axis, length in zip(axes, sizes, strict=True):
        most = LARGEST["z" in axes] if axis in SPACE else MOST[axis]
        if not 1 <= length <= most:
            raise UsageError(f"Along {axis} an image can have 1 to {most} pixels, not {length}.")
    if axes.endswith("c") and sizes[-1] != len(_COLOURS):
        raise UsageError(f"A picture in colour has 3 channels, not {sizes[-1]}.")
    return sizes


def _chunks(
    formula: Generator, axes: str, shape: Sequence[int], chunk: int | Sequence[int] | None
) -> tuple[int, ...]:
    # The channels of a fractal are computed together, at the cost of one.
    others = {"t": 1, "c": MOST["c"] if formula.kind == "image" else 1}
    if chunk is None:
        chunk = VOLUME_CHUNK if "z" in axes else PLANE_CHUNK
    chunks = _per_axis("chunk", axes, chunk, others)
    if min(chunks) < 1:
        raise UsageError("A chunk has at least one pixel along every axis.")
    if axes.endswith("c"):
        chunks = (*chunks[:-1], len(_COLOURS))
    chunks = tuple(map(min, chunks, shape))
    if math.prod(chunks) > MOST_IN_CHUNK:
        raise UsageError(
            f"A chunk of {' × '.join(map(str, chunks))} is too large: it can have "
            f"{MOST_IN_CHUNK} pixels."
        )
    return chunks


def _per_axis(
    what: str, axes: str, given: int | Sequence[int], others: Mapping[str, int]
) -> tuple[int, ...]:
    """One number per axis, from one for the axes in space or from one for each."""
    if isinstance(given, int):
        return tuple(given if axis in SPACE else others[axis] for axis in axes)
    if len(given) != len(axes):
        raise UsageError(
            f"{what} has {len(given)} numbers for the axes {axes}: give one for z, y and x "
            "together, or one for each axis."
        )
    return tuple(given)


def _level_count(name: str, axes: str, shape: Sequence[int], levels: int | None) -> int:
    def halvings(sizes: Sequence[int], target: int) -> int:
        return max((-(-size // target) - 1).bit_length() for size in sizes)

    sizes = [size for axis, size in zip(axes, shape, strict=True) if axis in SPACE]
    if levels is None:
        return 1 + halvings(sizes, VOLUME_CHUNK if "z" in axes else PLANE_CHUNK)
    fewest, most = 1 + halvings(sizes[-2:], LARGEST_COARSEST), 1 + halvings(sizes, 1)
    if not fewest <= levels <= most:
        raise UsageError(
            f"Synthetic {name} of this size can have {fewest} to {most} levels, not {levels}."
        )
    return levels


def _level(
    formula: Generator, axes: str, shape: Sequence[int], chunks: Sequence[int], number: int
) -> Level:
    step = 1 << number
    middle = 0.0 if formula.kind == "labels" else (step - 1) / 2
    sides = [
        -(-size // step) if axis in SPACE else size
        for axis, size in zip(axes, shape, strict=True)
    ]  # fmt: skip
    return Level(
        shape=tuple(sides),
        chunks=tuple(map(min, chunks, sides)),
        scale=tuple(float(step) if axis in SPACE else 1.0 for axis in axes),
        translation=tuple(middle if axis in SPACE else 0.0 for axis in axes),
    )


def _axis_type(formula: Generator, axis: str) -> AxisType:
    if axis in SPACE:
        return "space"
    # Channels become layers, but labels of several channels are one layer with a slider.
    return "other" if axis == "c" and formula.kind == "labels" else _TYPES[axis]


def _channels(
    formula: Generator, axes: str, shape: Sequence[int], dtype: npt.DTypeLike
) -> tuple[Channel, ...]:
    """Names, colours and contrast limits: all that the formula can give."""
    if formula.kind == "labels" or axes.endswith("c"):
        return ()
    window = (0.0, largest(np.dtype(dtype)))
    count = shape[axes.index("c")] if "c" in axes else 1
    if count == len(_COLOURS):
        return tuple(Channel(name, colour, window) for name, colour in _COLOURS)
    if count == 1:
        return (Channel(formula.name, None, window),)
    return tuple(Channel(f"{formula.name} {number}", None, window) for number in range(count))
