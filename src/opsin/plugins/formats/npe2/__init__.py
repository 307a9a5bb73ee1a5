"""Manifest of a napari plugin (npe2): its commands, widgets, readers and sample data as operations.

Nothing of the plugin is imported. The manifest says which functions there are; what these take and
give stands in the files of the package, which are parsed. A contribution that cannot be run without
napari's window is an operation, too: one that says why.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from opsin.errors import PluginError
from opsin.plugins import installed
from opsin.plugins.formats.npe2.contributions import read_operations
from opsin.plugins.formats.npe2.document import SUFFIXES, load
from opsin.plugins.formats.npe2.source_files import SourceFiles
from opsin.plugins.manifest import Plugin

READS = "manifests of napari plugins (.yaml)"

LARGEST_FILE = 2**18
"""Bytes of a manifest."""
_LONGEST_TEXT = 2000


def recognises(path: Path) -> bool:
    """Whether this is such a manifest, by its name and that it has contributions."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    with path.open("rb") as file:
        return b"contributions" in file.read(LARGEST_FILE)


def read(path: Path, source: str) -> Plugin:
    """The plugin that the manifest at `path` describes.

    Raises:
        PluginError: it is none, or too large.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise PluginError(
            f"{source} is larger than {LARGEST_FILE // 2**10} KiB: it is no manifest."
        )
    document = load(content, path.suffix.lower(), source)
    package = installed.owner(path.absolute())
    name = _text(document, "name") or (package.name if package else path.parent.name)
    files = SourceFiles(path.absolute())
    operations = read_operations(document, files, source)
    if not operations:
        raise PluginError(f"{name} brings nothing that can be run, such as themes or menus only.")
    digest = hashlib.sha256(content)
    for read_file in files.contents():
        digest.update(read_file)
    return Plugin(
        name=_text(document, "display_name") or name,
        kind="napari",
        source=package.source if package is not None else source,
        digest=digest.hexdigest(),
        version=package.version if package is not None else "0",
        description=_text(document, "description"),
        requirements=_requirements(package),
        operations=operations,
    )


def _requirements(package: installed.Installed | None) -> tuple[str, ...]:
    """What has to be installed; elsewhere napari too, which plugins do not ask for themselves."""
    if package is None:
        return ()
    return (package.requirement,) if package.here else (package.requirement, "napari")


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    return " ".join(value.split())[:_LONGEST_TEXT] if isinstance(value, str) else ""
