"""Python file: the native format. Every public function with types is an operation.

The file is parsed, never run or imported. What it wants to be installed stands in a comment at its
top, in the form that other tools know too (PEP 723).
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from pathlib import Path

from opsin.errors import PluginError
from opsin.plugins.formats.python_file.docstring import Docstring
from opsin.plugins.formats.python_file.header import Header, read_header
from opsin.plugins.formats.python_file.names import Names
from opsin.plugins.formats.python_file.operations import read_operations
from opsin.plugins.manifest import Plugin

READS = "Python files (.py)"

LARGEST_FILE = 2**18
"""Bytes. Python's parser takes memory, and for odd files time, far beyond the size of the file."""


def recognises(path: Path) -> bool:
    """Whether this is a Python file, going by its name."""
    return path.suffix.lower() == ".py"


def read(path: Path, source: str) -> Plugin:
    """The manifest of the Python file at `path`.

    Raises:
        PluginError: it is too large, or as `parse` says.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    return parse(content, source)


def parse(content: bytes, source: str) -> Plugin:
    """The manifest of the plugin whose file has this content and is called `source`.

    Raises:
        PluginError: something in it cannot be understood, or it has no operation. The message
            names `source`, the line, and what to do.
    """
    return parse_typed(content, source)[0]


def parse_typed(content: bytes, source: str, *, is_stub: bool = False) -> tuple[Plugin, Header]:
    """As `parse`, and what stands in the header, which a stub may say more in."""
    if len(content) > LARGEST_FILE:
        raise PluginError(
            f"{source} is larger than {LARGEST_FILE // 2**10} KiB, too large for a plugin: "
            "move data and code that it uses into a package."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PluginError(f"{source}, line {line}: this is not UTF-8: save it as UTF-8.") from error
    tree = tree_of(text, source)
    header = read_header(text, source, is_stub=is_stub)
    try:
        operations = read_operations(Names(tree, source))
    except RecursionError as error:
        raise PluginError(f"{source} is nested too deeply to be read.") from error
    plugin = Plugin(
        name=header.name or name_of(source),
        kind="native-python",
        source=source,
        digest=hashlib.sha256(content).hexdigest(),
        version=header.version,
        description=header.description or Docstring.of(tree).summary,
        python=header.python,
        requirements=header.requirements,
        permissions=header.permissions,
        operations=operations,
    )
    return plugin, header


def tree_of(text: str, source: str) -> ast.Module:
    """The syntax of a file with this text.

    Raises:
        PluginError: it is not Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a string is the author's business
            return ast.parse(text)
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""
        raise PluginError(f"{source}{where}: this is not Python: {error.msg}.") from error
    except (MemoryError, RecursionError) as error:
        raise PluginError(f"{source} is nested too deeply to be read.") from error
    except (OverflowError, ValueError) as error:
        raise PluginError(f"{source}: this is not Python: {error}.") from error


def name_of(source: str) -> str:
    """The name of a plugin whose header gives none: that of its file."""
    return re.sub(r"\.pyi?$", "", re.split(r"[/\\]", source)[-1]) or "plugin"
