"""Registry: the plugins that a host knows. Files are read again when they change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opsin.errors import PluginError, UsageError
from opsin.plugins.address import NAPARI
from opsin.plugins.formats import read_plugin
from opsin.plugins.installed import place_of
from opsin.plugins.manifest import Operation, Plugin


@dataclass(frozen=True, slots=True)
class Registered:
    """A plugin's file, and what was read of it: the plugin, or why that cannot be used.

    `id` is the same for the same place. Of an installed plugin of napari, the file is its manifest.
    """

    id: str
    path: Path
    plugin: Plugin | None
    error: str | None
    stamp: tuple[int, int] | None

    @property
    def address(self) -> str:
        """What names the plugin, now and later: its file, or the name of what is installed."""
        is_installed = self.plugin is not None and self.plugin.source.startswith(NAPARI)
        return self.plugin.source if self.plugin is not None and is_installed else str(self.path)

    def operation(self, name: str | None) -> tuple[Plugin, Operation]:
        """The plugin and its operation of that name, or, if none is named, its only one.

        Raises:
            PluginError: there is none, or it or the plugin cannot be used.
        """
        if self.plugin is None:
            raise PluginError(self.error or f"{self.path} is no plugin.")
        found = self.plugin.operation(name)
        if found.refused:
            raise PluginError(f"{found.title} cannot be run by Opsin. {found.refused}")
        return self.plugin, found


class Registry:
    """Plugins by id, in the order in which they came."""

    def __init__(self) -> None:
        self._plugins: dict[str, Registered] = {}
        self._listeners: list[Callable[[], None]] = []

    def all(self) -> list[Registered]:
        """All plugins."""
        return list(self._plugins.values())

    def add(self, path: str | Path) -> Registered:
        """Read the plugin at `path`, or an installed or known one by its address, and know it."""
        found = read_registered(path)
        if found.plugin is None and str(path).startswith(NAPARI):
            wanted = re.sub(r"[-_.]+", "-", str(path)).lower()
            found = next((one for one in self.all() if one.address == wanted), found)
        return self.put(found)

    def put(self, found: Registered) -> Registered:
        """Know a plugin that was read."""
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


def read_registered(path: str | Path) -> Registered:
    """Read the plugin at `path`, or an installed one by its address (`napari:NAME`).

    Of one that cannot be read, this holds the reason.
    """
    try:
        return _read(place_of(path))
    except PluginError as error:  # it is not installed
        place = Path(path)
        return Registered(_id(place), place, None, str(error), None)


def _read(path: Path) -> Registered:
    id = _id(path)
    stamp = _stamp(path)  # before: what changes while it is read is read again
    try:
        return Registered(id, path, read_plugin(path), None, stamp)
    except PluginError as error:
        return Registered(id, path, None, str(error), stamp)


def _id(path: Path) -> str:
    return hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:12]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size
