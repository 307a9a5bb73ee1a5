"""Config: what the `<config>` of an ImJoy file says, for one of its tags.

As imjoy-core 0.14.5 reads it (`parsePluginCode`): an entry that may differ between tags is an
object with one value for each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opsin.errors import PluginError
from opsin.plugins.formats.imjoy_html.blocks import Block

BY_TAG = (
    *("env", "requirements", "dependencies", "icon", "ui", "type", "flags", "labels", "cover"),
    *("base_frame", "base_worker", "passive"),
)
"""Entries that may have a value for each tag."""
OLD_TYPES = {"pyworker": "native-python", "webworker": "web-worker", "webpython": "web-python"}
"""Up to version 0.1.1 of the api."""


@dataclass(frozen=True, slots=True)
class Config:
    """What is said of a plugin.

    Attributes:
        name, type, version, api_version, description: '' for what is not said.
        tag: the variant that this is; '' if there are none.
        tags: all of them.
        ui: the form, see `opsin.plugins.formats.imjoy_html.joy`.
        requirements, dependencies, flags, labels, permissions: in their order.
        env: shell commands that are to make the environment, or objects.
        defaults: of the window.
        entries: all entries as they stand there, those for tags resolved.
    """

    name: str
    type: str
    api_version: str
    version: str = ""
    description: str = ""
    tag: str = ""
    tags: tuple[str, ...] = ()
    ui: Any = ""
    requirements: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    env: tuple[Any, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, Any] = field(default_factory=dict)


def read_config(blocks: Sequence[Block], tag: str = "") -> Config:
    """The config of a file.

    Args:
        blocks: of the file; the first `<config>` counts.
        tag: the variant that is asked for; by default the first.

    Raises:
        PluginError: there is none, it cannot be read, or there is no such tag; `reason` is
            `bad_config` or `bad_tag`.
    """
    found = next((block for block in blocks if block.name == "config"), None)
    if found is None:
        raise _bad("It has no <config> block.")
    entries = _parsed(found)
    version = entries.get("api_version")
    if not isinstance(version, str):
        raise _bad('Its <config> does not say the "api_version", such as "0.1.8".')
    if found.attributes.get("lang") not in ("json", "yaml") and _later(version, "0.1.5"):
        raise _bad('Its <config> does not say its language: write lang="json".')
    tags = _words(entries, "tags")
    if tag and tag not in tags:
        known = ", ".join(tags) or "none"
        raise PluginError(f"It has no tag {tag!r:.60}: there are {known}.", reason="bad_tag")
    tag = tag or (tags[0] if tags else "")
    for key in BY_TAG:
        if isinstance(entries.get(key), dict):
            if not tag:
                raise _bad(f'Its "{key}" differs between tags, but there are no "tags".')
            entries[key] = entries[key].get(tag)
    if not _later(version, "0.1.1"):
        old = entries.get("type") or entries.pop("mode", None)
        entries["type"] = OLD_TYPES.get(old, old) if isinstance(old, str) else old
    name = _text(entries, "name")
    if not name.strip() or "/" in name:
        raise _bad('Its <config> gives it no "name", or one with a /.')
    type = _text(entries, "type")
    if not type:
        raise _bad('Its <config> does not say the "type", such as "window".')
    if isinstance(entries.get("ui"), dict):
        raise _bad('Its "ui" is an object: it can be a string or a list.')
    env, defaults = entries.get("env"), entries.get("defaults")
    return Config(
        name=name,
        type=type,
        api_version=version,
        version=_text(entries, "version"),
        description=_text(entries, "description"),
        tag=tag,
        tags=tags,
        ui=entries.get("ui") or "",
        requirements=_words(entries, "requirements"),
        dependencies=_words(entries, "dependencies"),
        flags=_words(entries, "flags"),
        labels=_words(entries, "labels"),
        permissions=_words(entries, "permissions"),
        env=tuple(env) if isinstance(env, list) else (env,) if env else (),
        defaults=defaults if isinstance(defaults, dict) else {},
        entries=entries,
    )


def _bad(message: str) -> PluginError:
    return PluginError(message, reason="bad_config")


def _parsed(block: Block) -> dict[str, Any]:
    try:
        if block.attributes.get("lang") == "yaml":
            value = _yaml(block.content)
        else:
            value = json.loads(block.content, parse_constant=_no_constant)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()  # it holds plain values
    except (ValueError, TypeError, RecursionError, ImportError) as error:
        raise _bad(f"Its <config> cannot be read: {_short(error)}.") from error
    if not isinstance(value, dict):
        raise _bad("Its <config> is no object with names and values.")
    return value


def _yaml(text: str) -> Any:
    from opsin.plugins.plain_yaml import load

    return load(text)


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


def _later(version: str, than: str) -> bool:
    """Whether a version is later, as ImJoy compares them: what is no number counts as 0."""
    ours, theirs = _numbers(version), _numbers(than)
    length = max(len(ours), len(theirs))
    return ours + [0] * (length - len(ours)) > theirs + [0] * (length - len(theirs))


def _numbers(version: str) -> list[int]:
    return [_leading_number(part) for part in version.split(".")[:16]]


def _leading_number(text: str) -> int:
    text = text.strip()
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    length = 0
    while length < min(len(text), 12) and text[length] in "0123456789":
        length += 1
    return sign * int(text[:length]) if length else 0


def _text(entries: dict[str, Any], key: str) -> str:
    value = entries.get(key)
    return value if isinstance(value, str) else ""


def _words(entries: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list of texts; one text is a list of one, and what is no text is left out."""
    value = entries.get(key)
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list):
        return tuple(one for one in value if isinstance(one, str))
    return ()


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
