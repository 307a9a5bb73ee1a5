"""Source files: where the function that a manifest names is written, found without importing it."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from opsin.errors import PluginError
from opsin.plugins.formats.python_file import tree_of
from opsin.plugins.formats.python_file.names import Names

LARGEST_FILE = 2**20
"""Bytes of a module that is looked into."""
MOST_FILES = 300
_DEEPEST = 8

Statement = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr


@dataclass(frozen=True, slots=True)
class Found:
    """A name at the top level of a module: what defines it, and the names around it."""

    node: Statement
    names: Names


class SourceFiles:
    """The modules of a plugin's package, and of what else lies beside it.

    Args:
        manifest: the file of the manifest; the package lies in one of the folders above it.
    """

    def __init__(self, manifest: Path) -> None:
        self._roots = manifest.parents[:6]
        self._files: dict[Path, bytes] = {}
        self._modules: dict[str, Names | None] = {}

    def contents(self) -> list[bytes]:
        """All files that were looked into, by their paths."""
        return [self._files[path] for path in sorted(self._files)]

    def find(self, module: str, name: str, depth: int = 0) -> Found | None:
        """What a name in a module stands for, also if it is imported there from another one.

        Raises:
            PluginError: a module cannot be understood.
        """
        names = self._names(module)
        if names is None or depth > _DEEPEST:
            return None
        for node in reversed(names.tree.body):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    if node.name == name:
                        return Found(node, names)
        value = names.alias(ast.Name(name))
        if isinstance(value, ast.Name) and value.id != name:
            return self.find(module, value.id, depth + 1)
        if value is not None:
            return Found(value, names)
        dotted = names.dotted(ast.Name(name)) or name
        if dotted == name:
            return None
        source, _, inner = self._absolute(module, dotted).rpartition(".")
        return self.find(source, inner, depth + 1) if source else None

    def _absolute(self, module: str, dotted: str) -> str:
        """An imported name, from the top; it may be written from where the module stands."""
        dots = len(dotted) - len(dotted.lstrip("."))
        if not dots:
            return dotted
        parts = module.split(".")
        path = self._path(module)
        above = dots - 1 if path is not None and path.name == "__init__.py" else dots
        kept = parts[: len(parts) - above] if above else parts
        return ".".join([*kept, dotted.lstrip(".")])

    def _names(self, module: str) -> Names | None:
        if module not in self._modules:
            path = self._path(module)
            self._modules[module] = None if path is None else self._parsed(module, path)
        return self._modules[module]

    def _parsed(self, module: str, path: Path) -> Names | None:
        if len(self._files) >= MOST_FILES:
            return None
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
            text = content.decode("utf-8-sig")
        except (OSError, UnicodeError) as error:
            raise PluginError(f"{module} cannot be read: {error}.") from error
        if len(content) > LARGEST_FILE:
            raise PluginError(f"{module} is too large to be looked into.")
        self._files[path] = content
        return Names(tree_of(text, module), module)

    def _path(self, module: str) -> Path | None:
        if not re.fullmatch(r"\w+(\.\w+)*", module):
            return None
        return next((path for path in self._places(module) if path.is_file()), None)

    def _places(self, module: str) -> Iterator[Path]:
        top, *inner = module.split(".")
        folders = [root / top for root in self._roots]
        with suppress(Exception):  # finders of others
            spec = importlib.util.find_spec(top)  # of what has no dot, nothing is imported
            folders += map(Path, (spec and spec.submodule_search_locations) or ())
        for folder in folders:
            path = folder.joinpath(*inner)
            yield path / "__init__.py"
            if inner:
                yield path.with_name(f"{path.name}.py")
            else:
                yield folder.with_name(f"{top}.py")
