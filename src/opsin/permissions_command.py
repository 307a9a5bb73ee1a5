"""`opsin plugins permissions`: what plugins ask for, what they are allowed, and to change that."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from opsin.errors import PluginError, UsageError
from opsin.host.agreements import Agreements
from opsin.host.permissions import (
    NAMES,
    WHAT,
    Allowed,
    Answer,
    Asked,
    command,
    folder,
    from_words,
    to_be_asked,
)
from opsin.host.registry import Registered, Registry, read_registered
from opsin.host.workspace import Workspace
from opsin.plugins.address import NAPARI
from opsin.plugins.installed import installed

Say = Callable[[str], None]

STATES = {
    "allowed": "allowed",
    "refused": "not allowed",
    "unasked": "not allowed yet",
    "always": "always, isolated",
}
NETWORK = ("network",)
"""What is asked about of plugins that cannot say what they ask for."""
YES = ("y", "yes")


def permissions(
    name: str | None, allow: Sequence[str], revoke: Sequence[str], *, json: bool, say: Say
) -> int:
    """Print what plugins are allowed, after it has been changed; returns the exit status.

    Args:
        name: file or address of a plugin; None: all that are at hand.
        allow: permissions that it gets, such as `network` and `files=/data/models`.
        revoke: permissions that it loses, or `all`.

    Raises:
        OpsinError: there is no such plugin, or it does not ask for that.
    """
    workspace = Workspace()
    try:
        agreements = Agreements(workspace)
        found = _at_hand(workspace) if name is None else [plugin_named(name, workspace)]
        if allow or revoke:
            change(agreements, found[0], allow, revoke)
        known = agreements.all()
        stand = [(one, agreements.asked(one, known)) for one in found]
    finally:
        workspace.close()
    if json:
        say(json_text.dumps([_entry(one, asked) for one, asked in stand], indent=2))
        return 0
    shown = [(one, asked) for one, asked in stand if name is not None or _is_asking(one, asked)]
    blocks = [_text(one, asked) for one, asked in shown]
    say("\n\n".join(blocks) if blocks else "No plugin that is at hand asks for anything.")
    return 0


def change(
    agreements: Agreements, registered: Registered, allow: Sequence[str], revoke: Sequence[str]
) -> None:
    """Allow a plugin something, and take something back.

    Raises:
        UsageError: it does not ask for that.
    """
    if registered.plugin is None:
        raise PluginError(registered.error or f"{registered.path} is no plugin.")
    answers: dict[str, Answer] = {}
    for word in revoke:
        if word == "all":
            mine = [one.name for one in agreements.asked(registered) if one.state != "always"]
            answers |= dict.fromkeys(mine, False)
        else:
            answers[word] = False
    given = from_words(registered.plugin, allow)
    if both := [one for one in answers if one in NAMES and _is_among(one, given)]:
        raise UsageError(f"{both[0]} is allowed and revoked at once: choose one.")
    answers |= {one: True for one in ("network", "gpu") if _is_among(one, given)}
    if given.folders:
        before = agreements.allowed(registered).folders
        answers["files"] = tuple(sorted({*before, *given.folders}))
    agreements.answer(registered, answers)


def ask(registered: Registered, workspace: Workspace, say: Say) -> None:
    """Show what a plugin that was added asks for. Whoever sits at a terminal is asked for it; of a
    plugin that cannot say what it needs, for the network.
    """
    agreements = Agreements(workspace)
    stand = agreements.asked(registered)
    names = to_be_asked(registered.plugin) if registered.plugin is not None else ()
    if names:
        say("\n".join(_lines(stand)))
    unasked = [one for one in stand if one.state == "unasked" and one.name in (names or NETWORK)]
    if not unasked:
        return
    ends = (sys.stdin, sys.stdout, sys.stderr)  # where a question is seen, and answered
    if not all(one is not None and one.isatty() for one in ends):
        if names:
            say(f"To allow it: {command(registered.address, [one.name for one in unasked])}")
        return
    answers: dict[str, Answer] = {one.name: _answer(one, say) for one in unasked}
    agreements.answer(registered, answers)


def plugin_named(name: str, workspace: Workspace) -> Registered:
    """A plugin by its file or address, or by the name of a file that is kept in the workspace.

    Raises:
        PluginError: it cannot be used.
    """
    kept = {path.name: path for path in workspace.kept_files()}
    place = name if Path(name).exists() or name not in kept else str(kept[name])
    registry = Registry()
    for path in workspace.plugin_files() if place.startswith(NAPARI) else ():
        registry.add(path)
    found = registry.add(place)
    if found.plugin is None:
        raise PluginError(found.error or f"{name} is no plugin.")
    return found


def _is_among(name: str, given: Allowed) -> bool:
    return name in {word.partition("=")[0] for word in given.words()}


def _answer(one: Asked, say: Say) -> Answer:
    """What is typed; of `files` the folders."""
    if one.name == "files":
        while True:
            text = input("Folder that it may read (none: leave it empty): ").strip()
            try:
                return (folder(text),) if text else False
            except UsageError as error:
                say(str(error))
    return input(f"Allow {WHAT[one.name]}? [y/N] ").strip().lower() in YES


def _at_hand(workspace: Workspace) -> list[Registered]:
    registry = Registry()
    for plugin in installed():
        registry.put(read_registered(plugin.source))
    for path in workspace.plugin_files():
        registry.add(path)
    return [one for one in registry.all() if one.plugin is not None]


def _is_asking(registered: Registered, stand: Sequence[Asked]) -> bool:
    """Whether it says what it asks for, or has been allowed something."""
    plugin = registered.plugin
    is_allowed = any(one.state == "allowed" for one in stand)
    return is_allowed or (plugin is not None and bool(plugin.permissions))


def _text(registered: Registered, stand: Sequence[Asked]) -> str:
    plugin = registered.plugin
    version = f" {plugin.version}" if plugin is not None and plugin.version != "0" else ""
    title = f"{registered.address}  {plugin.name if plugin is not None else ''}{version}"
    return "\n".join([title, *(_lines(stand) or ["  asks for nothing"])])


def _lines(stand: Sequence[Asked]) -> list[str]:
    rows = []
    for one in stand:
        folders = f": {', '.join(map(str, one.folders))}" if one.folders else ""
        rows.append((one.name, f"{STATES[one.state]}{folders}", one.reason))
    first, second = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    return [f"  {name:{first}}  {state:{second}}  {why}".rstrip() for name, state, why in rows]


def _entry(registered: Registered, stand: Sequence[Asked]) -> dict[str, Any]:
    plugin = registered.plugin
    return {
        "address": registered.address,
        "name": plugin.name if plugin is not None else "",
        "version": plugin.version if plugin is not None else "",
        "permissions": [
            {
                "name": one.name,
                "reason": one.reason,
                "state": one.state,
                "folders": list(map(str, one.folders)),
            }
            for one in stand
        ],
    }
