"""Registry: the plugins that a host knows. Files are read again when they change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opsin.errors import PluginError, UsageError
from opsin.plugins.formats import read_plugin
from opsin.plugins.manifest import Operation, Plugin


@dataclass(frozen=True, slots=True)
class Registered:
    """A plugin's file, and what was read of it: the plugin, or why that cannot be used.

    `id` is the same for the same place.
    """

    id: str
    path: Path
    plugin: Plugin | None
    error: str | None
    stamp: tuple[int, int] | None

    def operation(self, name: str | None) -> tuple[Plugin, Operation]:
        """The plugin and its operation of that name, or, if none is named, its only one.

        Raises:
            PluginError: there is none, or the plugin cannot be used.
        """
        if self.plugin is None:
            raise PluginError(self.error or f"{self.path} is no plugin.")
        return self.plugin, self.plugin.operation(name)


class Registry:
    """Plugins by id, in the order in which they came."""

    def __init__(self) -> None:
        self._plugins: dict[str, Registered] = {}
        self._listeners: list[Callable[[], None]] = []

    def all(self) -> list[Registered]:
        """All plugins."""
        return list(self._plugins.values())

    def add(self, path: str | Path) -> Registered:
        """Read the plugin at `path`. One that cannot be read is known too, with the reason."""
        place = Path(path).absolute()
        found = _read(place)
        changed = self._plugins.get(found.id) != found
        self._plugins[found.id] = found
        if changed:
            self._tell()
        return found

    def remove(self, id: str) -> Registered:
        """Forget a plugin.

        Raises:
            UsageError: there is none of that id.
        """
        found = self.get(id)
        del self._plugins[id]
        self._tell()
        return found

    def get(self, id: str) -> Registered:
        """The plugin of that id, as its file is now.

        Raises:
            UsageError: there is none.
        """
        if id not in self._plugins:
            raise UsageError("That plugin is not here any more: choose another one.")
        self._refresh(id)
        return self._plugins[id]

    def refresh(self) -> None:
        """Read the files again that have changed."""
        for id in list(self._plugins):
            self._refresh(id)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every change, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _refresh(self, id: str) -> None:
        known = self._plugins[id]
        if _stamp(known.path) != known.stamp:
            self._plugins[id] = _read(known.path)
            self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


def _read(path: Path) -> Registered:
    id = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:12]
    stamp = _stamp(path)  # before: what changes while it is read is read again
    try:
        return Registered(id, path, read_plugin(path), None, stamp)
    except PluginError as error:
        return Registered(id, path, None, str(error), stamp)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size
