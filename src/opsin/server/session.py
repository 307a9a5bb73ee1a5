"""Session: everything one running server holds: images, their loader, the scene, the saved view."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opsin.chunks.brick import plane_box
from opsin.chunks.camera import Camera, base_level, fit, slice_index
from opsin.chunks.loader import Loader
from opsin.errors import OpsinError, UsageError
from opsin.images.derived import stored_levels
from opsin.images.image import Image
from opsin.images.layer import Layer, layers_of_all
from opsin.images.source import Array
from opsin.render.histogram import Histogram, auto_contrast, histogram
from opsin.views.scene import Scene

log = logging.getLogger("opsin")

MOST_LAYERS = 1000
OPENING = 4
"""Layers whose contrast is found out at once."""
PREVIEW = 512
"""Rows and columns from the middle of an image that give a first contrast."""


class Session:
    """The images that a server shows.

    Args:
        images: opened images, in groups that were opened together (an image and its labels).
        memory: budget in bytes for chunks.
        notices: sentences to show to the user (what could not be opened, and the like).
    """

    def __init__(
        self, images: Sequence[Sequence[Image]], memory: int, notices: Sequence[str] = ()
    ) -> None:
        self.loader = Loader(memory)
        self.scene = Scene()
        self.saved_view: Mapping[str, Any] | None = None
        for text in notices:
            self.scene.notify("error", text)
        self._waiting: dict[int, tuple[Layer, int]] = {}
        for group in images:
            numbers = {id(image): self.loader.add(image) for image in group}
            for image in group:
                for text in image.warnings:
                    self.scene.notify("warning", f"{image.name}: {text}")
            for layer in layers_of_all(group):
                self._waiting[len(self._waiting)] = (layer, numbers[id(layer.image)])
        self._tell_of_units(image for group in images for image in group)
        self._opening: list[asyncio.Task[None]] = []
        self._places = asyncio.Semaphore(OPENING)
        if len(self._waiting) > MOST_LAYERS:
            self.scene.notify(
                "warning",
                f"These images have {len(self._waiting)} layers; the first {MOST_LAYERS} are open.",
            )
            self._waiting = {n: one for n, one in self._waiting.items() if n < MOST_LAYERS}

    def start(self) -> None:
        """Begin to put the layers into the scene, each as soon as its contrast is known."""
        for number, (layer, image) in self._waiting.items():
            if layer.contrast is not None or layer.image.kind == "labels":
                self.scene.put(number, layer, image)
            else:
                self._opening.append(asyncio.create_task(self._open(number, layer, image)))

    async def close(self) -> None:
        """Stop all loading and close the images. Idempotent."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        self._opening.clear()
        await self.loader.close()

    async def histogram(
        self, number: int, position: Mapping[str, float]
    ) -> tuple[Histogram, tuple[float, float]]:
        """Histogram and automatic contrast limits of a layer's coarsest level at a slice.

        Raises:
            UsageError: there is no such layer, or nothing at that position.
            ReadError: the level could not be read.
        """
        if number not in self.scene.layers:
            raise UsageError(f"There is no layer {number}.")
        layer = self.scene.layers[number]
        values = await self._coarsest(layer, self.scene.images[number], position)
        return await asyncio.to_thread(lambda: (histogram(values), auto_contrast(values)))

    def _tell_of_units(self, images: Iterable[Image]) -> None:
        """Say that images in different units are laid over each other as if they were one unit."""
        units: dict[str, str] = {}
        for image in images:
            unit = next((axis.unit for axis in image.axes if axis.name == "x"), None)
            units.setdefault(unit or "pixel", image.name)
        if len(units) > 1:
            said = ", ".join(f"{name} in {unit}" for unit, name in units.items())
            self.scene.notify(
                "warning", f"These images are measured differently and are not to scale: {said}."
            )

    async def _open(self, number: int, layer: Layer, image: int) -> None:
        try:
            async with self._places:
                position = fit([layer], (1, 1)).position
                if stored_levels(layer.image) == len(layer.image.levels):
                    values = await self._coarsest(layer, image, position)
                else:  # the coarsest level is computed from all the others: that would take long
                    values = await self._middle(layer, image, position)
                layer = replace(layer, contrast=await asyncio.to_thread(auto_contrast, values))
        except OpsinError as error:
            # The layer opens all the same: other parts of it may be readable.
            self.scene.notify("error", f"{layer.name}: {error}")
            log.warning("%s: %s", layer.name, error)
        except Exception as error:
            self.scene.notify("error", f"{layer.name}: {type(error).__name__}: {error}")
            log.exception("%s", layer.name)
        self.scene.put(number, layer, image)

    async def _middle(self, layer: Layer, image: int, position: Mapping[str, float]) -> Array:
        """The middle of the coarsest level that is stored."""
        level = stored_levels(layer.image) - 1
        where = slice_index(layer, level, Camera((0.0, 0.0), 1.0, (1, 1), position)) or ()
        start, stop = (list(corner) for corner in plane_box(layer, level, where))
        for name in ("y", "x"):
            axis = layer.image.axis(name)
            start[axis] = max((stop[axis] - PREVIEW) // 2, 0)
            stop[axis] = min(start[axis] + PREVIEW, stop[axis])
        return await self.loader.read(image, level, tuple(start), tuple(stop))

    async def _coarsest(self, layer: Layer, image: int, position: Mapping[str, float]) -> Array:
        level = base_level(layer)
        where = slice_index(layer, level, Camera((0.0, 0.0), 1.0, (1, 1), position))
        if where is None:
            raise UsageError(f"{layer.name} has nothing at that position.")
        start, stop = plane_box(layer, level, where)
        return await self.loader.read(image, level, start, stop)
