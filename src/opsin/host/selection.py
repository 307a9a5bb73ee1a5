"""Selection: what an operation works on: which pixels of which layers, call by call. Pure.

An operation works on some axes (`yx`). Over the other axes it is called once for each position.
Several inputs are cut to the pixels that all of them have.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from opsin.chunks.camera import Camera, slice_index, target_level
from opsin.errors import Unsupported, UsageError
from opsin.images.layer import Layer
from opsin.images.points.rows import ROWS, Rows
from opsin.plugins.manifest import DEFAULT_AXES, Input, Operation

PIXELS = ("image", "labels")
"""Inputs that are read from images."""
_ONLY_PYTHON = "can only be given from Python"
COLOURS = 3
"""Red, green and blue."""
ALIGNED = 0.01
"""Pixels by which two inputs may be apart and still lie on the same pixels."""


@dataclass(frozen=True, slots=True)
class Visible:
    """Run on what a canvas shows, at the level that it shows it at."""

    camera: Camera


@dataclass(frozen=True, slots=True)
class Whole:
    """Run on all of one level.

    `position` gives the world position on axes that the operation does not work on; over those
    that it does not name, and over all if it is None, the operation is called for every position.
    """

    level: int = 0
    position: Mapping[str, float] | None = None


Where = Visible | Whole


@dataclass(frozen=True, slots=True)
class Part:
    """A box of one level of a layer's image; one entry per axis of the *image*, in level pixels.

    Of colours it has red, green and blue, also where a call gets their luminance.
    """

    layer: Layer
    level: int
    start: tuple[int, ...]
    stop: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The axes of the image."""
        return self.layer.image.axis_names

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along every axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    def scale(self, axis: int) -> float:
        """World units per pixel."""
        return self.layer.image.levels[self.level].scale[axis]

    def origin(self, axis: int) -> float:
        """World position of the centre of the first pixel."""
        geometry = self.layer.image.levels[self.level]
        return geometry.translation[axis] + geometry.scale[axis] * self.start[axis]


@dataclass(frozen=True, slots=True)
class Selection:
    """Inputs, cut to the same pixels.

    Attributes:
        axes: that one call works on, in the order of the operation.
        loops: axes over which it is called, in the order of the first image.
        parts: by the name of the input; the first one is what the result lies on. None of an
            operation that takes no image, which is called once; `axes` are those of its points
            then.
        rows: points, shapes and tables by the name of the input. Points are given to a call as
            far as they lie on its pixels.
    """

    axes: tuple[str, ...]
    loops: tuple[str, ...]
    parts: Mapping[str, Part] = field(default_factory=dict)
    rows: Mapping[str, Rows] = field(default_factory=dict)

    @property
    def first(self) -> Part:
        """What the result lies on."""
        return next(iter(self.parts.values()))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what one call gets."""
        if not self.parts:
            return ()
        return tuple(self.first.shape[self.first.names.index(name)] for name in self.axes)

    @property
    def loop_shape(self) -> tuple[int, ...]:
        """Calls along each of `loops`."""
        if not self.parts:
            return ()
        return tuple(self.first.shape[self.first.names.index(name)] for name in self.loops)

    @property
    def calls(self) -> int:
        """How often the operation is called."""
        return math.prod(self.loop_shape)

    @property
    def voxels(self) -> int:
        """Of one call; without an image, the numbers in its rows."""
        if not self.parts:
            return max(1, sum(one.count * max(len(one.axes), 1) for one in self.rows.values()))
        return math.prod(self.shape)

    def positions(self) -> Iterator[tuple[int, ...]]:
        """One index along `loops` for every call."""
        return itertools.product(*map(range, self.loop_shape))

    def box(self, name: str, position: tuple[int, ...]) -> Part:
        """The part of an input that the call at `position` gets: one pixel long along `loops`."""
        part = self.parts[name]
        start, stop = list(part.start), list(part.stop)
        for loop, index in zip(self.loops, position, strict=True):
            if loop in part.names:
                axis = part.names.index(loop)
                start[axis] += index if part.shape[axis] > 1 else 0
                stop[axis] = start[axis] + 1
        return replace(part, start=tuple(start), stop=tuple(stop))


Given = Layer | Rows


def select(operation: Operation, layers: Mapping[str, Given], where: Where) -> Selection:
    """What `operation` works on, if it is run on `layers` (by the name of the input) there.

    Points, shapes and tables are given whole, or, beside an image, as far as they lie on it.

    Raises:
        UsageError: an input is missing, has not the axes, lies elsewhere, or nothing is visible.
    """
    chosen: dict[str, Layer] = {}
    rows: dict[str, Rows] = {}
    axes: tuple[str, ...] = ()
    for given in operation.inputs:
        layer = layers.get(given.name)
        if given.kind not in (*PIXELS, *ROWS):
            raise UsageError(f"{operation.title} takes {given.kind}, which {_ONLY_PYTHON}.")
        if layer is None:
            if given.optional:
                continue
            raise UsageError(_missing(operation, given))
        if given.kind in ROWS:
            rows[given.name] = _rows(operation, given, layer)
            continue
        if isinstance(layer, Rows):
            raise UsageError(f"{layer.name} is no {given.kind}: {_missing(operation, given)}")
        own = tuple(given.axes or DEFAULT_AXES)
        missing = [name for name in own if name not in layer.image.axis_names]
        if missing:
            has = ", ".join(layer.image.axis_names)
            raise UsageError(
                f"{operation.title} works on the axes {', '.join(own)}, but {layer.name} has {has}."
            )
        if not chosen:
            axes = own
        elif own != axes:
            raise UsageError(f"The inputs of {operation.title} have different axes.")
        chosen[given.name] = layer
    if not chosen:
        if not rows and operation.inputs:
            raise UsageError(f"{operation.title} got no input: name one.")
        return Selection(_axes_of(operation, rows), (), {}, rows)
    name, *others = chosen
    first = _first(chosen[name], axes, where)
    loops = tuple(name for name in first.names if name not in axes and _varies(first.layer, name))
    for one in rows.values():
        _check_on(one, first, axes)
    parts = {name: first}
    for other in others:
        parts = _aligned(parts, other, chosen[other], axes, loops, where)
    return Selection(axes, loops, parts, rows)


def _missing(operation: Operation, given: Input) -> str:
    named = {"image": "an image", "labels": "an image", "table": "a table"}
    what = named.get(given.kind, given.kind)
    return f"{operation.title} needs {what} for its input {given.name!r}: name one."


def _rows(operation: Operation, given: Input, layer: Given) -> Rows:
    """What is given for an input that takes no pixels.

    Raises:
        UsageError: pixels, or rows that are something else.
    """
    if not isinstance(layer, Rows):
        raise UsageError(
            f"{operation.title} takes {given.kind} as its input {given.name!r}, and {layer.name} "
            "is an image."
        )
    try:
        return layer.said_to_be(given.kind)  # type: ignore[arg-type] # one of ROWS
    except Unsupported as error:
        raise UsageError(str(error)) from error


def _axes_of(operation: Operation, rows: Mapping[str, Rows]) -> tuple[str, ...]:
    """The axes of points that are given without an image."""
    placed = [one for one in rows.values() if one.axes]
    for one in placed[1:]:
        if one.axis_names != placed[0].axis_names:
            raise UsageError(
                f"The inputs of {operation.title} have different axes: {placed[0].name} has "
                f"{', '.join(placed[0].axis_names)}, {one.name} has {', '.join(one.axis_names)}."
            )
    return placed[0].axis_names if placed else ()


def _check_on(rows: Rows, first: Part, axes: tuple[str, ...]) -> None:
    """Raise unless it can be said where points lie on the pixels of an image."""
    if not rows.axes:
        return
    lacking = [name for name in axes if name not in rows.axis_names]
    beyond = [name for name in rows.axis_names if name not in first.names]
    if lacking or beyond:
        raise UsageError(
            f"{rows.name} has positions along {', '.join(rows.axis_names)}, but "
            f"{first.layer.name} has the axes {', '.join(first.names)}: they do not fit together."
        )


def colour_axis(layer: Layer, axes: tuple[str, ...]) -> int | None:
    """The axis of red, green and blue of which a call along `axes` gets the luminance, or None."""
    image, axis = layer.image, layer.image.channel_axis
    mixed = image.rgb and layer.channel is None and axis is not None
    return axis if mixed and axis is not None and image.axis_names[axis] not in axes else None


def _varies(layer: Layer, name: str) -> bool:
    """Whether a run goes over this axis, if no call does: not over the channel axis of a layer
    that is one channel, or has colours.
    """
    is_channel = layer.image.axis(name) == layer.image.channel_axis
    return not is_channel or (layer.channel is None and not layer.image.rgb)


def _first(layer: Layer, axes: tuple[str, ...], where: Where) -> Part:
    """The part of the first input, which decides the level."""
    image = layer.image
    if isinstance(where, Whole):
        if not 0 <= where.level < len(image.levels):
            levels = f"levels 0 to {len(image.levels) - 1}"
            raise UsageError(f"{layer.name} has {levels}, not {where.level}.")
        start, stop = _held(layer, where.level, axes, where)
        return Part(layer, where.level, tuple(start), tuple(stop))
    if not set(where.camera.displayed) <= {axis.name for axis in layer.axes}:
        shown = " and ".join(where.camera.displayed)
        raise UsageError(f"{layer.name} is not visible: it has no axes {shown}.")
    level = target_level(layer, where.camera)
    start, stop = _held(layer, level, axes, where)
    low, high = where.camera.rect[:2], where.camera.rect[2:]
    for place, name in enumerate(where.camera.displayed):
        axis = image.axis(name)
        geometry = image.levels[level]
        offset, scale = geometry.translation[axis], geometry.scale[axis]
        start[axis] = max(start[axis], math.floor((low[place] - offset) / scale + 0.5))
        stop[axis] = min(stop[axis], math.ceil((high[place] - offset) / scale + 0.5))
        if start[axis] >= stop[axis]:
            raise UsageError(f"Nothing of {layer.name} is visible: move it into view.")
    return Part(layer, level, tuple(start), tuple(stop))


def _held(
    layer: Layer, level: int, axes: tuple[str, ...], where: Where
) -> tuple[list[int], list[int]]:
    """All of a level, but one pixel where the layer is one channel, or the sliders stand."""
    image = layer.image
    shape = image.levels[level].shape
    start, stop = [0] * len(shape), list(shape)
    channel = image.channel_axis
    if channel is not None and layer.channel is not None and image.axis_names[channel] not in axes:
        start[channel], stop[channel] = layer.channel, layer.channel + 1
    colours = colour_axis(layer, axes)
    if colours is not None:
        stop[colours] = COLOURS  # and no transparency
    if isinstance(where, Visible):
        position, free = where.camera.position, (*axes, *where.camera.displayed)
    else:
        position, free = where.position or {}, axes
    fixed = {
        name: world
        for name, world in position.items()
        if name in image.axis_names and name not in free
    }
    indices = slice_index(layer, level, Camera((0, 0), 1, (1, 1), fixed, displayed=("", "")))
    if indices is None:
        raise UsageError(f"{layer.name} has nothing at the position of the sliders.")
    for axis, index in zip(layer.kept_axes, indices, strict=True):
        if image.axis_names[axis] in fixed:
            start[axis], stop[axis] = index, index + 1
    return start, stop


def _aligned(
    parts: dict[str, Part],
    name: str,
    layer: Layer,
    axes: tuple[str, ...],
    loops: tuple[str, ...],
    where: Where,
) -> dict[str, Part]:
    """`parts` and that of a further input, laid on the pixels of the first; all cut to both."""
    first = next(iter(parts.values()))
    level, shift = _matching_level(first, layer, axes)
    shape = layer.image.levels[level].shape
    start, stop = _held(layer, level, axes, where)
    cut: dict[str, tuple[int, int]] = {}
    for axis, axis_name in enumerate(layer.image.axis_names):
        if axis_name in shift:
            mine = first.names.index(axis_name)
            low = max(first.start[mine] + shift[axis_name], 0)
            high = min(first.stop[mine] + shift[axis_name], shape[axis])
            if low >= high:
                raise UsageError(f"{layer.name} and {first.layer.name} do not overlap there.")
            start[axis], stop[axis] = low, high
            cut[axis_name] = (low - shift[axis_name], high - shift[axis_name])
        elif stop[axis] - start[axis] > 1 and axis != colour_axis(layer, axes):
            has = "one" if axis_name in first.names else "none"
            channels = axis == layer.image.channel_axis
            raise UsageError(
                f"{layer.name} has {stop[axis] - start[axis]} positions along {axis_name}, "
                f"{first.layer.name} has {has}: "
                f"{'choose one of its channels' if channels else 'run on the slice that is shown'}"
                ", or choose another layer."
            )
    moved = Part(layer, level, tuple(start), tuple(stop))
    return {**{one: _cut(part, first, cut) for one, part in parts.items()}, name: moved}


def _matching_level(first: Part, layer: Layer, axes: tuple[str, ...]) -> tuple[int, dict[str, int]]:
    """The level of `layer` whose pixels are those of `first`, and by how many it is shifted."""
    image = layer.image
    for number, level in enumerate(image.levels):
        shifts: dict[str, int] = {}
        for mine, name in enumerate(first.names):
            if name not in image.axis_names:
                continue
            if name not in axes and not (_varies(first.layer, name) and _varies(layer, name)):
                continue
            axis = image.axis(name)
            if name not in axes and level.shape[axis] == 1:
                continue
            scale = first.scale(mine)
            zero = first.origin(mine) - first.start[mine] * scale
            shift = (zero - level.translation[axis]) / scale
            drift = abs(level.scale[axis] / scale - 1) * max(level.shape[axis], 1)
            if drift > ALIGNED or abs(shift - round(shift)) > ALIGNED:
                break
            shifts[name] = round(shift)
        else:
            return number, shifts
    raise UsageError(
        f"{layer.name} has no level whose pixels are those of {first.layer.name} "
        f"at level {first.level}: choose another level, or other layers."
    )


def _cut(part: Part, first: Part, cut: Mapping[str, tuple[int, int]]) -> Part:
    """`part` cut by ranges that are given in pixels of `first`."""
    start, stop = list(part.start), list(part.stop)
    for name, (low, high) in cut.items():
        if name in part.names:
            axis, mine = part.names.index(name), first.names.index(name)
            if part.shape[axis] != first.shape[mine]:
                continue  # one pixel, the same for every position
            start[axis] += low - first.start[mine]
            stop[axis] += high - first.stop[mine]
    return replace(part, start=tuple(start), stop=tuple(stop))
