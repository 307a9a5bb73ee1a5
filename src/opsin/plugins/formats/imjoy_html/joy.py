"""Joy: the form of an ImJoy plugin, words with fields between them, as parameters. Pure.

    "Blur with a sigma of {id: 'sigma', type: 'number', min: 0, max: 10, placeholder: 2}<br>"

A field is an object in braces, in JSON or less strict: names need no quotes, and texts may stand in
single ones (imjoy-core, `joy.js`). The words before it say what it is for.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsin.errors import PluginError
from opsin.plugins.manifest import Parameter, ParameterType, Scalar

LONGEST = 2**16
"""Characters of a form."""
MOST = 200
"""Fields."""
DEEPEST = 20

_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"<br\s*/?>|</p>|</div>|\n", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_$][\w$\-]*")
_SPACE = re.compile(r"\s*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_NAMED: dict[str, Scalar] = {"true": True, "false": False, "null": None, "undefined": None}


@dataclass(frozen=True, slots=True)
class Form:
    """What a user fills in.

    Attributes:
        parameters: one for each field that has a value.
        left_out: the types of fields that have none that could be given, such as buttons.
    """

    parameters: tuple[Parameter, ...] = ()
    left_out: tuple[str, ...] = ()


def read_form(ui: Any) -> Form:
    """The fields of a form.

    Args:
        ui: as it stands in the config: a text, or a list of texts and of objects, whose values are
            fields and whose names say what they are for.

    Raises:
        PluginError: a field cannot be read, or has no `id`.
    """
    text = _joined(ui)
    if len(text) > LONGEST:
        raise _bad(f'Its "ui" is longer than {LONGEST} characters.')
    parameters: dict[str, Parameter] = {}
    left_out: list[str] = []
    for words, source in _split(text):
        about = _object(source)
        name = about.get("id")
        if not isinstance(name, str) or not name:
            raise _bad(f'A field of its "ui" has no "id": {_short(source)}')
        parameter = _parameter(name, about, words)
        if parameter is None:
            left_out.append(str(about.get("type"))[:40])
        else:
            parameters[name] = parameter
        if len(parameters) + len(left_out) > MOST:
            raise _bad(f'Its "ui" has more than {MOST} fields.')
    return Form(tuple(parameters.values()), tuple(left_out))


def _bad(message: str) -> PluginError:
    return PluginError(message, reason="bad_config")


def _joined(ui: Any) -> str:
    if isinstance(ui, str):
        return ui.strip()
    if not isinstance(ui, Sequence):
        return ""
    lines: list[str] = []
    for one in ui:
        if isinstance(one, str):
            lines.append(one)
        elif isinstance(one, Mapping):
            lines += (
                f"{name}: {value if isinstance(value, str) else json.dumps(value)}"
                for name, value in one.items()
            )
        else:
            lines.append(json.dumps(one))
    return "<br>".join(lines)


def _split(text: str) -> list[tuple[str, str]]:
    """Each field's source, with the words before it."""
    found: list[tuple[str, str]] = []
    depth, start, end = 0, 0, 0
    for place, character in enumerate(text):
        if character == "{":
            if depth == 0:
                start = place
            depth += 1
        elif character == "}" and depth:
            depth -= 1
            if depth == 0:
                found.append((_title(text[end:start]), text[start : place + 1]))
                end = place + 1
    if depth:
        raise _bad(f'A field of its "ui" has no end: {_short(text[start:])}')
    return found


def _title(markup: str) -> str:
    """The last line of words before a field."""
    lines = [_TAG.sub("", line) for line in _BREAK.split(markup)]
    words = [" ".join(html.unescape(line).split()).rstrip(":= ") for line in lines]
    return next((line[:200] for line in reversed(words) if line), "")


def _parameter(name: str, about: Mapping[str, Any], words: str) -> Parameter | None:
    title = words or name
    default = about.get("placeholder", about.get("value"))
    kind = about.get("type")
    if kind == "number":
        low, high, step = (_number(about.get(key)) for key in ("min", "max", "step"))
        if low is not None and high is not None and low > high:
            low, high = high, low
        value = _number(default)
        if value is None:
            value = 0.0
        if low is not None:
            value = max(value, low)
        if high is not None:
            value = min(value, high)
        return Parameter(
            name=name, type="number", title=title, default=value,
            minimum=low, maximum=high, step=step if step is not None and step > 0 else None,
        )  # fmt: skip
    if kind == "choose":
        return _choice(name, title, about.get("options"), default)
    if kind in ("string", "color"):
        text = default if isinstance(default, str) else "" if default is None else str(default)
        return Parameter(name=name, type="string", title=title, default=text)
    return None


def _choice(name: str, title: str, options: Any, default: Any) -> Parameter:
    values: list[Scalar] = []
    for one in options if isinstance(options, list) else []:
        value = one.get("value", one.get("label")) if isinstance(one, dict) else one
        if isinstance(value, (str, int, float, bool)) and value not in values:
            values.append(value)
    if not values:
        raise _bad(f'The field {_short(name)} of its "ui" has no "options".')
    kinds = {type(value) for value in values}
    kind: ParameterType = "string"
    if kinds == {bool}:
        kind = "boolean"
    elif kinds <= {int, float}:
        kind = "number"
    else:
        values = list(dict.fromkeys(map(_told, values)))
        default = _told(default)
    chosen = default if default in values else values[0]
    return Parameter(name=name, type=kind, title=title, default=chosen, enum=tuple(values))


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 2**53 else None


def _object(source: str) -> dict[str, Any]:
    try:
        value, end = _value(source, 0, 0)
        if end != len(source) or not isinstance(value, dict):
            raise ValueError("it is no object")
    except ValueError as error:
        raise _bad(f'A field of its "ui" cannot be read: {error}: {_short(source)}') from error
    return value


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    """A value that begins at a place, and the place behind it."""
    at = _next(text, at)
    first = text[at : at + 1]
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if first == "{":
        return _members(text, at + 1, depth + 1)
    if first == "[":
        return _elements(text, at + 1, depth + 1)
    if first and first in "\"'":
        return _quoted(text, at)
    if found := _NUMBER.match(text, at):
        number = float(found[0])
        if abs(number) >= 2**53:
            raise ValueError("a number is too large")
        return int(number) if found[0].lstrip("+-").isdecimal() else number, found.end()
    if found := _WORD.match(text, at):
        if found[0] not in _NAMED:
            raise ValueError(f"{found[0]} is no value")
        return _NAMED[found[0]], found.end()
    raise ValueError("a value is missing")


def _members(text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
    members: dict[str, Any] = {}
    while True:
        at = _next(text, at)
        if text.startswith("}", at):
            return members, at + 1
        if text[at : at + 1] in ("'", '"'):
            name, at = _quoted(text, at)
        elif found := _WORD.match(text, at):
            name, at = found[0], found.end()
        else:
            raise ValueError("a name is missing")
        at = _next(text, at)
        if not text.startswith(":", at):
            raise ValueError(f"there is no : behind {name!r:.40}")
        members[name], at = _value(text, at + 1, depth)
        at = _comma(text, at, "}")


def _elements(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    elements: list[Any] = []
    while True:
        at = _next(text, at)
        if text.startswith("]", at):
            return elements, at + 1
        element, at = _value(text, at, depth)
        elements.append(element)
        at = _comma(text, at, "]")


def _comma(text: str, at: int, end: str) -> int:
    at = _next(text, at)
    if text.startswith(",", at):
        return at + 1
    if not text.startswith(end, at):
        raise ValueError("a comma is missing")
    return at


def _quoted(text: str, at: int) -> tuple[str, int]:
    quote, found = text[at], list[str]()
    at += 1
    while at < len(text):
        character = text[at]
        if character == quote:
            return "".join(found), at + 1
        if character == "\\":
            at += 1
            character = text[at : at + 1]
            code = text[at + 1 : at + 5]
            if character == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", code):
                found.append(chr(int(code, 16)))
                at += 5
                continue
            character = _ESCAPES.get(character, character)
        found.append(character)
        at += 1
    raise ValueError("a text has no end")


def _next(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _short(text: str) -> str:
    return " ".join(text.split())[:100]
