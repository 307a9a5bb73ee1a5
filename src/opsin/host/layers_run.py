"""Layers run: a run whose operation gives layers, as functions of napari do.

How many there are, of which kind, and where each lies is known when the first call is made. From
then on it is a run like any other: the calls for the other planes have to give the same layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from opsin.errors import PluginError, WriteError
from opsin.host.calls import Program, call_once
from opsin.host.job import Result
from opsin.host.results import Ask, loop_place, result_image, write_table
from opsin.host.run import TABLES, Run, check_target, suffix_of
from opsin.host.selection import PIXELS, Selection
from opsin.images.image import Image
from opsin.images.layer_tuple import LayerTuple
from opsin.images.source import Array
from opsin.images.waiting import on_thread
from opsin.plugins.manifest import Operation, Output
from opsin.rpc.progress import Listener

LARGEST = 1e100
"""Of a scale or position that one can compute with."""

Found = Mapping[str, Any]
"""A layer as a worker gives it (`opsin.worker_napari`)."""


def gives_layers(operation: Operation) -> bool:
    """Whether what an operation gives is known only when it has given it."""
    return [output.kind for output in operation.outputs] == ["layers"]


def arrays_of(layers: Sequence[Found]) -> list[Any]:
    """The data of layers, for who wants arrays."""
    return [layer["data"] for layer in layers]


@dataclass(eq=False)
class LayersRun(Run):
    """One run in a worker, of an operation whose only output is layers."""

    _layers: list[Found] = field(default_factory=list)
    """Those of the first call, without those that cannot be shown."""
    _first: list[Any] | None = None
    _asking: Program = field(init=False)
    """With the output that the worker knows of."""

    def __post_init__(self) -> None:
        self._asking = self.program

    @classmethod
    def check_targets(cls, operation: Operation, targets: Sequence[Path]) -> None:
        """Raise unless something may be written there; what, is not known yet."""
        for path in targets:
            if path.exists() or path.is_symlink():
                raise WriteError(f"{path} exists already: choose another name, or remove it first.")
            if not path.parent.is_dir():
                raise WriteError(f"{path.parent} is no folder: make it first.")

    async def run(self) -> list[Result]:
        """Make the first call, and write what it and the others give."""
        self.job.enter("running")
        position = next(self.selection.positions())
        layers = await self._layers_at(position, self._told)
        self._layers = self._shown(layers)
        operation = self.program.operation
        outputs = tuple(_output(layer) for layer in self._layers)
        self.program = replace(self.program, operation=structs.replace(operation, outputs=outputs))
        self.targets = self._targets()
        if not self.selection.parts:
            return [await self._write_alone(number) for number in range(len(outputs))]
        self._first = arrays_of(self._layers)
        return await super().run()

    async def _ask(self, position: tuple[int, ...], listener: Listener) -> list[Any]:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        layers = self._shown(await self._layers_at(position, listener))
        kinds, expected = _kinds(layers), _kinds(self._layers)
        if kinds != expected:
            raise PluginError(
                f"One call gave {expected}, another {kinds}: they cannot be put together."
            )
        return arrays_of(layers)

    def _image_of(self, number: int, first: Array, ask: Ask) -> Image:
        layer = self._layers[number]
        return result_image(
            self.selection,
            axes_of(layer, self.selection),
            first,
            ask,
            name=self._name(number),
            kind="labels" if layer["kind"] == "labels" else "image",
            places=places_of(layer, self.selection),
            rgb=is_rgb(layer),
        )

    def _rows_of(self, number: int, value: Any, position: tuple[int, ...]) -> dict[str, list[Any]]:
        layer = self._layers[number]
        if layer["kind"] != "points" or not len(value):
            return super()._rows_of(number, value, position)
        columns = point_columns(layer, value, self.selection)
        where: dict[str, list[Any]] = {}
        for name, index, size in zip(
            self.selection.loops, position, self.selection.loop_shape, strict=True
        ):
            if size > 1 and name not in columns:
                where[name] = [loop_place(self.selection, name, index)] * len(value)
        return {**where, **columns}

    async def _write_alone(self, number: int) -> Result:
        """Write a layer that was made of nothing: it says by itself where it lies."""
        layer, path = self._layers[number], self.targets[number]
        name = self._name(number)
        if layer["kind"] in PIXELS:
            meta = {key: value for key, value in layer.items() if key not in ("data", "kind")}
            made = LayerTuple(layer["data"], {**meta, "name": name}, layer["kind"], name)
            image = made.image()
            for warning in image.warnings:
                self.job.say(warning)
            await self._write(image, path)
            return Result(image.kind, name, path)
        rows = point_columns(layer, layer["data"], self.selection)
        count = await on_thread(None, write_table, rows, path)
        return Result(layer["kind"], path.name, path, count)

    async def _layers_at(self, position: tuple[int, ...], listener: Listener) -> list[Found]:
        """All layers that a call gives."""
        (layers,) = await call_once(
            self._asking, self.selection, position, self.worker, listener, self.measured
        )
        for layer in layers:
            _check(self.program.operation, layer)
        return list(layers)

    def _told(self, done: float | None, total: float | None, text: str | None) -> None:
        self.job.progress(done, total, text or "")

    def _shown(self, layers: Sequence[Found]) -> list[Found]:
        """Those that can be written. What is left out is told once."""
        tell: Callable[[str], None] = (lambda _: None) if self._layers else self.job.say
        kept = [layer for layer in layers if layer["kind"] in (*PIXELS, *TABLES)]
        for layer in layers:
            if layer not in kept:
                tell(f"Left out, as Opsin does not show it yet: {layer['kind']} {_name(layer)}.")
            elif layer.get("turned"):
                tell(f"{_name(layer)} is rotated or sheared, which is not shown.")
        if not kept:
            kinds = ", ".join(layer["kind"] for layer in layers)
            said = f"gave {kinds}, which Opsin does not show yet" if kinds else "gave no layer"
            raise PluginError(f"{self.program.operation.title} {said}.")
        return kept

    def _name(self, number: int) -> str:
        return _name(self._layers[number]) or self.program.operation.title

    def _targets(self) -> list[Path]:
        """Where each layer goes: as it was asked for, further ones beside the first."""
        first, *others = self.targets
        base, suffix = _split(first)
        found: list[Path] = []
        for number, layer in enumerate(self._layers):
            own = suffix_of(layer["kind"])
            if number < len(others) + 1 and suffix:
                path = (first, *others)[number]
            else:
                end = "" if number == 0 else f"-{number + 1}"
                path = first.with_name(f"{base}{end}{own}")
            check_target(path, layer["kind"])
            found.append(path)
        return found


def axes_of(layer: Found, selection: Selection) -> tuple[str, ...]:
    """The axes of a layer's array, in its order: as those that it was made of, the last ones."""
    ndim = np.ndim(layer["data"]) - is_rgb(layer)
    worked = selection.axes or tuple("tzyx")
    free = [name for name in "tz" if name not in (*worked, *selection.loops)]
    more = [f"d{number}" for number in range(max(0, ndim - len(worked) - len(free)))]
    names = (*more, *free, *worked)[-ndim:] if ndim else ()
    return (*names, "c") if is_rgb(layer) else names


def is_rgb(layer: Found) -> bool:
    """Whether the last axis of a layer's array are colours."""
    shape = np.shape(layer["data"])
    return bool(layer.get("rgb")) and layer["kind"] == "image" and shape[-1:] in ((3,), (4,))


def places_of(layer: Found, selection: Selection) -> dict[str, tuple[float, float]]:
    """Scale and translation along the axes for which a layer says them."""
    names = [name for name in axes_of(layer, selection) if not (is_rgb(layer) and name == "c")]
    if layer["kind"] == "points":
        names = list(point_axes(layer["data"], selection))
    scale = _numbers(layer.get("scale"), len(names))
    translate = _numbers(layer.get("translate"), len(names))
    if scale is None and translate is None:
        return {}
    part = selection.first if selection.parts else None
    found: dict[str, tuple[float, float]] = {}
    for number, name in enumerate(names):
        known = part is not None and name in part.names
        axis = part.names.index(name) if part is not None and known else 0
        size = part.scale(axis) if part is not None and known else 1.0
        origin = part.origin(axis) if part is not None and known else 0.0
        if scale is not None:
            size = abs(scale[number]) or 1.0
        if translate is not None:
            origin = translate[number]
        found[name] = (size, origin)
    return found


def point_axes(value: Array, selection: Selection) -> tuple[str, ...]:
    """The axes of the positions of points, one for each column."""
    columns = value.shape[1] if value.ndim == 2 else 0
    worked = selection.axes or tuple("tzyx")
    more = [f"d{number}" for number in range(max(0, columns - len(worked)))]
    return tuple([*more, *worked][len(worked) + len(more) - columns :])


def point_columns(layer: Found, value: Array, selection: Selection) -> dict[str, list[Any]]:
    """Points with their positions in the world, or rows of what else a layer has; and its features.

    The features are left out where there is not one for each row.
    """
    flat = np.asarray(value).reshape(len(value), -1) if len(value) else np.empty((0, 2))
    if layer["kind"] == "points":
        places = places_of({**layer, "data": flat}, selection)
        columns = {}
        for number, name in enumerate(point_axes(flat, selection)):
            size, origin = places.get(name) or _place(selection, name)
            columns[name] = (origin + size * flat[:, number]).tolist()
    else:
        columns = {f"column-{number}": flat[:, number].tolist() for number in range(flat.shape[1])}
    for name, values in (layer.get("features") or {}).items():
        if len(values) == len(flat) and name not in columns:
            columns[str(name)] = values
    return columns


def _place(selection: Selection, name: str) -> tuple[float, float]:
    if not selection.parts or name not in selection.first.names:
        return 1.0, 0.0
    axis = selection.first.names.index(name)
    return selection.first.scale(axis), selection.first.origin(axis)


def _output(layer: Found) -> Output:
    return Output(kind=layer["kind"], title=_name(layer) or layer["kind"].capitalize())


def _check(operation: Operation, layer: Found) -> None:
    """Raise PluginError unless the pixels of a layer can be written."""
    if layer["kind"] not in PIXELS:
        return
    array = layer["data"]
    what = f"{operation.title} gave {layer['kind']} of shape {np.shape(array)}"
    if np.ndim(array) - is_rgb(layer) < 2 or np.size(array) == 0:
        raise PluginError(f"{what}, which is no picture.")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise PluginError(f"{what} and type {array.dtype}, which no image has.")


def _kinds(layers: Sequence[Found]) -> str:
    return ", ".join(layer["kind"] for layer in layers)


def _name(layer: Found) -> str:
    name = layer.get("name")
    return " ".join(name.split())[:200] if isinstance(name, str) else ""


def _numbers(value: Any, count: int) -> list[float] | None:
    """`count` numbers, the last ones where there are more, as in napari."""
    if not isinstance(value, (list, tuple)) or len(value) < count or not count:
        return None
    try:
        numbers = [float(one) for one in value[-count:]]
    except (TypeError, ValueError):
        return None
    fine = all(math.isfinite(one) and abs(one) <= LARGEST for one in numbers)
    return numbers if fine else None


def _split(path: Path) -> tuple[str, str]:
    """A file's name and what it ends with, if that says what is in it."""
    for suffix in (".ome.zarr", ".zarr", ".csv", ".parquet"):
        if path.name.endswith(suffix) and path.name != suffix:
            return path.name.removesuffix(suffix), suffix
    return path.name, ""
