"""Stub file (`.pyi`): functions of a library as operations, without a change of the library.

It is written as a typed Python file whose functions have no bodies, and says in its header which
module they stand for. The library's own functions are what runs; the stub is never run or imported.

# /// script
# dependencies = ["scikit-image"]
#
# [tool.opsin]
# module = "skimage.filters"
# functions = { tidy = "skimage.morphology:remove_small_objects" }
# ///
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import structs

from opsin.errors import PluginError
from opsin.plugins.formats.python_file import LARGEST_FILE, name_of, parse_typed
from opsin.plugins.formats.python_file.header import Header
from opsin.plugins.manifest import Operation, Plugin

READS = "stubs of libraries (.pyi)"

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def recognises(path: Path) -> bool:
    """Whether this is a stub, going by its name."""
    return path.suffix.lower() == ".pyi"


def read(path: Path, source: str) -> Plugin:
    """The manifest of the stub at `path`.

    Raises:
        PluginError: as `parse` says.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    return parse(content, source)


def parse(content: bytes, source: str) -> Plugin:
    """The manifest of the stub that has this content and is called `source`.

    A stub that does not say for which module it stands is called after it.

    Raises:
        PluginError: something in it cannot be understood; the message says where.
    """
    plugin, header = parse_typed(content, source, is_stub=True)
    known = {operation.name for operation in plugin.operations}
    for name in header.functions:
        if name not in known:
            raise PluginError(f"{source}: `functions` names {name!r:.60}, which the stub lacks.")
    module = header.module or name_of(source)
    if not _MODULE.fullmatch(module):
        raise PluginError(
            f"{source} does not say for which module it stands: write "
            'module = "skimage.filters" below [tool.opsin] in its header.'
        )
    operations = (_standing_for(one, module, header) for one in plugin.operations)
    return structs.replace(plugin, operations=tuple(operations))


def _standing_for(operation: Operation, module: str, header: Header) -> Operation:
    place, _, name = header.functions.get(operation.name, module).partition(":")
    return structs.replace(
        operation, entry=f"{place}:{name or operation.name}", wants_progress=False
    )
