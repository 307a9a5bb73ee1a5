"""Contributions: what a napari plugin brings, as operations, in the order of its manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from opsin.errors import PluginError
from opsin.plugins.formats.npe2.signature import read_function
from opsin.plugins.formats.npe2.source_files import SourceFiles
from opsin.plugins.formats.python_file.operations import title_of
from opsin.plugins.manifest import Operation, Output, Parameter

MOST = 1000
"""Contributions of one plugin."""
_LONGEST = 300
_ENTRY = re.compile(r"(?P<module>\w+(\.\w+)*):(?P<name>\w+(\.\w+)*)")

LAYERS = (Output(kind="layers", title="Layers"),)


@dataclass(frozen=True, slots=True)
class Command:
    """A function that the manifest names. `used_by`: the kinds of contributions that call it."""

    id: str
    title: str
    entry: str
    used_by: frozenset[str]


def read_operations(
    document: dict[str, Any], files: SourceFiles, source: str
) -> tuple[Operation, ...]:
    """All that a manifest contributes and that is a function, whether it can be run here or not.

    Raises:
        PluginError: there is more of it than one plugin has.
    """
    contributions = document["contributions"]
    commands = _commands(contributions)
    found: list[Operation] = []
    for entry in _items(contributions, "widgets"):
        found.append(_widget(entry, commands, files))
    for command in commands.values():
        if not command.used_by:
            found.append(_function(command, command.title, files))
    for entry in _items(contributions, "readers"):
        found.append(_reader(entry, commands))
    for entry in _items(contributions, "sample_data"):
        found.append(_sample(entry, commands))
    for entry in _items(contributions, "writers"):
        title = _text(entry, "display_name") or "Write"
        why = "It writes files, and Opsin writes its own: see `opsin write`."
        found.append(_refused(_text(entry, "command") or "writer", title, why))
    if len(found) > MOST:
        raise PluginError(f"{source} has more than {MOST} contributions: it is no manifest.")
    return tuple(_with_own_names(found))


def _commands(contributions: dict[str, Any]) -> dict[str, Command]:
    users: dict[str, set[str]] = {}
    for kind in ("widgets", "readers", "sample_data", "writers"):
        for entry in _items(contributions, kind):
            users.setdefault(_text(entry, "command"), set()).add(kind)
    commands: dict[str, Command] = {}
    for entry in _items(contributions, "commands"):
        id = _text(entry, "id")
        if id:
            title, where = _text(entry, "title"), _text(entry, "python_name")
            commands[id] = Command(id, title, where, frozenset(users.get(id, ())))
    return commands


def _widget(entry: dict[str, Any], commands: dict[str, Command], files: SourceFiles) -> Operation:
    command = commands.get(_text(entry, "command"))
    title = _text(entry, "display_name")
    if command is None:
        return _refused(title or "widget", title, "Its command is not in the manifest.")
    return _function(command, title or command.title, files, widget=True)


def _function(command: Command, title: str, files: SourceFiles, widget: bool = False) -> Operation:
    """A command whose function takes and gives data, from what its file says."""
    place = _ENTRY.fullmatch(command.entry)
    if place is None:
        return _refused(command.id, title, "The manifest does not say where its function is.")
    module, name = place["module"], place["name"]
    try:
        if "." in name:
            return _refused(command.id, title, f"{name} is no function of a module.")
        found = files.find(module, name)
        if found is None:
            return _refused(command.id, title, f"There is no {name} in {module} that can be seen.")
        operation = read_function(found, files, widget)
    except PluginError as error:
        return _refused(name, title, str(error))
    made = "()" if operation.entry == "made" else ""
    return structs.replace(
        operation,
        name=_identifier(name),
        title=title or title_of(name),
        entry="" if operation.refused else f"{module}:{name}{made}",
    )


def _reader(entry: dict[str, Any], commands: dict[str, Command]) -> Operation:
    command = commands.get(_text(entry, "command"))
    if command is None or not _ENTRY.fullmatch(command.entry):
        return _refused("reader", "Reader", "The manifest does not say where its function is.")
    patterns = [one for one in entry.get("filename_patterns") or () if isinstance(one, str)]
    named = ", ".join(patterns)[:_LONGEST]
    path = Parameter(
        name="path",
        type="string",
        format="path",
        title="Path",
        description=f"A file, or a folder, such as {named}." if named else "A file, or a folder.",
    )
    return Operation(
        name=_identifier(command.entry.rpartition(":")[2]),
        title=command.title or "Read",
        description=f"Reads {named}." if named else "Reads files.",
        parameters=(path,),
        outputs=LAYERS,
        entry=command.entry,
        role="reader",
    )


def _sample(entry: dict[str, Any], commands: dict[str, Command]) -> Operation:
    key = _text(entry, "key") or "sample"
    title = _text(entry, "display_name") or title_of(key)
    uri = _text(entry, "uri")
    if uri:
        return _refused(key, title, f"It is a file: open it with `opsin view {uri}`.")
    command = commands.get(_text(entry, "command"))
    if command is None or not _ENTRY.fullmatch(command.entry):
        return _refused(key, title, "The manifest does not say where its function is.")
    return Operation(
        name=_identifier(key),
        title=title,
        description="Sample data.",
        outputs=LAYERS,
        entry=command.entry,
        role="sample",
    )


def _refused(name: str, title: str, why: str) -> Operation:
    """A contribution that cannot be run, and why."""
    plain = _identifier(name.rpartition(".")[2] or name)
    return Operation(name=plain, title=title or title_of(plain), refused=why)


def _with_own_names(operations: list[Operation]) -> Iterator[Operation]:
    """Operations no two of which have one name: of several the later ones get a number."""
    taken: set[str] = set()
    for one in operations:
        names = (one.name if n == 1 else f"{one.name}_{n}" for n in range(1, MOST + 2))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        yield structs.replace(one, name=name)


def _items(contributions: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    items = contributions.get(kind)
    if not isinstance(items, list):
        return []
    return [one for one in items[: MOST + 1] if isinstance(one, dict)]


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    return " ".join(value.split())[:_LONGEST] if isinstance(value, str) else ""


def _identifier(name: str) -> str:
    plain = re.sub(r"\W+", "_", name).strip("_") or "operation"
    return plain if plain.isidentifier() else f"_{plain}"
