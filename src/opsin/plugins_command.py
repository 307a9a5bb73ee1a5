"""Plugins command: which plugins there are, plugins from PyPI, and plugins in another format."""

from __future__ import annotations

import asyncio
import json as json_text
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import UsageError, WriteError
from opsin.host.added_plugins import add_from_index, remove_added
from opsin.host.plugin_bundle import ENDING, add_bundle, write_bundle
from opsin.host.registry import Registered, Registry, read_registered
from opsin.host.workspace import Workspace
from opsin.images.draft import draft_name
from opsin.plugins.conversion import Form, convert
from opsin.plugins.installed import installed

Say = Callable[[str], None]

WORDS = {"list": 0, "add": 1, "remove": 1, "convert": 2, "bundle": 2}


def plugins(
    action: str,
    words: Sequence[str],
    *,
    to: Form | None,
    json: bool,
    say: Say,
    complain: Say,
) -> int:
    """Do one of `PLUGIN_ACTIONS`; returns the exit status.

    Args:
        words: the name of a plugin; for `convert` and `bundle` what is read, and what is written.
        to: the format to convert to; None: that which the target is called like.
        json: print JSON.

    Raises:
        OpsinError: it cannot be done.
    """
    if len(words) != WORDS[action]:
        wanted = {"list": "", "convert": " IN OUT", "bundle": " FILE OUT"}.get(action, " NAME")
        raise UsageError(f"Write it as `opsin plugins {action}{wanted}`.")
    if action == "list":
        return _list(json, say)
    if action == "convert":
        return _convert(words[0], Path(words[1]), to, say, complain)
    workspace = Workspace()
    try:
        if action == "bundle":
            target = Path(words[1])
            if not target.name.endswith(ENDING):
                raise UsageError(f"{target} is no name for a bundle: let it end with {ENDING}.")
            bundled = write_bundle(Path(words[0]), target, workspace, _print_line)
            packages = asyncio.run(bundled)
            say(f"{target}  {len(packages)} packages, {target.stat().st_size / 2**20:.1f} MiB")
        elif action == "add" and words[0].endswith(ENDING):
            found = asyncio.run(add_bundle(Path(words[0]), workspace, _print_line))
            say(f"{found.address}  {_title(found)}")
        elif action == "add":
            found = asyncio.run(add_from_index(workspace, words[0], _print_line))
            say(f"{found.address}  {_title(found)}")
        else:
            remove_added(workspace, words[0])
    finally:
        workspace.close()
    return 0


def _print_line(line: str) -> None:
    """What the installer says, as it says it."""
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")


def _list(json: bool, say: Say) -> int:
    """Print all plugins that are at hand: those of napari, and those kept in the workspace."""
    registry = Registry()
    addresses = {}
    for plugin in installed():
        found = registry.put(read_registered(plugin.source))
        addresses[found.id] = plugin.source
    workspace = Workspace()
    try:
        for path in workspace.plugin_files():
            registry.add(path)
    finally:
        workspace.close()
    if json:
        say(json_text.dumps([_entry(one) for one in registry.all()], indent=2))
        return 0
    blocks = [_text(one, addresses.get(one.id, one.address)) for one in registry.all()]
    say("\n\n".join(blocks) if blocks else "There are no plugins here yet.")
    return 0


def _text(one: Registered, address: str) -> str:
    lines = [f"{address}  {_title(one)}".rstrip()]
    if one.plugin is None:
        return f"{lines[0]}\n  {one.error}"
    width = max((len(operation.name) for operation in one.plugin.operations), default=0)
    for operation in one.plugin.operations:
        title = f"{operation.title} (not here: {operation.refused})" if operation.refused else ""
        lines.append(f"  {operation.name:{width}}  {title or operation.title}")
    return "\n".join(lines)


def _title(one: Registered) -> str:
    plugin = one.plugin
    if plugin is None:
        return ""
    return plugin.name if plugin.version == "0" else f"{plugin.name} {plugin.version}"


def _entry(one: Registered) -> dict[str, Any]:
    """A plugin as JSON: its manifest, or why there is none."""
    known: dict[str, Any] = {"address": one.address, "error": one.error}
    if one.plugin is not None:
        known |= msgspec.to_builtins(one.plugin)
    return known


def _convert(source: str, target: Path, to: Form | None, say: Say, complain: Say) -> int:
    """Write a plugin in another format; says what could not be carried over."""
    if target.exists() or target.is_symlink():
        raise WriteError(f"{target} exists already: choose another name, or remove it first.")
    made = convert(source, str(target), to)
    draft = target.with_name(draft_name(target.name))
    try:
        for name, text in made.files.items():
            path = draft / name if name else draft
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        draft.rename(target)
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)
    say(str(target))
    for sentence in made.left_out:
        complain(sentence)
    return 0
