"""Zarr image: an image whose levels are zarr arrays, as OME metadata or nothing but zarr say."""

from __future__ import annotations

import asyncio
import math
from typing import Literal

import numpy as np

from opsin.errors import NotFound, OpenError, Unsupported
from opsin.images.image import Axis, Image, Level
from opsin.images.ome_metadata import (
    Dataset,
    Multiscale,
    axis_type,
    default_axes,
    parse_channels,
    parse_multiscale,
)
from opsin.images.source import Array, Direct, Encoded, Index, Source
from opsin.images.store import Store
from opsin.images.text import shown
from opsin.images.transformation import Transformation
from opsin.images.zarr.array import ZarrArray, open_array
from opsin.images.zarr.codecs import codec_names
from opsin.images.zarr.node import ZarrNode


class ZarrSource(Source):
    """One zarr array per level. Owns the store."""

    def __init__(self, store: Store, path: str, arrays: tuple[ZarrArray, ...]) -> None:
        self.path = path
        """Of the group or array below the store."""
        self.arrays = arrays
        self._store = store

    @property
    def provenance(self) -> Literal["disk", "network"]:
        return self._store.provenance

    async def fetch(self, level: int, index: Index) -> Encoded | None:
        return await self.arrays[level].fetch(index)

    def decode(self, level: int, index: Index, encoded: Encoded | None) -> Array:
        return self.arrays[level].decode(index, encoded)

    def direct(self, level: int) -> Direct | None:
        return self.arrays[level].direct()

    def codec(self, level: int) -> str:
        metadata = self.arrays[level].metadata
        return f"{codec_names(metadata.codec)}{', in shards' if metadata.shard else ''}"

    async def identity(self, level: int) -> str | None:
        return await self.arrays[level].identity()

    def transient_bytes(self, level: int, index: Index) -> int:
        return self.arrays[level].transient_bytes

    def close(self) -> None:
        self._store.close()


def multiscale_of(store: Store, node: ZarrNode) -> Multiscale:
    """What the metadata of an image say of it: the first entry of `multiscales`.

    Raises:
        OpenError: they make no sense.
        Unsupported: they place pixels in a way that Opsin cannot show.
    """
    try:
        return parse_multiscale(node.attributes["multiscales"][0])
    except OpenError as error:
        where = f"{store.where}/{node.path}".rstrip("/")
        raise type(error)(f"The metadata of {where} {error}.") from error


async def multiscale_image(
    store: Store,
    node: ZarrNode,
    multiscale: Multiscale,
    name: str,
    *,
    labels: bool = False,
    within: Transformation | None = None,
) -> Image:
    """The image of a node, with a store of its own.

    Args:
        store: where the node is.
        node: its group.
        multiscale: as `multiscale_of` gives it.
        name: how it will be called.
        labels: whether it is known to be labels.
        within: from the world that its metadata speak of to that in which it is shown.

    Raises:
        OpenError: no level can be read, or they do not fit the metadata.
        ReadError: the store failed.
    """
    where = f"{store.where}/{node.path}".rstrip("/")
    warnings: list[str] = []
    if (count := len(node.attributes["multiscales"])) > 1:
        warnings.append(f"Only the first of the {count} images in {name} is open.")
    if multiscale.others:
        others = ", ".join(f"{system!r} ({kind})" for system, kind in multiscale.others)
        warnings.append(
            f"{name} is shown in its own coordinate system {shown(multiscale.system)!r}; it has "
            f"others: {others}."
        )
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
            levels=tuple(_level(one, array, first.shape, within) for one, array in arrays),
            dtype=first.dtype,
            source=ZarrSource(own, node.path, tuple(array for _, array in arrays)),
            kind="labels" if kind == "labels" else "image",
            channels=channels if kind == "image" else (),
            warnings=tuple(warnings),
        )
    except BaseException:
        own.close()
        raise


async def _arrays(
    store: Store, node: ZarrNode, datasets: tuple[Dataset, ...], name: str, warnings: list[str]
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


def _level(
    dataset: Dataset, array: ZarrArray, finest: tuple[int, ...], within: Transformation | None
) -> Level:
    shape = array.metadata.shape
    placed = dataset.placed
    if placed is None:
        # Old files do not say: the levels cover the same area, edge to edge.
        factors = tuple(fine / size for fine, size in zip(finest, shape, strict=True))
        placed = Transformation(factors, tuple((factor - 1) / 2 for factor in factors))
    if within is not None and len(within.scale) == len(shape):
        placed = placed.then(within)
    return Level(shape, array.metadata.chunks, placed.scale, placed.translation)


async def plain_image(store: Store, node: ZarrNode, name: str) -> Image:
    """A zarr array on its own, with a store of its own. Raises as `multiscale_image` does."""
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
        return Image(
            name, axes, (level,), metadata.dtype, ZarrSource(own, node.path, (array,)), rgb=rgb
        )
    except BaseException:
        own.close()
        raise


def _plain_axes(
    node: ZarrNode, names: tuple[str | None, ...] | None, count: int
) -> tuple[Axis, ...]:
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
