"""Worker main: the program inside a worker. It runs the operations of one plugin, one at a time.

The host starts it with one end of a Unix socket and calls `Worker` (below) over it. The plugin has
the main thread, as in a program of its own; the link has a thread beside it. What the plugin prints
goes to standard output, which is the job's log; nothing else does.

This module needs `opsin.errors`, `opsin.types`, `opsin.rpc`, NumPy and msgspec, and nothing else,
because that is all that the environment of a plugin has.
"""

from __future__ import annotations

import asyncio
import contextvars
import faulthandler
import gc
import hashlib
import importlib
import importlib.util
import os
import pathlib
import queue
import random
import re
import signal
import socket
import sys
import threading
import time
import types
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

import msgspec
import numpy as np

from opsin.errors import NotFunctional, PluginError
from opsin.rpc import progress
from opsin.rpc.peer import Peer
from opsin.rpc.pool import default_pool
from opsin.rpc.shared_arrays import SharedArrays, available
from opsin.rpc.transports.unix_stream import UnixTransport
from opsin.types import Metadata, reporting
from opsin.worker_beside import import_beside
from opsin.worker_trial import trial

INTERVAL = 0.02
"""Seconds between two reports of progress, at least."""
WORTH_COLLECTING = 2**26
"""Bytes that a call has to use before garbage is looked for, which takes 20 ms."""
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG."""
END_OF_OUTPUT = "\0opsin: end of output\0"
"""What is printed when a call has ended, so that its last words are told from the next one's."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A run of an operation, as the host asks for it. All arguments are given by name.

    Attributes:
        file: of the plugin. `digest` is the SHA-256 of what the host read there, in hexadecimal.
        function: the operation.
        inputs: arrays, tables and so on; None for one that was left out.
        parameters: plain values; those that `paths` names become a `Path`, those in `enums` a
            member of the class of that name in the plugin's file.
        metadata: where an input lies, by the name of the parameter that wants to know.
        outputs: the kinds of what the function gives; `tuples` alone are what a reader of napari
            gives, with arrays that stay lazy (`opsin.worker_napari.tuples_of`).
        entry: the function as `module:name`, if it stands in a package; `file` is then that which
            describes it, and is not run.
        napari: the package is a plugin of napari, see `opsin.worker_napari`.
        role: how such a function is called, see `opsin.plugins.manifest.Operation`.
        layers: kind and place of the inputs that are given as layers of napari.
        seed: of the random numbers of Python and NumPy.
        trial: see `opsin.worker_trial`; 0: it is none.
        work: a folder whose folders are to lie in the working folder, and on Python's path.
    """

    file: str
    digest: str
    function: str
    inputs: dict[str, Any]
    parameters: dict[str, Any]
    outputs: tuple[str, ...]
    paths: tuple[str, ...] = ()
    enums: dict[str, str] = {}
    metadata: dict[str, dict[str, Any]] = {}
    entry: str = ""
    napari: bool = False
    role: str = "function"
    layers: dict[str, dict[str, Any]] = {}
    seed: int = 0
    trial: int = 0
    work: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a run gave.

    Attributes:
        seconds: that it took.
        memory: bytes by which the memory rose meanwhile.
        files: what was imported from the folder of the plugin, with its time of change in
            nanoseconds.
        uncompiled: modules that were imported, of which Python has kept no compiled form.
    """

    outputs: list[Any]
    seconds: float
    memory: int
    files: dict[str, int] = {}
    uncompiled: tuple[str, ...] = ()


class _Asked(NamedTuple):
    """A call on its way from the link's thread to the main thread, and back."""

    call: Call
    context: contextvars.Context
    done: Future[Answer]


class Worker:
    """The service that the host calls."""

    def __init__(self, isolated: bool = False) -> None:
        self._isolated = isolated
        self._looked_at: set[str] = set()
        self._asked: queue.SimpleQueue[_Asked | Callable[[], None]] = queue.SimpleQueue()
        self._busy = threading.Lock()
        self._modules = Modules()
        self._used = 0

    def run(self, call: dict[str, Any]) -> dict[str, Any]:
        """Run an operation and wait for it (`Call` → `Answer`). Progress is reported.

        Raises whatever the plugin raises, with the traceback from its file on.
        """
        done: Future[Answer] = Future()
        context = contextvars.copy_context()
        self._asked.put(_Asked(msgspec.convert(call, Call), context, done))
        call.clear()  # the arrays belong to the function alone
        __tracebackhide__ = True  # the plugin's author has no use for this frame
        error = done.exception()
        if error is not None:
            try:
                raise error
            finally:
                del error  # which holds this frame, which would hold it
        answer = done.result()
        return msgspec.structs.asdict(answer)

    async def imjoy(self, host: Any, name: str, constants: dict[str, Any], work: str = "") -> Any:
        """Become the worker of an ImJoy plugin; nothing else can be run here from now on.

        Args:
            host: what its `api` calls, see `opsin.worker_imjoy.runtime.Runtime`, which this gives.
            work: as in `Call`.
        """
        from opsin.worker_imjoy.runtime import Runtime

        if work and work not in sys.path:
            _work_in(work, linked=self._isolated)
        runtime = Runtime(host, name, constants)
        self._asked.put(runtime.run_for_ever)
        return runtime

    def idle(self) -> None:
        """Wait until no plugin's code runs."""
        with self._busy:
            pass

    def rest(self) -> None:
        """Give back memory that was kept for further arrays."""
        gc.collect()
        default_pool().trim()

    def work_for_ever(self) -> NoReturn:
        """What the main thread does."""
        while True:
            asked = self._asked.get()
            if not isinstance(asked, _Asked):
                asked()
                continue
            with self._busy:
                try:
                    asked.done.set_result(asked.context.run(self._run, asked.call))
                except BaseException as error:
                    asked.done.set_exception(from_plugin(error, source_of(asked.call)))
            del asked

    def _run(self, call: Call) -> Answer:
        reporter = progress.current.get()
        if self._used > WORTH_COLLECTING:  # by the call before: cycles may hold its arrays
            gc.collect()
        before = _restart_peak()
        try:
            with reporting(CallReporter(reporter)), trial(call.trial, call.file) as found:
                if call.work and call.work not in sys.path:
                    _work_in(call.work, linked=self._isolated)
                function, arguments = self._modules.prepared(call)
                random.seed(call.seed)
                np.random.seed(call.seed % 2**32)
                start = time.perf_counter()
                given = function(**arguments)
                seconds = time.perf_counter() - start
            if found:
                raise NotFunctional(found[0])
            outputs = checked_outputs(call.function, given, call.outputs)
            del given, arguments
        except (SystemExit, KeyboardInterrupt) as error:  # which must not end this process
            raise RuntimeError(f"{call.function} wanted to end the program: {error!r}") from None
        finally:
            _end_output()
        self._used = max(0, _peak() - before)
        return Answer(
            outputs=outputs,
            seconds=seconds,
            memory=self._used,
            files=self._modules.files(call.file),
            uncompiled=self._uncompiled() if self._isolated else (),
        )

    def _uncompiled(self) -> tuple[str, ...]:
        """Modules that are new since the last call, and that it could not keep compiled."""
        new = sys.modules.keys() - self._looked_at
        self._looked_at |= new
        specs = [getattr(sys.modules.get(name), "__spec__", None) for name in new]
        return tuple(
            str(spec.origin)
            for spec in specs
            if spec and getattr(spec, "cached", None) and not pathlib.Path(spec.cached).exists()
        )


class Modules:
    """The modules of plugins that this process has loaded."""

    def __init__(self) -> None:
        self.loaded: dict[tuple[str, str], types.ModuleType] = {}
        """By file and digest."""
        self.stamps: dict[str, int] = {}
        """When what lies beside them was changed, as they were loaded."""

    def prepared(self, call: Call) -> tuple[Callable[..., Any], dict[str, Any]]:
        """The function that a call asks for, and its arguments; the call has no inputs then."""
        arguments = {name: _writable(value) for name, value in call.inputs.items()}
        arguments |= call.parameters
        function, module = self._function(call)
        for name in call.paths:
            if arguments[name] is not None and call.role == "function":
                arguments[name] = pathlib.Path(arguments[name])
        for name, cls in call.enums.items():
            if arguments[name] is not None:
                arguments[name] = getattr(module, cls)[arguments[name]]
        for name, fields in call.metadata.items():
            arguments[name] = msgspec.convert(fields, Metadata)
        if call.layers:
            from opsin import worker_napari

            arguments |= worker_napari.as_layers(arguments, call.layers)
        call.inputs.clear()
        return function, arguments

    def _function(self, call: Call) -> tuple[Callable[..., Any], types.ModuleType]:
        """The function of a call, and the module that defines it."""
        if call.napari:
            from opsin import worker_napari

            return worker_napari.prepared(call.entry, call.role)
        if call.entry:
            import_beside(pathlib.Path(call.file))
            return function_of(call.entry)
        module = self._module(call.file, call.digest)
        return getattr(module, call.function), module

    def files(self, file: str) -> dict[str, int]:
        """Modules beside the plugin, which `Answer` names."""
        folder = str(pathlib.Path(file).parent) + os.sep
        found = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
        files: dict[str, int] = {}
        for one in {path for path in found if path and path.startswith(folder) and path != file}:
            if one not in self.stamps:
                with suppress(OSError):
                    self.stamps[one] = pathlib.Path(one).stat().st_mtime_ns
            if one in self.stamps:
                files[one] = self.stamps[one]
        return files

    def _module(self, file: str, digest: str) -> types.ModuleType:
        """The plugin's file as a module, run when it is first asked for."""
        known = self.loaded.get((file, digest))
        if known is not None:
            return known
        path = pathlib.Path(file)
        source = path.read_bytes()
        if hashlib.sha256(source).hexdigest() != digest:
            raise PluginError(f"{file} was changed while it was about to run: run it again.")
        name = _module_name(path)
        module = types.ModuleType(name)
        module.__file__ = file
        import_beside(path)
        sys.modules[name] = module
        try:
            exec(compile(source, file, "exec"), module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
        self.loaded[file, digest] = module
        return module


def function_of(entry: str) -> tuple[Callable[..., Any], types.ModuleType]:
    """The function `module:name` of a package, and the module that defines it.

    Raises:
        PluginError: there is none.
    """
    name, _, attribute = entry.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # something that the package needs
        raise PluginError(f"There is no module {name} in the environment of this plugin.") from None
    found = getattr(module, attribute, None)
    if not callable(found):
        raise PluginError(f"{name} has no function {attribute}.")
    return found, sys.modules.get(getattr(found, "__module__", None) or name, module)


def _work_in(folder: str, *, linked: bool) -> None:
    """Work where the folders in `folder` are: there, or by links to them in a folder of one's own,
    in which one can write.
    """
    sys.path.append(folder)
    if not linked:
        os.chdir(folder)
        return
    for one in pathlib.Path(folder).iterdir():
        link = pathlib.Path.cwd() / one.name
        if not link.exists():
            link.symlink_to(one)


def _writable(value: Any) -> Any:
    """The value, copied if it is an array that came inside a message."""
    read_only = isinstance(value, np.ndarray) and not value.flags.writeable
    return value.copy() if read_only else value


class CallReporter:
    """Passes what `opsin.types.progress` says on to who made the call."""

    def __init__(self, reporter: progress.Reporter | None) -> None:
        self._reporter = reporter
        self._told = 0.0

    def cancelled(self) -> bool:
        return self._reporter is not None and self._reporter.cancelled

    def report(self, done: float, total: float | None, description: str) -> None:
        now = time.monotonic()
        if self._reporter is None or self._reporter.report is None or now < self._told + INTERVAL:
            return
        self._told = now
        self._reporter.report(done, total, description)


def checked_outputs(function: str, given: Any, kinds: tuple[str, ...]) -> list[Any]:
    """What a function gave, one value for each kind, in a form that can be sent.

    Raises:
        PluginError: it is not what the function's annotations promise.
    """
    if not kinds:
        return []
    if kinds == ("tuples",):
        from opsin import worker_napari

        return [worker_napari.tuples_of(function, given)]
    if kinds == ("layers",):
        from opsin import worker_napari

        return [worker_napari.layers_of(function, given)]
    values = (given,) if len(kinds) == 1 else given
    if not isinstance(values, tuple) or len(values) != len(kinds):
        raise PluginError(f"{function} promises {len(kinds)} results, but gave {_said(given)}.")
    return [_output(function, value, kind) for value, kind in zip(values, kinds, strict=True)]


def _output(function: str, value: Any, kind: str) -> Any:
    if value is None:
        raise PluginError(f"{function} promises {kind}, but gave nothing (None): return a result.")
    if kind == "table":
        if hasattr(value, "columns") and hasattr(value, "to_numpy"):  # a DataFrame
            value = {str(name): value[name].to_numpy() for name in value.columns}
        if not isinstance(value, dict):
            raise PluginError(
                f"{function} promises a table, a dict of columns, not {_said(value)}."
            )
        scalars = [str(name) for name, column in value.items() if np.ndim(column) == 0]
        if scalars:
            raise PluginError(
                f"The columns of a table are lists or arrays, but {function} gave a single value "
                f"as {', '.join(scalars)}: put it into a list."
            )
        columns = {str(name): _column(column) for name, column in value.items()}
        if len({len(column) for column in columns.values()}) > 1:
            raise PluginError(f"The columns of the table that {function} gave differ in length.")
        return columns
    if kind in ("shapes", "surface"):
        return [np.asarray(part) for part in value]
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise PluginError(f"{function} promises {kind}, an array of numbers, not {_said(value)}.")
    if kind == "labels":
        if array.dtype == np.bool_:
            return array.view(np.uint8)
        if array.dtype.kind not in "iu":
            raise PluginError(
                f"{function} promises labels, which are whole numbers, but gave {array.dtype}."
            )
    return array


def _column(column: Any) -> Any:
    array = np.asarray(column)
    if array.ndim != 1:
        array = np.asarray([str(entry) for entry in column], object)
    return array if array.dtype.kind in "biuf" else [_cell(entry) for entry in array.tolist()]


def _cell(entry: Any) -> Any:
    return entry if isinstance(entry, (str, int, float, bool, type(None))) else str(entry)


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"an object of type {type(value).__name__}"


def from_plugin(error: BaseException, file: str) -> BaseException:
    """The error with a traceback that begins in the plugin's file, if it came from there."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename != file:
        step = step.tb_next
    if step is None and isinstance(error, PluginError):
        return error.with_traceback(None)  # what it gave was wrong, and not a line of it
    return error if step is None else error.with_traceback(step)


def source_of(call: Call) -> str:
    """The file whose author an error is for."""
    module = sys.modules.get(call.entry.partition(":")[0])
    return str(getattr(module, "__file__", None) or call.file)


def _module_name(path: pathlib.Path) -> str:
    """What the plugin's module is called: as its file, unless that is the name of another one."""
    name = re.sub(r"\W", "_", path.stem)
    with suppress(ImportError, ValueError):
        taken = name in sys.modules or name in sys.stdlib_module_names
        if not taken and name.isidentifier() and importlib.util.find_spec(name) is None:
            return name
    return f"plugin_{name}"


def _restart_peak() -> int:
    """Bytes of memory now; from here on `_peak` counts anew, where the system lets it."""
    with suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(field: str) -> int:
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux
        return 0
    return next((int(one.split()[1]) * 1024 for one in lines if one.startswith(f"{field}:")), 0)


def _end_output() -> None:
    with suppress(Exception):  # whatever the plugin has put in their place
        sys.stdout.flush()
        sys.stderr.flush()
    with suppress(OSError):
        os.write(1, END_OF_OUTPUT.encode())


async def _serve(connected: socket.socket, worker: Worker, isolated: bool) -> None:
    # A function may write to its input, as it may where it is called directly. A host that isolates
    # takes only what cannot be changed any more.
    segments = SharedArrays(private=True, trusted=not isolated) if available() else None
    async with Peer(UnixTransport(connected), worker, segments=segments) as peer:
        await peer.until_ended()


def _link(connected: socket.socket, worker: Worker, isolated: bool) -> None:
    """What the link's thread does. When the link ends, so does everything."""
    status = 1
    try:
        asyncio.run(_serve(connected, worker, isolated))
        status = 0
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)  # whatever the plugin does


def die_with(parent: int) -> None:
    """Be killed when the host is, also while C code lets nothing else of this process run."""
    if sys.platform != "linux":
        return
    import ctypes

    control = ctypes.CDLL(None).prctl
    control(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it is dead already
        os._exit(1)
    _bind_children(control)


def _bind_children(control: Callable[[int, int], int]) -> None:
    """Let processes that the plugin forks end with this one, too."""
    forks = threading.local()

    def before() -> None:
        # The signal comes when the *thread* ends that forked, and the main thread is the last.
        by_main = threading.current_thread() is threading.main_thread()
        forks.parent = os.getpid() if by_main else None

    def after() -> None:
        if forks.parent is not None:
            control(DIE_WITH_PARENT, signal.SIGKILL)
            if os.getppid() != forks.parent:  # it was killed before that
                os._exit(1)

    os.register_at_fork(before=before, after_in_child=after)


def main(descriptor: int, parent: int, isolated: bool = False) -> NoReturn:
    """Run a worker: its link is the socket with that descriptor, its host the process `parent`.

    Args:
        isolated: the host does not trust what runs here.
    """
    die_with(parent)
    connected = socket.socket(fileno=descriptor)
    connected.set_inheritable(False)
    work(connected, isolated)


def work(connected: socket.socket, isolated: bool) -> NoReturn:
    """Be the worker at the other end of a link, until that ends."""
    # A forked child that had it too would hide from the host that this process has ended.
    descriptor = connected.fileno()
    os.register_at_fork(after_in_child=lambda: os.close(descriptor))
    faulthandler.enable(all_threads=False)  # a crash in C is then told with the Python line
    worker = Worker(isolated)
    threading.Thread(
        target=_link, args=(connected, worker, isolated), name="link", daemon=True
    ).start()
    worker.work_for_ever()
