"""Running: a process that was started for a worker, and how it ended."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

from opsin.errors import WorkerLost
from opsin.workers.environment import CURRENT, Environment
from opsin.workers.isolation.launch import Launch, launch, level_for
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.isolation.visible import HERE
from opsin.workers.kept_environments import in_use
from opsin.workers.package import compiled, worker_package

_START = "from opsin.{} import main; main({}, {}, {})"
_START_APART = "import sys; sys.path.insert(0, {!r}); {}"
_OURS = ("OPSIN_TOKEN",)
_PYTHONS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")

_CRASH = " (a crash in C code, of the plugin or a package of it)"
_GUESSES = {"SIGKILL": " (out of memory?)"} | dict.fromkeys(
    ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV"), _CRASH
)
"""What a signal may mean."""


class Running(Protocol):
    """The process of a worker, wherever it comes from.

    Attributes:
        launched: how it, or the one that it was forked from, was started.
        folder: where it writes; None if nothing looks how much that is.
        stdout: what it prints.
        returncode: as of `subprocess`; None as long as nobody knows.
    """

    launched: Launch

    @property
    def pid(self) -> int: ...
    @property
    def folder(self) -> Path | None: ...
    @property
    def stdout(self) -> asyncio.StreamReader: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int | None:
        """Until it has ended."""

    async def close(self) -> None:
        """Let go of what is kept for it, once it has ended. Idempotent."""


class Spawned:
    """A process that was started for itself."""

    def __init__(
        self, process: asyncio.subprocess.Process, launched: Launch, held: ExitStack
    ) -> None:
        """`held` is let go of at the end."""
        self.launched = launched
        self._process = process
        self._held = held

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def folder(self) -> Path | None:
        """Where it may write, if it has no file system of its own."""
        return None if self.launched.folder is None else self.launched.folder.path

    @property
    def stdout(self) -> asyncio.StreamReader:
        """What it prints."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def returncode(self) -> int | None:
        """See `Running`."""
        return self._process.returncode

    async def wait(self) -> int | None:
        """See `Running`."""
        return await self._process.wait()

    async def close(self) -> None:
        """See `Running`."""
        await asyncio.to_thread(self._held.close)


async def spawned(
    environment: Environment,
    folder: Path,
    sandbox: Sandbox | None,
    module: str,
    descriptor: int,
) -> Spawned:
    """Run the `main` of a module of Opsin in an environment.

    Args:
        folder: where the modules are kept that a worker needs, if the environment has none.
        module: it gets a descriptor, the process that it has to end with, and whether it is
            isolated.
        descriptor: of the socket over which it is talked to.

    Raises:
        WorkerLost: the process cannot be started.
        UsageError: a level of isolation is asked for that cannot be had.
    """
    try:
        return await _spawned(environment, folder, sandbox, module, descriptor)
    except OSError as error:
        raise WorkerLost(f"A worker cannot be started: {error.strerror or error}.") from error


async def _spawned(
    environment: Environment,
    folder: Path,
    sandbox: Sandbox | None,
    module: str,
    descriptor: int,
) -> Spawned:
    apart = environment.key != CURRENT
    package = HERE
    if apart:
        package = await asyncio.to_thread(worker_package, folder)
        await asyncio.to_thread(compiled, package, environment)
    level = await asyncio.to_thread(level_for, sandbox)

    def arguments(parent: int) -> list[str]:
        start = _START.format(module, descriptor, parent, level.is_isolated)
        if apart:
            start = _START_APART.format(str(package), start)
        return ["-P", "-X", "utf8", "-u", "-c", start]

    with ExitStack() as undo:
        launched = await asyncio.to_thread(launch, environment, package, level, sandbox, arguments)
        if launched.folder is not None:
            undo.callback(launched.folder.remove)
        if apart:
            undo.enter_context(in_use(environment.home))
        left_out = _OURS + (_PYTHONS if apart else ())
        process = await asyncio.create_subprocess_exec(
            *launched.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(descriptor,),
            start_new_session=True,
            env={one: value for one, value in launched.variables.items() if one not in left_out},
        )
        return Spawned(process, launched, undo.pop_all())


class ProcessExit:
    """Whether a process has ended, whatever its children hold open (Linux; elsewhere, it polls)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor = -1
        with suppress(AttributeError, OSError):
            self._descriptor = os.pidfd_open(pid)

    @property
    def has_come(self) -> bool:
        """The process has ended."""
        if self._descriptor < 0:
            return is_gone(self._pid)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))

    async def wait(self) -> None:
        """Until then."""
        if self._descriptor < 0:
            while not self.has_come:  # noqa: ASYNC110 # there is nothing that tells
                await asyncio.sleep(0.2)
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Let go of it. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def exit_reason(status: int | None) -> str:
    """Why a process has ended, in words."""
    if status is None:
        return "it does not answer"
    if status >= 0:
        return f"it ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "an unknown one"
    return f"it was killed by signal {-status}, {name}{_GUESSES.get(name, '')}"


def is_gone(pid: int) -> bool:
    """Whether there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
