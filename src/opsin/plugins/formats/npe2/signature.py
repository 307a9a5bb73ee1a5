"""Signature: what a function of a napari plugin takes and gives, read from how it is written.

Functions there are written for magicgui: a parameter may have no type but a default, options for
its widget stand in the decorator, and what a form cannot show is left out where the function has a
default for it.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from msgspec import structs

from opsin.errors import PluginError
from opsin.plugins.formats.npe2.source_files import Found, SourceFiles
from opsin.plugins.formats.python_file.annotations import Meaning, annotated, meaning
from opsin.plugins.formats.python_file.docstring import Docstring
from opsin.plugins.formats.python_file.names import Names
from opsin.plugins.formats.python_file.operations import default_of, outputs_of, title_of
from opsin.plugins.manifest import Input, Operation, Parameter

_VIEWERS = {
    *("napari.Viewer", "napari.viewer.Viewer", "napari.viewer.ViewerModel"),
    *("napari.components.ViewerModel", "napari.components.viewer_model.ViewerModel"),
    *("napari.components.LayerList", "napari.components.layerlist.LayerList"),
}
_MAGIC = {f"{module}.{name}" for module in ("magicgui", "magicgui.type_map")
          for name in ("magic_factory", "magicgui")}  # fmt: skip
_FOR_THE_WIDGET = {
    *("app", "auto_call", "call_button", "labels", "layout", "main_window", "name", "persist"),
    *("raise_on_unknown", "result_widget", "tooltips", "widget_init"),
}
"""Options of magicgui's decorators that are not about one parameter."""
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}

_LONGEST_TYPE = 80

NEEDS_VIEWER = "It needs a viewer: open it in napari."


def read_function(found: Found, files: SourceFiles, widget: bool) -> Operation:
    """The operation that a function is, without a name and an address of its own.

    `entry` is `made` if the function makes the widget whose function it is, and takes nothing.

    Raises:
        PluginError: it cannot be understood.
    """
    node, names = found.node, found.names
    if isinstance(node, ast.ClassDef):
        return _refused(f"{node.name} is a window of its own. {NEEDS_VIEWER}")
    if isinstance(node, ast.Call):
        return _applied(node, names)
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return _refused("It is no function that can be seen without running it.")
    if isinstance(node, ast.AsyncFunctionDef):
        return _refused(f"{node.name} is async: an operation is a plain function.")
    options = _options(node, names)
    if options is None:
        inner = _made(node, names)
        if inner is not None and not _required(node):
            operation = _operation(inner, names, _options(inner, names) or {})
            return structs.replace(operation, entry="made")
        if widget and node.returns is None and not node.args.args:
            return _refused(f"{node.name} makes a widget of its own. {NEEDS_VIEWER}")
    operation = _operation(node, names, options or {})
    return structs.replace(operation, is_widget=options is not None)


def _applied(node: ast.Call, names: Names) -> Operation:
    """`name = magic_factory(function, …)`."""
    dotted = names.dotted(node.func)
    if dotted in _MAGIC and node.args and isinstance(node.args[0], ast.Name):
        wanted = node.args[0].id
        for one in names.tree.body:
            if isinstance(one, ast.FunctionDef) and one.name == wanted:
                return _operation(one, names, _keywords(node, names))
    return _refused("It is no function that can be seen without running it.")


def _operation(node: ast.FunctionDef, names: Names, options: dict[str, ast.expr]) -> Operation:
    said = Docstring.of(node)
    title = title_of(node.name)
    inputs: list[Input] = []
    parameters: list[Parameter] = []
    left_out: list[str] = []
    for argument, default in _arguments(node):
        name = argument.arg
        if _is_viewer(argument, names):
            if default is None:
                return _refused(NEEDS_VIEWER, title, said.summary)
            continue
        try:
            what = _meaning(argument, default, options.get(name), names)
            about: dict[str, Any] = {
                "name": name,
                "title": title_of(name),
                "description": said.arguments.get(name, ""),
                **what.fields,
            }
            if what.role == "data":
                about.pop("unit", None)
                inputs.append(Input(optional=default is not None or what.nullable, **about))
            elif what.role == "parameter":
                parameters.append(_parameter(what, about, default, options.get(name), names))
            else:
                raise names.refused(argument, f"{name} is nothing of napari.")
        except PluginError:
            if default is None:
                return _refused(_no_form(argument), title, said.summary)
            left_out.append(name)
    try:
        outputs = outputs_of(node, names)
    except PluginError:
        return _refused(_no_result(node), title, said.summary)
    if not outputs:
        return _refused(f"{node.name} gives nothing: what it does, it does in napari.", title)
    note = f"Left as they are: {', '.join(left_out)}." if left_out else ""
    return Operation(
        name=node.name,
        title=title,
        description="\n\n".join(filter(None, (said.summary, note))),
        inputs=tuple(inputs),
        parameters=tuple(parameters),
        outputs=outputs,
        line=node.lineno,
    )


def _arguments(node: ast.FunctionDef) -> list[tuple[ast.arg, ast.expr | None]]:
    """Every argument that can be given by name, with its default."""
    spec = node.args
    if spec.posonlyargs:
        raise PluginError(f"{node.name} takes arguments by their place only.")
    missing: list[None] = [None] * (len(spec.args) - len(spec.defaults))
    named = list(zip(spec.args, [*missing, *spec.defaults], strict=True))
    return [*named, *zip(spec.kwonlyargs, spec.kw_defaults, strict=True)]


def _required(node: ast.FunctionDef) -> bool:
    """Whether a function cannot be called without arguments."""
    return any(default is None for _, default in _arguments(node))


def _meaning(
    argument: ast.arg, default: ast.expr | None, option: ast.expr | None, names: Names
) -> Meaning:
    """What a parameter is, by its type, or else by its default and the options of its widget."""
    if argument.annotation is not None:
        base = meaning(argument.annotation, names)
    else:
        value = None if default is None else names.literal(default)
        if value is None:
            choices = _entry(option, "choices")
            if not isinstance(choices, (ast.List, ast.Tuple)) or not choices.elts:
                raise names.refused(argument, f"{argument.arg!r} has no type.")
            value = names.literal(choices.elts[0])
        base = Meaning("parameter", {"type": _TYPES[type(value)]})
    if not isinstance(option, ast.Dict):
        return base
    known = _for_values(option, base)
    try:
        return annotated(base, [known], names)
    except PluginError:  # options that only running the file would tell
        said = [(key, value) for key, value in _pairs(known) if key in ("label", "tooltip")]
        plain = ast.Dict([ast.Constant(key) for key, _ in said], [value for _, value in said])
        return annotated(base, [ast.copy_location(plain, option)], names)


def _for_values(option: ast.Dict, base: Meaning) -> ast.Dict:
    """The options that say something about the value; numbers for sliders of texts are none."""
    numeric = base.fields.get("type") in ("integer", "number")
    texts = {"label", "tooltip"}
    values = {"choices"} if base.role == "parameter" else set()
    bounds = {"max", "min", "step"} if numeric and not _entry(option, "choices") else set()
    kept = [(key, value) for key, value in _pairs(option) if key in texts | values | bounds]
    made = ast.Dict([ast.Constant(key) for key, _ in kept], [value for _, value in kept])
    return ast.copy_location(made, option)


def _parameter(
    what: Meaning,
    about: dict[str, Any],
    default: ast.expr | None,
    option: ast.expr | None,
    names: Names,
) -> Parameter:
    value = _entry(option, "value") or _entry(option, "bind") or default
    is_none = isinstance(value, ast.Constant) and value.value is None
    parameter = Parameter(nullable=what.nullable or is_none, **about)
    if value is None:
        return parameter
    try:
        return structs.replace(parameter, default=default_of(parameter, value, names))
    except PluginError:
        # The bounds are those of a widget, and not of the function.
        free = replace(what, fields={k: v for k, v in about.items() if k not in _BOUNDS})
        wider = Parameter(nullable=parameter.nullable, **free.fields)
        return structs.replace(wider, default=default_of(wider, value, names))


_BOUNDS = {"enum", "maximum", "minimum", "multiple_of", "exclusive_maximum", "exclusive_minimum"}


def _options(node: ast.FunctionDef, names: Names) -> dict[str, ast.expr] | None:
    """What magicgui's decorator says of parameters; None if a function has no such decorator."""
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        if names.dotted(decorator if call is None else call.func) in _MAGIC:
            return {} if call is None else _keywords(call, names)
    return None


def _keywords(call: ast.Call, names: Names) -> dict[str, ast.expr]:
    """Options by parameter."""
    options: dict[str, ast.expr] = {}
    for keyword in call.keywords:
        value = names.alias(keyword.value) or keyword.value
        if keyword.arg == "param_options" and isinstance(value, ast.Dict):
            options |= {key: _as_dict(one, names) for key, one in _pairs(value)}
        elif keyword.arg and keyword.arg not in _FOR_THE_WIDGET:
            options[keyword.arg] = _as_dict(value, names)
    return options


def _as_dict(node: ast.expr, names: Names) -> ast.expr:
    """`dict(min=0)` as `{"min": 0}`."""
    if isinstance(node, ast.Call) and names.dotted(node.func) == "dict" and not node.args:
        named = [one for one in node.keywords if one.arg is not None]
        made = ast.Dict([ast.Constant(one.arg) for one in named], [one.value for one in named])
        return ast.copy_location(made, node)
    return node


def _pairs(node: ast.Dict) -> list[tuple[str, ast.expr]]:
    return [
        (key.value, value)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    ]


def _entry(option: ast.expr | None, key: str) -> ast.expr | None:
    return dict(_pairs(option)).get(key) if isinstance(option, ast.Dict) else None


def _made(node: ast.FunctionDef, names: Names) -> ast.FunctionDef | None:
    """The function inside of one that makes a widget of it and gives that back."""
    inner = {
        one.name: one
        for one in node.body
        if isinstance(one, ast.FunctionDef) and _options(one, names) is not None
    }
    for statement in reversed(node.body):
        if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Name):
            return inner.get(statement.value.id)
    return None


def _is_viewer(argument: ast.arg, names: Names) -> bool:
    node: ast.expr | None = argument.annotation
    if node is None:
        return argument.arg in ("napari_viewer", "viewer")
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            if part.value.strip().rpartition(".")[2] == "Viewer":
                return True
        elif isinstance(part, (ast.Attribute, ast.Name)) and names.dotted(part) in _VIEWERS:
            return True
    return False


def _refused(why: str, title: str = "", description: str = "") -> Operation:
    return Operation(name="operation", title=title, description=description, refused=why)


def _no_form(argument: ast.arg) -> str:
    """Why a parameter that has to be given cannot be."""
    if argument.annotation is None:
        return f"What its parameter {argument.arg} is, it does not say."
    return f"Its parameter {argument.arg} ({_written(argument.annotation)}) fits into no form."


def _no_result(node: ast.FunctionDef) -> str:
    """Why what a function gives is not known."""
    if node.returns is None:
        return f"{node.name} does not say what it gives."
    return f"{node.name} gives {_written(node.returns)}, which cannot be shown."


def _written(node: ast.expr) -> str:
    return ast.unparse(node).strip("'")[:_LONGEST_TYPE]
