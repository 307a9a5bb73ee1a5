"""Launch: the command that starts a worker at a level of isolation, and which level can be had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from opsin.errors import UsageError
from opsin.sandbox import landlock
from opsin.sandbox.enter import Order
from opsin.workers.environment import Environment, current
from opsin.workers.isolation import bubblewrap, rules, visible
from opsin.workers.isolation.private_folder import PrivateFolder, sweep
from opsin.workers.isolation.sandbox import Level, Limits, Sandbox
from opsin.workers.isolation.visible import HERE
from opsin.workers.isolation.watch import Watch
from opsin.workers.supervision import MORE_MEMORY, Supervision

VARIABLE = "OPSIN_ISOLATION"
"""Names the level to use, instead of the best one."""
PATIENCE = 20.0
"""Seconds in which a program in a sandbox has to end that does nothing."""
TRIES = 3
_known: dict[str, bool] = {}
"""Which levels work, as far as it is known."""
NONE = Level("not isolated")
# A stand-in for `opsin`, which would import what takes longer than all the rest.
_ENTER = """import sys; opsin = sys.modules["opsin"] = type(sys)("opsin"); opsin.__path__ = [{!r}]
from opsin.sandbox.enter import enter; enter({}, {})"""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a process.

    Attributes:
        command: the program, and its arguments.
        variables: all that it gets.
        environment: that it runs in.
        level: what keeps it apart.
        sandbox: what it enforces; None if nothing does.
        folder: to be removed when it has ended.
    """

    command: tuple[str, ...]
    variables: dict[str, str]
    environment: Environment
    level: Level
    sandbox: Sandbox | None = None
    folder: PrivateFolder | None = None

    def watch(self, pid: int, folder: Path | None, supervision: Supervision) -> Watch | None:
        """What looks at the worker `pid`, which was started so; None if nothing limits it.

        Args:
            folder: where it writes, if it has no file system of its own.
        """
        memory = supervision.memory
        remedy = "" if memory is None else f", its limit: {MORE_MEMORY}"
        if self.sandbox is not None:
            return Watch(pid, self.sandbox.limits, folder, remedy)
        if memory is None:
            return None
        return Watch(pid, Limits(memory, sys.maxsize, sys.maxsize), None, remedy)

    @property
    def wrapped(self) -> bool:
        """The process that is started is not the program: that is a child of its child."""
        return self.level.name == "bubblewrap"


def level_for(sandbox: Sandbox | None) -> Level:
    """The best level that this computer has, or the one that `OPSIN_ISOLATION` names.

    Raises:
        UsageError: there is no such level, or it cannot be had here.
    """
    if sandbox is None:
        return NONE
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "none":
        return NONE
    if wanted not in ("", "bubblewrap", "landlock"):
        raise UsageError(f"{VARIABLE} is bubblewrap, landlock or none, and not {wanted}.")
    if wanted in ("", "bubblewrap") and works("bubblewrap"):
        return bubblewrap.level(sandbox)
    if wanted in ("", "landlock") and works("landlock"):
        return rules.level(sandbox)
    if wanted:
        raise UsageError(f"{VARIABLE} names {wanted}, which does not work on this computer.")
    return NONE


def works(name: str) -> bool:
    """Whether a process really starts at that level here. What was found is remembered, unless the
    process was killed, or did not end: that tells nothing.
    """
    for _ in range(TRIES):
        if name in _known:
            break
        found = _tried(name)
        if found is not None:
            _known[name] = found
    return _known.get(name, False)


def _tried(name: str) -> bool | None:
    """Whether it works; None if that is not known."""
    if name == "not isolated":
        return True
    if name == "bubblewrap" and bubblewrap.program() is None:
        return False
    if name == "landlock" and not landlock.version():
        return False
    sandbox = Sandbox()
    level = bubblewrap.level(sandbox) if name == "bubblewrap" else rules.level(sandbox)
    try:
        made = launch(current(), HERE, level, sandbox, lambda parent: ["-I", "-S", "-c", ""])
    except OSError:
        return False
    try:
        status = _status(made)
    except OSError:
        return False
    finally:
        if made.folder is not None:
            made.folder.remove()
    was_killed = status is None or status < 0 or status > bubblewrap.SIGNALLED
    return None if was_killed else status == 0


def _status(made: Launch) -> int | None:
    """What a process ends with; None if it does not. Nothing of it is left."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        made.command,
        env=made.variables,
        stdin=quiet,
        stdout=quiet,
        stderr=quiet,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def launch(
    environment: Environment,
    package: Path,
    level: Level,
    sandbox: Sandbox | None,
    arguments: Callable[[int], list[str]],
) -> Launch:
    """How to start Python in an environment.

    Args:
        package: the folder that the modules of Opsin lie in which a worker needs.
        arguments: of Python, for a process whose parent, as it sees it, has that id.

    Raises:
        OSError: there is no such Python, or no place for its folder.
    """
    python = str(environment.python)
    sweep()
    bubblewrap.end_orphans()
    if sandbox is None or not level.is_isolated:
        return Launch((python, *arguments(os.getpid())), dict(os.environ), environment, NONE)
    environment.python.stat()
    reads = [package, *visible.of_environment(environment), *sandbox.reads]
    variables = visible.variables(os.environ, sandbox.network) | dict(sandbox.variables)
    if level.name == "bubblewrap":
        bwrap = bubblewrap.program()
        if bwrap is None:
            raise FileNotFoundError(2, "bwrap is not there any more")
        before = bubblewrap.command(bwrap, reads, sandbox)
        program = [python, *arguments(bubblewrap.PARENT)]
        line = [*before, *_entering(python, package, bubblewrap.order(sandbox), program)]
        variables |= _places(bubblewrap.FOLDER, bubblewrap.HOME)
        return Launch(tuple(line), variables, environment, level, sandbox)
    folder = PrivateFolder()
    order = rules.order(reads, folder.path, sandbox)
    line = _entering(python, package, order, [python, *arguments(os.getpid())])
    variables |= _places(str(folder.path), str(folder.path / "home"))
    return Launch(tuple(line), variables, environment, level, sandbox, folder)


def _entering(python: str, package: Path, order: Order, program: list[str]) -> list[str]:
    return [python, "-I", "-S", "-c", _ENTER.format(str(package / "opsin"), dict(order), program)]


def _places(folder: str, home: str) -> dict[str, str]:
    user = "opsin"
    names = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder)
    return names | {"HOME": home, "USER": user, "LOGNAME": user}
