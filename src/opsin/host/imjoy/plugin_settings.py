"""Plugin settings: what plugins keep with `api.setConfig`, texts by name."""

from __future__ import annotations

from opsin.host.workspace import Workspace

LONGEST = 2**20
"""Letters of a value."""


class PluginSettings:
    """The settings of all plugins of a workspace, each by the plugin's name.

    Args:
        workspace: None: nothing is kept when this ends.
    """

    def __init__(self, workspace: Workspace | None) -> None:
        self._workspace = workspace
        self._new: dict[tuple[str, str], str | None] = {}

    def get(self, plugin: str, name: str) -> str | None:
        """What was kept; None: nothing."""
        if (plugin, name) in self._new:
            return self._new[plugin, name]
        if self._workspace is None:
            return None
        return self._workspace.plugin_setting(plugin, name)

    def put(self, plugin: str, name: str, value: str | None) -> None:
        """Keep a text; None: keep nothing."""
        value = value if value is None else value[:LONGEST]
        self._new[plugin, name] = value
        if self._workspace is not None:
            self._workspace.keep_plugin_setting(plugin, name, value)
