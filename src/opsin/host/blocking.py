"""Blocking: operations as plain functions, for scripts and notebooks.

    labels = opsin.run("nuclei.py:nuclei", image, sigma=2)
    nuclei = opsin.load("nuclei.py").nuclei
    labels = nuclei(image, sigma=2)

The first call starts a host in a thread of its own, which keeps the plugin's worker for the next
call. It ends with the program.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from opsin.errors import UsageError
from opsin.host.calls import PIXELS, Program, call_once, check_alike, output_axes
from opsin.host.host import Host
from opsin.host.lazy_types import is_lazy
from opsin.host.registry import Registered
from opsin.host.selection import Whole, select
from opsin.host.workspace import Workspace
from opsin.images.image import Image
from opsin.images.layer import Layer
from opsin.images.readers import open_image
from opsin.plugins.address import OperationAddress
from opsin.plugins.manifest import Input, Operation

T = TypeVar("T")

END_PATIENCE = 8.0
"""Seconds in which what was cancelled has to end."""


def run(operation: str, *inputs: Any, **values: Any) -> Any:
    """Run an operation in the plugin's own environment and process, and wait for its result.

    Args:
        operation: file and operation, as in `"nuclei.py:nuclei"`; a file with one operation is
            enough.
        inputs: in the order of the operation's inputs. NumPy arrays: the function gets them as they
            are. Arrays of zarr, dask or h5py: likewise, or in parts if it takes a `LazyImage`.
            Images from `opsin.open_image`, or their paths: it gets the finest level, plane by plane
            if it works on planes.
        values: parameters, and inputs by name.

    Returns:
        what the function returns: an array, or a tuple if it gives several. What the calls for the
        planes of an image gave is put together along the image's other axes.

    Raises:
        UsageError: an input or a parameter does not fit.
        PluginError: there is no such operation.
        WorkerLost: the process ended.
        RemoteError: the plugin raised an error; those with a known name come as themselves.
    """
    address = OperationAddress.parse(operation)
    host = _host()
    registered = host.registered(address.source)
    found = registered.operation(address.operation)[1]
    return _run(host, registered, found, inputs, values)


def load(path: str | Path) -> PluginFunctions:
    """The operations of a plugin as functions, each like `run`.

    Raises:
        PluginError: it is no plugin.
    """
    host = _host()
    return PluginFunctions(host, host.registered(path))


class PluginFunctions:
    """A plugin whose operations are attributes."""

    def __init__(self, host: _BlockingHost, registered: Registered) -> None:
        if registered.plugin is None:
            registered.operation(None)  # says why
        self._host = host
        self._registered = registered

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        operation = self._registered.operation(name)[1]

        def call(*inputs: Any, **values: Any) -> Any:
            now = self._host.host.registry.get(self._registered.id)  # as the file is now
            return _run(self._host, now, now.operation(name)[1], inputs, values)

        call.__name__ = call.__qualname__ = operation.name
        call.__doc__ = _doc(operation)
        call.__signature__ = _signature(operation)  # type: ignore[attr-defined]
        return call

    def __dir__(self) -> list[str]:
        plugin = self._registered.plugin
        return [operation.name for operation in plugin.operations] if plugin else []


def _run(
    host: _BlockingHost,
    registered: Registered,
    operation: Operation,
    inputs: tuple[Any, ...],
    values: dict[str, Any],
) -> Any:
    given, parameters = _assigned(operation, inputs, values)
    program = host.host.program(registered, operation.name, parameters)
    opened: list[Image] = []
    try:
        for name, value in given.items():
            if isinstance(value, (str, os.PathLike)):
                image = open_image(os.fspath(value))
                opened.append(image)
                given[name] = image
        images = {name: one for name, one in given.items() if isinstance(one, Image)}
        if not images:
            outputs = host.run(host.host.call(program, given, host.say))
        elif len(images) < len(given):
            others = ", ".join(name for name in given if name not in images)
            raise UsageError(
                f"Give images for all inputs, or arrays for all: {', '.join(images)} came as an "
                f"image, {others} did not."
            )
        else:
            layers = {name: _layer(operation, name, image) for name, image in images.items()}
            outputs = host.run(_on_images(host, program, layers))
    finally:
        for image in opened:
            image.close()
    outputs = [_own(output) for output in outputs]
    return outputs[0] if len(outputs) == 1 else tuple(outputs) if outputs else None


def _own(output: Any) -> Any:
    """An output that its caller may write to, as if the function had been called directly."""
    if isinstance(output, np.ndarray):
        return output if output.flags.writeable else output.copy()
    if isinstance(output, dict):
        return {name: _own(column) for name, column in output.items()}
    return [_own(one) for one in output] if isinstance(output, list) else output


def _signature(operation: Operation) -> inspect.Signature:
    """Inputs in their order, then parameters by name, with their defaults."""
    empty = inspect.Parameter.empty
    parameters = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None if one.optional else empty,
        )
        for one in sorted(operation.inputs, key=lambda one: one.optional)
    ]
    parameters += [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=empty if one.required else one.default,
        )
        for one in operation.parameters
    ]
    return inspect.Signature(parameters)


def _doc(operation: Operation) -> str:
    named = [(one.name, one.description) for one in operation.inputs]
    named += [(one.name, one.description) for one in operation.parameters]
    said = "\n".join(f"    {name}: {text}" for name, text in named if text)
    return f"{operation.description}\n\nArgs:\n{said}\n" if said else operation.description


async def _on_images(host: _BlockingHost, program: Program, layers: dict[str, Layer]) -> list[Any]:
    """Call for all positions, and put together what the calls gave."""
    selection = select(program.operation, layers, Whole())
    made = []
    async with host.host.worker(program, host.say) as worker:
        for position in selection.positions():
            made.append(await call_once(program, selection, position, worker))
    outputs: list[Any] = []
    for number, output in enumerate(program.operation.outputs):
        values = [one[number] for one in made]
        if output.kind in PIXELS:
            shape = list(selection.loop_shape)
            for one in values[1:]:
                check_alike(values[0].shape, values[0].dtype, one)
            stacked = np.stack(values).reshape([*shape, *values[0].shape]) if shape else values[0]
            assert stacked.ndim == len(shape) + len(output_axes(program.operation, output))
            outputs.append(stacked)
        else:
            outputs.append(values[0] if len(values) == 1 else values)
    return outputs


def _assigned(
    operation: Operation, inputs: tuple[Any, ...], values: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs by name, and parameters."""
    names = [given.name for given in operation.inputs]
    if len(inputs) > len(names):
        raise UsageError(
            f"{operation.name} takes {len(names)} inputs ({', '.join(names)}), not {len(inputs)}: "
            "give parameters by name, as in sigma=2."
        )
    given = dict(zip(names, inputs, strict=False))
    for name in names:
        if name in values:
            if name in given:
                raise UsageError(f"{name} is given twice.")
            given[name] = values.pop(name)
    given = {name: value for name, value in given.items() if value is not None}
    for one in operation.inputs:
        if one.name not in given and not one.optional:
            raise UsageError(f"{operation.name} needs {one.name}.")
    for one in operation.inputs:
        if one.name in given:
            given[one.name] = _as_array(one, given[one.name])
    return given, values


def _as_array(one: Input, value: Any) -> Any:
    """What is given for an input as an array, unless it is something else that will do."""
    columns = () if one.kind in PIXELS else (dict, list, tuple)
    is_lazy_one = one.lazy and is_lazy(value)
    if is_lazy_one or isinstance(value, (Image, str, os.PathLike, *columns)):
        return value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{one.name} is no array: {error}") from None
    if one.kind in PIXELS and array.dtype.kind not in "biufc":
        raise UsageError(f"{one.name} is no array of numbers, but {type(value).__name__}.")
    return array


def _layer(operation: Operation, name: str, image: Image) -> Layer:
    """All of an image: its channels are an axis like any other."""
    return Layer(image.name, image)


class _BlockingHost:
    """A host whose event loop runs in a thread."""

    def __init__(self) -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()

        async def serve() -> None:
            self.host = Host(Workspace())
            self._stop = asyncio.Event()
            started.set_result(asyncio.get_running_loop())
            async with self.host:
                await self._stop.wait()

        def work() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:
                if not started.done():
                    started.set_exception(error)

        self._thread = threading.Thread(target=work, name="opsin host", daemon=True)
        self._thread.start()
        self._loop = started.result()
        self._process = os.getpid()

    def registered(self, path: str | Path) -> Registered:
        return self.host.registry.add(path)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the host's loop and wait. Ctrl-C cancels the work and waits for its end."""
        over = threading.Event()

        async def to_its_end() -> T:
            try:
                return await work
            finally:
                over.set()

        future = asyncio.run_coroutine_threadsafe(to_its_end(), self._loop)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                over.wait(END_PATIENCE)  # a second Ctrl-C goes through
            raise

    def say(self, line: str) -> None:
        """What the plugin prints."""
        print(line, file=sys.stderr)  # noqa: T201 # where it would go if it were called directly

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive() and self._process == os.getpid()

    def close(self) -> None:
        if self.is_alive:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)


_lock = threading.Lock()
_running: list[_BlockingHost] = []


def _host() -> _BlockingHost:
    with _lock:
        if not _running or not _running[0].is_alive:
            _running[:] = [_BlockingHost()]
            atexit.register(_running[0].close)
        return _running[0]
