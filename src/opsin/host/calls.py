"""Calls: one run of an operation on a selection, call by call, in a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from opsin.errors import PluginError
from opsin.host.inputs import lazy_part, metadata_of, read_part
from opsin.host.registry import Registered
from opsin.host.selection import Selection
from opsin.images.source import Array
from opsin.plugins.manifest import DEFAULT_AXES, Operation, Output, Plugin, Scalar
from opsin.rpc.progress import Listener
from opsin.worker_main import Answer, Call
from opsin.workers.process import WorkerProcess

PIXELS = ("image", "labels")

Dtype: TypeAlias = np.dtype[np.generic]
Measured = Callable[[int, Answer], None]


@dataclass(frozen=True, slots=True)
class Program:
    """What is called: an operation of a plugin's file, with its parameters."""

    registered: Registered
    plugin: Plugin
    operation: Operation
    parameters: Mapping[str, Scalar]

    def call(self, inputs: dict[str, Any], metadata: dict[str, dict[str, Any]]) -> Call:
        """The message to a worker."""
        operation = self.operation
        return Call(
            file=str(self.registered.path),
            digest=self.plugin.digest,
            function=operation.name,
            inputs={given.name: inputs.get(given.name) for given in operation.inputs},
            parameters=dict(self.parameters),
            outputs=tuple(output.kind for output in operation.outputs),
            paths=tuple(p.name for p in operation.parameters if p.format == "path"),
            enums={p.name: p.enum_class for p in operation.parameters if p.enum_class},
            metadata={
                name: metadata[about]
                for name, about in operation.metadata.items()
                if about in metadata
            },
        )


def output_axes(operation: Operation, output: Output) -> tuple[str, ...]:
    """The axes of what one call gives, in array order."""
    return tuple(output.axes or operation.axes or DEFAULT_AXES)


async def call_once(
    program: Program,
    selection: Selection,
    position: tuple[int, ...],
    worker: WorkerProcess,
    listener: Listener | None = None,
    measured: Measured = lambda voxels, answer: None,
) -> list[Any]:
    """The outputs of the call at one position along the loops of a selection.

    Raises:
        ReadError: a part of an input could not be read.
        PluginError: an array that was given does not fit the annotation.
        WorkerLost, RemoteError and others: as `WorkerProcess.run`.
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
    running = worker.run(program.call(inputs, metadata), listener)
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
    expected = dict(zip(selection.axes, selection.shape, strict=True))
    for name, size in zip(axes, array.shape, strict=True):
        if size != expected.get(name, size):
            raise PluginError(
                f"{what}, but along {name} its input has {expected[name]} pixels: give as many."
            )
