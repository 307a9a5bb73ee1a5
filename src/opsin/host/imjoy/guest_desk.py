"""Guest desk: the plugins that a page of others has loaded, which its owner lets run them here.

The page answers what is asked of a user, and is not the user of this computer: nothing that it
agrees to counts, nothing that it loads is kept, and no file of the user is there for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from opsin.errors import PluginError, UsageError
from opsin.host.host import Host
from opsin.host.imjoy.api import PluginApi
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.face import Face
from opsin.host.imjoy.file_choice import FileChoice
from opsin.host.imjoy.file_system import FileSystem
from opsin.host.imjoy.guest_shelf import GuestShelf
from opsin.host.imjoy.imjoy_file import ImjoyFile
from opsin.host.imjoy.loaded import Loaded
from opsin.host.imjoy.plugin_settings import PluginSettings
from opsin.host.registry import Registered
from opsin.workers.isolation.launch import level_for
from opsin.workers.isolation.sandbox import Sandbox

NOT_FOR_GUESTS = "That is for the owner of this server alone: a page of others cannot do it."
NO_FILES = "Files are chosen in the page: let it answer showFileDialog, or hand over their content."
_REQUIREMENT = re.compile(r"[\w.-]+(\[[\w,. -]*\])?\s*([<>=!~][^@/\\:;]*)?(;.*)?")
"""A package by its name, and by no place."""

Answer = Callable[..., Awaitable[Any]]


class GuestDesk(Desk):
    """A desk of a page of others.

    Args:
        face: the page.
        origins: from which such pages come.
        front_end: of the runs that it asks for.
    """

    def __init__(self, host: Host, face: Face, *, origins: Collection[str], front_end: str) -> None:
        super().__init__(host, face, front_end=front_end)
        self.settings = PluginSettings(None)
        self.files = _NoFiles(host, face)
        self._listed = GuestShelf(host, origins)
        self.shelf = self._listed
        self._page: Loaded | None = None
        self._answers: dict[str, Answer] = {}

    def join(self, name: str, answers: Mapping[str, Answer]) -> PluginApi:
        """Have the page itself take part as a plugin; gives what it calls.

        Args:
            name: by which others find it; one that has it is not there any more then.
            answers: what it answers to calls of other plugins' `api`, in place of the host.

        Raises:
            UsageError: it has joined already.
        """
        if self._page is not None:
            raise UsageError("The page has joined already.")
        name = name.replace("/", "∕").strip()[:100] or "Page"  # a name has no slash
        entries = {"name": name, "type": "collection", "api_version": "0.1.8", "version": "0"}
        file = ImjoyFile.of(f'<config lang="json">{_in_block(entries)}</config>', "The page")
        registered = Registered("", Path(), file.plugin, None, None)
        id = f"page_{next(self._numbers)}"
        loaded = Loaded(id, file, registered, "", self.changed, self._logged)
        self._loaded[id] = self._page = loaded
        self._answers = dict(answers)
        loaded.enter("ready")
        return PluginApi(self, loaded)

    async def load(
        self,
        source: str,
        tag: str = "",
        namespace: str = "",
        again: bool = False,
        beside: Registered | None = None,
    ) -> Loaded:
        """Load a plugin, as `Desk.load` does; one that is there is found by its name, too."""
        known = None if again or "\n" in source else self.named(source)
        if known is not None and known is not self._page:
            return await self.loaded_named(source, tag)
        return await super().load(source, tag, namespace, again, beside)

    @property
    def page_constants(self) -> dict[str, Any]:
        """What of the page's `api` is no function."""
        return self.constants(self._page) if self._page is not None else {}

    def answer_of(self, name: str, loaded: Loaded) -> Answer | None:
        return None if loaded is self._page else self._answers.get(name)

    def has_network(self, loaded: Loaded) -> bool:
        """A frame may do what the page may; one of the owner's, what that has allowed."""
        return not self._listed.is_listed(loaded.registered) or super().has_network(loaded)

    async def frame(self, loaded: Loaded, window: dict[str, Any] | None = None) -> dict[str, Any]:
        frame = await super().frame(loaded, window)
        return {**frame, "names": list(dict.fromkeys([*frame["names"], *self._answers]))}

    async def add(self, source: str, tag: str = "") -> Loaded:
        raise UsageError(NOT_FOR_GUESTS)

    async def install(self, source: str, tag: str, about: dict[str, Any]) -> str:
        raise UsageError(NOT_FOR_GUESTS)

    async def uninstall(self, name: str, about: dict[str, Any]) -> None:
        raise UsageError(NOT_FOR_GUESTS)

    async def update(self, plugin: str) -> bool:
        raise UsageError(NOT_FOR_GUESTS)

    async def open_link(self, address: str) -> None:
        raise UsageError(NOT_FOR_GUESTS)

    async def _start(self, loaded: Loaded) -> None:
        if loaded.file.kind == "native-python":
            self._check_native(loaded)
        await super()._start(loaded)

    def _check_native(self, loaded: Loaded) -> None:
        """What comes from a page runs isolated, and installs nothing but packages by their names.

        Raises:
            PluginError: it may not run.
        """
        if not level_for(Sandbox()).is_isolated:
            raise PluginError(
                f"{loaded.name} runs Python, which nothing can isolate on the server's computer: "
                "install bubblewrap there (Linux)."
            )
        if self._listed.is_listed(loaded.registered):
            return
        plugin = loaded.file.plugin
        if plugin.repositories or not all(map(_REQUIREMENT.fullmatch, plugin.requirements)):
            raise PluginError(
                f"{loaded.name} asks for a repository, or a package by its place: only a plugin "
                "that the owner of the server has added may. Packages by name are installed."
            )


class _NoFiles(FileChoice):
    """There are none, but those that plugins keep as long as the page is there."""

    def __init__(self, host: Host, face: Face) -> None:
        super().__init__(host, face)
        self.kept = FileSystem(None)

    async def choose(self, loaded: Loaded, asked: dict[str, Any]) -> list[Any] | None:
        raise UsageError(NO_FILES)

    def address(self, loaded: Loaded, name: str) -> str:
        raise UsageError(NO_FILES)

    def upload_address(self, loaded: Loaded, name: str, *, overwrite: bool) -> str:
        raise UsageError(NO_FILES)


def _in_block(entries: dict[str, str]) -> str:
    """As JSON that does not end the block that it stands in."""
    return json.dumps(entries).replace("<", "\\u003c")
