"""ImJoy script: what one sees of the Python in an ImJoy file without running it. Pure.

Its functions have no types: what they take and give is told from how they use `ctx` and from names,
and each guess is named.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from opsin.errors import PluginError

LIFECYCLE = ("setup", "run", "exit", "resume", "update", "destroy")
CONTEXT = ("config", "data")
_OF_ARRAYS = {"T", "all", "any", "astype", "copy", "dtype", "flatten", "get", "items", "keys",
              "max", "mean", "min", "ndim", "ravel", "reshape", "shape", "size", "squeeze", "std",
              "sum", "transpose", "update", "values"}  # fmt: skip
"""What is asked of data itself, and names no part of it."""
_NAMED = (
    ("labels", re.compile(r"label|mask|segment", re.IGNORECASE)),
    ("points", re.compile(r"points|coord|centroid|centers|centres|spots", re.IGNORECASE)),
)
_IMAGE = re.compile(
    r"(\w*_)?(arr|array|channel|data|frame|im|image|img|input|picture|pixels|plane|stack|volume)"
    r"s?\d*",
    re.IGNORECASE,
)
_PAGES = ("js", "pyodide")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the plugin exports.

    Attributes:
        inputs: what it is given by name, with the kind of each.
        values: its other arguments, with their defaults.
        output: the kind of what it gives.
        whole: the only input is all of `ctx.data`, and not a part of it.
    """

    name: str
    inputs: dict[str, str]
    values: dict[str, bool | int | float | str]
    output: str
    whole: bool = True


class Script:
    """The script of a plugin.

    Raises:
        PluginError: it is not Python 3, or works on the page.
    """

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        try:
            self.tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise PluginError(
                f"The script of {source} is no Python 3 ({getattr(error, 'msg', error)}): only "
                "such scripts are converted."
            ) from error
        self._methods = {node.name: node for node in self._exported()}
        for node in ast.walk(self.tree):
            for name in _imported(node):
                if name.partition(".")[0] in _PAGES:
                    raise PluginError(
                        f"The script of {source} uses the page that it runs in ({name}), which a "
                        "typed file does not have."
                    )

    @property
    def names(self) -> set[str]:
        """What it defines or imports at its top level."""
        found = {
            node.name
            for node in self.tree.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        }
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                found |= {(one.asname or one.name).partition(".")[0] for one in node.names}
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
        return found

    def calls_of_api(self) -> dict[str, int]:
        """What it uses of `api`, with the line where it first does."""
        found: dict[str, int] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and _is_name(node.value, "api"):
                found.setdefault(node.attr, node.lineno)
        return found

    def imjoy_imports(self) -> list[ast.stmt]:
        """The statements that import ImJoy's modules."""
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            and any(name.partition(".")[0] in ("imjoy", "imjoy_rpc") for name in _imported(node))
        ]

    def run(self) -> Function | None:
        """Its `run`; None if there is none.

        Raises:
            PluginError: it gives nothing that a function could give.
        """
        node = self._methods.get("run")
        if node is None:
            return None
        context = next((one.arg for one in node.args.args if one.arg != "self"), "")
        parts, whole = _data_of(node, context)
        inputs = {"image": "image"} if whole and not parts else {}
        inputs |= {part: _taken(part) for part in parts}
        return Function("run", inputs, {}, _output(node), whole=whole and not parts)

    def functions(self) -> Iterator[Function | str]:
        """Its other functions; or a sentence for one whose arguments nobody can tell."""
        for name, node in self._methods.items():
            if name in LIFECYCLE or name.startswith("_"):
                continue
            try:
                yield _function(node)
            except PluginError as error:
                yield f"{name} {error}"

    def _exported(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """The methods of the class that it exports, or the functions of a dict of them."""
        exported: ast.expr | None = None
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "export"
                and node.args
            ):
                exported = node.args[0]
        if isinstance(exported, ast.Name):
            for node in ast.walk(self.tree):
                if isinstance(node, ast.Assign) and any(
                    _is_name(one, exported.id) for one in node.targets
                ):
                    exported = node.value
                    break
        top = {getattr(node, "name", ""): node for node in self.tree.body}
        if isinstance(exported, ast.Call) and isinstance(exported.func, ast.Name):
            found = top.get(exported.func.id)
            body = found.body if isinstance(found, ast.ClassDef) else []
            yield from (n for n in body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
        elif isinstance(exported, ast.Dict):
            for value in exported.values:
                node_of = top.get(value.id) if isinstance(value, ast.Name) else None
                if isinstance(node_of, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield node_of


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    """A function by its arguments: what has no default is an array.

    Raises:
        PluginError: the end of a sentence.
    """
    spec = node.args
    if spec.vararg or spec.kwarg or spec.posonlyargs:
        raise PluginError("takes any number of arguments: give each a name.")
    arguments = [one.arg for one in spec.args if one.arg not in ("self", "cls")]
    plain = len(arguments) - len(spec.defaults)
    given = [*zip(arguments[plain:], spec.defaults, strict=True)]
    given += [(one.arg, value) for one, value in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
              if value is not None]  # fmt: skip
    values: dict[str, bool | int | float | str] = {}
    for name, default in given:
        value = _literal(default)
        if not isinstance(value, (bool, int, float, str)):
            raise PluginError(f"has an argument {name} whose type nobody can tell: give it one.")
        values[name] = value
    if not arguments[:plain]:
        raise PluginError("takes no array, so that it has no place among the operations.")
    inputs = {name: _taken(name) for name in arguments[:plain]}
    return Function(node.name, inputs, values, _output(node))


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _taken(name: str) -> str:
    """The kind of an input of that name.

    Raises:
        PluginError: it may be anything; the end of a sentence.
    """
    kind = _kind(name)
    if kind == "image" and not _IMAGE.fullmatch(name):
        raise PluginError(f"takes {name}, of which nobody can tell what it is: give it a type.")
    return kind


def _kind(name: str) -> str:
    return next((kind for kind, pattern in _NAMED if pattern.search(name)), "image")


def _output(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The kind of what a function gives, told from how it writes that.

    Raises:
        PluginError: it gives nothing; the end of a sentence.
    """
    values = [one.value for one in _own(node) if isinstance(one, ast.Return) and one.value]
    kept = [one for one in values if not (isinstance(one, ast.Constant) and one.value is None)]
    if not kept:
        raise PluginError(
            "gives nothing back, but shows what it makes by itself, which a function cannot."
        )
    value = kept[-1]
    if isinstance(value, ast.Dict):
        keys = [one.value for one in value.keys if isinstance(one, ast.Constant)]
        if not {"data", "type"} & set(keys):
            return "table"
        value = next(
            (v for k, v in zip(value.keys, value.values, strict=True) if _is_text(k, "data")), value
        )
    return _kind(ast.unparse(value)[:200])


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, without the functions in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _own(child)


def _data_of(node: ast.AST, context: str) -> tuple[list[str], bool]:
    """The parts of `ctx.data` that are used, and whether it is used at all."""
    parts: dict[str, None] = {}
    used = False
    for one in ast.walk(node):
        if _member(one, context) == "data":
            used = True
        inner = getattr(one, "value", None)
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute):
            inner = one.func.value if one.func.attr == "get" else None
        if isinstance(inner, ast.expr) and _member(inner, context) == "data":
            name = _part(one)
            if name.isidentifier() and name not in _OF_ARRAYS:
                parts[name] = None
    return list(parts), used


def _member(node: ast.AST, name: str) -> str:
    """`data` of `ctx.data`, `ctx["data"]` and `ctx.get("data")`; '' of all else."""
    inner = getattr(node, "value", None)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        inner = node.func.value if node.func.attr == "get" else None
    return _part(node) if isinstance(inner, ast.expr) and _is_name(inner, name) else ""


def _part(node: ast.AST) -> str:
    """The name in `x.name`, `x["name"]` and `x.get("name")`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    key: ast.AST | None = None
    if isinstance(node, ast.Subscript):
        key = node.slice
    elif isinstance(node, ast.Call) and node.args:
        key = node.args[0]
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_text(node: ast.AST | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [one.name for one in node.names] if isinstance(node, ast.Import) else []
