"""OME-Zarr: images and labels of OME-Zarr 0.1 to 0.6, and plain zarr arrays, wherever they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from opsin.errors import NotFound, OpenError, ReadError, Unsupported
from opsin.images.image import Image
from opsin.images.readers.address import Address
from opsin.images.readers.node import Node
from opsin.images.readers.zarr_tree import tree
from opsin.images.store import Store
from opsin.images.text import shown
from opsin.images.waiting import wait_for
from opsin.images.zarr.image import plain_image
from opsin.images.zarr.labels import image_with_labels, labels_in
from opsin.images.zarr.node import METADATA, ZarrNode, read_node, series
from opsin.images.zarr.plate import plate_images, well_images
from opsin.images.zarr.scene import scene_images

READS = "OME-Zarr (0.1 to 0.6)"

LOOKED_INTO = 50
"""Nodes that are looked at to give an example of what a group holds."""
_OTHER_FILES = {".tif", ".tiff", ".btf", ".tf8", ".svs", ".ndpi", ".png", ".jpg", ".jpeg"}


def recognises(address: Address) -> bool:
    """Whether there is zarr metadata, or an http address that says it is a zarr."""
    if address.path is not None:
        return any((address.path / name).is_file() for name in METADATA)
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
    images = wait_for(_open(address))
    if images:
        return images
    node = tree(address)
    inside = None if node is None else next(node.openable(LOOKED_INTO), None)
    hint = f": open one of those in it, such as {inside.path}." if inside else "."
    raise Unsupported(
        f"{address.text} is a zarr group, but not an OME-Zarr image (it has no 'multiscales'){hint}"
    )


def browse(address: Address) -> Node | None:
    """What is inside a zarr or a folder of them; None of anything else.

    Raises:
        OpenError: its metadata makes no sense, or the store failed.
    """
    local = address.path is not None
    if address.inner or (not address.is_folder if local else address.url is None):
        return None
    return None if not local and address.suffix in _OTHER_FILES else tree(address)


async def _is_zarr(store: Store) -> bool:
    try:
        return await read_node(store, "") is not None
    finally:
        store.close()


async def _open(address: Address) -> tuple[Image, ...]:
    store = address.store()
    try:
        root = await read_node(store, "")
        if root is None:
            raise NotFound(f"There is no zarr at {address.text}.")
        return await _images(store, root, _display_name(address))
    except ReadError as error:
        raise OpenError(f"{address.text} cannot be opened: {error}") from error
    finally:
        store.close()


def _display_name(address: Address) -> str:
    """The name of the zarr, and where in it the image is."""
    whole = address.place or shown(str(address.path))
    parts = whole.rstrip("/").split("/")
    for number, part in enumerate(parts[:-1]):
        if part.endswith(".zarr"):
            outer = part.removesuffix(".zarr").removesuffix(".ome")
            return "/".join([outer, *parts[number + 1 :]])
    return address.stem


async def _images(store: Store, node: ZarrNode, name: str) -> tuple[Image, ...]:
    """The images of a node, the main one first; none if it is a group that says nothing."""
    attributes = node.attributes
    if node.is_array:
        return (await plain_image(store, node, name),)
    if node.is_image:
        return await image_with_labels(store, node, name)
    if isinstance(attributes.get("plate"), Mapping):
        return await plate_images(store, node, name)
    if isinstance(attributes.get("well"), Mapping):
        return await well_images(store, node, name)
    if isinstance(attributes.get("scene"), Mapping):
        return await scene_images(store, node, name)
    if "bioformats2raw.layout" in attributes:
        return await _one_of(store, node, name, await series(store, node), "series")
    if isinstance(attributes.get("labels"), list):
        images, warnings = await labels_in(store, node, name, {})
        if images:
            return images
        raise OpenError(" ".join(warnings) or f"{store.where} is a group without labels in it.")
    return ()


async def _one_of(
    store: Store, node: ZarrNode, name: str, paths: list[str], what: str
) -> tuple[Image, ...]:
    """The first of several images, with a warning that names the others."""
    chosen = await read_node(store, node.below(paths[0])) if paths else None
    if chosen is None or chosen.is_array or "multiscales" not in chosen.attributes:
        raise OpenError(f"{store.where} names no {what} that can be opened.")
    image, *labels = await _images(store, chosen, f"{name}/{paths[0]}")
    if len(paths) > 1:
        others = ", ".join(paths[1:6]) + (", …" if len(paths) > 6 else "")
        warning = f"Only the first of the {len(paths)} {what} is open; the others are {others}."
        image = replace(image, warnings=(*image.warnings, warning))
    return (image, *labels)
