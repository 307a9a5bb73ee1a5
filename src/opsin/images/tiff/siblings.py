"""Siblings: the other files that an OME-TIFF's metadata names, as far as they are beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

XML_LIMIT = 256 << 20


@dataclass(frozen=True, slots=True)
class Siblings:
    """What the XML of one file says of others."""

    here: bool = False
    """All that it names are files of its folder, or missing there."""
    missing: tuple[str, ...] = ()
    metadata: Path | None = None
    """Where the whole XML is, if this file holds none but says so."""


def siblings_of(path: Path, xml: str) -> Siblings:
    """What OME-XML in the file at `path` says; nothing where the XML makes no sense."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return Siblings()
    for element in _called(root, "BinaryOnly"):
        name = element.get("MetadataFile", "")
        beside = path.parent / name
        if _is_plain(name) and name != path.name and beside.is_file():
            return Siblings(metadata=beside)
        return Siblings()
    names = {element.get("FileName") or "" for element in _called(root, "UUID")}
    names -= {"", path.name}
    if not names:
        return Siblings()
    missing: list[str] = []
    for name in sorted(names):
        if not _is_plain(name):
            return Siblings()
        beside = path.parent / name
        if not beside.exists():
            missing.append(name)
        elif not beside.is_file():
            return Siblings()
    return Siblings(here=True, missing=tuple(missing))


def _is_plain(name: str) -> bool:
    """Whether a name leads no further than the folder."""
    return bool(name) and name.isprintable() and not set(name) & set("/\\:") and name != ".."


def _called(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (element for element in root.iter() if element.tag.rpartition("}")[2] == name)
