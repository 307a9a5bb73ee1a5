"""Worker beside: how a plugin imports the modules that lie beside its file.

They are what an author edits, so they are read as they lie, each time. Bytecode that Python keeps
is taken for that of a source with the same size and the same whole second, which an edit soon
after the last may well have; and it would leave a folder of it beside the plugin.

As `opsin.worker_main`, which uses it, this needs the standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES as BINARY
from importlib.machinery import SOURCE_SUFFIXES as SOURCE
from importlib.machinery import ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path

_folders: set[str] = set()


def import_beside(path: Path) -> None:
    """Let what lies beside a file be imported, after all else: it must not hide a package."""
    folder = str(path.parent)
    if folder in sys.path:
        return
    if not _folders:
        sys.path_hooks.insert(0, _finder)
    _folders.add(folder)
    sys.path_importer_cache.pop(folder, None)
    sys.path.append(folder)


class _AsItLies(SourceFileLoader):
    """Compiles a source, whatever bytecode there is of it, and keeps none."""

    def path_stats(self, path: str) -> Mapping[str, object]:
        """Say that nothing is known by which bytecode could be told to be of this source."""
        raise OSError(f"{path} may change within a second.")


def _finder(folder: str) -> FileFinder:
    """What finds modules in such a folder, and in the packages there.

    Raises:
        ImportError: it is another's.
    """
    if not any(_within(folder, one) for one in _folders):
        raise ImportError(f"{folder} lies beside no plugin.", path=folder)
    return FileFinder(folder, (ExtensionFileLoader, list(BINARY)), (_AsItLies, list(SOURCE)))


def _within(folder: str, other: str) -> bool:
    """Whether it is that folder or one of its packages: not an environment that is kept in it."""
    path, outer = Path(folder), Path(other)
    return path.is_relative_to(outer) and "site-packages" not in path.relative_to(outer).parts
