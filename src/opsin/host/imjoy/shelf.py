"""Shelf: where the plugins of a desk come from, and what they name by address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opsin.errors import PluginError, UsageError
from opsin.host.host import Host
from opsin.host.imjoy.imjoy_file import ImjoyFile
from opsin.host.registry import Registered, read_registered

SUFFIX = ".imjoy.html"


class Shelf:
    """Reads plugins, and has what they need fetched and served.

    Addresses at which something is served are those below `/plugin/TOKEN/` (protocol/IMJOY.md).
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    async def read(self, source: str, tag: str = "") -> tuple[ImjoyFile, Registered]:
        """The plugin that `source` names; see `Desk.load`.

        Raises:
            PluginError: it cannot be had, or read.
            UsageError: nothing is called so.
        """
        if "\n" in source:
            return self._of_text(source, tag)
        registered = self._registered(source)
        if registered is None:
            text = await self._fetched(source)
            return self._of_text(text, tag)
        if registered.plugin is None:
            raise PluginError(registered.error or f"{registered.path} is no plugin.")
        try:
            text = registered.path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise PluginError(f"{registered.path} cannot be read: {error}.") from error
        return ImjoyFile.of(text, registered.plugin.source, tag), registered

    def known(self, name: str) -> str | None:
        """The id in the registry of the plugin of that name; None: there is none."""
        for one in self._host.registry.all():
            if one.plugin is not None and one.plugin.name == name and is_imjoy(one):
                return one.id
        return None

    def beside(self, file: ImjoyFile, registered: Registered, needed: str) -> str:
        """What a plugin names that it depends on: a name, a URI, or a file beside it."""
        name = needed.partition("@")[0]
        if self.known(name) is not None:
            return str(self.known(name))
        if not any(mark in needed for mark in ("/", ":", "\n")):
            path = registered.path.with_name(name + SUFFIX)
            if path.is_file():
                return str(path)
        return needed

    def keep(self, file: ImjoyFile) -> str:
        """Keep a plugin in the workspace; its id in the registry."""
        path = self._host.workspace.keep_plugin(f"{_file_name(file.name)}{SUFFIX}", file.text)
        return self._host.registry.add(path).id

    async def served(self, address: str) -> str:
        """Fetch what stands at an address, once, and give the address at which it is served.

        Raises:
            OpsinError: it cannot be had.
        """
        raise UsageError(f"{address} cannot be fetched.")

    async def page(self, address: str, *, network: bool) -> str:
        """The address of a page of its own that a plugin runs in; '' for Opsin's own frame."""
        if not address or "lib.imjoy.io/default_base_frame" in address:
            return ""
        if not network:
            raise UsageError(
                f"Its page is at {address}: allow it the network, or add it as an application."
            )
        return address

    async def pyodide(self, needs: dict[str, list[str]]) -> dict[str, Any]:
        """What Pyodide is told: where it is, and which packages it gets."""
        return {"index": "pyodide/", **needs}

    def _registered(self, source: str) -> Registered | None:
        for one in self._host.registry.all():
            if source == one.id:
                return self._host.registry.get(one.id)
        if (id := self.known(source)) is not None:
            return self._host.registry.get(id)
        path = Path(source)
        if source.lower().endswith(SUFFIX) and "://" not in source and path.exists():
            return read_registered(path.absolute())
        return None

    async def _fetched(self, source: str) -> str:
        raise UsageError(f"There is no plugin called {source!r:.200}.")

    def _of_text(self, text: str, tag: str) -> tuple[ImjoyFile, Registered]:
        """A plugin that is in no file: it is kept in one, by what it says, as workers need that."""
        file = ImjoyFile.of(text, "source.imjoy.html", tag)
        path = self._host.workspace.keep_source(file.plugin.digest, file.text)
        return ImjoyFile.of(text, str(path), tag), read_registered(path)


def is_imjoy(registered: Registered) -> bool:
    """Whether a plugin is one of ImJoy's."""
    return registered.path.name.lower().endswith(SUFFIX)


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in name)[:60]
