"""Header: the comment at the top of a script that says what it needs (PEP 723).

# /// script
# requires-python = ">=3.11"
# dependencies = ["scikit-image>=0.25"]
#
# [tool.opsin]
# name = "Nuclei"
# version = "1.0"
# permissions = { network = "downloads its model once" }
# ///
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, get_args

import msgspec

from opsin.errors import PluginError
from opsin.plugins.manifest import Permission, PermissionName

_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_OPENING = "# /// script"
_CLOSING = "# ///"
_PYTHON = re.compile(r"[\s\d.,*<>=!~a-z+-]{1,200}")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][^\r\n\0]{0,999}")
_KEYS = ("name", "version", "description", "permissions")
_OF_STUBS = ("module", "functions")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_FUNCTION = re.compile(rf"{_MODULE.pattern}(:[^\W\d]\w*)?")
_MOST_TEXT = 2000
_LARGEST = 2**15
"""Characters of a header. The reader of TOML takes long for odd ones."""


class Header(msgspec.Struct, frozen=True):
    """What stands in the header; each as in `Plugin`, and empty if it is not given.

    Attributes:
        module, functions: of a stub, where the library's functions are: all of them, and those for
            which that is not so, as `module` or `module:name`.
    """

    name: str = ""
    version: str = "0"
    description: str = ""
    python: str = ""
    requirements: tuple[str, ...] = ()
    permissions: tuple[Permission, ...] = ()
    module: str = ""
    functions: dict[str, str] = {}


def read_header(text: str, source: str, *, is_stub: bool = False) -> Header:
    """The header of the file with this text; an empty one if it has none.

    Raises:
        PluginError: there are several, or it cannot be understood.
    """
    found = _blocks(text)
    if not found:
        return Header()
    line, content = found[0]
    place = f"{source}, line {line}"
    if len(found) > 1:
        raise PluginError(f"{source}, line {found[1][0]}: there are two script headers: join them.")
    if len(content) > _LARGEST:
        raise PluginError(f"{place}: the header is longer than {_LARGEST} characters: shorten it.")
    try:
        table = tomllib.loads(content)
    except (ValueError, RecursionError) as error:
        raise PluginError(f"{place}: the header is not TOML: {error}.") from error
    tools = table.get("tool", {})
    ours = tools.get("opsin", {}) if isinstance(tools, dict) else {}
    if not isinstance(ours, dict):
        raise PluginError(f"{place}: tool.opsin is not a table: write [tool.opsin].")
    keys = (*_KEYS, *_OF_STUBS) if is_stub else _KEYS
    for key in ours:
        if key not in keys:
            known = ", ".join(keys)
            raise PluginError(f"{place}: tool.opsin has no key {key!r}: it has {known}.")
    return Header(
        name=_text(ours, "name", place),
        version=_text(ours, "version", place) or "0",
        description=_text(ours, "description", place),
        python=_python(table, place),
        requirements=_requirements(table, place),
        permissions=_permissions(ours, place),
        module=_module(ours, place),
        functions=_functions(ours, place),
    )


def _blocks(text: str) -> list[tuple[int, str]]:
    """Line and content of every script header. It ends at the last `# ///` of its comment."""
    lines = _LINE_ENDS.split(text)
    found: list[tuple[int, str]] = []
    number = 0
    while number < len(lines):
        if lines[number].rstrip() != _OPENING:
            number += 1
            continue
        end = number + 1
        closing: int | None = None
        while end < len(lines) and (lines[end] == "#" or lines[end].startswith("# ")):
            if lines[end].rstrip() == _CLOSING:
                closing = end
            end += 1
        if closing is not None:
            content = (line[2:] for line in lines[number + 1 : closing])
            found.append((number + 1, "\n".join(content)))
        number = end
    return found


def _text(table: dict[str, Any], key: str, place: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise PluginError(f"{place}: tool.opsin.{key} is not a short text: put it in quotes.")
    return " ".join(value.split())


def _python(table: dict[str, Any], place: str) -> str:
    value = table.get("requires-python", "")
    if not isinstance(value, str) or (value and not _PYTHON.fullmatch(value)):
        raise PluginError(f'{place}: requires-python is not like ">=3.11".')
    return value.strip()


def _requirements(table: dict[str, Any], place: str) -> tuple[str, ...]:
    value = table.get("dependencies", [])
    if not isinstance(value, list):
        raise PluginError(f'{place}: dependencies is not a list such as ["scipy>=1.15"].')
    for item in value:
        # They end on the command line of an installer: nothing that could be taken for an option.
        if not isinstance(item, str) or not _REQUIREMENT.fullmatch(item.strip()):
            raise PluginError(f'{place}: a dependency is like "scipy>=1.15", not {item!r:.60}.')
    return tuple(item.strip() for item in value)


def _module(ours: dict[str, Any], place: str) -> str:
    value = _text(ours, "module", place)
    if value and not _MODULE.fullmatch(value):
        raise PluginError(f'{place}: module is not like "skimage.filters".')
    return value


def _functions(ours: dict[str, Any], place: str) -> dict[str, str]:
    value = ours.get("functions", {})
    if not isinstance(value, dict) or not all(
        isinstance(one, str) and _FUNCTION.fullmatch(one) for one in value.values()
    ):
        raise PluginError(
            f'{place}: functions is not like {{ smooth = "skimage.filters:gaussian" }}.'
        )
    return value


def _permissions(ours: dict[str, Any], place: str) -> tuple[Permission, ...]:
    """A table of names and reasons, or a list of names."""
    value = ours.get("permissions", {})
    reasons = dict.fromkeys(map(str, value), "") if isinstance(value, list) else value
    if not isinstance(reasons, dict):
        raise PluginError(
            f'{place}: permissions is not like {{ network = "downloads its model" }}.'
        )
    for name, reason in reasons.items():
        if name not in get_args(PermissionName):
            known = ", ".join(get_args(PermissionName))
            raise PluginError(f"{place}: there is no permission {name!r:.60}: there are {known}.")
        if not isinstance(reason, str) or len(reason) > _MOST_TEXT:
            raise PluginError(f"{place}: the reason for {name} is not a short text.")
    return tuple(
        Permission(name=name, reason=" ".join(reason.split())) for name, reason in reasons.items()
    )
