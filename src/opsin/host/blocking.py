"""Blocking: operations as plain functions, for scripts and notebooks.

    labels = opsin.run("nuclei.py:nuclei", image, sigma=2)
    nuclei = opsin.load("nuclei.py").nuclei
    labels = nuclei(image, sigma=2)

The first call starts a host in a thread of its own, which keeps the plugin's worker for the next
call. It ends with the program.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opsin.errors import UsageError
from opsin.host.host_thread import HostThread
from opsin.host.image_calls import call_on_images, like, rows_like
from opsin.host.imjoy_functions import ImjoyFunctions, is_imjoy_source
from opsin.host.in_process import check_in_process
from opsin.host.layers_run import gives_layers
from opsin.host.lazy_types import is_lazy
from opsin.host.registry import Registered
from opsin.host.row_inputs import row_input
from opsin.host.selection import PIXELS
from opsin.images.image import Image
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.images.points.rows import ROWS, Rows, read_rows
from opsin.images.readers import open_image
from opsin.plugins.address import OperationAddress
from opsin.plugins.manifest import Input, Operation
from opsin.workers.in_process import inside


def run(operation: str, *inputs: Any, **values: Any) -> Any:
    """Run an operation in the plugin's own environment and process, and wait for its result.

    Args:
        operation: file and operation, as in `"nuclei.py:nuclei"`; a file with one operation is
            enough.
        inputs: in the order of the operation's inputs. NumPy arrays: the function gets them as they
            are. Arrays of zarr, dask or h5py: likewise, or in parts if it takes a `LazyImage`.
            Images from `opsin.open_image` and the like, or their paths: it gets the finest level,
            plane by plane if it works on planes; an array beside an image lies where that lies.
            Points, shapes and tables may also be paths of CSV or Parquet, dicts of columns, or
            what `opsin.open_points` gives: their positions are in the world.
        values: parameters, and inputs by name. `axes="zyx"` asks an operation that declares no axes
            to work on volumes instead of planes. `allow=("network",)` allows the plugin, in this
            run alone, what it asks for: `network`, `gpu`, `files=FOLDER`.
            `time_limit=600` (seconds) and `memory_limit="4G"` end it where it takes more.
            `in_process=True` runs it in this process, as if it were called directly: for a plugin
            that you trust like your own code, whose packages are installed here. Nothing keeps it
            apart, and Ctrl-C ends it only where it reports progress.

    Returns:
        For arrays, what the function returns: an array, or a tuple if it gives several. For images,
        and for points, shapes and tables that are no arrays, an image, which goes when the program
        ends: `opsin.save` keeps it. A table is a dict of columns; points are one too then, with
        their positions in the world.

    Raises:
        UsageError: an input or a parameter does not fit.
        PluginError: there is no such operation.
        WorkerLost: the process ended.
        LimitExceeded: it took more time or memory than it may.
        RemoteError: the plugin raised an error; those with a known name come as themselves.
    """
    host = HostThread.shared()
    if is_imjoy_source(operation):
        with ImjoyFunctions(host, operation, allow=_words(values.pop("allow", ()))) as plugin:
            return plugin.run(*inputs, **values)
    address = OperationAddress.parse(operation)
    registered = host.host.registry.add(address.source)
    found = registered.operation(address.operation)[1]
    return _run(host, registered, found, inputs, values)


def load(
    path: str | Path,
    *,
    allow: Sequence[str] = (),
    in_process: bool = False,
    answers: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
) -> PluginFunctions | ImjoyFunctions:
    """The operations of a plugin as functions, each like `run`.

    Of a plugin of ImJoy (`.imjoy.html`) they are what it exports: see `ImjoyFunctions`.

    Args:
        allow: what each run of them is allowed beside what the plugin is.
        in_process: run them in this process, see `run`.
        answers: to what a plugin of ImJoy asks, by a part of the question; `*` answers all.
        folder: where files go that a plugin of ImJoy gives to its user.

    Raises:
        PluginError: it is no plugin.
        UsageError: it cannot run in this process, or runs in a browser.
    """
    host = HostThread.shared()
    if is_imjoy_source(path):
        if in_process:
            raise UsageError("A plugin of ImJoy runs in a process of its own: see isolation.")
        out = Path(folder) if folder is not None else None
        return ImjoyFunctions(host, path, allow=_words(allow), answers=answers, folder=out)
    registered = host.host.registry.add(path)
    if in_process and registered.plugin is not None:
        for operation in registered.plugin.operations:
            check_in_process(registered.plugin, operation)
    return PluginFunctions(host, registered, _words(allow), in_process)


class PluginFunctions:
    """A plugin whose operations are attributes."""

    def __init__(
        self,
        host: HostThread,
        registered: Registered,
        allow: tuple[str, ...] = (),
        in_process: bool = False,
    ) -> None:
        if registered.plugin is None:
            registered.operation(None)  # says why
        self._host = host
        self._registered = registered
        self._allow = allow
        self._in_process = in_process

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        operation = self._registered.operation(name)[1]

        def call(*inputs: Any, **values: Any) -> Any:
            now = self._host.host.registry.get(self._registered.id)  # as the file is now
            found = now.operation(name)[1]
            return _run(self._host, now, found, inputs, values, self._allow, self._in_process)

        call.__name__ = call.__qualname__ = operation.name
        call.__doc__ = _doc(operation)
        call.__signature__ = _signature(operation)  # type: ignore[attr-defined]
        return call

    def __dir__(self) -> list[str]:
        plugin = self._registered.plugin
        return [operation.name for operation in plugin.operations] if plugin else []


def _run(
    host: HostThread,
    registered: Registered,
    operation: Operation,
    inputs: tuple[Any, ...],
    values: dict[str, Any],
    allow: tuple[str, ...] = (),
    in_process: bool = False,
) -> Any:
    own = [one.name for one in operation.inputs] + [one.name for one in operation.parameters]
    axes = "" if "axes" in own else str(values.pop("axes", None) or "")
    if "allow" not in own:
        allow += _words(values.pop("allow", ()))
    if "in_process" not in own:
        in_process = bool(values.pop("in_process", in_process))
    granted = host.host.supervision.but(
        **{
            name: values.pop(f"{name}_limit", None)
            for name in ("time", "memory")
            if f"{name}_limit" not in own
        }
    )
    if in_process and inside.get():
        raise UsageError(f"{operation.name} would wait for the operation that calls it.")
    given, parameters = _assigned(operation, inputs, values)
    program = host.host.program(registered, operation.name, parameters, axes, allow, in_process)
    opened: list[Image] = []
    try:
        inputs_of = {one.name: one for one in operation.inputs}
        for name, value in given.items():
            if not isinstance(value, (str, os.PathLike)):
                continue
            if inputs_of[name].kind in ROWS:
                given[name] = read_rows(os.fspath(value))
                continue
            image = open_image(os.fspath(value))
            opened.append(image)
            given[name] = image
        images = {name: one for name, one in given.items() if isinstance(one, Image)}
        first = next(iter(images.values()), None)
        is_free = not operation.inputs and gives_layers(operation)
        if images or is_free or _are_rows(operation, given):
            taken: dict[str, Image | Rows] = dict(images)
            for name, value in given.items():
                if inputs_of[name].kind in ROWS:
                    taken[name] = rows_like(first, inputs_of[name], value)
                elif first is not None and name not in images:
                    taken[name] = like(first, name, value)
            outputs = call_on_images(host, program, taken, granted)
        else:
            given = {name: _plain(inputs_of[name], value) for name, value in given.items()}
            outputs = host.run(host.host.call(program, given, _say, granted))
    finally:
        for image in opened:
            image.close()
    outputs = [_own(output) for output in outputs]
    return outputs[0] if len(outputs) == 1 else tuple(outputs) if outputs else None


def _words(allow: Any) -> tuple[str, ...]:
    """Names of permissions, of which one may be given as it is."""
    return (allow,) if isinstance(allow, str) else tuple(map(str, allow or ()))


def _are_rows(operation: Operation, given: Mapping[str, Any]) -> bool:
    """Whether points, shapes and tables are given by files and columns, and no array is given."""
    kinds = {one.name: one.kind for one in operation.inputs}
    known = [isinstance(value, (Mapping, Points, PointsLayer)) for value in given.values()]
    return bool(known) and all(known) and all(kinds[name] in ROWS for name in given)


def _plain(one: Input, value: Any) -> Any:
    """What a function gets beside arrays, whose pixels are the world."""
    if one.kind not in ROWS or not isinstance(value, (Mapping, Points, PointsLayer)):
        return value
    if one.kind == "table" and isinstance(value, dict):
        return value
    rows = rows_like(None, one, value)
    return row_input(rows, None, rows.axis_names)


def _say(line: str) -> None:
    """What the plugin prints."""
    print(line, file=sys.stderr)  # noqa: T201 # where it would go if it were called directly


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
    columns: tuple[type, ...] = (Mapping, Points, PointsLayer) if one.kind in ROWS else ()
    if one.kind not in (*PIXELS, "table", "points"):
        columns += (list, tuple)
    is_lazy_one = one.lazy and is_lazy(value)
    if is_lazy_one or isinstance(value, (Image, str, os.PathLike, *columns)):
        return value
    if one.kind == "table":
        raise UsageError(f"{one.name} is no table: give a dict of columns, or a file.")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{one.name} is no array: {error}") from None
    if one.kind in PIXELS and array.dtype.kind not in "biufc":
        raise UsageError(f"{one.name} is no array of numbers, but {type(value).__name__}.")
    return array
