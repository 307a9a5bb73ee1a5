"""Parameters: the values for a run of an operation, checked and converted.

What comes from a form, a script or a command line ends here as plain values that JSON can hold,
one for every parameter of the operation. Paths stay strings, and whether they exist is for the
caller to say; members of an Enum are given by their names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import Enum
from os import PathLike, fspath
from typing import Any

from opsin.errors import UsageError
from opsin.plugins.manifest import LARGEST_INTEGER, Operation, Parameter, Scalar

_YES_AND_NO = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_NOTHING = {"none", "null"}
_LONGEST_SHOWN = 60


def complete(operation: Operation, values: Mapping[str, Any]) -> dict[str, Scalar]:
    """`values`, checked and converted, and the defaults of the parameters that it does not name.

    Raises:
        UsageError: a value does not fit, is missing, or belongs to no parameter.
    """
    for name in values:
        _known(operation, name)
    result: dict[str, Scalar] = {}
    for parameter in operation.parameters:
        if parameter.name in values:
            result[parameter.name] = converted(parameter, values[parameter.name])
        elif isinstance(parameter.default, (bool, int, float, str)) or parameter.default is None:
            result[parameter.name] = parameter.default
        else:
            raise UsageError(
                f"{operation.name} needs a value for {parameter.name}, which has no default."
            )
    return result


def from_words(operation: Operation, words: Iterable[str]) -> dict[str, Scalar]:
    """The values in words of a command line such as `sigma=2`, checked and converted.

    Defaults are left to `complete`.

    Raises:
        UsageError: a word has no `=`, names no parameter or one twice, or its value does not fit.
    """
    result: dict[str, Scalar] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip()
        if not equals:
            raise UsageError(f"{_shown(word)} is no parameter: write name=value, as in sigma=2.")
        parameter = _known(operation, name)
        if name in result:
            raise UsageError(f"{name} is given twice: give it once.")
        result[name] = from_text(parameter, text)
    return result


def from_text(parameter: Parameter, text: str) -> Scalar:
    """The value that somebody typed for `parameter`.

    Truth is `true`, `yes`, `on` or `1`, and its opposite likewise; nothing is `none` or `null`.

    Raises:
        UsageError: it does not fit.
    """
    typed = text.strip()
    if parameter.nullable and typed.lower() in _NOTHING:
        return None
    if parameter.enum:
        for texts in _choices(parameter):
            for choice, known_as in zip(parameter.enum, texts, strict=False):
                if isinstance(known_as, bool):
                    fits = _YES_AND_NO.get(typed.lower()) is known_as
                else:
                    fits = known_as is not None and str(known_as) in (text, typed)
                if fits:
                    return choice
        raise UsageError(_no_choice(parameter, text))
    if parameter.type == "boolean":
        try:
            return _YES_AND_NO[typed.lower()]
        except KeyError:
            raise UsageError(f"{parameter.name}: {_shown(text)} is not yes or no.") from None
    if parameter.type == "string":
        return text
    try:
        whole = parameter.type == "integer" and typed.lstrip("+-").isdecimal()
        number = int(typed) if whole else float(typed)
    except ValueError:
        kind = "whole number" if parameter.type == "integer" else "number"
        raise UsageError(f"{parameter.name}: {_shown(text)} is not a {kind}.") from None
    return converted(parameter, number)


def converted(parameter: Parameter, value: Any) -> Scalar:
    """`value`, from JSON or from Python, as `parameter` wants it.

    Whole numbers are taken for numbers and 2.0 for 2, NumPy's scalars, members of an Enum and
    paths for what they stand for; but no string for a number.

    Raises:
        UsageError: it does not fit.
    """
    if isinstance(value, Enum) and parameter.enum_class is not None:
        value = value.name
    elif isinstance(value, PathLike) and parameter.format == "path":
        value = fspath(value)
    elif getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if value is None:
        if parameter.nullable:
            return None
        raise UsageError(f"{parameter.name} must not be empty.")
    if parameter.enum:
        return _choice(parameter, value)
    if parameter.type == "boolean":
        if not isinstance(value, bool):
            raise UsageError(f"{parameter.name}: {_shown(value)} is not true or false.")
        return value
    if parameter.type == "string":
        if not isinstance(value, str):
            raise UsageError(f"{parameter.name}: {_shown(value)} is not text.")
        if "\0" in value and parameter.format == "path":
            raise UsageError(f"{parameter.name}: a path has no zero bytes.")
        return value
    return _within(parameter, _number(parameter, value))


def _known(operation: Operation, name: str) -> Parameter:
    """The parameter of `operation` that is called `name`."""
    for parameter in operation.parameters:
        if parameter.name == name:
            return parameter
    names = ", ".join(parameter.name for parameter in operation.parameters)
    has = f"it has {names}" if names else "it has none"
    raise UsageError(f"{operation.name} has no parameter {_shown(name)}: {has}.")


def _choices(parameter: Parameter) -> tuple[tuple[Scalar, ...], ...]:
    """What may be chosen; and what else it is known by, the values of the members of an Enum."""
    return (parameter.enum, parameter.enum_values)


def _choice(parameter: Parameter, value: Any) -> Scalar:
    for values in _choices(parameter):
        for choice, known_as in zip(parameter.enum, values, strict=False):
            # 1 and True are equal to Python, and not to anybody else.
            if known_as == value and isinstance(known_as, bool) == isinstance(value, bool):
                return choice
    raise UsageError(_no_choice(parameter, value))


def _no_choice(parameter: Parameter, value: Any) -> str:
    choices = ", ".join(str(choice) for choice in parameter.enum)
    return f"{parameter.name}: {_shown(value)} is none of {choices}."


def _number(parameter: Parameter, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{parameter.name}: {_shown(value)} is not a number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UsageError(f"{parameter.name}: {_shown(value)} is not a finite number.")
    if parameter.type == "number":
        return number
    if abs(number) > LARGEST_INTEGER:
        raise UsageError(f"{parameter.name}: {_shown(value)} is beyond ±2⁵³.")
    if number != int(number):
        raise UsageError(f"{parameter.name}: {value} is not a whole number.")
    return int(value)


def _within(parameter: Parameter, value: int | float) -> int | float:
    """`value`, if the bounds of `parameter` allow it."""
    wrong: str | None = None
    if parameter.minimum is not None and value < parameter.minimum:
        wrong = f"less than {number_text(parameter.minimum)}"
    elif parameter.maximum is not None and value > parameter.maximum:
        wrong = f"more than {number_text(parameter.maximum)}"
    elif parameter.exclusive_minimum is not None and value <= parameter.exclusive_minimum:
        wrong = f"not more than {number_text(parameter.exclusive_minimum)}"
    elif parameter.exclusive_maximum is not None and value >= parameter.exclusive_maximum:
        wrong = f"not less than {number_text(parameter.exclusive_maximum)}"
    elif parameter.multiple_of is not None:
        share = value / parameter.multiple_of
        if math.isfinite(share) and abs(share - round(share)) > 1e-9 * max(1.0, abs(share)):
            wrong = f"not a multiple of {number_text(parameter.multiple_of)}"
    if wrong is not None:
        raise UsageError(f"{parameter.name}: {number_text(value)} is {wrong}.")
    return value


def number_text(value: float) -> str:
    """A number as people write it: 2 for 2.0."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _shown(value: Any) -> str:
    """`value`, short enough for a message. (A huge integer does not even have a `repr`.)"""
    try:
        text = repr(value)
    except ValueError:
        return "a huge number"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
