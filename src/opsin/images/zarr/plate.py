"""Zarr plate: the wells of an OME-Zarr plate, or the fields of a well, as one image: a mosaic."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from opsin.errors import OpenError, ReadError
from opsin.images.image import Axis, Image
from opsin.images.ome_metadata import parse_multiscale
from opsin.images.store import Store
from opsin.images.zarr.array import ZarrArray, read_json
from opsin.images.zarr.image import ZarrSource
from opsin.images.zarr.labels import image_with_labels
from opsin.images.zarr.mosaic import Mosaic
from opsin.images.zarr.mosaic_fields import Fields, Reference, Wells, joined
from opsin.images.zarr.mosaic_layout import MosaicLevel, Stack, field_places, mosaic_levels
from opsin.images.zarr.node import ZarrNode, attributes_of, read_node
from opsin.images.zarr.plate_metadata import Plate, WellField, parse_plate, parse_well

TRIED = 8
"""Wells that are looked into for a first field."""
FIELDS_LIMIT = 1024
"""Fields of a well."""
LARGEST_SIDE = 2**40
"""Pixels along one side of a mosaic."""


async def plate_images(store: Store, node: ZarrNode, name: str) -> tuple[Image, ...]:
    """The mosaic of a plate, and those of the labels that its first field has.

    Raises:
        OpenError: its metadata makes no sense, or none of its first wells can be opened.
        Unsupported: Opsin cannot show such fields.
        ReadError: the store failed.
    """
    where = f"{store.where}/{node.path}".rstrip("/")
    try:
        plate = parse_plate(node.attributes["plate"])
    except OpenError as error:
        raise OpenError(f"The metadata of {where} {error}.") from error
    plate = replace(plate, wells={at: node.below(path) for at, path in plate.wells.items()})
    tried = [path for _, path in sorted(plate.wells.items())][:TRIED]
    problem: Exception | None = None
    for well in tried:
        try:
            attributes = await attributes_of(store, well, v3=_is_v3(node))
            fields = parse_well(None if attributes is None else attributes.get("well"))
            if fields:
                return await _mosaics(store, node, name, plate, well, fields)
        except (OpenError, ReadError) as error:
            problem = problem or error
    if problem is not None:
        raise problem
    raise OpenError(f"{where} is a plate, but there is no field in any of {', '.join(tried)}.")


async def well_images(store: Store, node: ZarrNode, name: str) -> tuple[Image, ...]:
    """The field of a well, or the mosaic of its fields. Raises as `plate_images` does."""
    fields = parse_well(node.attributes.get("well"))
    if not fields:
        raise OpenError(f"{store.where} names no fields of this well that can be opened.")
    if len(fields) == 1:
        field = await _field_node(store, node.below(fields[0].path))
        return await image_with_labels(store, field, f"{name}/{fields[0].path}")
    plate = Plate(("",), ("",), {(0, 0): node.path})
    return await _mosaics(store, node, name, plate, node.path, fields)


async def _mosaics(
    store: Store,
    node: ZarrNode,
    name: str,
    plate: Plate,
    well: str,
    fields: tuple[WellField, ...],
) -> tuple[Image, ...]:
    """The mosaics of the images of a field, of which the first is in `well`."""
    warnings = list(plate.warnings)
    acquisition = fields[0].acquisition
    runs = dict.fromkeys(one.acquisition for one in fields if one.acquisition is not None)
    if len(runs) > 1:
        warnings.append(
            f"Only acquisition {acquisition} is shown; the others are "
            f"{', '.join(str(run) for run in runs if run != acquisition)}."
        )
    shown = [one.path for one in fields if one.acquisition in (None, acquisition)]
    if len(shown) > FIELDS_LIMIT:
        raise OpenError(f"{store.where}/{well} has {len(shown)} fields, which is too many.")
    field = await _field_node(store, joined(well, shown[0]))
    images = await image_with_labels(store, field, name)
    try:
        if not {"y", "x"} <= set(images[0].axis_names):
            raise OpenError(f"{store.where}/{field.path} has no axes y and x.")
        plane = images[0].axis("y"), images[0].axis("x")
        size = tuple(images[0].shape[a] * images[0].levels[0].scale[a] for a in plane)
        positions = await _positions(store, well, shown, images[0].axes, _is_v3(node))
        places, grid = field_places(positions, (size[0], size[1]))
        wells = Wells(
            plate.rows,
            plate.columns,
            plate.wells,
            {place: number for number, place in enumerate(places)},
            grid,
            tuple(shown),
            acquisition,
        )
        shown_images = [image for image in images if {"y", "x"} <= set(image.axis_names)]
        found = mosaic_levels([_stack(image) for image in shown_images], wells.shape)
        mosaics: list[Image] = []
        for image, levels in zip(shown_images, found, strict=True):
            if levels:
                mosaics.append(await _mosaic(store, image, levels, wells, field.path, _is_v3(node)))
        warnings += [
            f"The labels {image.name} are left out: their pixels do not fit those of the image."
            for image in images
            if image.name not in {mosaic.name for mosaic in mosaics}
        ]
    finally:
        for image in images:
            image.close()
    first = replace(mosaics[0], warnings=(*mosaics[0].warnings, *warnings))
    return (first, *mosaics[1:])


def _stack(image: Image) -> Stack:
    pick = image.kind == "labels" or image.dtype.kind == "b"
    plane = image.axis("y"), image.axis("x")
    return Stack(image.levels, plane, image.dtype.itemsize, pick)


async def _mosaic(
    store: Store,
    image: Image,
    levels: tuple[MosaicLevel, ...],
    wells: Wells,
    field: str,
    v3: bool,
) -> Image:
    """The mosaic of one image of the first field, which is at `field`."""
    source = image.source
    assert isinstance(source, ZarrSource)
    if max(max(one.level.shape) for one in levels) > LARGEST_SIDE:
        raise OpenError(f"{store.where} would be a mosaic of more than 2^40 pixels along a side.")
    name = "zarr.json" if v3 else ".zarray"
    metadata = await asyncio.gather(
        *(read_json(store, joined(array.path, name)) for array in source.arrays)
    )
    warnings = image.warnings
    stored = [one.number for one in levels if not one.k]
    if left := [str(i) for i in range(len(image.levels)) if i not in stored]:
        what = f"level {left[0]} is" if len(left) == 1 else f"levels {', '.join(left)} are"
        warnings += (f"Of the fields {what} left out, whose pixels do not fit side by side.",)
    own = store.reopen()
    reference = Reference(
        _below(source.path, field),
        tuple(_below(array.path, source.path) for array in source.arrays),
        tuple(found or {} for found in metadata),
        tuple(ZarrArray(own, array.path, array.metadata) for array in source.arrays),
        image.levels,
        v3,
    )
    channels = 1 if image.channel_axis is None else min(8, image.shape[image.channel_axis])
    stack = _stack(image)
    mosaic = Mosaic(own, Fields(own, wells, reference), levels, stack.plane, stack.pick, channels)
    geometry = tuple(one.level for one in levels)
    return replace(image, levels=geometry, source=mosaic, warnings=warnings)


async def _field_node(store: Store, path: str) -> ZarrNode:
    node = await read_node(store, path)
    if node is None or not node.is_image:
        what = "is not there" if node is None else "is no image"
        raise OpenError(f"The field {store.where}/{path} {what}.")
    return node


async def _positions(
    store: Store, well: str, fields: list[str], axes: tuple[Axis, ...], v3: bool
) -> list[tuple[float, float] | None]:
    """Where the first pixel of each field lies, y and x, as far as their metadata say."""
    names = [axis.name for axis in axes]
    plane = names.index("y"), names.index("x")
    if len(fields) == 1:
        return [None]

    async def position(field: str) -> tuple[float, float] | None:
        try:
            attributes = await attributes_of(store, joined(well, field), v3=v3)
            entries: Any = (attributes or {}).get("multiscales")
            first = entries[0] if isinstance(entries, list) and entries else None
            placed = parse_multiscale(first).datasets[0].placed
        except (OpenError, ReadError):
            return None
        if placed is None or len(placed.translation) != len(names):
            return None
        return placed.translation[plane[0]], placed.translation[plane[1]]

    return list(await asyncio.gather(*(position(field) for field in fields)))


def _is_v3(node: ZarrNode) -> bool:
    return "node_type" in node.metadata


def _below(path: str, parent: str) -> str:
    return path.removeprefix(parent).strip("/")
