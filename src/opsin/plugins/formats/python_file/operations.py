"""Operations: the public functions of a Python file, with what they take and give."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from msgspec import UnsetType, structs

from opsin.errors import UsageError
from opsin.plugins.formats.python_file.annotations import (
    Meaning,
    elements,
    gives_layers,
    meaning,
)
from opsin.plugins.formats.python_file.docstring import Docstring
from opsin.plugins.formats.python_file.names import Names
from opsin.plugins.manifest import Input, Operation, Output, Parameter, Scalar
from opsin.plugins.parameters import converted

_PROGRESS = {"opsin.progress", "opsin.types.progress"}


def read_operations(names: Names) -> tuple[Operation, ...]:
    """The operations of a file, in its order.

    Raises:
        PluginError: it has none, or one of them cannot be understood.
    """
    functions: dict[str, ast.FunctionDef] = {}
    exported = _exported(names)
    for node in names.tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        listed = node.name in exported if exported is not None else _is_annotated(node)
        if node.name.startswith("_") or not listed or _is_overload(node, names):
            continue
        if isinstance(node, ast.AsyncFunctionDef):
            raise names.refused(node, f"{node.name} is async: an operation is a plain function.")
        functions[node.name] = node  # of two with one name, Python keeps the last
    if not functions:
        raise names.refused(
            names.tree,
            "this file has no operation: annotate a public function, "
            "as in `def nuclei(image: Image, sigma: float = 2.0) -> Labels`.",
        )
    talkative = _with_progress(names)
    return tuple(_operation(node, names, node.name in talkative) for node in functions.values())


def _operation(node: ast.FunctionDef, names: Names, wants_progress: bool) -> Operation:
    said = Docstring.of(node)
    inputs: list[Input] = []
    parameters: list[Parameter] = []
    metadata: list[tuple[str, ast.arg]] = []
    for argument, default in _arguments(node, names):
        what = _meaning(argument, node, names)
        described = {
            "name": argument.arg,
            "title": title_of(argument.arg),
            "description": said.arguments.get(argument.arg, ""),
            **what.fields,
        }
        if what.role == "metadata":
            metadata.append((argument.arg, argument))
        elif what.role == "data":
            if default is not None and not _is_none(default):
                raise names.refused(default, f"{argument.arg} has no default but None: drop it.")
            if what.nullable and default is None:
                raise names.refused(
                    argument, f"{argument.arg} may be None: add the default, `= None`."
                )
            described.pop("unit", None)
            inputs.append(Input(optional=default is not None, **described))
        else:
            parameter = Parameter(
                nullable=what.nullable or (default is not None and _is_none(default)), **described
            )
            if default is not None:
                value = default_of(parameter, default, names)
                parameter = structs.replace(parameter, default=value)
            parameters.append(parameter)
    return Operation(
        name=node.name,
        title=title_of(node.name),
        description=said.summary,
        inputs=tuple(inputs),
        parameters=tuple(parameters),
        outputs=outputs_of(node, names),
        metadata={name: _about(name, argument, inputs, names) for name, argument in metadata},
        wants_progress=wants_progress,
        line=node.lineno,
    )


def _arguments(node: ast.FunctionDef, names: Names) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """Every argument with its default."""
    spec = node.args
    for refused in (spec.vararg, spec.kwarg, *spec.posonlyargs):
        if refused is not None:
            raise names.refused(
                refused,
                f"{node.name} takes {refused.arg!r} in a way that a form cannot give: "
                "give it a name of its own, without *, ** and /.",
            )
    missing: list[None] = [None] * (len(spec.args) - len(spec.defaults))
    yield from zip(spec.args, [*missing, *spec.defaults], strict=True)
    yield from zip(spec.kwonlyargs, spec.kw_defaults, strict=True)


def _meaning(argument: ast.arg, node: ast.FunctionDef, names: Names) -> Meaning:
    if argument.annotation is None:
        raise names.refused(
            argument,
            f"{argument.arg!r} of {node.name} has no type: add one, as in `image: Image`, "
            "or begin the function's name with _ if users shall not see it.",
        )
    return meaning(argument.annotation, names)


def default_of(parameter: Parameter, node: ast.expr, names: Names) -> Scalar | UnsetType:
    """The default that stands in the file, as `parameter` wants it."""
    node = names.alias(node) or node
    if isinstance(node, ast.Attribute) and parameter.enum_class is not None:
        enum = names.enum(node.value)
        if enum is not None and enum.name == parameter.enum_class and node.attr in enum.members:
            return node.attr
    path = isinstance(node, ast.Call) and names.dotted(node.func) == "pathlib.Path"
    if path and isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        node = node.args[0]
    value = names.literal(node)
    if parameter.enum_class is not None and value is not None:
        choices = f"{parameter.enum_class}.{parameter.enum[0]}"
        raise names.refused(node, f"{parameter.name}: the default is a member, such as {choices}.")
    try:
        return converted(parameter, value)
    except UsageError as error:
        raise names.refused(node, f"the default does not fit. {error}") from error


def outputs_of(node: ast.FunctionDef, names: Names) -> tuple[Output, ...]:
    """What a function gives.

    Raises:
        PluginError: it does not say, or it is nothing that can be shown.
    """
    if node.returns is None:
        raise names.refused(
            node,
            f"{node.name} does not say what it gives: add `-> Labels`, `-> Image` or the like.",
        )
    if gives_layers(node.returns, names):
        return (Output(kind="layers", title="Layers"),)
    outputs: list[Output] = []
    for element in elements(node.returns, names):
        what = meaning(element, names)
        if what.role != "data" or what.nullable or what.fields.get("lazy"):
            raise names.refused(
                element,
                f"{node.name} gives something that cannot be shown: give Image, Labels, Points … "
                'of opsin.types; numbers as a Table, such as {"count": [3]}.',
            )
        known = {"title": str(what.fields["kind"]).capitalize(), **what.fields}
        outputs.append(
            Output(**{key: known[key] for key in ("kind", "title", "description", "axes")
                      if key in known})
        )  # fmt: skip
    return tuple(outputs)


def _about(name: str, argument: ast.arg, inputs: list[Input], names: Names) -> str:
    """The input that a `Metadata` parameter is about."""
    known = [given.name for given in inputs]
    if not known:
        raise names.refused(argument, f"{name} is about an input, and there is none.")
    stem = name.removesuffix("_metadata")
    return stem if stem in known else known[0]


def _exported(names: Names) -> set[str] | None:
    """The names in `__all__`; None if the file has no such list."""
    listed = names.alias(ast.Name("__all__"))
    if not isinstance(listed, (ast.List, ast.Tuple)):
        return None
    return {names.text(item) for item in listed.elts}


def _is_annotated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function has any types: one without is not meant to be an operation."""
    spec = node.args
    arguments = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    return node.returns is not None or any(argument.annotation for argument in arguments)


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef, names: Names) -> bool:
    return any(
        names.dotted(decorator) in ("typing.overload", "typing_extensions.overload")
        for decorator in node.decorator_list
    )


def _with_progress(names: Names) -> set[str]:
    """The functions at the top level that use `progress`, by themselves or through each other."""
    users_of: dict[str, set[str]] = {}
    for function in names.tree.body:
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, (ast.Name, ast.Attribute)):
                    users_of.setdefault(names.dotted(node) or "", set()).add(function.name)
    found: set[str] = set()
    waiting = list(_PROGRESS)
    while waiting:
        new = users_of.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def title_of(name: str) -> str:
    """`min_size` as a form shows it: Min size."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
