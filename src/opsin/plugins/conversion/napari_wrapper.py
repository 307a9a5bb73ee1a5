"""napari wrapper: functions of a napari plugin as a typed Python file, which calls its package.

Only functions that take and give plain arrays of napari's types can be called so, without a window
and without layers. The package stays a requirement of the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from opsin.errors import PluginError
from opsin.plugins.conversion.converted import Converted
from opsin.plugins.manifest import Input, Operation, Parameter, Plugin

_TYPES = {"boolean": "bool", "integer": "int", "number": "float", "string": "str"}


def from_npe2(plugin: Plugin) -> Converted:
    """A typed Python file with those of a plugin's functions that one can call.

    Raises:
        PluginError: there is none.
    """
    left_out: list[str] = []
    wrapped: list[str] = []
    needed: set[str] = set()
    for operation in plugin.operations:
        why = _why_not(operation)
        if why:
            left_out.append(f"{operation.name}: {why}")
            continue
        function = _Function(operation)
        wrapped.append(function.text())
        needed |= function.names
    if not wrapped:
        whys = " ".join(left_out)
        raise PluginError(f"{plugin.name} has no function that a file could call. {whys}")
    header = [
        "# /// script",
        f"# dependencies = {json.dumps([*plugin.requirements, 'napari'])}",
        "#",
        "# [tool.opsin]",
        f"# name = {json.dumps(plugin.name)}",
        f"# version = {json.dumps(plugin.version)}",
        "# ///",
        json.dumps(plugin.description or f"Functions of {plugin.name}."),
        "",
        "from pathlib import Path",
        "from typing import Annotated, Literal",
        "",
        f"from opsin.types import {', '.join(sorted(needed))}",
        "",
    ]
    return Converted({"": "\n".join(header) + "\n\n" + "\n\n".join(wrapped)}, tuple(left_out))


@dataclass(eq=False)
class _Function:
    """One function that calls another. `names` are those of `opsin.types` that it needs."""

    operation: Operation
    names: set[str] = field(default_factory=set)

    def text(self) -> str:
        """How it is written."""
        operation = self.operation
        arguments = [self._input(one.name, one.kind, one.optional) for one in operation.inputs]
        arguments += [self._parameter(one) for one in operation.parameters]
        arguments.sort(key=lambda one: " = " in one)
        gives = [self._kind(output.kind) for output in operation.outputs]
        result = gives[0] if len(gives) == 1 else f"tuple[{', '.join(gives)}]"
        module, _, name = operation.entry.partition(":")
        passed: list[Input | Parameter] = [*operation.inputs, *operation.parameters]
        given = ", ".join(f"{one.name}={one.name}" for one in passed)
        said = [operation.description, "", "Args:"]
        said += [f"    {one.name}: {one.description or one.title}" for one in passed]
        doc = "\n".join(f"    {line}".rstrip() for line in said).strip()
        doc = doc.replace("\\", "").replace('"""', "'''")
        return (
            f"def {operation.name}(\n"
            + "".join(f"    {one},\n" for one in arguments)
            + f') -> {result}:\n    """{doc}\n    """\n'
            + f"    from {module} import {name}\n\n"
            + f"    return {name}({given})\n"
        )

    def _kind(self, kind: str) -> str:
        name = kind.capitalize()
        self.names.add(name)
        return name

    def _input(self, name: str, kind: str, optional: bool) -> str:
        return f"{name}: {self._kind(kind)}" + (" | None = None" if optional else "")

    def _parameter(self, one: Parameter) -> str:
        if one.format == "path":
            kind = "Path"
        elif one.enum:
            kind = f"Literal[{', '.join(map(repr, one.enum))}]"
        else:
            kind = _TYPES[one.type]
        bounds = {
            name: getattr(one, name)
            for name in ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "step")
            if getattr(one, name) is not None and not one.enum
        }
        if bounds or one.title:
            self.names.add("Field")
            said = [f"{name}={value!r}" for name, value in bounds.items()]
            kind = f"Annotated[{kind}, Field({', '.join([*said, f'title={one.title!r}'])})]"
        kind += " | None" if one.nullable else ""
        return f"{one.name}: {kind}" + ("" if one.required else f" = {one.default!r}")


def _why_not(operation: Operation) -> str:
    """Why a file cannot call an operation; '' if it can."""
    if operation.refused:
        return operation.refused
    if operation.role != "function":
        return "readers and sample data have no place in a typed file."
    if operation.entry.endswith("()") or operation.is_widget:
        return "it is made into a widget where it is defined, and cannot be called without one."
    if any(one.as_layer for one in operation.inputs):
        return "it takes layers of napari, not arrays."
    if any(output.kind == "layers" for output in operation.outputs):
        return "it gives layers of napari, whose kind only a run tells."
    if any(one.enum_class for one in operation.parameters):
        return "a choice of it is an Enum of its package."
    return ""
