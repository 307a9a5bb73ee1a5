"""Field: what a form of napari has for one parameter of an operation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from magicgui import widgets
from magicgui.types import FileDialogMode
from msgspec import UNSET

from opsin.plugins.manifest import LARGEST_INTEGER, Parameter, Scalar
from opsin.plugins.parameters import number_text

LARGEST = 1e12
"""Of numbers without a bound: what has more digits does not fit into a form."""
FEWEST_DECIMALS, MOST_DECIMALS = 2, 12


class Field:
    """A parameter's control. Its `value` is what the host checks.

    Attributes:
        parameter: which.
        widget: for a container of magicgui, with its label.
        control: the control alone.
    """

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        self.control: Any = _control(parameter)
        self._none: Any = None
        self.widget: Any = self.control
        tooltip = _tooltip(parameter)
        if parameter.nullable and not parameter.enum:
            self._none = widgets.CheckBox(text="none", value=parameter.default is None)
            self._none.tooltip = "Give it no value"
            self._none.changed.connect(self._none_changed)
            self.widget = widgets.Container(
                widgets=[self.control, self._none], layout="horizontal", labels=False
            )
            self.widget.margins = (0, 0, 0, 0)
            self._none_changed(self._none.value)
        self.widget.name = parameter.name
        unit = f" ({parameter.unit})" if parameter.unit else ""
        self.widget.label = f"{parameter.title}{unit}"
        self.widget.tooltip = self.control.tooltip = tooltip

    @property
    def value(self) -> Scalar:
        """What is given for the parameter; None: no value."""
        if self._none is not None and self._none.value:
            return None
        if self.parameter.format == "path":
            return str(self.control.line_edit.value)
        value: Any = self.control.value
        found: Scalar = _choices(self.parameter)[value] if self.parameter.enum else value
        return found

    @value.setter
    def value(self, value: Scalar) -> None:
        if self._none is not None:
            self._none.value = value is None
            if value is None:
                return
        if self.parameter.format == "path":
            self.control.line_edit.value = str(value)
        elif self.parameter.enum:
            self.control.value = _choices(self.parameter).index(value)
        else:
            self.control.value = value

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change."""
        self.control.changed.connect(lambda *_: listener())
        if self.parameter.format == "path":
            self.control.line_edit.changed.connect(lambda *_: listener())
        if self._none is not None:
            self._none.changed.connect(lambda *_: listener())

    def _none_changed(self, none: bool) -> None:
        self.control.enabled = not none


def _control(parameter: Parameter) -> Any:
    default = None if parameter.default in (UNSET, None) else parameter.default
    if parameter.enum:
        values = _choices(parameter)
        start = 0 if parameter.required else values.index(parameter.default)
        choices = [(_choice(value), number) for number, value in enumerate(values)]
        return widgets.ComboBox(choices=choices, value=start)
    if parameter.type == "boolean":
        return widgets.CheckBox(value=bool(default), text=parameter.title)
    if parameter.format == "path":
        control = widgets.FileEdit(mode=FileDialogMode.EXISTING_FILE)
        control.line_edit.value = "" if default is None else str(default)
        return control
    if parameter.type == "string":
        return widgets.LineEdit(value="" if default is None else str(default))
    return _number(parameter, default)


def _number(parameter: Parameter, default: Any) -> Any:
    whole = parameter.type == "integer"
    step = parameter.step or parameter.multiple_of or None
    decimals = _decimals(parameter, default)
    tick = 1.0 if whole else 10.0**-decimals
    largest = float(LARGEST_INTEGER) if whole else LARGEST
    low, high = -largest, largest
    if parameter.minimum is not None:
        low = parameter.minimum
    elif parameter.exclusive_minimum is not None:
        low = parameter.exclusive_minimum + tick
    if parameter.maximum is not None:
        high = parameter.maximum
    elif parameter.exclusive_maximum is not None:
        high = parameter.exclusive_maximum - tick
    value = min(max(0, low), high) if default is None else default
    if whole:
        low, high = math.ceil(low), math.floor(high)
        step = max(1, round(step)) if step else 1
        return widgets.SpinBox(value=round(value), min=low, max=high, step=step)
    control = widgets.FloatSpinBox(value=low, min=low, max=high, step=step or _step(low, high))
    native: Any = control.native
    native.setDecimals(decimals)
    control.value = float(value)
    return control


def _decimals(parameter: Parameter, default: Any) -> int:
    """Digits behind the point, so that all that the manifest says can be seen.

    One more, where it does not say how large a step is.
    """
    said = (
        default,
        parameter.step,
        parameter.multiple_of,
        parameter.minimum,
        parameter.maximum,
        parameter.exclusive_minimum,
        parameter.exclusive_maximum,
    )
    numbers = [abs(float(one)) for one in said if isinstance(one, int | float) and one]
    stepped = parameter.step or parameter.multiple_of
    needed = (not stepped) + max((_digits(number) for number in numbers), default=1)
    return min(max(needed, FEWEST_DECIMALS), MOST_DECIMALS)


def _digits(number: float) -> int:
    text = f"{number:.{MOST_DECIMALS}f}".rstrip("0")
    return len(text.partition(".")[2])


def _step(low: float, high: float) -> float:
    """A hundredth of what there is, as a power of ten; 1 where there is no end."""
    extent = high - low
    return float(10.0 ** min(0, math.floor(math.log10(extent / 100)))) if extent > 0 else 1.0


def _tooltip(parameter: Parameter) -> str:
    bounds = []
    for text, value in (
        ("at least", parameter.minimum),
        ("more than", parameter.exclusive_minimum),
        ("at most", parameter.maximum),
        ("less than", parameter.exclusive_maximum),
        ("a multiple of", parameter.multiple_of),
    ):
        if value is not None:
            bounds.append(f"{text} {number_text(value)}")
    said = ", ".join(bounds)
    return "\n".join(filter(None, (parameter.description, said[:1].upper() + said[1:])))


def _choices(parameter: Parameter) -> list[Any]:
    return [*parameter.enum, *[None] * parameter.nullable]


def _choice(value: Scalar) -> str:
    if value is None:
        return "None"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)
