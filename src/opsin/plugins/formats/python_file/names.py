"""Names: what the names in a Python file stand for, as far as one can see without running it."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import opsin.types
from opsin.errors import PluginError
from opsin.plugins.manifest import LARGEST_INTEGER, Scalar

_ENUMS = {"enum.Enum", "enum.IntEnum", "enum.StrEnum"}
_MOST_LOOKUPS = 10_000
"""Steps from alias to alias in one file: two lines of aliases can stand for 2^n types."""


@dataclass(frozen=True, slots=True)
class EnumClass:
    """An Enum that the file defines: its members, and their values (None: no plain value)."""

    name: str
    members: dict[str, Scalar]


class Names:
    """The names at the top level of one file, and words for what is wrong with it."""

    def __init__(self, tree: ast.Module, source: str) -> None:
        self.tree = tree
        self.source = source
        self._imported: dict[str, str] = {}
        self._values: dict[str, ast.expr] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        self._lookups = 0
        changed: set[str] = set()
        for statement in _statements(tree.body):
            match statement:
                case ast.Import() | ast.ImportFrom():
                    self._imported.update(_imports(statement))
                case ast.ClassDef(name=name):
                    self._classes[name] = statement
                case ast.AugAssign(target=ast.Name(id=name)):
                    changed.add(name)
                case _:
                    for name, value in _assigned(statement):
                        if name in self._values:
                            changed.add(name)
                        self._values[name] = value
        for name in changed:
            self._values.pop(name, None)

    def refused(self, node: ast.AST, why: str) -> PluginError:
        """The error that says where `node` stands and why it cannot be understood."""
        return PluginError(f"{self.source}, line {getattr(node, 'lineno', 1)}: {why}")

    def dotted(self, node: ast.expr) -> str | None:
        """The full name of what `node` names, such as `opsin.types.Image`; None if it is no name.

        What is neither imported nor defined here keeps its name: `float`, `undefined`.
        """
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        return ".".join([self._imported.get(node.id, node.id), *reversed(attributes)])

    def alias(self, node: ast.expr) -> ast.expr | None:
        """What a name of this file was set to, once and for all; None if `node` is no such name."""
        self._lookups += 1
        if self._lookups > _MOST_LOOKUPS:
            raise self.refused(node, "the types of this file are too involved: write them out.")
        if not isinstance(node, ast.Name) or node.id in self._imported:
            return None
        return self._values.get(node.id)

    def defines(self, node: ast.expr) -> bool:
        """Whether `node` is the name of something that this file sets, defines or imports."""
        return isinstance(node, ast.Name) and (
            node.id in self._imported or node.id in self._values or node.id in self._classes
        )

    def enum(self, node: ast.expr) -> EnumClass | None:
        """The Enum of this file that `node` names, if any."""
        if not isinstance(node, ast.Name) or node.id not in self._classes:
            return None
        definition = self._classes[node.id]
        bases = {self.dotted(base) for base in definition.bases}
        if not bases & _ENUMS:
            return None
        members = {
            name: self._plain(value)
            for statement in definition.body
            for name, value in _assigned(statement)
            if not name.startswith("_")
        }
        return EnumClass(node.id, members)

    def literal(self, node: ast.expr) -> Scalar:
        """The plain value that `node` writes out, or that a constant of this file holds.

        Raises:
            PluginError: it is something that only running the file would tell.
        """
        for _ in range(20):
            value = self.alias(node)
            if value is None:
                break
            node = value
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            sign = -1 if isinstance(node.op, ast.USub) else 1
            node = node.operand
            if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
                raise self.refused(node, "this is not a plain number: write it out.")
        if not isinstance(node, ast.Constant):
            written = ast.unparse(node)[:60] if isinstance(node, (ast.Name, ast.Attribute)) else ""
            what = f"{written!r} is" if written else "this is"
            raise self.refused(
                node,
                f"{what} not a plain value, and the file is not run to find out: "
                "write a number, a text, True, False or None.",
            )
        constant = node.value
        if isinstance(constant, str) and constant.encode(errors="replace").decode() != constant:
            raise self.refused(node, "this text holds half a character.")
        if constant is Ellipsis:
            raise self.refused(node, "... does not say which value it is: write it out.")
        if constant is None or isinstance(constant, (bool, str)):
            return constant
        if isinstance(constant, int) and abs(constant) <= LARGEST_INTEGER:
            return sign * constant
        if isinstance(constant, float) and math.isfinite(constant):
            return sign * constant
        raise self.refused(node, "this is not a text or a number of a usual size.")

    def number(self, node: ast.expr) -> float:
        """As `literal`, but a number."""
        value = self.literal(node)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refused(node, "this is not a number: write one.")
        return value

    def text(self, node: ast.expr) -> str:
        """As `literal`, but a text, with its white space in order."""
        value = self.literal(node)
        if not isinstance(value, str):
            raise self.refused(node, "this is not a text: put it in quotes.")
        return " ".join(value.split())

    def _plain(self, node: ast.expr) -> Scalar:
        try:
            return self.literal(node)
        except PluginError:
            return None  # such as `auto()`: its name is all that one needs


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements at the top level, and those in `if` and `try`, where imports may stand."""
    waiting = list(reversed(body))
    while waiting:
        statement = waiting.pop()
        yield statement
        if isinstance(statement, ast.If):
            waiting += reversed([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            waiting += reversed([*statement.body, *statement.orelse, *statement.finalbody])


def _imports(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """The names that an import binds, and what they stand for."""
    for found in statement.names:
        if isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            names = opsin.types.__all__ if module == "opsin.types" and found.name == "*" else ()
            yield from ((name, f"{module}.{name}") for name in names)
            yield (found.asname or found.name, f"{module}.{found.name}")
        elif found.asname is not None:
            yield (found.asname, found.name)
        else:
            top = found.name.partition(".")[0]
            yield (top, top)


def _assigned(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The names that a statement sets, with what stands to the right of them."""
    match statement:
        case ast.Assign(targets=targets, value=value):
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield (name, value)
        case _ if type(statement).__name__ == "TypeAlias":  # `type Name = …`, since Python 3.12
            alias: Any = statement
            yield (alias.name.id, alias.value)
