"""Windows: those that a desk has open, and how one is opened."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from opsin.errors import UsageError
from opsin.host.imjoy.api import PluginApi, form_of
from opsin.host.imjoy.loaded import Loaded
from opsin.host.imjoy.pages import is_page, page_plugin
from opsin.host.imjoy.window import Window

if TYPE_CHECKING:
    from opsin.host.imjoy.desk import Desk

OWN = "imjoy/"
"""What the type of a window of Opsin's own begins with."""
PLACES = ("w", "h", "x", "y", "fullscreen", "standalone")


class Windows:
    """The windows of one desk, by their ids."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._windows: dict[str, Window] = {}
        self._numbers = itertools.count(1)

    async def create(self, config: dict[str, Any], owner: Loaded | None) -> dict[str, Any]:
        """Open a window as `api.createWindow` is asked to; what others get of it.

        Raises:
            UsageError: it is none.
            PluginError, RemoteError and others: its plugin cannot be loaded, or fails.
        """
        kind = config.get("type") or ("imjoy/joy" if config.get("ui") else "")
        if isinstance(kind, str) and kind.startswith(OWN) and not config.get("src"):
            return (await self._own(kind, config, owner)).api()
        loaded = await self._plugin_of(config, str(kind or ""))
        if not loaded.file.is_window:
            raise UsageError(f"{loaded.name} is a {loaded.file.kind}, and no window.")
        return (await self.open(loaded, config)).api()

    async def open(self, loaded: Loaded, config: dict[str, Any]) -> Window:
        """A new window of a plugin; its `setup` and `run` are called."""
        desk = self._desk
        window = self._new(config, loaded.name, loaded.name, loaded.id)
        loaded.windows.append(window.id)
        window.is_passive = loaded.file.is_passive
        window.config = {
            "id": f"{loaded.id}-{window.id}",
            "name": window.name,
            "workspace": desk.name,
            "type": loaded.file.kind,
            "namespace": config.get("namespace", loaded.namespace or None),
            "tag": config.get("tag", loaded.tag or None),
            "flags": list(loaded.file.config.flags) or None,
            "window_id": window.id,
        }
        window.when_closed(lambda one: _let_go(loaded, one))
        api = PluginApi(desk, loaded, window)
        try:
            frame = await desk.frame(loaded, self._described(window, config))
            started = await desk.face.start(frame, api.call, desk.told_by(loaded, window))
            window.begun(started)
            await _awaited(window.interface.get("setup"))
            await _awaited(window.interface.get("run"), _context(loaded, config))
        except BaseException as error:
            loaded.say(f"{window.name}: {error}", "error")
            await window.close()
            raise
        loaded.changed()
        return window

    def find(self, query: dict[str, Any]) -> Window | None:
        """The first that is open with this `window_id`, or `plugin_id`, or `name` and `type`."""
        for window in self._windows.values():
            if query.get("window_id"):
                if query["window_id"] == window.id:
                    return window
            elif query.get("plugin_id"):
                if query["plugin_id"] in (window.owner, window.config.get("id")):
                    return window
            elif (query.get("name") or query.get("type")) and all(
                query.get(key) in (None, "", getattr(window, key)) for key in ("name", "type")
            ):
                return window
        return None

    async def close_of(self, owner: str) -> None:
        """Close all windows of a plugin."""
        for window in list(self._windows.values()):
            if window.owner == owner:
                await window.close()

    async def _own(self, kind: str, config: dict[str, Any], owner: Loaded | None) -> Window:
        name = owner.id if owner is not None else ""
        window = self._new(config, kind, kind, name)
        window.config = {"name": window.name, "type": kind, "window_id": window.id}
        told: dict[str, Any] = {
            "type": kind,
            "data": config.get("data"),
            "config": config.get("config"),
            "ui": config.get("ui"),
            "form": form_of(config.get("ui")),
            **self._described(window, config),
        }
        try:
            window.begun(await self._desk.face.built_in(told, window.told))
        except BaseException:
            await window.close()
            raise
        return window

    async def _plugin_of(self, config: dict[str, Any], kind: str) -> Loaded:
        desk, source = self._desk, config.get("src")
        tag, namespace = str(config.get("tag") or ""), str(config.get("namespace") or "")
        if not source:
            return await desk.loaded_named(kind, tag)
        if is_page(str(source)):
            text = page_plugin(str(source), config)
            return await desk.load(text, namespace=namespace)
        desk.shelf.refuse_file(str(source))
        return await desk.load(str(source), tag, namespace)

    def _new(self, config: dict[str, Any], name: str, kind: str, owner: str) -> Window:
        id = str(config.get("window_id") or f"plugin_window_{next(self._numbers)}")
        if id in self._windows:  # the id of an element in a page that asks twice
            id = f"{id}_{next(self._numbers)}"
        window = Window(id, str(config.get("name") or name), kind, owner)
        self._windows[id] = window
        window.when_closed(self._forget)
        return window

    def _forget(self, window: Window) -> None:
        self._windows.pop(window.id, None)

    def _described(self, window: Window, config: dict[str, Any]) -> dict[str, Any]:
        """Where and how it is shown."""
        return {
            "id": window.id,
            "window_id": window.id,
            "title": window.name,
            "dialog": bool(config.get("dialog") or config.get("as_dialog")),
            **{key: config.get(key) for key in PLACES},
        }


def _context(loaded: Loaded, config: dict[str, Any]) -> dict[str, Any]:
    """What `run` of a window gets."""
    data = config.get("data")
    if data is None:
        data = {}
    if isinstance(data, dict) and "_rtype" not in data:
        data = {**data, "_source_op": data.get("_op"), "_op": loaded.name}
        data.setdefault("_workflow_id", None)
    # Without one there is none: scripts have values in place of what is missing, not of null.
    given = {} if config.get("config") is None else {"config": config["config"]}
    return {
        "_variables": config.get("_variables"),
        "_op": config.get("_op"),
        "_source_op": config.get("_source_op"),
        "_transfer": config.get("_transfer"),
        "_workflow_id": config.get("_workflow_id"),
        **given,
        "data": data,
    }


async def _awaited(function: Callable[..., Awaitable[Any]] | None, *args: Any) -> Any:
    return None if function is None else await function(*args)


def _let_go(loaded: Loaded, window: Window) -> None:
    if window.id in loaded.windows:
        loaded.windows.remove(window.id)
        loaded.changed()
