"""Plugin menu: plugins in the menus of napari, each as a dynamic plugin of npe2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from napari import current_viewer  # type: ignore[import-untyped]
from npe2 import DynamicPlugin, PluginManager, PluginManifest

from opsin.host.host_thread import HostThread
from opsin.host.registry import Registered
from opsin.napari.plugin_files import keep, usable
from opsin.napari.plugin_panel import PluginPanel
from opsin.plugins.manifest import Operation

Told = tuple[str, tuple[tuple[str, str], ...]]
"""Name of a plugin; names and titles of its operations."""


class PluginMenu:
    """What napari knows of the plugins of a host."""

    def __init__(self, thread: HostThread) -> None:
        self.thread = thread
        self._registry = thread.host.registry
        self._shown: dict[str, tuple[DynamicPlugin, Told]] = {}
        self._registry.listen(self.fill)
        self.fill()

    def fill(self) -> None:
        """Put all plugins that are known into the menus, and take out what has gone."""
        now = {one.id: one for one in self._registry.all()}
        for id in [id for id in self._shown if id not in now]:
            self._shown.pop(id)[0].cleanup()
        for registered in now.values():
            self._show(registered)

    def close(self) -> None:
        """Take all of them out of the menus."""
        for dynamic, _ in self._shown.values():
            dynamic.cleanup()
        self._shown.clear()

    def _show(self, registered: Registered) -> None:
        plugin, id = registered.plugin, registered.id
        if plugin is None or not plugin.operations:
            return  # what was there stays, and its form says what is wrong
        told = plugin.name, tuple((one.name, one.title) for one in plugin.operations)
        if id in self._shown:
            if self._shown[id][1] == told:
                return
            self._shown.pop(id)[0].cleanup()
        name = f"opsin-plugin-{id}"
        manifest = PluginManifest.model_validate(
            {
                "name": name,
                "display_name": _display_name(plugin.name),
                "contributions": {
                    "commands": [
                        {"id": f"{name}.{one.name}", "title": one.title}
                        for one in plugin.operations
                    ],
                    "widgets": [
                        {"command": f"{name}.{one.name}", "display_name": one.title}
                        for one in plugin.operations
                    ],
                },
            }
        )
        manager = PluginManager.instance()
        for one in plugin.operations:
            manager.commands.register(f"{name}.{one.name}", _maker(id, one))
        dynamic = DynamicPlugin(plugin_manager=manager, manifest=manifest)
        dynamic.register()
        self._shown[id] = dynamic, told


_MENU: list[PluginMenu] = []
"""That of this process, once it is filled."""


def fill(_: Any = None) -> None:
    """Put the plugins of the user's workspace into the menus, and from now on those that come."""
    thread = HostThread.shared()
    if _MENU and _MENU[0].thread is not thread:
        _MENU.pop().close()
    if not _MENU:
        _MENU.append(PluginMenu(thread))


def add_plugin(viewer: Any, path: str | Path) -> PluginPanel:
    """Show the form of a plugin's file, which stays where it is: see `opsin.napari.add_plugin`."""
    fill()
    registered = HostThread.shared().host.registry.add(path)
    usable(registered)
    return PluginPanel.docked(viewer, registered)


def keep_plugin(viewer: Any, path: Path) -> PluginPanel | None:
    """Keep a plugin's file in the user's workspace, and show its form if there is a viewer.

    Raises:
        PluginError: it is no plugin, or cannot be kept.
    """
    fill()
    registered = keep(path)
    usable(registered)
    if viewer is None:
        return None
    panel = PluginPanel.docked(viewer, registered)
    if panel.form is not None:
        panel.form.permissions.ask_first(registered, lambda: None)
    return panel


def _maker(id: str, operation: Operation) -> Any:
    """What napari calls for a widget."""

    def make() -> PluginPanel:
        return PluginPanel(current_viewer(), id, operation.name)

    return make


def _display_name(name: str) -> str:
    """The name of a plugin as npe2 allows it: three signs at least, the ends letters or digits."""
    tidy = re.sub(r"[^\w -~]", " ", name)[:80]
    tidy = re.sub(r"^[\W_]+|[\W_]+$", "", tidy)
    return tidy if len(tidy) >= 3 else f"Plugin {tidy}".strip()
