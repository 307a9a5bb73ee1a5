"""Zarr node: a group or an array of a zarr hierarchy, of either format, with its attributes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opsin.errors import ReadError
from opsin.images.ome_metadata import checked_path
from opsin.images.store import Store
from opsin.images.zarr.array import read_json

METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
SERIES_LIMIT = 64
"""Series that are looked for where nothing says how many there are."""


@dataclass(frozen=True, slots=True)
class ZarrNode:
    """A group or array, by its path below the store."""

    path: str
    attributes: Mapping[str, Any]
    """Those of OME-Zarr 0.5 and newer, which have a place of their own, among the others."""
    is_array: bool
    metadata: Mapping[str, Any]
    """The `zarr.json` or `.zarray`; of a group of zarr 2 empty."""

    def below(self, path: str) -> str:
        """The path of a node whose path from here is `path`."""
        return f"{self.path}/{path}" if self.path else path

    @property
    def is_image(self) -> bool:
        """Whether this is a group that OME metadata call an image (or labels)."""
        multiscales = self.attributes.get("multiscales")
        return not self.is_array and isinstance(multiscales, list) and bool(multiscales)


async def read_node(store: Store, path: str) -> ZarrNode | None:
    """The node at `path`, or None; its four possible files are asked for at once.

    Raises:
        OpenError: its metadata is not JSON.
        ReadError: the store failed.
    """
    prefix = f"{path}/" if path else ""
    found = await asyncio.gather(
        *(read_json(store, prefix + name) for name in METADATA), return_exceptions=True
    )
    # A server may refuse files that are not there; that matters only if it refuses all.
    v3, attributes, group, array = (v if isinstance(v, dict) else None for v in found)
    if all(value is None for value in (v3, attributes, group, array)):
        for value in found:
            if isinstance(value, BaseException):
                raise value
        return None
    for value in found:
        if isinstance(value, BaseException) and not isinstance(value, ReadError):
            raise value
    if v3 is not None:
        attributes = v3.get("attributes")
        is_array = v3.get("node_type") == "array"
    else:
        is_array = array is not None
    return ZarrNode(path, _with_ome(attributes), is_array, v3 or array or {})


async def attributes_of(store: Store, path: str, *, v3: bool) -> Mapping[str, Any] | None:
    """The attributes of a group of a known format, by one request; None if it is not there.

    Raises as `read_node` does.
    """
    prefix = f"{path}/" if path else ""
    found = await read_json(store, prefix + ("zarr.json" if v3 else ".zattrs"))
    if found is None:
        return None
    return _with_ome(found.get("attributes") if v3 else found)


def _with_ome(attributes: Any) -> Mapping[str, Any]:
    attributes = attributes if isinstance(attributes, dict) else {}
    ome = attributes.get("ome")
    return {**attributes, **ome} if isinstance(ome, dict) else attributes


async def series(store: Store, node: ZarrNode) -> list[str]:
    """The series of a bioformats2raw layout: those its OME group names, or 0, 1, 2, …"""
    group = await read_node(store, node.below("OME"))
    named = group.attributes.get("series") if group is not None else None
    if isinstance(named, list):
        paths = checked_paths(named)
        if paths:
            return paths
    paths = []
    while len(paths) < SERIES_LIMIT:
        if await read_node(store, node.below(str(len(paths)))) is None:
            break
        paths.append(str(len(paths)))
    return paths


def paths_of(entries: Any) -> list[str]:
    """The `path` of each entry of a list of objects that has one which makes sense."""
    entries = entries if isinstance(entries, list) else []
    return checked_paths(e.get("path") if isinstance(e, Mapping) else None for e in entries)


def checked_paths(paths: Iterable[Any]) -> list[str]:
    """Those of the paths that make sense."""
    return [path for path in map(checked_path, paths) if path is not None]
