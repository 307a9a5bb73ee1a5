"""Step: what is recorded of one run, so that it can be told, repeated and undone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from opsin.host.selection import Part, Selection, colour_axis
from opsin.images.crop import Cut, place_in_whole
from opsin.images.image import Image, Kind
from opsin.images.layer import Layer
from opsin.plugins.manifest import Operation, Scalar


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An input as a run took it. Of points, shapes and tables that is all of them.

    Attributes:
        layer: its name.
        address: where the image was opened: number `number` of those that are there, and what its
            pixels were said to be. '' if it cannot be opened again; `lost` says why.
        content: what tells whether the pixels that were taken are the same; '' if unknown. See
            `opsin.images.content`.
        level: of the image.
        cut: by axis, what was taken of that level; all along the others.
    """

    layer: str
    address: str = ""
    number: int = 0
    kind: Kind | None = None
    lost: str = ""
    content: str = ""
    level: int = 0
    cut: dict[str, Cut] = {}

    @property
    def is_whole(self) -> bool:
        """Whether all of the finest level was taken."""
        return self.level == 0 and not self.cut


class Given(msgspec.Struct, frozen=True):
    """An output of a run: its kind, its name, and the file or folder that it was written to."""

    kind: str
    name: str
    path: str


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run.

    Attributes:
        id: of its job.
        front_end: where it was asked for: `browser`, `napari`, `command line`, `python`.
        plugin: the plugin's file or address; `name`, `version` and `digest` (SHA-256) are those of
            the plugin as it was, and `packages` what it ran with, such as `numpy==2.3.1`.
        parameters: all values. `changed` are those that are not the defaults.
        outputs: in the order in which the operation gives them; none if it was not done.
        axes: that it was asked to work on; '': its own.
        seed: of the random numbers of Python and NumPy, when each call began.
        isolation: what kept the plugin apart, such as `bubblewrap (files, network)` (see
            `opsin.workers.isolation`); '' if it never came to run.
        permissions: what the plugin was allowed beside what every plugin may, such as `network` and
            `files=/data/models`; `once` is what of that was given for this run alone.
        started: seconds since 1970.
        timings: seconds spent in each state of the job.
        undone: whether it does not count any more.
    """

    id: str
    front_end: str
    plugin: str
    name: str
    version: str
    digest: str
    packages: tuple[str, ...]
    operation: str
    title: str
    parameters: dict[str, Scalar]
    changed: tuple[str, ...]
    inputs: dict[str, Taken]
    outputs: tuple[Given, ...]
    state: str
    error: str = ""
    axes: str = ""
    seed: int
    isolation: str
    permissions: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    started: float
    timings: dict[str, float]
    opsin: str
    undone: bool = False

    @property
    def counts(self) -> bool:
        """Whether it gave something that has not been undone."""
        return self.state == "done" and not self.undone


def taken_of(part: Part, axes: Sequence[str]) -> tuple[Taken, Image]:
    """What a selection takes of a layer, but for its content, and the image that it is taken of.

    That is the whole image, where the layer shows a part of one. `axes` are those of one call.
    """
    layer = part.layer
    box: dict[str, Cut] = {}
    for axis, name in enumerate(part.names):
        box[name] = part.start[axis], part.stop[axis]
        if axis == colour_axis(layer, tuple(axes)):
            box[name] = 0, layer.image.levels[part.level].shape[axis]  # as when all of it is given
        elif _is_one_channel(layer, axis) and name not in axes:
            box[name] = part.start[axis]
    whole, level, box = place_in_whole(layer.image, part.level, box)
    full = dict(zip(whole.axis_names, whole.levels[level].shape, strict=True))
    cut = {name: one for name, one in box.items() if one != (0, full[name])}
    origin = whole.origin
    if origin is None:
        return Taken(layer=layer.name, level=level, cut=cut), whole
    found = Taken(
        layer=layer.name,
        address=origin.address,
        number=origin.number,
        kind=origin.kind,
        level=level,
        cut=cut,
    )
    return found, whole


def taken(selection: Selection) -> dict[str, Taken]:
    """What a selection takes, by the name of the input."""
    found = {name: taken_of(part, selection.axes)[0] for name, part in selection.parts.items()}
    for name, rows in selection.rows.items():
        address = rows.origin.address if rows.origin is not None else ""
        found[name] = Taken(layer=rows.name, address=address)
    return found


def changed(operation: Operation, parameters: Mapping[str, Scalar]) -> tuple[str, ...]:
    """The parameters whose values are not the defaults."""
    return tuple(
        one.name
        for one in operation.parameters
        if one.name in parameters and (one.required or parameters[one.name] != one.default)
    )


def needed(steps: Iterable[Step], wanted: Iterable[str]) -> list[Step]:
    """The steps with these ids, and those before whose results they took. In the same order."""
    known = list(steps)
    made = {given.path: step.id for step in known for given in step.outputs}
    keep = set(wanted)
    for step in reversed(known):
        if step.id in keep:
            keep |= {made[one.address] for one in step.inputs.values() if one.address in made}
    return [step for step in known if step.id in keep]


def dependent(steps: Iterable[Step], id: str) -> list[Step]:
    """The steps that took a result of this one, or of one that did. In the same order."""
    found: list[Step] = []
    paths: set[str] = set()
    for step in steps:
        if step.id == id or any(one.address in paths for one in step.inputs.values()):
            paths |= {given.path for given in step.outputs}
            if step.id != id:
                found.append(step)
    return found


def encode(step: Step) -> str:
    """As JSON."""
    return msgspec.json.encode(step).decode()


def decode(text: Any) -> Step | None:
    """The step; None if this is none, because another version of Opsin wrote it."""
    try:
        return msgspec.json.decode(text or "", type=Step)
    except (msgspec.DecodeError, TypeError, UnicodeError):
        return None


def _is_one_channel(layer: Layer, axis: int) -> bool:
    return layer.channel is not None and axis == layer.image.channel_axis
