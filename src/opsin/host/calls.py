"""Calls: one run of an operation on a selection, call by call, in a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from opsin.errors import PluginError
from opsin.host.inputs import lazy_part, metadata_of, read_part
from opsin.host.permissions import NOTHING, Allowed
from opsin.host.registry import Registered
from opsin.host.row_inputs import row_input, row_metadata
from opsin.host.selection import PIXELS, Selection
from opsin.images.source import Array
from opsin.images.waiting import on_thread
from opsin.plugins.manifest import DEFAULT_AXES, Operation, Output, Plugin, Scalar
from opsin.rpc.progress import Listener
from opsin.worker_main import Answer, Call
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.isolation.visible import beside
from opsin.workers.worker import Worker

FIRST_SEED = 0
"""Of the first call of a run; each call has the next number, so that a run can be repeated."""

Dtype: TypeAlias = np.dtype[np.generic]
Measured = Callable[[int, Answer], None]


@dataclass(frozen=True, slots=True)
class Program:
    """What is called: an operation of a plugin's file, with its parameters.

    `axes` are those that it was asked to work on; '' if it was not. `allowed` is all that it may
    use beside what every plugin may, and `once` what of that was given for this run alone.
    `in_process`: it runs in this process, and nothing keeps it apart. `work` holds the repositories
    that the plugin asks for. `alone`: what lies beside it has nothing to do with it. `anew`: it
    runs, whatever is kept of earlier runs.
    """

    registered: Registered
    plugin: Plugin
    operation: Operation
    parameters: Mapping[str, Scalar]
    axes: str = ""
    allowed: Allowed = NOTHING
    once: Allowed = NOTHING
    in_process: bool = False
    work: Path | None = None
    alone: bool = False
    anew: bool = False

    def call(
        self,
        inputs: dict[str, Any],
        metadata: dict[str, dict[str, Any]],
        seed: int = FIRST_SEED,
    ) -> Call:
        """The message to a worker."""
        operation = self.operation
        return Call(
            file=str(self.registered.path),
            digest=self.plugin.digest,
            function=operation.name,
            inputs={given.name: inputs.get(given.name) for given in operation.inputs},
            parameters={**self.parameters, **{name: str(path) for name, path in self.files()}},
            outputs=tuple(output.kind for output in operation.outputs),
            paths=tuple(p.name for p in operation.parameters if p.format == "path"),
            enums={p.name: p.enum_class for p in operation.parameters if p.enum_class},
            metadata={
                name: metadata[about]
                for name, about in operation.metadata.items()
                if about in metadata
            },
            entry=operation.entry,
            napari=self.plugin.kind == "napari",
            role=operation.role,
            layers={
                given.name: {"kind": given.kind, **metadata.get(given.name, {})}
                for given in operation.inputs
                if given.as_layer
            },
            seed=seed,
            work="" if self.work is None else str(self.work),
        )

    def sandbox(self) -> Sandbox:
        """What a worker may see that runs this: the plugin and what lies beside it, and files that
        are given as parameters. Of a file that a reader is to read, what lies beside it as well.
        And what the plugin is allowed.
        """
        given = self.allowed
        own = self.registered.path
        reads = [*([own] if self.alone else beside(own)), *given.folders]
        reads += [] if self.work is None else [self.work]
        for _, path in self.files():
            reads += beside(path) if self.operation.role == "reader" else [path]
        return Sandbox(tuple(dict.fromkeys(reads)), network=given.network, gpu=given.gpu)

    def files(self) -> list[tuple[str, Path]]:
        """Parameters that are files, which the worker would look for in a folder of its own."""
        names = [one.name for one in self.operation.parameters if one.format == "path"]
        given = [(name, self.parameters.get(name)) for name in names]
        return [(name, Path(str(value)).absolute()) for name, value in given if value]


def output_axes(operation: Operation, output: Output) -> tuple[str, ...]:
    """The axes of what one call gives, in array order."""
    return tuple(output.axes or operation.axes or DEFAULT_AXES)


def plain_metadata(program: Program, name: str, value: Any) -> dict[str, Any]:
    """Where an array lies of which nothing more is known."""
    axes = tuple(program.operation.axes)
    ndim = getattr(value, "ndim", len(axes))
    axes = axes[-ndim:] if ndim <= len(axes) else tuple(f"d{i}" for i in range(ndim))
    return {
        "axes": axes,
        "scale": (1.0,) * ndim,
        "translation": (0.0,) * ndim,
        "units": (None,) * ndim,
        "name": name,
    }


async def call_once(
    program: Program,
    selection: Selection,
    position: tuple[int, ...],
    worker: Worker,
    listener: Listener | None = None,
    measured: Measured = lambda voxels, answer: None,
) -> list[Any]:
    """The outputs of the call at one position along the loops of a selection.

    Raises:
        ReadError: a part of an input could not be read.
        UsageError: shapes that cannot be told apart.
        PluginError: an array that was given does not fit the annotation.
        WorkerLost, RemoteError and others: as `Worker.run`.
    """
    inputs: dict[str, Any] = {}
    metadata: dict[str, dict[str, Any]] = {}
    lazy = {given.name for given in program.operation.inputs if given.lazy}
    for name in selection.parts:
        box = selection.box(name, position)
        if name in lazy:
            inputs[name] = lazy_part(box, selection.axes)
        else:
            inputs[name] = await read_part(box, selection.axes)
        metadata[name] = metadata_of(box, selection.axes)
    if selection.rows:
        on = selection.box(next(iter(selection.parts)), position) if selection.parts else None
        for name, rows in selection.rows.items():
            inputs[name] = await on_thread(None, row_input, rows, on, selection.axes)
            metadata[name] = row_metadata(rows, on, selection.axes)
    seed = FIRST_SEED
    for index, size in zip(position, selection.loop_shape, strict=True):
        seed = seed * size + index
    running = worker.run(program.call(inputs, metadata, seed), listener)
    del inputs  # they are the worker's now
    answer = await running
    measured(selection.voxels, answer)
    for output, value in zip(program.operation.outputs, answer.outputs, strict=True):
        if output.kind in PIXELS:
            check_pixels(program.operation, output, value, selection)
    return answer.outputs


def check_alike(shape: tuple[int, ...], dtype: Dtype, array: Array) -> None:
    """Raise PluginError unless an array is of a shape and type that came before."""
    if (array.shape, array.dtype) != (shape, dtype):
        raise PluginError(
            f"One call gave {dtype} of shape {shape}, another {array.dtype} of shape "
            f"{array.shape}: they cannot be put together."
        )


def check_pixels(operation: Operation, output: Output, array: Array, selection: Selection) -> None:
    """Raise PluginError unless an array can lie where the annotation says that it does."""
    axes = output_axes(operation, output)
    what = f"{operation.name} gave {output.kind} of shape {array.shape}"
    if array.ndim != len(axes):
        raise PluginError(f"{what}, but its annotation says that the axes are {', '.join(axes)}.")
    if array.size == 0:
        raise PluginError(f"{what}, which has no pixels.")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise PluginError(f"{what} and type {array.dtype}, which no image has.")
    expected = dict(zip(selection.axes, selection.shape, strict=False))  # without an image, none
    for name, size in zip(axes, array.shape, strict=True):
        if size != expected.get(name, size):
            raise PluginError(
                f"{what}, but along {name} its input has {expected[name]} pixels: give as many."
            )
