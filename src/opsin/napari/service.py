"""Service: what a running napari does for other programs of the same user on this computer.

    with opsin.napari.connect() as napari:
        napari.view_image(array, name="cells")

It listens on a socket from when Opsin is first used in napari, and others find it (`opsin.rpc.
offers`). Calls come in a thread of the service and are done, one after the other, in the thread of
the window. Arrays of other programs are not copied on their way, lazy ones are read as they are
drawn.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from opsin import __version__
from opsin.errors import OpsinError, UsageError
from opsin.host.lazy_types import register as register_lazy_types
from opsin.host.napari_peer import NAME
from opsin.images.derived import with_derived_levels
from opsin.images.image import Image
from opsin.images.memory import image_from_array
from opsin.images.points import Points
from opsin.images.points.memory import points_from_table
from opsin.images.points.reader import holds_points, open_points
from opsin.images.points.rows import Rows, rows_from_columns
from opsin.images.readers import open_images
from opsin.images.readers.address import Address
from opsin.rpc.connect import Serving, serve
from opsin.rpc.objects import by_reference
from opsin.rpc.offers import Announced
from opsin.workers.offered_readers import offer_readers

T = TypeVar("T")

OPTIONS = {
    *("affine", "axis_labels", "blending", "border_color", "channel_axis", "colormap"),
    *("contrast_limits", "edge_color", "face_color", "features", "gamma", "metadata", "name"),
    *("opacity", "out_of_slice_display", "properties", "rgb", "scale", "shown", "size", "symbol"),
    *("translate", "units", "visible"),
}
"""Of napari's `add_…`, which are passed on."""
MOST_PLAIN = 10_000
"""Points that napari is given all at once: with more it takes napari long to draw them."""
PATIENCE = 5.0
"""Seconds that the start and the end of the service are waited for."""


@by_reference
class NapariService:
    """What other programs can call. Layers are told by their names."""

    def __init__(self, ask: Callable[[Callable[[Any], Any]], Future[Any]]) -> None:
        self._ask = ask

    async def about(self) -> dict[str, Any]:
        """Versions of napari and Opsin, the process, the title of the window, layers."""

        def told(viewer: Any) -> dict[str, Any]:
            import napari  # type: ignore[import-untyped]

            return {
                "napari": napari.__version__,
                "opsin": __version__,
                "pid": os.getpid(),
                "title": viewer.title,
                "layers": [layer.name for layer in viewer.layers],
            }

        return await self._done(told)

    async def layers(self) -> list[dict[str, Any]]:
        """The layers, the lowest first: name, kind, shape, type, scale, translation, visibility."""
        return await self._done(lambda viewer: [_described(layer) for layer in viewer.layers])

    async def get_layer(self, name: str) -> dict[str, Any]:
        """A layer as `layers` tells it, and its `data`: an array, of a large image a lazy one."""
        return await self._done(lambda viewer: _with_data(_layer(viewer, name)))

    async def remove_layer(self, name: str) -> None:
        """Take a layer away."""
        await self._done(lambda viewer: viewer.layers.remove(_layer(viewer, name)))

    async def view_image(self, data: Any, **options: Any) -> list[str]:
        """Show an image: an array, a lazy one, or the address of a file; the names of its layers.

        Args:
            data: a NumPy array becomes a layer as in napari. Lazy arrays and addresses are shown
                coarse at once, and sharper as they come; lazy ones as long as the caller is there.
            options: of napari's `add_image`.
        """
        return await self._done(lambda viewer: _view(viewer, data, "image", options))

    async def view_labels(self, data: Any, **options: Any) -> list[str]:
        """The same with labels. Those of a NumPy array can be painted on."""
        return await self._done(lambda viewer: _view(viewer, data, "labels", options))

    async def add_points(self, data: Any, **options: Any) -> list[str]:
        """Show points, an array (points, axes)."""

        def add(viewer: Any) -> list[str]:
            layer = viewer.add_points(np.array(data), **_checked(options))
            return [str(layer.name)]

        return await self._done(add)

    async def view_points(self, data: Any, **options: Any) -> list[str]:
        """Show points: an array, columns, or the address of a file; the names of their layers.

        Args:
            data: an array (points, axes) is shown as `add_points` does; so is a dict of columns,
                with positions in the world and all other columns as features. More than 10,000 of
                a dict, and those of an address, are shown as a sample that follows the view.
            options: of napari's `add_points`.
        """
        if isinstance(data, Mapping) and len(data):
            columns = await asyncio.to_thread(_columns, data, options.get("name"))
            return await self._done(lambda viewer: _view_columns(viewer, columns, options))
        if isinstance(data, str):
            if options:
                raise UsageError("A file says itself how it is shown: leave the options out.")
            return await self._open_points(data)
        return await self._done(lambda viewer: _view_points(viewer, data, options))

    async def open(
        self,
        address: str,
        number: int | None = None,
        kind: str | None = None,
        channel: int | None = None,
    ) -> list[str]:
        """Show what is at a path or address; the names of its layers.

        Args:
            number: which one of several images; None: all of them.
            kind: `image` or `labels`; None: what the file says.
            channel: one of its channels; None: all.
        """
        if await asyncio.to_thread(holds_points, Address.parse(address)):
            return await self._open_points(address)
        return await self._done(lambda viewer: _open(viewer, address, number, kind, channel))

    async def view_levels(self, levels: Sequence[Any], **about: Any) -> list[str]:
        """Show lazy arrays, fine to coarse, as one image: see `opsin.host.napari_peer`."""
        return await self._done(lambda viewer: _view_levels(viewer, levels, about))

    async def _open_points(self, address: str) -> list[str]:
        """Read what has to be read of a table beside the window, not in it."""
        points = await asyncio.to_thread(open_points, address)

        def add(viewer: Any) -> list[str]:
            from opsin.napari.layers import add_opened_points

            return [str(layer.name) for layer in add_opened_points(viewer, points)]

        try:
            return await self._done(add)
        except BaseException:
            points.close()
            raise

    async def _done(self, work: Callable[[Any], T]) -> T:
        """What `work` gives, which is done in the thread of the window with the current viewer."""
        result: T = await asyncio.wrap_future(self._ask(work))
        return result


def offer() -> Announced:
    """Let other programs of this user find and call this napari, until it ends. Idempotent.

    To be called in the thread of the window.

    Raises:
        UsageError: there is no window, or nobody can listen.
    """
    with _Running.lock:
        if _Running.one is None:
            _Running.one = _Running()
        return _Running.one.announced


def end_offer() -> None:
    """Be found and called no more. Idempotent."""
    with _Running.lock:
        one, _Running.one = _Running.one, None
    if one is not None:
        one.close()


def offer_quietly() -> None:
    """As `offer`, where nobody has asked for it: what goes wrong is nobody's concern."""
    with suppress(OpsinError):
        offer()


class _Running:
    """The service of this process: its thread, and the way into that of the window."""

    lock = threading.Lock()
    one: _Running | None = None

    def __init__(self) -> None:
        self._asker = _make_asker()
        register_lazy_types()
        self.announced = Announced(NAME, title=f"napari {os.getpid()}")
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="napari service", daemon=True
        )
        self._thread.start()
        try:
            self._loop = started.result(PATIENCE)
        except BaseException:
            self.announced.close()
            raise
        atexit.register(self.close)

    def close(self) -> None:
        """Listen no more, and be gone. Idempotent."""
        atexit.unregister(self.close)
        self.announced.close()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(PATIENCE)

    def _run(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        async def work() -> None:
            self._end = asyncio.Event()
            service = NapariService(self._asker.ask)
            serving: Serving = await serve(
                self.announced.address, lambda _: service, token=self.announced.token
            )
            async with serving:
                started.set_result(asyncio.get_running_loop())
                await self._end.wait()

        try:
            asyncio.run(work())
        except BaseException as error:
            if not started.done():
                started.set_exception(error)


def _make_asker() -> Any:
    """What has work done in the thread of the window, in which this is called."""
    from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]
    from qtpy.QtWidgets import QApplication

    app = QApplication.instance()
    if app is None:
        raise UsageError("There is no window of napari in this program.")

    class Asker(QObject):
        """Signals cross threads."""

        asked = Signal(object, object)

        def __init__(self) -> None:
            super().__init__()
            self.asked.connect(self._do, Qt.ConnectionType.QueuedConnection)

        def ask(self, work: Callable[[Any], Any]) -> Future[Any]:
            """What comes of `work`, some time."""
            future: Future[Any] = Future()
            self.asked.emit(work, future)
            return future

        def _do(self, work: Callable[[Any], Any], future: Future[Any]) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work(_viewer()))
            except BaseException as error:
                future.set_exception(error)

    asker = Asker()
    app.aboutToQuit.connect(end_offer)
    return asker


def _viewer() -> Any:
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None:
        raise UsageError("napari has no window open: open one first.")
    return viewer


def _layer(viewer: Any, name: str) -> Any:
    for layer in viewer.layers:
        if layer.name == name:
            return layer
    has = ", ".join(layer.name for layer in viewer.layers) or "none"
    raise UsageError(f"napari has no layer called {name}: it has {has}.")


def _described(layer: Any) -> dict[str, Any]:
    data = layer.data
    finest = data[0] if getattr(layer, "multiscale", False) else data
    return {
        "name": layer.name,
        "kind": type(layer).__name__.lower(),
        "shape": [int(size) for size in getattr(finest, "shape", (len(data),))],
        "dtype": str(getattr(finest, "dtype", "")),
        "scale": [float(one) for one in layer.scale],
        "translate": [float(one) for one in layer.translate],
        "units": [str(unit) for unit in layer.units],
        "axis_labels": list(layer.axis_labels),
        "visible": bool(layer.visible),
    }


def _with_data(layer: Any) -> dict[str, Any]:
    """What is told of a layer, and its data. Those of an image that Opsin shows are its own."""
    data = layer.data
    image = layer.metadata.get("opsin") if isinstance(layer.metadata, Mapping) else None
    if isinstance(image, Image):
        data = image
    elif getattr(layer, "multiscale", False):
        data = data[0]
    elif isinstance(data, (list, tuple)):
        data = [np.asarray(part) for part in data]
    return {**_described(layer), "data": data}


def _view(viewer: Any, data: Any, kind: str, options: Mapping[str, Any]) -> list[str]:
    if isinstance(data, str):
        if options:
            raise UsageError("A file says itself how it is shown: leave the options out.")
        return _open(viewer, data, None, kind if kind == "labels" else None, None)
    if isinstance(data, np.ndarray):
        named = _checked(options)
        if kind == "labels":
            # It may be painted on, and the other side's memory may not.
            return _names(viewer.add_labels(np.array(data), **named))
        return _names(viewer.add_image(data, **named))
    axes = options.get("axis_labels")
    image = image_from_array(
        data,
        axes=axes,
        name=options.get("name"),
        scale=options.get("scale"),
        translation=options.get("translate"),
        units=options.get("units"),
        kind="labels" if kind == "labels" else "image",
        rgb=options.get("rgb"),
    )
    return _add_opened(viewer, [with_derived_levels(image)], None)


def _view_points(viewer: Any, data: Any, options: Mapping[str, Any]) -> list[str]:
    positions = np.array(data)
    if positions.ndim != 2 or positions.dtype.kind not in "biuf":
        raise UsageError(
            f"Points are an array (points, axes) of numbers, not one of shape {positions.shape}."
        )
    return _names(viewer.add_points(positions, **_checked(options)))


def _columns(data: Mapping[str, Any], name: Any) -> Rows | Points:
    """Points that are given as columns: all of them, or as something that gives samples."""
    rows = rows_from_columns(data, "points", str(name or "points"))
    if rows.count <= MOST_PLAIN:
        return rows
    return points_from_table(dict(data), name=rows.name)


def _view_columns(viewer: Any, found: Rows | Points, options: Mapping[str, Any]) -> list[str]:
    named = _checked(options)
    if isinstance(found, Points):
        from opsin.napari.layers import add_opened_points

        if set(named) - {"name"}:
            raise UsageError("So many points follow the view: leave all options but the name out.")
        return [str(layer.name) for layer in add_opened_points(viewer, found)]
    features = {
        name: np.asarray(column)[found.placed]
        for name, column in found.columns.items()
        if name not in found.position_columns
    }
    about = {
        "name": found.name,
        "axis_labels": found.axis_names,
        "units": tuple(axis.unit or "pixel" for axis in found.axes),
        "features": features,
        "border_width": 0,
    }
    return _names(viewer.add_points(found.positions(), **{**about, **named}))


def _view_levels(viewer: Any, levels: Sequence[Any], about: Mapping[str, Any]) -> list[str]:
    levels = list(levels)
    one = len(levels) == 1
    image = image_from_array(
        levels[0] if one else levels,
        axes=about["axes"],
        name=about.get("name"),
        scale=about["scale"][0] if one else about["scale"],
        translation=about["translation"][0] if one else about["translation"],
        units=about.get("units"),
        kind="labels" if about.get("kind") == "labels" else "image",
        rgb=bool(about.get("rgb")),
    )
    return _add_opened(viewer, [with_derived_levels(image)], about.get("channel"))


def _open(
    viewer: Any, address: str, number: int | None, kind: str | None, channel: int | None
) -> list[str]:
    offer_readers()
    images = open_images(address, kind="labels" if kind == "labels" else None)
    chosen = images if number is None else images[number : number + 1]
    for image in images:
        if image not in chosen:
            image.close()
    if not chosen:
        raise UsageError(f"{address} has {len(images)} images, and none is number {number}.")
    return _add_opened(viewer, list(chosen), channel)


def _add_opened(viewer: Any, images: Sequence[Image], channel: int | None) -> list[str]:
    """Add all layers of images, or those of one channel; the images close with them."""
    from opsin.napari.layers import add_opened

    return [str(layer.name) for layer in add_opened(viewer, images, channel)]


def _names(made: Any) -> list[str]:
    return [str(layer.name) for layer in (made if isinstance(made, list) else [made])]


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of napari that mean the same whoever gives them."""
    for name in options:
        if name not in OPTIONS:
            known = ", ".join(sorted(OPTIONS))
            raise UsageError(f"There is no option {name}: there are {known}.")
    return dict(options)
