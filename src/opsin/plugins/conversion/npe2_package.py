"""npe2 package: a typed Python file as a package that pip installs and napari loads.

It needs napari and what the plugin needs, and no Opsin: the few names of `opsin.types` that a
plugin may use come with it, in a module of their own.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence

from opsin.errors import PluginError
from opsin.plugins.conversion import opsin_names
from opsin.plugins.conversion.converted import Converted
from opsin.plugins.conversion.python_source import Edit, PythonSource
from opsin.plugins.manifest import Operation, Parameter, Plugin

FUNCTIONS = "operations"
NAMES = "opsin_names"
KEPT = "typed.py.txt"
"""The typed file as it was, from which it comes back."""
FAR = {"integer": (-(2**31), 2**31 - 1), "number": (-1e9, 1e9)}
"""Bounds of a parameter that has none: without any, magicgui takes 0 and 999."""
_PLAIN = {"boolean": "bool", "integer": "int", "number": "float", "string": "str"}
_ROWS = ("points", "shapes", "table")
"""What is given in the world, or in pixels of an image."""
_FILE = {"label": "Table file", "mode": "w", "filter": "*.csv", "tooltip": "where it is written"}
_LAYERS = ("image", "labels", "points", "shapes", "surface", "tracks", "vectors")


def to_npe2(source: PythonSource, folder: str) -> Converted:
    """The package.

    Args:
        source: the plugin.
        folder: the name of its folder, after which it is called.

    Raises:
        PluginError: it uses something of Opsin that there is not without it.
    """
    plugin = source.plugin
    name = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-") or "napari-plugin"
    package = name.replace("-", "_")
    if not package.isidentifier():
        name, package = f"napari-{name}", f"napari_{package}"
    left_out = [
        f"The permission {one.name} is declared nowhere in napari."
        + (f" ({one.reason})" if one.reason else "")
        for one in plugin.permissions
    ]
    module = _Module(source, package)
    commands = []
    for operation in plugin.operations:
        function = module.add(operation, left_out)
        if function is not None:
            commands.append((operation, function))
    if not commands:
        raise PluginError(f"{plugin.source} has nothing that napari could show: {left_out[-1]}")
    home = f"src/{package}"
    return Converted(
        {
            "pyproject.toml": _project(source, name, package),
            "README.md": f"# {plugin.name}\n\n{plugin.description}\n",
            f"{home}/__init__.py": f'"""{plugin.name}, a plugin of napari."""\n',
            f"{home}/napari.yaml": _manifest(source, name, package, commands),
            f"{home}/{FUNCTIONS}.py": module.text(),
            f"{home}/{NAMES}.py": opsin_names.FOR_NAPARI,
            f"{home}/{KEPT}": source.text,
        },
        tuple(left_out),
    )


class _Module:
    """The plugin's file, with types of napari instead of Opsin's."""

    def __init__(self, source: PythonSource, package: str) -> None:
        self._source = source
        self._package = package
        self._edits: list[Edit] = [self._import(one) for one in source.imports("opsin")]
        self._more: list[str] = []
        self._called: list[str] = []

    def add(self, operation: Operation, left_out: list[str]) -> str | None:
        """Rewrite an operation's function; the name of what napari calls, None if it cannot."""
        kinds = [output.kind for output in operation.outputs]
        shown = [kind for kind in kinds if kind in _LAYERS]
        if not kinds:
            left_out.append(
                f"{operation.name} gives nothing: it is a function of the package, and no widget."
            )
            return None
        if "table" in kinds:
            left_out.append(
                f"The table that {operation.name} gives becomes features of the labels or points "
                "that it is about, or is written to the file that its form names."
            )
        if any(given.kind == "table" for given in operation.inputs):
            left_out.append(
                f"{operation.name} takes a table: napari gives it the features of a layer."
            )
        images = [given for given in operation.inputs if given.kind in ("image", "labels")]
        if images:
            axes = {given.axes for given in images if given.axes} or {"yx"}
            left_out.append(
                f"{operation.name} works on the axes {' and '.join(sorted(axes))}: napari hands it "
                "a whole layer, whatever axes that has."
            )
        left_out += _checks(operation)
        node = self._source.function(operation)
        has_rows = any(given.kind in _ROWS for given in operation.inputs)
        single = kinds == shown and len(kinds) == 1 and not operation.metadata and not has_rows
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            annotation = self._annotation(operation, argument)
            if annotation and argument.annotation is not None:
                self._edits.append(Edit.of(argument.annotation, annotation))
        if node.returns is not None and len(kinds) == 1 and shown:
            self._edits.append(Edit.of(node.returns, _data(shown[0])))
        name = operation.name if single else f"{operation.name}_in_napari"
        if not single:
            self._more.append(self._wrapper(operation, node))
        self._called.append(name)
        return name

    def text(self) -> str:
        """The file."""
        if any("annotations" in self._source.segment(one) for one in self._source.future()):
            named = "".join(f"{one}, " for one in self._called)
            self._more.append(
                f"for _one in ({named.rstrip()}):  # magicgui cannot look names up here\n"
                "    _one.__annotations__ = typing.get_type_hints(_one, include_extras=True)\n"
            )
        written = "\n".join([*(edit.text for edit in self._edits), *self._more])
        imports = [
            line
            for use, line in (
                ("pathlib.", "import pathlib"),
                ("typing.", "import typing"),
                ("napari.layers.", "import napari.layers"),
                ("napari.types.", "import napari.types"),
                ("_opsin_names.", f"from {self._package} import {NAMES} as _opsin_names"),
            )
            if use in written
        ]
        line = self._source.first_line()
        text = "".join(f"{one}\n" for one in imports)
        edits = [*self._edits, Edit((line, 0), (line, 0), text)]
        return "\n\n".join([self._source.rewritten(edits).rstrip("\n") + "\n", *self._more])

    def _import(self, node: ast.Import | ast.ImportFrom) -> Edit:
        """An import of Opsin as one of what comes with the package."""
        here = f"{self._package}.{NAMES}"
        known = opsin_names.KNOWN
        if isinstance(node, ast.Import):
            lines = []
            for one in node.names:
                if one.name.partition(".")[0] != "opsin":
                    alias = f" as {one.asname}" if one.asname else ""
                    lines.append(f"import {one.name}{alias}")
                elif one.name in ("opsin", "opsin.types", "opsin.errors"):
                    lines.append(f"from {self._package} import {NAMES} as {one.asname or 'opsin'}")
                else:
                    raise self._foreign(node, one.name)
            return Edit.of(node, "; ".join(lines))
        if node.module not in ("opsin", "opsin.types", "opsin.errors"):
            raise self._foreign(node, str(node.module))
        names = []
        for one in node.names:
            if one.name not in (*known, "*", "types", "errors"):
                raise self._foreign(node, f"{node.module}.{one.name}")
            names.append(f"{one.name} as {one.asname}" if one.asname else one.name)
        return Edit.of(node, f"from {here} import {', '.join(names)}")

    def _foreign(self, node: ast.stmt, name: str) -> PluginError:
        return PluginError(
            f"{self._source.plugin.source}, line {node.lineno}: {name} is there in Opsin only, and "
            "the package has to do without it: take it out."
        )

    def _annotation(self, operation: Operation, argument: ast.arg) -> str:
        for given in operation.inputs:
            if given.name == argument.arg and given.kind == "table":
                return ""  # which is a dict there, too
            if given.name == argument.arg:
                return _data(given.kind) + (" | None" if given.optional else "")
        for parameter in operation.parameters:
            if parameter.name == argument.arg:
                return _value(parameter)
        return ""

    def _wrapper(self, operation: Operation, node: ast.FunctionDef) -> str:
        """A function that napari can call in place of one with several results or metadata."""
        arguments, given = [], []
        defaults = dict(_defaults(node))
        kind_of = {one.name: one.kind for one in operation.inputs}
        images = [one.name for one in operation.inputs if one.kind in ("image", "labels")]
        first = images[0] if images else "None"
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            name = argument.arg
            about = operation.metadata.get(name)
            if about is not None:
                where = f"metadata_of({about})"
                if kind_of.get(about) in _ROWS:
                    where = f"place_of({about}, {first})"
                given.append(f"{name}=_opsin_names.{where}")
                continue
            data = next((one for one in operation.inputs if one.name == name), None)
            if data is not None:
                is_table = data.kind == "table"
                kind = f"napari.layers.{'Layer' if is_table else data.kind.capitalize()}"
                arguments.append(f"{name}: {kind}" + (" | None = None" if data.optional else ""))
                inner = f"{name}.data"
                if is_table:
                    inner = f"_opsin_names.table_of({name})"
                elif data.kind in _ROWS:
                    inner = f"_opsin_names.positions_of({name}, {first})"
                given.append(
                    f"{name}={f'None if {name} is None else {inner}' if data.optional else inner}"
                )
                continue
            default = defaults.get(name)
            text = "" if default is None else f" = {self._source.segment(default)}"
            arguments.append(f"{name}: {self._annotation(operation, argument)}{text}")
            given.append(f"{name}={name}")
        # What has no default stands before what has one.
        arguments.sort(key=lambda one: " = " in one.partition(": ")[2])
        kinds = tuple(output.kind for output in operation.outputs)
        told = ""
        if "table" in kinds:
            taken = {argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]}
            file = next(one for one in ("table_file", "table_file_") if one not in taken)
            arguments.append(f"{file}: typing.Annotated[pathlib.Path, {_FILE!r}] = pathlib.Path()")
            inputs = "".join(f"{one.name}, " for one in operation.inputs)
            told = f", ({inputs}), {file}"
        return (
            f"def {operation.name}_in_napari(\n"
            + "".join(f"    {one},\n" for one in arguments)
            + ") -> list[napari.types.LayerDataTuple]:\n"
            + f"    {json.dumps(operation.description)}\n"
            + f"    given = {operation.name}({', '.join(given)})\n"
            + f"    return _opsin_names.layers_of(given, {kinds!r}, {first}{told})\n"
        )


def _data(kind: str) -> str:
    return f"napari.types.{kind.capitalize()}Data"


def _value(parameter: Parameter) -> str:
    """The type of a parameter, with the options of its widget."""
    options: dict[str, object] = {"label": parameter.title}
    if parameter.unit:
        options["label"] = f"{parameter.title} ({parameter.unit})"
    if parameter.description:
        options["tooltip"] = parameter.description
    kind = parameter.enum_class or ("pathlib.Path" if parameter.format else _PLAIN[parameter.type])
    if parameter.enum and parameter.enum_class is None:
        options["choices"] = list(parameter.enum)
    elif parameter.nullable and parameter.type in FAR:
        options["widget_type"] = "LiteralEvalLineEdit"  # a box for numbers is never empty
    elif parameter.type in FAR:
        low, high = bounds_of(parameter)
        options |= {"min": low, "max": high}
        step = parameter.step or parameter.multiple_of
        if step:
            options["step"] = step
    if parameter.nullable:
        kind = f"{kind} | None"
    return f"typing.Annotated[{kind}, {options!r}]"


def bounds_of(parameter: Parameter) -> tuple[float, float]:
    """The least and the most that a form offers, both included."""
    low, high = FAR[parameter.type]
    whole = parameter.type == "integer"
    if parameter.minimum is not None:
        low = parameter.minimum
    elif parameter.exclusive_minimum is not None:
        low = parameter.exclusive_minimum + (1 if whole else 0)
    if parameter.maximum is not None:
        high = parameter.maximum
    elif parameter.exclusive_maximum is not None:
        high = parameter.exclusive_maximum - (1 if whole else 0)
    return (int(low), int(high)) if whole else (low, high)


def _checks(operation: Operation) -> list[str]:
    """What Opsin's form checks, and magicgui's does not."""
    said = []
    for one in operation.parameters:
        if one.nullable and not one.enum and one.type in FAR:
            said.append(f"The form takes {one.name} as a text, such as None or 3, and any number.")
            continue
        if one.nullable and one.type == "string" and not one.enum:
            said.append(f"The form gives {one.name} as an empty text where Opsin gives None.")
        if one.type == "number" and one.exclusive_minimum is not None:
            said.append(f"The form takes {one.exclusive_minimum:g} for {one.name}, too.")
        if one.type == "number" and one.exclusive_maximum is not None:
            said.append(f"The form takes {one.exclusive_maximum:g} for {one.name}, too.")
        if one.multiple_of is not None:
            said.append(f"The form does not demand multiples of {one.multiple_of:g} of {one.name}.")
    return said


def _defaults(node: ast.FunctionDef) -> list[tuple[str, ast.expr]]:
    spec = node.args
    named = [one.arg for one in spec.args[len(spec.args) - len(spec.defaults) :]]
    found = list(zip(named, spec.defaults, strict=True))
    keywords = zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    return [*found, *((one.arg, value) for one, value in keywords if value is not None)]


def requirements_with(plugin: Plugin, *more: str) -> list[str]:
    """What has to be installed, each package once: the plugin's own words go before ours."""
    wanted = {_package(one) for one in plugin.requirements}
    return [one for one in more if _package(one) not in wanted] + [*plugin.requirements]


def _package(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower()


def _project(source: PythonSource, name: str, package: str) -> str:
    plugin = source.plugin
    needs = requirements_with(plugin, "magicgui", "napari>=0.5", "numpy")
    version = plugin.version if re.fullmatch(r"\d+(\.\d+)*\w*", plugin.version) else "0"
    lines = [
        "[build-system]",
        'requires = ["hatchling"]',
        'build-backend = "hatchling.build"',
        "",
        "[project]",
        f"name = {json.dumps(name)}",
        f"version = {json.dumps(version)}",
        f"description = {json.dumps(plugin.description[:500], ensure_ascii=False)}",
        'readme = "README.md"',
        f"dependencies = {json.dumps(needs)}",
        'classifiers = ["Framework :: napari"]',
        *([f"requires-python = {json.dumps(plugin.python)}"] if plugin.python else []),
        "",
        '[project.entry-points."napari.manifest"]',
        f'{name} = "{package}:napari.yaml"',
        "",
        "[tool.hatch.metadata]",
        "allow-direct-references = true",
        "",
        "[tool.hatch.build.targets.wheel]",
        f'packages = ["src/{package}"]',
    ]
    return "\n".join(lines) + "\n"


def _manifest(
    source: PythonSource, name: str, package: str, commands: Sequence[tuple[Operation, str]]
) -> str:
    """In JSON's way of writing YAML, so that no name can be taken for something else."""
    lines = [
        f"name: {name}",
        f"display_name: {json.dumps(source.plugin.name[:90], ensure_ascii=False)}",
        "contributions:",
        "  commands:",
    ]
    for operation, function in commands:
        lines += [
            f"    - id: {name}.{operation.name}",
            f"      title: {json.dumps(operation.title, ensure_ascii=False)}",
            f"      python_name: {package}.{FUNCTIONS}:{function}",
        ]
    lines.append("  widgets:")
    for operation, _ in commands:
        lines += [
            f"    - command: {name}.{operation.name}",
            f"      display_name: {json.dumps(operation.title, ensure_ascii=False)}",
            "      autogenerate: true",
        ]
    return "\n".join(lines) + "\n"
