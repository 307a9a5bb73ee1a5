"""Session: everything one running server holds: images, their loader, the scene, the saved view."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsin.chunks.brick import plane_box
from opsin.chunks.camera import Camera, base_level, fit, slice_index
from opsin.chunks.disk_cache import DiskCache
from opsin.chunks.loader import Loader
from opsin.chunks.policy import EXPLORE, Policy
from opsin.chunks.volume_levels import in_3d
from opsin.errors import OpenError, OpsinError, UsageError
from opsin.host.agreements import Agreements
from opsin.host.host import Host
from opsin.host.job import Job
from opsin.host.permissions import Allowed
from opsin.host.registry import Registered, read_registered
from opsin.host.workspace import Workspace
from opsin.images.derived import stored_levels
from opsin.images.image import Image
from opsin.images.layer import Layer, layers_of, layers_of_all
from opsin.images.points import Points
from opsin.images.readers import open_image, open_images
from opsin.images.source import Array
from opsin.images.write.codec import CodecName
from opsin.plugins.installed import ITS_OWN, installed
from opsin.render.histogram import Histogram, auto_contrast, histogram
from opsin.server.dropped import Dropped
from opsin.server.library import Group, Library, load
from opsin.server.napari_links import NapariLinks
from opsin.server.points_layers import PointsLayers
from opsin.server.roots import Roots
from opsin.server.shelf import Offer, Shelf
from opsin.views.scene import Scene
from opsin.workers.supervision import Supervision

log = logging.getLogger("opsin")

MOST_LAYERS = 1000
MOST_OPENED = 20
"""Images that one address opens, at most."""
OPENING = 4
"""Layers whose contrast is found out at once."""
CONTRAST_WAIT = 10.0
"""Seconds that other programs wait for a contrast before they get an image without one."""
PREVIEW = 512
"""Rows and columns from the middle of an image that give a first contrast."""


class Session:
    """The images that a server shows.

    Args:
        images: opened images, in groups that were opened together (an image and its labels), and
            opened points.
        memory: budget in bytes for chunks.
        notices: sentences to show to the user (what could not be opened, and the like).
        plugins: files of plugins to have at hand, beside those of the user's workspace.
        policy: what is loaded first.
        disk_cache: where chunks that come over a network are kept; closed with the session.
        roots: folders below which images may be opened by name.
        codec: how chunks are compressed for other programs.
        no_plugins: a sentence that says why no plugins run here; None: they do.
        own: pages are those of the user who started this; else of whoever has the token.
        trusting: what that user allowed plugins holds, and can be changed by their own pages.
        allowed: what plugins may, as long as this runs.
        supervision: what their workers are granted; None: what `OPSIN_LIMITS` says.
    """

    def __init__(
        self,
        images: Sequence[Sequence[Image] | Points],
        memory: int,
        notices: Sequence[str] = (),
        plugins: Sequence[Path] = (),
        policy: Policy = EXPLORE,
        disk_cache: DiskCache | None = None,
        roots: Roots | None = None,
        codec: CodecName = "none",
        no_plugins: str | None = None,
        *,
        own: bool = True,
        trusting: bool = True,
        allowed: Sequence[tuple[Registered, Allowed]] = (),
        supervision: Supervision | None = None,
    ) -> None:
        self.policy = policy
        self.loader = Loader(memory, fetches=policy.fetches, disk_cache=disk_cache)
        self.scene = Scene()
        self.saved_view: Mapping[str, Any] | None = None
        self.napari = NapariLinks()
        self.library = Library(roots or Roots(), self.loader)
        self.shelf = Shelf(codec, taken=tuple(self.library.roots.folders))
        self._beside: dict[int, asyncio.Task[list[Layer]]] = {}
        """Layers of images that are in no scene, with their contrast."""
        self._offers: dict[int, Offer] = {}
        """Of images from the library, by the number of the first of a group."""
        for text in notices:
            self.scene.notify("error", text)
        self._layers: dict[int, tuple[Layer, int]] = {}
        """All that are not of points, with the numbers of their images."""
        self._removed: dict[int, Callable[[], None]] = {}
        """What puts a layer back."""
        self.points = PointsLayers(self.scene, self.loader)
        for group in images:
            if isinstance(group, Points):
                self.points.put(self._next_layer(), group)
                continue
            numbers = {id(image): load(self.loader, image) for image in group}
            self.shelf.put([(image, numbers[id(image)]) for image in group])
            for image in group:
                for text in image.warnings:
                    self.scene.notify("warning", f"{image.name}: {text}")
            for layer in layers_of_all(group):
                self._layers[self._next_layer()] = (layer, numbers[id(layer.image)])
        self._tell_of_units(
            image for group in images if not isinstance(group, Points) for image in group
        )
        for name in self.library.roots.folders:
            self.scene.notify(
                "info", f"Add ?open={name}/FILE to the address to open what lies below {name}."
            )
        self._plugins = plugins
        self._host: Host | None = None
        self._no_plugins = no_plugins
        self._supervision = supervision
        self.own = own
        self._dropped: Dropped | None = None
        self._trusting, self._allowed = trusting, allowed
        self._no_host = no_plugins or "The server has not started."
        self.job_layers: dict[str, list[int]] = {}
        """The layers that the results of ended jobs became."""
        self._showing: dict[str, asyncio.Task[None]] = {}
        """By job: what makes layers of its results."""
        self._opening: set[asyncio.Task[None]] = set()
        self._asked: set[str] = set()
        """Names that were opened, or failed."""
        self._turn = asyncio.Lock()
        """Of names that are opened: layers are in their order, and have numbers of their own."""
        self._contrasts: dict[int, asyncio.Task[None]] = {}
        """By layer: what finds out its contrast."""
        self._places = asyncio.Semaphore(OPENING)
        if len(self._layers) > MOST_LAYERS:
            self.scene.notify(
                "warning",
                f"These images have {len(self._layers)} layers; the first {MOST_LAYERS} are open.",
            )
            self._layers = dict(list(self._layers.items())[:MOST_LAYERS])

    def start(self) -> None:
        """Begin to put the layers into the scene, each as soon as its contrast is known."""
        for number, (layer, image) in self._layers.items():
            if layer.contrast is not None or layer.image.kind == "labels":
                self.scene.put(number, layer, image, in_3d(layer))
            else:
                self._expect(number, layer, image)
        if self._no_plugins is None:
            self._start_host()

    @property
    def host(self) -> Host:
        """What runs plugins.

        Raises:
            UsageError: it could not be started; the message says why.
        """
        if self._host is None:
            raise UsageError(self._no_host)
        return self._host

    async def close(self) -> None:
        """Cancel all jobs, stop all loading and close the images. Idempotent."""
        if self._host is not None:
            await self._host.close()
        await self.napari.close()
        await self.library.close()
        tasks = [*self._opening, *self._contrasts.values(), *self._beside.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._opening.clear()
        self._contrasts.clear()
        self._beside.clear()
        await self.loader.close()
        if self._dropped is not None:
            await asyncio.to_thread(self._dropped.close)

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

    def remove_layer(self, number: int) -> None:
        """Take a layer out of the scene.

        Raises:
            UsageError: there is no such layer.
        """
        try:
            self._removed[number] = self.scene.remove(number)
        except KeyError:
            raise UsageError(f"There is no layer {number}.") from None

    def restore_layer(self, number: int) -> None:
        """Put a layer back that was removed.

        Raises:
            UsageError: it was not.
        """
        if number not in self._removed:
            raise UsageError(f"Layer {number} was not removed.")
        self._removed.pop(number)()

    def begin_to_open(self, *names: str, again: bool = True) -> None:
        """Open what has these names while everything else goes on, one name after the other.

        The scene tells of what goes wrong. `again`: also those that somebody has asked for before.
        """
        for name in names[:MOST_OPENED]:
            if name in self._asked and not again:
                continue
            self._asked.add(name)
            asked = object()
            self.scene.expect(asked)
            task = asyncio.create_task(self._open_in_turn(name, asked))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open_in_turn(self, name: str, asked: object) -> None:
        try:
            async with self._turn:
                await self.open(name)
        except OpsinError as error:
            self.scene.notify("error", f"{name}: {error}")
        except Exception as error:
            self.scene.notify("error", f"{name}: {type(error).__name__}: {error}")
            log.exception("%s", name)
        finally:
            self.scene.expect_no_more(asked)

    async def open(self, name: str) -> None:
        """Put the image or points of this name, below the roots, into the scene, if not there.

        Raises:
            OpenError, ReadError, BudgetExceeded: as `Library.open` does.
        """
        path = await asyncio.to_thread(self.library.roots.path, name)
        if path is not None and await self.points.open(path, self._next_layer) is not None:
            return
        group = await self.library.open(name)
        known = {number for _, number in self._layers.values()}
        if not known & {number for _, number in group}:
            self._show(group)

    async def take_file(
        self, name: str, size: int | None, content: AsyncIterator[bytes]
    ) -> list[int]:
        """Show a file that a page hands over; gives the ids of its layers.

        Raises:
            UsageError: only the user who started this may do so.
            OpenError, ReadError, WriteError: it cannot be opened, or kept.
        """
        if not self.own:
            raise UsageError("Files are opened by the user who started this server only.")
        if self._dropped is None:
            self._dropped = Dropped(self.host.workspace.results)
        path = await self._dropped.take(name, size, content)
        try:
            number = await self.points.open(path, self._next_layer)
            if number is not None:
                return [number]
            images = await asyncio.to_thread(open_images, path)
        except OpsinError as error:
            await self._dropped.forget(path)
            # Where it lies here says nothing to whoever has dropped it.
            raise OpenError(str(error).replace(str(path), path.name)) from error
        for image in images:
            for text in image.warnings:
                self.scene.notify("warning", f"{image.name}: {text}")
        return self._show([(image, load(self.loader, image)) for image in images])

    def _show(self, group: Group) -> list[int]:
        """Put images that were opened together into the scene."""
        numbers = {id(image): number for image, number in group}
        self.shelf.put(group)
        shown = []
        for layer in layers_of_all([image for image, _ in group]):
            number = self._next_layer()
            shown.append(number)
            self._layers[number] = (layer, numbers[id(layer.image)])
            if layer.contrast is not None or layer.image.kind == "labels":
                self.scene.put(number, layer, numbers[id(layer.image)], in_3d(layer))
            else:
                self._expect(number, layer, numbers[id(layer.image)])
        return shown

    async def offered(self, address: str) -> tuple[Offer, str] | None:
        """What an address below `/zarr/TOKEN/` leads into, and the key in it; None if nothing.

        Raises:
            OpsinError: there is something, but it cannot be opened.
        """
        name, _, key = address.partition("/")
        offer = self.shelf.offers.get(name)
        if offer is None:
            found = await self.library.find(address)
            if found is None:
                return None
            group, key = found
            offer = self._offer_of(group)
        folder, _, below = key.partition("/")
        label, _, rest = below.partition("/")
        if folder == "labels" and label in offer.labels:
            return offer.labels[label], rest
        return offer, key

    def _offer_of(self, group: Group) -> Offer:
        if not group:
            raise UsageError("There is no image.")
        number = group[0][1]
        if number not in self._offers:
            self._offers[number] = self.shelf.make(group)
        return self._offers[number]

    async def shown(self, offer: Offer) -> list[Layer]:
        """The layers as which an offer is shown, with contrast as far as that is known by now."""
        numbers = sorted(n for n, (_, image) in self._layers.items() if image == offer.number)
        if not numbers:
            if offer.number not in self._beside:
                found = self._with_contrasts(layers_of(offer.image), offer.number)
                self._beside[offer.number] = asyncio.create_task(found)
            await asyncio.wait([self._beside[offer.number]], timeout=CONTRAST_WAIT)
            task = self._beside[offer.number]
            return task.result() if task.done() else list(layers_of(offer.image))
        tasks = [self._contrasts[number] for number in numbers if number in self._contrasts]
        if tasks:
            await asyncio.wait(tasks, timeout=CONTRAST_WAIT)
        return [self._layers[number][0] for number in numbers]

    async def _with_contrasts(self, layers: Sequence[Layer], image: int) -> list[Layer]:
        async def found(layer: Layer) -> Layer:
            try:
                return await self._with_contrast(layer, image)
            except OpsinError as error:
                log.warning("%s: %s", layer.name, error)
                return layer

        return list(await asyncio.gather(*map(found, layers[:MOST_LAYERS])))

    def _expect(self, number: int, layer: Layer, image: int) -> None:
        """Put a layer into the scene as soon as its contrast is known."""
        self.scene.expect(number)
        self._contrasts[number] = asyncio.create_task(self._open(number, layer, image))

    def _next_layer(self) -> int:
        known = (*self._layers, *self.scene.points, *self._removed)
        return 1 + max(known, default=-1)

    def _start_host(self) -> None:
        try:
            workspace = Workspace()
            agreements = Agreements(
                workspace, remembered=self._trusting, changeable=self._trusting and self.own
            )
            self._host = Host(
                workspace, front_end="browser", supervision=self._supervision, agreements=agreements
            )
        except UsageError as error:
            self._no_host = str(error)
            self.scene.notify("warning", str(error))
            return
        for registered, more in self._allowed:
            agreements.give(registered, more)
        for path in self._plugins:
            found = self._host.registry.add(path)
            if found.error is not None:
                self.scene.notify("error", found.error)
        self._host.listen(self._job_changed)
        task = asyncio.create_task(self._find_installed(self._host))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _find_installed(self, host: Host) -> None:
        """Have the plugins of napari that are installed at hand.

        Those that only read files are asked when a file is opened, and are no operations here.
        """
        for one in await asyncio.to_thread(installed):
            if one.name not in ITS_OWN:
                found = await asyncio.to_thread(read_registered, one.source)
                operations = found.plugin.operations if found.plugin is not None else ()
                if any(operation.role != "reader" for operation in operations):
                    host.registry.put(found)

    def _job_changed(self, job: Job) -> None:
        if job.state == "done" and job.id not in self.job_layers:
            self.job_layers[job.id] = []
            task = self._showing[job.id] = asyncio.create_task(self._show_results(job))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _show_results(self, job: Job) -> None:
        """Put the results of a job over what is there."""
        for result in job.results:
            if result.kind == "points" and result.rows:
                name = self._free_name(Path(result.name).stem)
                number = await self.points.show_result(result, self._next_layer, name)
                if number is not None:
                    self.job_layers[job.id].append(number)
            if result.kind not in ("image", "labels"):
                continue
            try:
                image = await asyncio.to_thread(open_image, result.path)
            except OpsinError as error:
                self.scene.notify("error", f"{result.name}: {error}")
                continue
            number = load(self.loader, image)
            self.shelf.put([(image, number)])
            for layer in layers_of(replace(image, name=self._free_name(result.name))):
                place = self._next_layer()
                self.job_layers[job.id].append(place)
                self._layers[place] = (layer, number)
                if layer.contrast is None and image.kind == "image":
                    await self._open(place, layer, number)
                else:
                    self.scene.put(place, layer, number, in_3d(layer))
        job.progress(None, None)  # so that it is heard that the layers are there

    async def layers_of_job(self, id: str) -> Sequence[int]:
        """The layers that the results of a job became, once they have; none of one not done."""
        if id in self._showing:
            await asyncio.wait([self._showing[id]])
        return self.job_layers.get(id, ())

    def _free_name(self, name: str) -> str:
        """The name, with a number where a layer has it already."""
        taken = {layer.name for layer in self.scene.layers.values()}
        taken |= {layer.name for layer in self.scene.points.values()}
        names = (name if n == 1 else f"{name} {n}" for n in itertools.count(1))
        return next(one for one in names if one not in taken)

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
            layer = await self._with_contrast(layer, image)
        except OpsinError as error:
            # The layer opens all the same: other parts of it may be readable.
            self.scene.notify("error", f"{layer.name}: {error}")
            log.warning("%s: %s", layer.name, error)
        except Exception as error:
            self.scene.notify("error", f"{layer.name}: {type(error).__name__}: {error}")
            log.exception("%s", layer.name)
        self._layers[number] = (layer, image)
        self.scene.put(number, layer, image, in_3d(layer))

    async def _with_contrast(self, layer: Layer, image: int) -> Layer:
        """The layer with a contrast from its coarsest level, if it has none."""
        if layer.contrast is not None or layer.image.kind == "labels":
            return layer
        async with self._places:
            position = fit([layer], (1, 1)).position
            if stored_levels(layer.image) == len(layer.image.levels):
                values = await self._coarsest(layer, image, position)
            else:  # the coarsest level is computed from all the others: that would take long
                values = await self._middle(layer, image, position)
            return replace(layer, contrast=await asyncio.to_thread(auto_contrast, values))

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
