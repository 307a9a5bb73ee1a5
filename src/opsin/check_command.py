"""`opsin plugins check`: what a plugin is, and which of its operations are pure functions.

Of a file of ImJoy, what will not run.
"""

from __future__ import annotations

import asyncio
import json as json_text
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from opsin.errors import PluginError, UsageError

if TYPE_CHECKING:
    from opsin.host.functional import Verdict
    from opsin.plugins.manifest import Operation, Plugin

Say = Callable[[str], None]


def check(path: Path, *, functional: bool, json: bool, say: Say) -> int:
    """Print what a plugin's file is, and what came of trying its operations; of an ImJoy file, what
    will not run here, and why. Gives the exit status.

    Args:
        functional: fail unless each operation is a pure function.

    Raises:
        PluginError: it is no plugin.
        EnvironmentFailed, WorkerLost: it cannot be tried.
    """
    from opsin.plugins.formats import read_plugin
    from opsin.plugins.formats.imjoy_html import SUFFIX
    from opsin.plugins.manifest import ImjoyKind

    plugin = read_plugin(path)
    if plugin.kind in get_args(ImjoyKind) and path.name.lower().endswith(SUFFIX):
        if functional:
            raise UsageError("--functional is for typed files and stubs.")
        return _check_imjoy(path, plugin, json=json, say=say)
    verdicts = asyncio.run(_verdicts(path))
    if json:
        about = {name: _entry(verdict) for name, verdict in verdicts.items()}
        say(json_text.dumps({"name": plugin.name, "operations": about}, indent=2))
    else:
        version = "" if plugin.version == "0" else f" {plugin.version}"
        say(f"{path}  {plugin.name}{version}")
        width = max(map(len, verdicts), default=0)
        for operation in plugin.operations:
            verdict = verdicts[operation.name]
            say(f"  {operation.name:{width}}  {_shape(operation)}")
            say(f"  {'':{width}}  {_words(verdict)}")
    wrong = [name for name, verdict in verdicts.items() if not verdict.is_functional]
    if functional and wrong:
        raise UsageError(f"Not a pure function, as far as is known: {', '.join(wrong)}.")
    return 0


def _check_imjoy(path: Path, plugin: Plugin, *, json: bool, say: Say) -> int:
    """Print what will not run of a file of ImJoy: 1 if there is any, 0 otherwise."""
    from opsin.host.imjoy.findings import findings

    try:
        found = findings(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeError) as error:
        raise PluginError(f"{path} cannot be read: {error}.") from error
    if json:
        about = {"name": plugin.name, "kind": plugin.kind, "version": plugin.version}
        say(json_text.dumps({**about, "wrong": found.wrong, "notes": found.notes}, indent=2))
    else:
        version = "" if plugin.version == "0" else f" {plugin.version}"
        say(f"{path}  {plugin.name}{version}, {plugin.kind}")
        for kind, sentences in (("will not run", found.wrong), ("note", found.notes)):
            for sentence in sentences:
                say(f"  {kind}: {sentence}")
        if not found.wrong:
            say("  nothing speaks against it")
    return 1 if found.wrong else 0


async def _verdicts(path: Path) -> dict[str, Verdict]:
    from opsin.host.functional import Verdict, verify
    from opsin.host.host import Host
    from opsin.host.registry import read_registered
    from opsin.host.workspace import Workspace
    from opsin.workers.forkservers import Forkservers

    found: dict[str, Verdict] = {}
    async with Host(Workspace(), front_end="command line") as host:
        registered = read_registered(path)
        forkservers = Forkservers(host.workspace.environments)
        try:
            for operation in registered.plugin.operations if registered.plugin else ():
                try:
                    program = host.program(registered, operation.name, {})
                except UsageError as error:  # a parameter has no default
                    found[operation.name] = Verdict(None, str(error).rstrip("."))
                    continue
                found[operation.name] = await verify(
                    program, host.workspace, forkservers, _print_line
                )
        finally:
            await forkservers.close()
    return found


def _shape(operation: Operation) -> str:
    takes = ", ".join(f"{one.name}: {one.kind}" for one in operation.inputs)
    gives = ", ".join(one.kind for one in operation.outputs)
    plain = ", ".join(one.name for one in operation.parameters)
    return f"({takes}) → {gives or 'nothing'}" + (f", with {plain}" if plain else "")


def _words(verdict: Verdict) -> str:
    if verdict.is_functional:
        return "functional: equal results for equal inputs, wherever and whenever it was tried"
    if verdict.is_functional is None:
        return f"not tried: {verdict.reason}"
    return f"not functional: {verdict.reason}"


def _entry(verdict: Verdict) -> dict[str, Any]:
    return {"functional": verdict.is_functional, "reason": verdict.reason}


def _print_line(line: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")
