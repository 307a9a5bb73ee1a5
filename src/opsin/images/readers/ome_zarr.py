"""OME-Zarr: images and labels of OME-Zarr 0.1 to 0.5, and plain zarr arrays, local or by HTTP."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from opsin.errors import NotFound, OpenError, ReadError, Unsupported
from opsin.images.image import Axis, Image, Level
from opsin.images.ome_metadata import (
    Dataset,
    axis_type,
    checked_path,
    default_axes,
    parse_channels,
    parse_multiscale,
)
from opsin.images.readers.address import Address
from opsin.images.source import Array, Direct, Encoded, Index, Source
from opsin.images.store import Store
from opsin.images.text import shown
from opsin.images.waiting import wait_for
from opsin.images.zarr_array import ZarrArray, open_array, read_json

READS = "OME-Zarr (0.1 to 0.5)"

_METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_OTHER_FILES = {".tif", ".tiff", ".btf", ".tf8", ".svs", ".ndpi", ".png", ".jpg", ".jpeg"}


def recognises(address: Address) -> bool:
    """Whether there is zarr metadata, or an http address that says it is a zarr."""
    if address.path is not None:
        return any((address.path / name).is_file() for name in _METADATA)
    if address.url is None or address.is_folder:
        return address.is_folder
    return address.suffix not in _OTHER_FILES and wait_for(_is_zarr(address.store()))


def open(address: Address) -> tuple[Image, ...]:
    """The image at the address, and its labels.

    Raises:
        NotFound: there is nothing, or nothing that is a zarr.
        Unsupported: a zarr that is no image, or one that Opsin cannot read.
        OpenError: its metadata makes no sense, no level is left, or the store failed.
    """
    return wait_for(_open(address))


@dataclass(frozen=True, slots=True)
class _Node:
    """A group or array of the hierarchy, by its path below the address."""

    path: str
    attributes: Mapping[str, Any]
    is_array: bool

    def below(self, path: str) -> str:
        return f"{self.path}/{path}" if self.path else path


class ZarrSource(Source):
    """One zarr array per level. Owns the store."""

    def __init__(self, store: Store, arrays: tuple[ZarrArray, ...]) -> None:
        self._store = store
        self._arrays = arrays

    @property
    def provenance(self) -> Literal["disk", "network"]:
        return self._store.provenance

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        return await self._arrays[level].fetch(index)

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        return self._arrays[level].decode(index, encoded)

    def direct(self, level: int) -> Direct | None:
        return self._arrays[level].direct()

    def transient_bytes(self, level: int, index: Index) -> int:
        return self._arrays[level].transient_bytes

    def close(self) -> None:
        self._store.close()


async def _is_zarr(store: Store) -> bool:
    try:
        return await _node(store, "") is not None
    finally:
        store.close()


async def _node(store: Store, path: str) -> _Node | None:
    """The node at `path`; its four possible files are asked for at once."""
    prefix = f"{path}/" if path else ""
    found = await asyncio.gather(
        *(read_json(store, prefix + name) for name in _METADATA), return_exceptions=True
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
    attributes = attributes if isinstance(attributes, dict) else {}
    ome = attributes.get("ome")
    return _Node(path, {**attributes, **ome} if isinstance(ome, dict) else attributes, is_array)


async def _open(address: Address) -> tuple[Image, ...]:
    store = address.store()
    try:
        root = await _node(store, "")
        if root is None:
            raise NotFound(f"There is no zarr at {address.text}.")
        return await _images(store, root, _display_name(address))
    except ReadError as error:
        raise OpenError(f"{address.text} cannot be opened: {error}") from error
    finally:
        store.close()


def _display_name(address: Address) -> str:
    """The name of the zarr, and where in it the image is."""
    whole = address.url or shown(str(address.path))
    parts = whole.rstrip("/").split("/")
    for number, part in enumerate(parts[:-1]):
        if part.endswith(".zarr"):
            outer = part.removesuffix(".zarr").removesuffix(".ome")
            return "/".join([outer, *parts[number + 1 :]])
    return address.stem


async def _images(store: Store, node: _Node, name: str, labels: bool = False) -> tuple[Image, ...]:
    """The images of a node, the main one first."""
    attributes = node.attributes
    if node.is_array:
        return (await _plain(store, node, name),)
    multiscales = attributes.get("multiscales")
    if isinstance(multiscales, list) and multiscales:
        image = await _multiscale(store, node, multiscales, name, labels)
        found, warnings = await _labels_of(store, node, name)
        if warnings:
            image = replace(image, warnings=(*image.warnings, *warnings))
        return (image, *found)
    if "bioformats2raw.layout" in attributes:
        return await _one_of(store, node, name, await _series(store, node), "series")
    if isinstance(attributes.get("well"), Mapping):
        fields = _paths(attributes["well"].get("images"))
        return await _one_of(store, node, name, fields, "fields of this well")
    if isinstance(attributes.get("plate"), Mapping):
        wells = _paths(attributes["plate"].get("wells"))
        hint = f": open one of its wells, such as {wells[0]}." if wells else " without wells."
        raise Unsupported(f"{store.where} is a plate{hint}")
    if isinstance(attributes.get("labels"), list):
        images, warnings = await _labels_in(store, node, name)
        if images:
            return images
        raise OpenError(" ".join(warnings) or f"{store.where} is a group without labels in it.")
    raise Unsupported(
        f"{store.where} is a zarr group, but not an OME-Zarr image: it has no 'multiscales'."
    )


def _paths(entries: Any) -> list[str]:
    entries = entries if isinstance(entries, list) else []
    paths = [checked_path(e.get("path")) if isinstance(e, Mapping) else None for e in entries]
    return [path for path in paths if path is not None]


async def _series(store: Store, node: _Node) -> list[str]:
    """The series of a bioformats2raw layout: those its OME group names, or 0, 1, 2, …"""
    group = await _node(store, node.below("OME"))
    named = group.attributes.get("series") if group is not None else None
    if isinstance(named, list):
        paths = [path for path in map(checked_path, named) if path is not None]
        if paths:
            return paths
    paths = []
    while len(paths) < 64 and await _node(store, node.below(str(len(paths)))) is not None:
        paths.append(str(len(paths)))
    return paths


async def _one_of(
    store: Store, node: _Node, name: str, paths: list[str], what: str
) -> tuple[Image, ...]:
    """The first of several images, with a warning that names the others."""
    chosen = await _node(store, node.below(paths[0])) if paths else None
    if chosen is None or chosen.is_array or "multiscales" not in chosen.attributes:
        raise OpenError(f"{store.where} names no {what} that can be opened.")
    image, *labels = await _images(store, chosen, f"{name}/{paths[0]}")
    if len(paths) > 1:
        others = ", ".join(paths[1:6]) + (", …" if len(paths) > 6 else "")
        warning = f"Only the first of the {len(paths)} {what} is open; the others are {others}."
        image = replace(image, warnings=(*image.warnings, warning))
    return (image, *labels)


async def _labels_of(
    store: Store, node: _Node, name: str
) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """The labels of an image, and what was wrong with them."""
    try:
        group = await _node(store, node.below("labels"))
    except (OpenError, ReadError) as error:
        return (), (f"The labels of {name} are left out: {error}",)
    if group is None or group.is_array:
        return (), ()
    return await _labels_in(store, group, name)


async def _labels_in(
    store: Store, group: _Node, name: str
) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    images: list[Image] = []
    warnings: list[str] = []
    named = group.attributes.get("labels")
    for entry in named if isinstance(named, list) else []:
        path = checked_path(entry)
        try:
            node = await _node(store, group.below(path)) if path is not None else None
            multiscales = node.attributes.get("multiscales") if node is not None else None
            if node is None or not isinstance(multiscales, list) or not multiscales:
                warnings.append(f"The labels {entry!r} of {name} are missing.")
                continue
            images.append(await _multiscale(store, node, multiscales, str(path), True))
        except (OpenError, ReadError) as error:
            warnings.append(f"The labels {entry!r} of {name} are left out: {error}")
    return tuple(images), tuple(warnings)


async def _multiscale(
    store: Store, node: _Node, multiscales: list[Any], name: str, labels: bool
) -> Image:
    where = f"{store.where}/{node.path}".rstrip("/")
    try:
        multiscale = parse_multiscale(multiscales[0])
    except OpenError as error:
        raise type(error)(f"The metadata of {where} {error}.") from error
    warnings: list[str] = []
    if len(multiscales) > 1:
        warnings.append(f"Only the first of the {len(multiscales)} images in {name} is open.")
    own = store.reopen()
    try:
        arrays = await _arrays(own, node, multiscale.datasets, name, warnings)
        first = arrays[0][1].metadata
        axes = multiscale.axes or default_axes(len(first.shape))
        for dataset, array in arrays:
            if len(array.metadata.shape) != len(axes):
                raise OpenError(
                    f"The metadata of {where} names {len(axes)} axes, but level "
                    f"{dataset.path!r} has {len(array.metadata.shape)}."
                )
        kind = "labels" if labels or "image-label" in node.attributes else "image"
        if kind == "labels" and first.dtype.kind not in "iub":
            warnings.append(f"The labels {name} are {first.dtype}, so they are shown as an image.")
            kind = "image"
        channels = parse_channels(node.attributes.get("omero"))
        return Image(
            name=name,
            axes=axes,
            levels=tuple(_level(dataset, array, first.shape) for dataset, array in arrays),
            dtype=first.dtype,
            source=ZarrSource(own, tuple(array for _, array in arrays)),
            kind="labels" if kind == "labels" else "image",
            channels=channels if kind == "image" else (),
            warnings=tuple(warnings),
        )
    except BaseException:
        own.close()
        raise


async def _arrays(
    store: Store, node: _Node, datasets: tuple[Dataset, ...], name: str, warnings: list[str]
) -> list[tuple[Dataset, ZarrArray]]:
    """The arrays of all levels that are there, from fine to coarse."""
    results = await asyncio.gather(
        *(open_array(store, node.below(dataset.path)) for dataset in datasets),
        return_exceptions=True,
    )
    found: list[tuple[Dataset, ZarrArray]] = []
    problems: list[OpenError] = []
    for dataset, result in zip(datasets, results, strict=True):
        if isinstance(result, OpenError):
            problems.append(result)
            warnings.append(f"Level {dataset.path!r} of {name} is left out. {result}")
        elif isinstance(result, BaseException):
            raise result
        elif result is None:
            warnings.append(
                f"Level {dataset.path!r} of {name} is missing: it is named in the metadata, but "
                "has no array."
            )
        else:
            found.append((dataset, result))
    if not found:
        if problems:
            raise problems[0]
        raise OpenError(f"{store.where} has none of the levels that its metadata names.")
    found.sort(key=lambda level: -math.prod(level[1].metadata.shape))
    dtype = found[0][1].metadata.dtype
    for dataset, array in found:
        if array.metadata.dtype != dtype:
            other = array.metadata.dtype
            warnings.append(
                f"Level {dataset.path!r} of {name} is left out: it is {other}, not {dtype}."
            )
    return [level for level in found if level[1].metadata.dtype == dtype]


def _level(dataset: Dataset, array: ZarrArray, finest: tuple[int, ...]) -> Level:
    shape = array.metadata.shape
    scale, translation = dataset.scale, dataset.translation
    if scale is None or translation is None:
        # Old files do not say: the levels cover the same area, edge to edge.
        factors = [fine / size for fine, size in zip(finest, shape, strict=True)]
        scale = tuple(factors)
        translation = tuple((factor - 1) / 2 for factor in factors)
    return Level(shape, array.metadata.chunks, scale, translation)


async def _plain(store: Store, node: _Node, name: str) -> Image:
    """A zarr array that is not part of an OME-Zarr image."""
    own = store.reopen()
    try:
        array = await open_array(own, node.path)
        if array is None:
            raise NotFound(f"There is no zarr array at {store.where}.")
        metadata = array.metadata
        count = len(metadata.shape)
        if count < 2:
            raise Unsupported(f"{store.where} has one axis, but an image has at least two.")
        axes, rgb = _plain_axes(node, metadata.dimension_names, count), False
        unnamed = axes == default_axes(count)
        if (
            unnamed
            and count == 3
            and metadata.dtype == np.uint8
            and metadata.shape[-1] in (3, 4)
            and metadata.chunks[-1] >= metadata.shape[-1]
        ):
            axes, rgb = (Axis("y", "space"), Axis("x", "space"), Axis("c", "channel")), True
        level = Level(metadata.shape, metadata.chunks, (1.0,) * count, (0.0,) * count)
        return Image(name, axes, (level,), metadata.dtype, ZarrSource(own, (array,)), rgb=rgb)
    except BaseException:
        own.close()
        raise


def _plain_axes(node: _Node, names: tuple[str | None, ...] | None, count: int) -> tuple[Axis, ...]:
    """By dimension names (xarray's attribute in zarr 2); the last two are always in space."""
    axes = default_axes(count)
    given = node.attributes.get("_ARRAY_DIMENSIONS") if names is None else list(names)
    if not isinstance(given, list) or len(given) != count:
        return axes
    chosen = [
        shown(n) if isinstance(n, str) and n else a.name for n, a in zip(given, axes, strict=True)
    ]
    if len(set(chosen)) < count:
        return axes
    return tuple(
        Axis(n, "space" if i >= count - 2 and axis_type(n) == "other" else axis_type(n))
        for i, n in enumerate(chosen)
    )
