"""Zarr tree: what can be opened inside a zarr hierarchy, or a folder of them, as nodes.

What is inside a group is found by listing it; over HTTP, which cannot, by consolidated metadata and
by what OME metadata name.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from opsin.errors import OpenError, ReadError
from opsin.images.readers.address import Address
from opsin.images.readers.node import Node, NodeKind
from opsin.images.store import Store
from opsin.images.text import shown
from opsin.images.waiting import wait_for
from opsin.images.zarr.array import METADATA_LIMIT, ZarrArray, array_of, open_array
from opsin.images.zarr.image import multiscale_of
from opsin.images.zarr.node import ZarrNode, checked_paths, paths_of, read_node, series
from opsin.images.zarr.scene import scene_paths

CHILDREN_LIMIT = 1000
"""Nodes of one group that are looked at."""
AT_ONCE = 16
"""Nodes that are read at once."""


def tree(address: Address) -> Node | None:
    """The tree at an address; None where there is neither a zarr nor a folder that holds one.

    Raises:
        OpenError: its metadata makes no sense.
        ReadError: the store failed.
    """
    return wait_for(_within(address, _root(address)))


async def _root(address: Address) -> Node | None:
    store = address.store()
    try:
        node = await read_node(store, "")
        if node is not None:
            return await _Place(address).node(store, node)
        place = _Place(address)
        children = await place.listed(store, "")
        if not children:
            return None
        return Node(place.address_of(""), "", "group", expand=lambda: children)
    finally:
        store.close()


async def _within(address: Address, work: Coroutine[Any, Any, Node | None]) -> Node | None:
    try:
        return await work
    except ReadError as error:
        raise OpenError(f"{address.text} cannot be opened: {error}") from error


@dataclass(frozen=True)
class _Place:
    """Where the tree is, and what its root says of the nodes inside."""

    address: Address
    consolidated: Mapping[str, Any] | None = None
    """Metadata by key of nodes, from the root; None where it was not needed or is not there."""

    def address_of(self, path: str) -> str:
        if self.address.path is not None:
            return str(self.address.path / path)
        assert self.address.url is not None
        place, mark, query = self.address.url.partition("?")
        inner = path if place.startswith("s3:") else quote(path)
        return f"{place}/{inner}".rstrip("/") + mark + query

    async def node(self, store: Store, node: ZarrNode, labels: bool = False) -> Node:
        """What a node of the hierarchy is to somebody who browses it."""
        found = Node(self.address_of(node.path), node.path, "group")
        plate, well = node.attributes.get("plate"), node.attributes.get("well")
        try:
            if node.is_array:
                found = replace(found, kind="array")
                array = array_of(store, node.path, node.metadata, v3="node_type" in node.metadata)
                names = array.metadata.dimension_names or ()
                return _sized(found, "array", array, tuple(shown(n) for n in names if n))
            if node.is_image:
                kind: NodeKind = "image"
                if labels or "image-label" in node.attributes:
                    kind = "labels"
                found = replace(found, kind=kind, expand=self._later(node))
                multiscale = multiscale_of(store, node)
                level = await open_array(store, node.below(multiscale.datasets[0].path))
                axes = tuple(axis.name for axis in multiscale.axes or ())
                return found if level is None else _sized(found, kind, level, axes)
        except (OpenError, ReadError) as error:
            return replace(found, note=str(error))
        if isinstance(plate, Mapping):
            count = len(paths_of(plate.get("wells")))
            found = replace(found, kind="plate", note=f"{count} wells")
        elif isinstance(well, Mapping):
            count = len(paths_of(well.get("images")))
            found = replace(found, kind="well", note=f"{count} fields")
        return replace(found, expand=self._later(node))

    def _later(self, node: ZarrNode) -> Any:
        return lambda: wait_for(self._children(node))

    async def _children(self, node: ZarrNode) -> Sequence[Node]:
        store = self.address.store()
        attributes = node.attributes
        try:
            if node.is_image:
                return await self._labels(store, await read_node(store, node.below("labels")))
            if isinstance(attributes.get("plate"), Mapping):
                wells = paths_of(attributes["plate"].get("wells"))[:CHILDREN_LIMIT]
                return [self._well(node.below(path)) for path in wells]
            if isinstance(attributes.get("well"), Mapping):
                return await self._named(store, node, paths_of(attributes["well"].get("images")))
            if isinstance(attributes.get("labels"), list):
                return await self._labels(store, node)
            if scenes := scene_paths(attributes.get("scene")):
                return await self._named(store, node, scenes)
            if "bioformats2raw.layout" in attributes:
                return await self._named(store, node, await series(store, node))
            return await self.listed(store, node.path, node)
        except ReadError as error:
            raise OpenError(f"{self.address.text} cannot be opened: {error}") from error
        finally:
            store.close()

    def _well(self, path: str) -> Node:
        """A well of a plate, which is not read before it is looked into: there may be thousands."""

        async def expand() -> Sequence[Node]:
            store = self.address.store()
            try:
                node = await read_node(store, path)
            finally:
                store.close()
            return () if node is None else await self._children(node)

        return Node(self.address_of(path), path, "well", expand=lambda: wait_for(expand()))

    async def _labels(self, store: Store, group: ZarrNode | None) -> Sequence[Node]:
        named = None if group is None else group.attributes.get("labels")
        if group is None or not isinstance(named, list):
            return ()
        return await self._named(store, group, checked_paths(named), labels=True)

    async def _named(
        self, store: Store, group: ZarrNode, paths: Iterable[str], labels: bool = False
    ) -> Sequence[Node]:
        below = [group.below(path) for path in paths]
        return [node for node in await self._read(store, below, labels) if node is not None]

    async def listed(self, store: Store, path: str, node: ZarrNode | None = None) -> Sequence[Node]:
        """The nodes inside of a group or folder that says nothing of them."""
        names = await store.names(path)
        if names is None:
            place = self if self.consolidated is not None else await self._consolidated(store)
            return await place._known(store, path)
        folders = [name.rstrip("/") for name in names if name.endswith("/") and name[0] != "."]
        below = [f"{path}/{name}" if path else name for name in folders]
        found = await self._read(store, below)
        return [child for child in found if child is not None]

    async def _consolidated(self, store: Store) -> _Place:
        known: dict[str, Any] = {}
        root = await read_node(store, "")
        v3 = root.metadata.get("consolidated_metadata") if root is not None else None
        entries = v3.get("metadata") if isinstance(v3, Mapping) else None
        if isinstance(entries, Mapping):
            known = {f"{path}/": entry for path, entry in entries.items()}
        elif (data := await store.get(".zmetadata", limit=METADATA_LIMIT)) is not None:
            try:
                entries = json.loads(data).get("metadata")
                known = {key.rpartition("/")[0] + "/": entry for key, entry in entries.items()}
            except (ValueError, AttributeError, RecursionError):
                known = {}
        return replace(self, consolidated=known)

    async def _known(self, store: Store, path: str) -> Sequence[Node]:
        """The nodes inside of a group that the metadata of the root name."""
        assert self.consolidated is not None
        prefix = f"{path}/" if path else ""
        inside = (key.removeprefix(prefix) for key in self.consolidated if key.startswith(prefix))
        names = dict.fromkeys(rest.partition("/")[0] for rest in inside)
        below = checked_paths(prefix + name for name in names if name)
        return [node for node in await self._read(store, below) if node is not None]

    async def _read(
        self, store: Store, paths: Sequence[str], labels: bool = False
    ) -> list[Node | None]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def read(path: str) -> Node | None:
            async with turns:
                try:
                    node = await read_node(store, path)
                    return None if node is None else await self.node(store, node, labels)
                except (OpenError, ReadError) as error:
                    return Node(self.address_of(path), path, "group", note=str(error))

        return list(await asyncio.gather(*(read(path) for path in paths[:CHILDREN_LIMIT])))


def _sized(node: Node, kind: NodeKind, array: ZarrArray, axes: tuple[str, ...]) -> Node:
    shape, dtype = array.metadata.shape, array.metadata.dtype
    named = axes if len(axes) == len(shape) else ()
    return replace(node, kind=kind, shape=shape, dtype=dtype.name, axes=named)
