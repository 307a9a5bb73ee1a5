"""Plugin settings: what plugins keep with `api.setConfig`, texts by name."""

from __future__ import annotations

from opsin.host.workspace import Workspace

LONGEST = 2**20
"""Letters of a value."""


class PluginSettings:
    """The settings of all plugins of a workspace, each by the plugin's name."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._new: dict[tuple[str, str], str | None] = {}

    def get(self, plugin: str, name: str) -> str | None:
        """What was kept; None: nothing."""
        if (plugin, name) in self._new:
            return self._new[plugin, name]
        return self._workspace.plugin_setting(plugin, name)

    def put(self, plugin: str, name: str, value: str | None) -> None:
        """Keep a text; None: keep nothing."""
        value = value if value is None else value[:LONGEST]
        self._new[plugin, name] = value
        self._workspace.keep_plugin_setting(plugin, name, value)
