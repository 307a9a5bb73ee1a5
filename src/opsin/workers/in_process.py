"""In process: operations in the process that asks for them, in a thread, by the choice of its user.

Nothing keeps such an operation apart, and nothing can end it but itself: it notices that it was
cancelled when it reports progress. Otherwise it is called as in a worker of its own: by the same
message, with the same random numbers, arrays that are its own, and what it prints in the job's log.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np

from opsin.errors import Cancelled
from opsin.rpc.codec import lazy_by_name
from opsin.rpc.lazy_source import LazySource
from opsin.rpc.local_array import LocalArray
from opsin.rpc.progress import Listener, Reporter
from opsin.types import reporting
from opsin.worker_main import Answer, Call, CallReporter, Modules, checked_outputs, from_plugin
from opsin.workers.isolation.sandbox import Level
from opsin.workers.process import TERMINATE_AFTER, Output, to_the_end

LEVEL = Level("in process")
STAYS = (
    "It runs in this process, where nothing can stop it: it ends when it next reports progress, or "
    "is done."
)
TRY_AGAIN = 0.1
"""Seconds between two looks whether another operation has ended, or this one was cancelled."""

inside: ContextVar[bool] = ContextVar("opsin.workers.in_process.inside", default=False)
"""Whether this thread runs such an operation: another one would wait for it for ever."""


class _LoadedHere(Modules):
    """The modules of plugins in this process. What changes on the disk is loaded anew."""

    def __init__(self) -> None:
        super().__init__()
        self._others: dict[Path, set[str]] = {}
        """By the folder of plugins, modules that were there before: they are somebody else's."""

    def prepared(self, call: Call) -> tuple[Callable[..., Any], dict[str, Any]]:
        """As in a worker; a worker would be exchanged for a new one."""
        changed = {path for path, at in self.stamps.items() if _stamp(path) != at}
        if changed:
            others = set().union(*self._others.values())
            for name, module in list(sys.modules.items()):
                file = getattr(module, "__file__", None)
                if file in self.stamps and name not in others:
                    del sys.modules[name]
                    bytecode = getattr(module, "__cached__", None)
                    if file in changed and bytecode:
                        # Python would take it for that of a file of the same second and size.
                        with suppress(OSError):
                            Path(bytecode).unlink()
            self._forget(lambda file: True)
            self.stamps.clear()
        if (call.file, call.digest) not in self.loaded:
            self._forget(lambda file: file == call.file)
            self._others.setdefault(Path(call.file).parent, set(sys.modules))
        return super().prepared(call)

    def _forget(self, which: Callable[[str], bool]) -> None:
        for key in [key for key in self.loaded if which(key[0])]:
            sys.modules.pop(self.loaded.pop(key).__name__, None)


_modules = _LoadedHere()
_alone = threading.Lock()


class InProcess:
    """The process that asks, in place of a worker. One operation runs at a time in all of it.

    Attributes:
        output: gets every line that the plugin prints.
    """

    level = LEVEL

    def __init__(self, output: Output) -> None:
        self.output = output

    @property
    def pid(self) -> int:
        """Of this process."""
        return os.getpid()

    async def run(self, call: Call, listener: Listener | None = None) -> Answer:
        """Run an operation in a thread. Cancelling this cancels it; returns when it has ended.

        Raises whatever the plugin raises.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Answer] = loop.create_future()

        def soon(function: Callable[..., object], *arguments: Any) -> None:
            with suppress(RuntimeError):  # the loop has ended, so nobody listens any more
                loop.call_soon_threadsafe(function, *arguments)

        def report(*said: Any) -> None:
            if listener is not None:
                soon(listener, *said)

        reporter = Reporter(report)
        given = [call]
        del call  # the arrays are the function's alone

        def work() -> None:
            try:
                answer = _run(given.pop(), reporter, lambda line: soon(self.output, line))
            except BaseException as error:
                soon(_fail, done, error)
            else:
                soon(_finish, done, answer)

        threading.Thread(target=work, name="opsin in process", daemon=True).start()
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            reporter.cancel()
            await to_the_end(self._end(done))
            raise

    async def _end(self, done: asyncio.Future[Answer]) -> None:
        await asyncio.wait([done], timeout=TERMINATE_AFTER)
        if not done.done():
            self.output(STAYS)
            await asyncio.wait([done])
        done.exception()  # looked at: it was cancelled


def plugin_frames(step: TracebackType | None) -> TracebackType | None:
    """Of a traceback what is beyond this module: the plugin's; all of it if it is of none here."""
    found = step
    while step is not None:
        if step.tb_frame.f_code.co_filename == __file__:
            found = step.tb_next or found
        step = step.tb_next
    return found


def _finish(done: asyncio.Future[Answer], answer: Answer) -> None:
    if not done.cancelled():
        done.set_result(answer)


def _fail(done: asyncio.Future[Answer], error: BaseException) -> None:
    if not done.cancelled():
        done.set_exception(error)


def _run(call: Call, reporter: Reporter, output: Output) -> Answer:
    """What the thread does."""
    inside.set(True)
    while not _alone.acquire(timeout=TRY_AGAIN):
        if reporter.cancelled:
            raise Cancelled("The job was cancelled.")
    file = call.file
    try:
        with ExitStack() as held:
            held.callback(_alone.release)
            held.enter_context(_spoken(output))
            held.enter_context(reporting(CallReporter(reporter)))
            function, arguments = _prepared(call)
            held.enter_context(_seeded(call.seed))
            start = time.perf_counter()
            given = function(**arguments)
            seconds = time.perf_counter() - start
            outputs = [apart(one) for one in checked_outputs(call.function, given, call.outputs)]
            files = _modules.files(file)
            return Answer(outputs=outputs, seconds=seconds, memory=0, files=files)
    except (SystemExit, KeyboardInterrupt) as error:  # which must not end this program
        text = f"{call.function} wanted to end the program: {error!r}"
        raise from_plugin(RuntimeError(text), file) from None
    except BaseException as error:
        raise from_plugin(error, file) from error.__cause__


def _prepared(call: Call) -> tuple[Callable[..., Any], dict[str, Any]]:
    for name, value in call.inputs.items():
        call.inputs[name] = _local(value)
    return _modules.prepared(call)


def _stamp(path: str) -> int:
    with suppress(OSError):
        return Path(path).stat().st_mtime_ns
    return 0


def _local(value: Any) -> Any:
    """What travels by reference, as the array that the other side would get."""
    if not isinstance(value, (LazySource, np.ndarray)):
        make = lazy_by_name(type(value))
        value = value if make is None else make(value)
    return LocalArray(value) if isinstance(value, LazySource) else value


def apart(value: Any) -> Any:
    """The same, with arrays of its own: who gave it cannot change them any more."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {name: apart(one) for name, one in value.items()}
    return [apart(one) for one in value] if isinstance(value, list) else value


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers as in a worker; afterwards, this program's go on as if nothing had been."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def _spoken(output: Output) -> Iterator[None]:
    """Have lines that this thread prints in `output`, and what others print where it always is."""
    own = [_Spoken(sys.stdout, output), _Spoken(sys.stderr, output)]
    sys.stdout, sys.stderr = own
    try:
        yield
    finally:
        if sys.stdout is own[0]:
            sys.stdout = own[0].original
        if sys.stderr is own[1]:
            sys.stderr = own[1].original
        for one in own:
            one.end()


class _Spoken(io.TextIOBase):
    """What is printed, line by line."""

    def __init__(self, original: TextIO, output: Output) -> None:
        self.original = original
        self._output = output
        self._thread = threading.get_ident()
        self._rest = ""

    def write(self, text: str, /) -> int:
        if threading.get_ident() != self._thread:
            return self.original.write(text)
        *lines, self._rest = (self._rest + text).replace("\r", "\n").split("\n")
        for line in filter(str.strip, lines):
            self._output(line)
        return len(text)

    def flush(self) -> None:
        if threading.get_ident() != self._thread:
            self.original.flush()

    def end(self) -> None:
        if self._rest.strip():
            self._output(self._rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)
