"""Zarr scene: images that OME-Zarr 0.6 puts beside or over each other in one coordinate system."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from opsin.errors import OpenError, ReadError
from opsin.images.image import Image, Level
from opsin.images.ome_metadata import end_of
from opsin.images.store import Store
from opsin.images.text import shown
from opsin.images.transformation import Transformation, parse_transformations
from opsin.images.zarr.image import multiscale_of
from opsin.images.zarr.labels import image_with_labels
from opsin.images.zarr.node import ZarrNode, read_node

IMAGES_LIMIT = 64
"""Images of a scene that are opened."""
LINKS_LIMIT = 4096

System: TypeAlias = tuple[str, str]
"""A coordinate system: its name, and the path of the image that has it, or ''."""


@dataclass(frozen=True, slots=True)
class _Link:
    start: System
    end: System
    entry: Mapping[str, Any]


async def scene_images(store: Store, node: ZarrNode, name: str) -> tuple[Image, ...]:
    """The images of a scene, each with its labels, placed in the world of the scene.

    That is its first coordinate system, or else the first that anything is placed in. An image that
    gets there by more than scales and translations is left out, with a warning.

    Raises:
        OpenError: its metadata makes no sense, or no image of it can be opened and placed.
        ReadError: the store failed.
    """
    where = f"{store.where}/{node.path}".rstrip("/")
    links = _links(node.attributes["scene"])
    paths = scene_paths(node.attributes["scene"])
    if not links or not paths:
        raise OpenError(f"The metadata of {where} has a scene without images.")
    world = _world(node.attributes["scene"], links)
    images: list[Image] = []
    warnings: list[str] = []
    if len(paths) > IMAGES_LIMIT:
        warnings.append(f"Only the first {IMAGES_LIMIT} of the {len(paths)} images are open.")
    try:
        for path in paths[:IMAGES_LIMIT]:
            try:
                images += await _placed(store, node.below(path), path, name, links, world)
            except (OpenError, ReadError) as error:
                warnings.append(f"{path} is left out: {str(error).rstrip('.')}.")
        if not images:
            raise OpenError(f"No image of the scene {where} can be shown. {warnings[0]}")
    except BaseException:
        for image in images:
            image.close()
        raise
    first = replace(images[0], warnings=(*images[0].warnings, *warnings))
    return (first, *images[1:])


def scene_paths(scene: Any) -> list[str]:
    """The paths of the images that a scene names, in their order."""
    ends = (end for link in _links(scene) for end in (link.start, link.end))
    return [*dict.fromkeys(path for _, path in ends if path)]


def _links(scene: Any) -> list[_Link]:
    entries = scene.get("coordinateTransformations") if isinstance(scene, Mapping) else None
    if not isinstance(entries, list):
        return []
    found = (
        _Link(end_of(entry, "input"), end_of(entry, "output"), entry)
        for entry in entries[:LINKS_LIMIT]
        if isinstance(entry, Mapping)
    )
    return [link for link in found if any(link.start) and any(link.end)]


def _world(scene: Mapping[str, Any], links: Sequence[_Link]) -> System:
    systems = scene.get("coordinateSystems")
    first = systems[0] if isinstance(systems, list) and systems else None
    name = first.get("name") if isinstance(first, Mapping) else None
    return (name, "") if isinstance(name, str) and name else links[0].end


async def _placed(
    store: Store, path: str, inner: str, name: str, links: Sequence[_Link], world: System
) -> tuple[Image, ...]:
    """The image at a path, and its labels, in the world."""
    node = await read_node(store, path)
    if node is None or not node.is_image:
        raise OpenError("it is not there" if node is None else "it is no image")
    system = multiscale_of(store, node).system
    images = await image_with_labels(store, node, f"{name}/{inner}")
    try:
        names = images[0].axis_names
        within = _way(links, (system, inner), world, len(names))
        return tuple(_moved(image, names, within) for image in images)
    except BaseException:
        for image in images:
            image.close()
        raise


def _way(links: Sequence[_Link], start: System, world: System, count: int) -> Transformation:
    """From a coordinate system to the world, along the links, in either direction.

    Raises:
        OpenError: there is no way, or none of scales and translations.
    """
    touching: dict[System, list[_Link]] = {}
    for link in links:
        for end in {link.start, link.end}:
            touching.setdefault(end, []).append(link)
    ways = {start: Transformation.identity(count)}
    waiting = deque([start])
    problem = ""
    while waiting and world not in ways:
        here = waiting.popleft()
        for link in touching.get(here, ()):
            there = link.end if link.start == here else link.start
            if there in ways:
                continue
            try:
                step = parse_transformations("it", count, [link.entry])
                step = step if link.start == here else step.inverse()
                ways[there] = ways[here].then(step).checked("it")
            except OpenError as error:
                problem = problem or f"the scene {error}"
                continue
            waiting.append(there)
    if world not in ways:
        raise OpenError(problem or f"nothing says where it lies in {shown(world[0])!r}")
    return ways[world]


def _moved(image: Image, names: tuple[str, ...], within: Transformation) -> Image:
    """The image, or labels of it that may lack axes, moved within the world of the scene."""
    steps = dict(zip(names, zip(within.scale, within.translation, strict=True), strict=True))
    scale, translation = zip(*(steps.get(n, (1.0, 0.0)) for n in image.axis_names), strict=True)
    move = Transformation(scale, translation)

    def moved(level: Level) -> Level:
        placed = Transformation(level.scale, level.translation).then(move)
        return replace(level, scale=placed.scale, translation=placed.translation)

    return replace(image, levels=tuple(map(moved, image.levels)))
