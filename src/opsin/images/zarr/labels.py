"""Zarr labels: the labels of an OME-Zarr image, which lie in a group beside its levels."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from opsin.errors import OpenError, ReadError
from opsin.images.image import Image
from opsin.images.ome_metadata import checked_path
from opsin.images.store import Store
from opsin.images.transformation import Transformation
from opsin.images.zarr.image import multiscale_image, multiscale_of
from opsin.images.zarr.node import ZarrNode, read_node


async def image_with_labels(store: Store, node: ZarrNode, name: str) -> tuple[Image, ...]:
    """The image of a node and the labels that come with it. Raises as `multiscale_image` does."""
    multiscale = multiscale_of(store, node)
    # Both at once: each takes some answers of a store that may be far away.
    image, found = await asyncio.gather(
        multiscale_image(store, node, multiscale, name),
        _labels_of(store, node, name, multiscale.children),
        return_exceptions=True,
    )
    if isinstance(image, BaseException):
        for opened in () if isinstance(found, BaseException) else found[0]:
            opened.close()
        raise image
    if isinstance(found, BaseException):
        image.close()
        raise found
    labels, warnings = found
    if warnings:
        image = replace(image, warnings=(*image.warnings, *warnings))
    return (image, *labels)


async def _labels_of(
    store: Store, node: ZarrNode, name: str, placed: Mapping[str, Transformation | str]
) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """The labels of an image, and what was wrong with them."""
    try:
        group = await read_node(store, node.below("labels"))
    except (OpenError, ReadError) as error:
        return (), (f"The labels of {name} are left out: {error}",)
    if group is None or group.is_array:
        return (), ()
    below = {path.removeprefix("labels/"): found for path, found in placed.items()}
    return await labels_in(store, group, name, below)


async def labels_in(
    store: Store, group: ZarrNode, name: str, placed: Mapping[str, Transformation | str]
) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """The labels that a group names, and what was wrong with them.

    `placed` holds by path how their world lies in that of their image, where it is another one.
    """
    images: list[Image] = []
    warnings: list[str] = []
    named = group.attributes.get("labels")
    for entry in named if isinstance(named, list) else []:
        path = checked_path(entry)
        try:
            node = await read_node(store, group.below(path)) if path is not None else None
            if node is None or path is None or not node.is_image:
                warnings.append(f"The labels {entry!r} of {name} are missing.")
                continue
            within = placed.get(path)
            if isinstance(within, str):
                warnings.append(f"The labels {entry!r} of {name} are left out: it {within}.")
                continue
            multiscale = multiscale_of(store, node)
            images.append(
                await multiscale_image(store, node, multiscale, path, labels=True, within=within)
            )
        except (OpenError, ReadError) as error:
            warnings.append(f"The labels {entry!r} of {name} are left out: {error}")
    return tuple(images), tuple(warnings)
