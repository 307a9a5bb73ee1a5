"""Shelf: where the plugins of a desk come from, and what they name by address."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from opsin.errors import OpsinError, PluginError, UsageError
from opsin.host.host import Host
from opsin.host.imjoy.applications import is_own_frame
from opsin.host.imjoy.imjoy_file import ImjoyFile
from opsin.host.imjoy.pages import page_plugin, served_page
from opsin.host.imjoy.pyodide import prepare
from opsin.host.imjoy.resources import Kind, obtain
from opsin.host.imjoy.sources import obtain_source
from opsin.host.registry import Registered, read_registered
from opsin.plugins.imjoy_repository import ImjoyRepository
from opsin.plugins.imjoy_uri import SUFFIX
from opsin.workers.package_sources import read_sources


class Shelf:
    """Reads plugins, and has what they need fetched and served.

    A bare name means any plugin in the list that is called so. `USER/REPO:NAME` means that of the
    repository alone: where it cannot be had, another one of that name is not taken in its place.
    Addresses at which something is served are those below `/plugin/TOKEN/` (protocol/IMJOY.md).
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.workspace.fetched
        self._repositories: dict[Path, ImjoyRepository] = {}
        """In which a plugin's dependencies are looked up, by its file."""

    async def read(
        self, source: str, tag: str = "", beside: Registered | None = None
    ) -> tuple[ImjoyFile, Registered]:
        """The plugin that `source` names; see `Desk.load`.

        Args:
            beside: the plugin that names it, as one that it depends on.

        Raises:
            PluginError: it cannot be had, or read.
            UsageError: nothing is called so.
        """
        registered = None if "\n" in source else self._registered(source, beside)
        if registered is None:
            return await self._obtained(source, tag, beside)
        if registered.plugin is None:
            raise PluginError(registered.error or f"{registered.path} is no plugin.")
        if not is_imjoy(registered):
            raise UsageError(f"{registered.plugin.name} is no plugin of ImJoy.")
        text = await asyncio.to_thread(_text_of, registered.path)
        return ImjoyFile.of(text, registered.plugin.source, tag), registered

    def is_known(self, source: str) -> bool:
        """Whether this is the id or the name of a plugin in the list."""
        return self.known(source) is not None or any(
            source == one.id for one in self._host.registry.all()
        )

    def refuse_file(self, source: str) -> None:
        """Raise PluginError if this names a file of this computer, for whom that is not meant."""
        if "\n" not in source and not self.is_known(source) and self._registered(source, None):
            raise PluginError(f"{source} is a file of this computer: its user has to add it.")

    def known(self, name: str) -> str | None:
        """The id in the registry of the plugin of that name; None: there is none."""
        for one in self._host.registry.all():
            if one.plugin is not None and one.plugin.name == name and is_imjoy(one):
                return one.id
        return None

    async def served(self, address: str, kind: Kind = "other") -> str:
        """Fetch what stands at an address, once, and give the address at which it is served.

        Raises:
            OpsinError: it cannot be had.
        """
        if not re.match(r"(https?:)?//", address):
            raise PluginError(
                f"{address[:200]!r} is no address: it begins with https://.", reason="dead_address"
            )
        return (await obtain(address, self._folder, kind=kind)).route

    async def page(self, address: str, *, network: bool) -> str:
        """The address of a page of its own that a plugin runs in; '' for Opsin's own frame."""
        if is_own_frame(address):
            return ""
        if (served := await served_page(address, self._folder)) is not None:
            return served
        if not network:
            raise PluginError(
                f"Its page is at {address}: allow it the network.", reason="needs_network"
            )
        return address

    async def pyodide(self, needs: dict[str, list[str]]) -> dict[str, Any]:
        """What Pyodide is told: where it is, and which packages it gets."""
        sources = await asyncio.to_thread(read_sources, self._host.workspace.environments)
        return await prepare(needs, self._folder, sources, lambda line: None)

    def _registered(self, source: str, beside: Registered | None) -> Registered | None:
        """What is known here by its id, its name or its path."""
        registry = self._host.registry
        for one in registry.all():
            if source == one.id:
                return registry.get(one.id)
        if (id := self.known(source)) is not None:
            return registry.get(id)
        if "://" in source or "\n" in source:
            return None
        path = Path(source if source.lower().endswith(SUFFIX) else f"{source}{SUFFIX}")
        if beside is not None:  # a neighbour, by its name or its path from there
            home = beside.path.parent
            path = home / path
            is_own = not beside.path.is_relative_to(self._host.workspace.folder)
            is_near = is_own and path.resolve().is_relative_to(home.resolve())
            return read_registered(path) if is_near and _is_file(path) else None
        return read_registered(path.absolute()) if _is_file(path) else None

    async def _obtained(
        self, source: str, tag: str, beside: Registered | None
    ) -> tuple[ImjoyFile, Registered]:
        """What has to be fetched, or is the text of a plugin itself."""
        if beside is None and source.lower().endswith(SUFFIX) and "://" not in source:
            raise PluginError(f"There is no plugin at {source}.")
        repository = None if beside is None else await self._repository_of(beside)
        fresh = self._is_fresh(source)
        found = await obtain_source(source, self._folder, repository=repository, fresh=fresh)
        text = page_plugin(found.address, {}) if found.external else found.text
        file = ImjoyFile.of(text, found.origin or str(found.path or "It"), tag or found.tag)
        if found.path is not None:
            registered = read_registered(found.path)
        else:
            registered = self._kept(file)
            file = file.named(found.origin or str(registered.path))
        if found.repository is not None:
            self._repositories[registered.path] = found.repository
        return file, registered

    def _is_fresh(self, _source: str) -> bool:
        """Whether a plugin is fetched even if it is kept."""
        return False

    async def _repository_of(self, plugin: Registered) -> ImjoyRepository | None:
        """In which the plugins are that a plugin names."""
        if plugin.path not in self._repositories:
            origin = self._host.workspace.origin(plugin.path.name)
            if not origin or "\n" in origin:
                return None
            with suppress(OpsinError):
                found = await obtain_source(origin, self._folder, offline=True)
                if found.repository is not None:
                    self._repositories[plugin.path] = found.repository
        return self._repositories.get(plugin.path)

    def _kept(self, file: ImjoyFile) -> Registered:
        """A plugin that is in no file: it is kept in one, by what it says, as workers need that."""
        return read_registered(self._host.workspace.keep_source(file.plugin.digest, file.text))


def is_imjoy(registered: Registered) -> bool:
    """Whether a plugin is one of ImJoy's."""
    return registered.path.name.lower().endswith(SUFFIX)


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"{path} cannot be read: {error}.") from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
