"""Python source: a typed Python file, with what is understood of it, to be rewritten in places."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from opsin.errors import PluginError
from opsin.plugins.formats import python_file
from opsin.plugins.manifest import Operation, Plugin

_HEADER = re.compile(r"^# /// script\n(?:#.*\n)*?# ///\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PythonSource:
    """The text of a plugin's file, its manifest and its syntax."""

    text: str
    plugin: Plugin
    tree: ast.Module = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> PythonSource:
        """The plugin in a file.

        Raises:
            PluginError: there is none.
        """
        try:
            plugin = python_file.read(path, path.name)
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise PluginError(f"{path} cannot be read: {error.strerror or error}.") from error
        return cls(text, plugin, python_file.tree_of(text, path.name))

    @classmethod
    def of(cls, text: str, source: str) -> PythonSource:
        """The plugin in a text; `source` is what it is called in messages."""
        plugin = python_file.parse(text.encode(), source)
        return cls(text, plugin, python_file.tree_of(text, source))

    @property
    def header(self) -> str:
        """The comment at the top that says what the plugin needs; '' if there is none."""
        found = _HEADER.search(self.text)
        return found[0] if found else ""

    def function(self, operation: Operation) -> ast.FunctionDef:
        """The function of an operation."""
        found = [
            node
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef) and node.name == operation.name
        ]
        return found[-1]

    def segment(self, node: ast.AST) -> str:
        """How a part is written."""
        return ast.get_source_segment(self.text, node) or ""

    def imports(self, package: str) -> Iterator[ast.Import | ast.ImportFrom]:
        """The statements, wherever they stand, that import a package or something in it."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and not node.level:
                if (node.module or "").partition(".")[0] == package:
                    yield node
            elif isinstance(node, ast.Import) and any(
                one.name.partition(".")[0] == package for one in node.names
            ):
                yield node

    def future(self) -> list[ast.ImportFrom]:
        """The imports of `__future__`, which stand before all else."""
        return [
            node
            for node in self.tree.body
            if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        ]

    def first_line(self) -> int:
        """The line from which on imports may stand: behind the docstring and `__future__`."""
        line = 1
        for number, node in enumerate(self.tree.body):
            is_docstring = number == 0 and isinstance(node, ast.Expr)
            is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            if not (is_docstring or is_future):
                return max(line, min([node.lineno, *(d.lineno for d in _decorators(node))]))
            line = (node.end_lineno or node.lineno) + 1
        return line

    def rewritten(self, edits: list[Edit]) -> str:
        """The text with parts of it replaced, without its header."""
        return _HEADER.sub("", self.edited(self.text, edits), count=1)

    @staticmethod
    def edited(text: str, edits: list[Edit]) -> str:
        """A text with parts of it replaced."""
        lines = text.encode().splitlines(keepends=True)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        content = text.encode()
        for edit in sorted(edits, key=lambda one: one.start, reverse=True):
            low = starts[edit.start[0] - 1] + edit.start[1]
            high = starts[edit.stop[0] - 1] + edit.stop[1]
            content = content[:low] + edit.text.encode() + content[high:]
        return content.decode()


@dataclass(frozen=True, slots=True)
class Edit:
    """A part of a file, from one place up to another, and what will stand there.

    Places are lines, from 1, and bytes.
    """

    start: tuple[int, int]
    stop: tuple[int, int]
    text: str

    @classmethod
    def of(cls, node: ast.expr | ast.stmt, text: str) -> Edit:
        """In place of a part of the syntax."""
        end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        return cls((node.lineno, node.col_offset), end, text)


def _decorators(node: ast.stmt) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])
