"""`opsin runs` and `opsin script`: what was run, from whatever window or program, and how again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from opsin.errors import UsageError, WriteError
from opsin.host.recorder import Recorder
from opsin.host.script import script
from opsin.host.step import Step
from opsin.host.workspace import Workspace

Say = Callable[[str], None]


def list_runs(count: int, *, json: bool, say: Say) -> int:
    """Print the latest runs, the newest last; returns the exit status."""
    with _steps() as steps:
        steps = steps[-count:] if count > 0 else []
        if json:
            say(msgspec.json.format(msgspec.json.encode(steps)).decode())
            return 0
        if not steps:
            say("Nothing was run yet.")
        for step in steps:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(step.started))
            state = "undone" if step.undone else step.state
            seconds = sum(step.timings.values())
            may = dict.fromkeys(word.partition("=")[0] for word in step.permissions)
            apart = " + ".join((step.isolation.partition(" (")[0], *may))
            say(
                f"{step.id}  {when}  {state:9}  {seconds:7.1f} s  {step.front_end:12}  "
                f"{apart:12}  {step.title}"
            )
    return 0


def print_log(id: str, *, say: Say) -> int:
    """Print all that a run has printed, as far as it is kept; returns the exit status.

    Args:
        id: of the run, or its beginning; '': the latest.

    Raises:
        UsageError: there is no such run.
    """
    workspace = Workspace()
    try:
        steps = Recorder(workspace, "command line").steps()
        if not steps:
            raise UsageError("Nothing was run yet.")
        found = _found(steps, id) if id else steps[-1]
        text = workspace.logs.read(found.id)
    finally:
        workspace.close()
    say(text.rstrip("\n") or f"{found.title} has printed nothing.")
    return 0


def write_script(ids: Sequence[str], target: Path | None, *, overwrite: bool, say: Say) -> int:
    """Write the script of runs, by default of the latest; returns the exit status.

    Args:
        ids: of runs, or their beginnings.
        target: a file; None: it is printed.

    Raises:
        UsageError: there is no such run, or it cannot be repeated.
        WriteError: the file cannot be written.
    """
    with _steps() as steps:
        if not ids:
            ids = [step.id for step in steps if step.counts][-1:]
        text = script(steps, [_found(steps, id).id for id in ids])
    if target is None:
        say(text.rstrip("\n"))
        return 0
    try:
        with target.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise WriteError(f"{target} exists already: add --overwrite to replace it.") from None
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {error.strerror or error}.") from error
    say(str(target))
    return 0


def _found(steps: Sequence[Step], id: str) -> Step:
    found = [step for step in steps if id and step.id.startswith(id)]
    if len(found) != 1:
        raise UsageError(
            f"{id} is no run: see `opsin runs`." if not found else f"{id} begins several runs."
        )
    return found[0]


@contextmanager
def _steps() -> Iterator[list[Step]]:
    workspace = Workspace()
    try:
        yield Recorder(workspace, "command line").steps()
    finally:
        workspace.close()
