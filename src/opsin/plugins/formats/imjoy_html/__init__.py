"""ImJoy file (`.imjoy.html`): the manifest of a plugin that was written for ImJoy.

Its blocks are read as ImJoy reads them, and none of its code is run. The plugin has one operation,
`run`, whose parameters are the fields of its form. Why it cannot be run is said by that operation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from opsin.errors import PluginError
from opsin.plugins.formats.imjoy_html.blocks import Block, read_blocks
from opsin.plugins.formats.imjoy_html.config import Config, read_config
from opsin.plugins.formats.imjoy_html.joy import read_form
from opsin.plugins.imjoy_needs import ImjoyNeeds, engine_needs, needs
from opsin.plugins.manifest import (
    LARGEST_INTEGER,
    FileInput,
    ImjoyKind,
    Input,
    Operation,
    Plugin,
)

READS = "ImJoy files (.imjoy.html)"

SUFFIX = ".imjoy.html"
LARGEST_FILE = 2**24
"""Bytes. Attachments lie in the file."""
MOST_LABELS, MOST_INPUTS = 50, 20
_KINDS = get_args(ImjoyKind)


def recognises(path: Path) -> bool:
    """Whether this is such a file, by its name."""
    return path.name.lower().endswith(SUFFIX)


def read(path: Path, source: str) -> Plugin:
    """The plugin in the file at `path`.

    Raises:
        PluginError: it is none; the message says what is wrong with it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise _unreadable(f"{source} is larger than {LARGEST_FILE // 2**20} MiB.")
    try:
        return plugin_of(content, source)
    except PluginError as error:
        raise PluginError(f"{source}: {error}", reason=error.reason) from None


def plugin_of(content: bytes, source: str, tag: str = "") -> Plugin:
    """The plugin that a file describes, for one of its tags (by default the first).

    Raises:
        PluginError: it describes none, or has no such tag; `reason` says which.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable("It is no text in UTF-8.") from None
    blocks = read_blocks(text)
    digest = hashlib.sha256(content).hexdigest()
    return described(blocks, read_config(blocks, tag), source, digest)


def described(blocks: Sequence[Block], config: Config, source: str, digest: str) -> Plugin:
    """The plugin of a file whose blocks and config, for one of its tags, were read.

    Args:
        digest: SHA-256 of the file, in hexadecimal digits.

    Raises:
        PluginError: it is of no type that Opsin runs.
    """
    if config.type not in _KINDS:
        known = ", ".join(_KINDS)
        raise PluginError(
            f"Plugins of type {config.type!r:.60} are for an engine of ImJoy that Opsin does not "
            f"have: it runs {known}.",
            reason="needs_engine",
        )
    asked, refused = _needs(config, blocks)
    form = read_form(config.ui)
    operation = Operation(
        name="run",
        title=config.name,
        description=" ".join(config.description.split()),
        inputs=_inputs(config.entries.get("inputs")),
        files=_files(config.entries.get("inputs")),
        parameters=form.parameters,
        refused=str(refused or ""),
        reason=refused.reason if refused else "",
        line=_line(blocks),
    )
    return Plugin(
        name=config.name,
        kind=config.type,  # type: ignore[arg-type] # one of those
        source=source,
        digest=digest,
        version=config.version or "0",
        description=" ".join(config.description.split()),
        python=asked.python,
        requirements=asked.requirements,
        repositories={one.folder: one.url for one in asked.repositories},
        operations=(operation,),
        labels=config.labels[:MOST_LABELS],
    )


def _inputs(schema: object) -> tuple[Input, ...]:
    """What it says it takes: arrays among the properties of its data (`ndarray`).

    They are images, or labels if they are called so.
    """
    return tuple(
        Input(
            name=name,
            kind="labels" if "label" in name.lower() else "image",
            title=_title(name),
            optional=True,
        )
        for name, field in _fields(schema).items()
        if "ndarray" in field
    )


def _files(schema: object) -> tuple[FileInput, ...]:
    """The files that it says it takes: `file` with `mime`, `ext`, `size`, `minSize`, `maxSize`."""
    found = []
    for name, field in _fields(schema).items():
        if "file" not in field:
            continue
        said = field["file"] if isinstance(field["file"], dict) else {}
        size = _size(said.get("size"))
        smallest, largest = _size(said.get("minSize")), _size(said.get("maxSize"))
        found.append(
            FileInput(
                name=name,
                title=_title(name),
                extensions=tuple(one.lstrip(".").lower() for one in _texts(said.get("ext"))),
                types=tuple(one.lower() for one in _texts(said.get("mime"))),
                smallest=(size if size is not None else smallest) or 0,
                largest=size if size is not None else largest,
            )
        )
    return tuple(found)


def _fields(schema: object) -> dict[str, dict[str, Any]]:
    """What a schema says of the data that a plugin takes, by name."""
    fields = schema.get("properties", schema) if isinstance(schema, dict) else {}
    if not isinstance(fields, dict):
        return {}
    taken = list(fields.items())[:MOST_INPUTS]
    return {name: one for name, one in taken if isinstance(one, dict) and name}


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]


def _texts(value: object) -> list[str]:
    given = value if isinstance(value, list) else [value]
    return [one for one in given[:MOST_INPUTS] if isinstance(one, str) and one]


def _size(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < LARGEST_INTEGER else None


def _needs(config: Config, blocks: Sequence[Block]) -> tuple[ImjoyNeeds, PluginError | None]:
    """What has to be installed, and why it cannot be."""
    if config.type != "native-python":
        return ImjoyNeeds(), None
    scripts = (block.content for block in blocks if block.name == "script")
    had = [f"pip: {package}" for package in engine_needs(scripts)]
    try:  # what it asks for itself holds
        return needs([*had, *config.requirements], list(config.env)), None
    except PluginError as error:
        return ImjoyNeeds(), PluginError(*error.args, reason=error.reason or "bad_config")


def _unreadable(message: str) -> PluginError:
    return PluginError(message, reason="bad_config")


def _line(blocks: Sequence[Block]) -> int:
    return next((block.line for block in blocks if block.name == "script"), 0)
