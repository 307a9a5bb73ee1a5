"""Added: plugins of ImJoy that the user has at hand from now on, and where each came from."""

from __future__ import annotations

import asyncio
from pathlib import Path

from opsin.errors import PluginError, UsageError
from opsin.host.imjoy.applications import application
from opsin.host.imjoy.frame import code_of
from opsin.host.imjoy.imjoy_file import ImjoyFile
from opsin.host.imjoy.pages import page_plugin, served_page
from opsin.host.imjoy.resources import Kind, obtain
from opsin.host.imjoy.sources import obtain_source
from opsin.host.registry import Registered, read_registered
from opsin.host.workspace import Workspace
from opsin.plugins.imjoy_uri import SUFFIX


async def add(
    workspace: Workspace, source: str, tag: str = "", *, files: bool = True, fresh: bool = False
) -> Registered:
    """Keep a plugin in the workspace; one of the same name is replaced.

    What it names by address is fetched now, so that it runs without a network from then on.

    Args:
        source: an ImJoy URI, an address, a path, the plugin's own text, or the name of an
            application (`opsin.host.imjoy.applications`).
        tag: the variant whose requirements are fetched.
        files: whether paths of this computer are meant.
        fresh: fetch it even if it was fetched before.

    Raises:
        PluginError: it cannot be had, or is no plugin; its `reason` says why, where that is known.
    """
    known = application(source.strip())
    if known is not None:
        text, origin = known.plugin(), known.name
    else:
        found = await obtain_source(source, workspace.fetched, files=files, fresh=fresh)
        text = page_plugin(found.address, {}) if found.external else found.text
        # By its place in a repository what it depends on is found there later, too.
        in_repository = found.uri.kind == "repository"
        origin, tag = source.strip() if in_repository else found.origin, tag or found.tag
    try:
        file = ImjoyFile.of(text, origin or "It", tag)
    except PluginError as error:
        where = f"{origin}: " if origin else ""
        raise PluginError(f"{where}{error}", reason=error.reason) from None
    await fetch_all(file, workspace)
    path = await asyncio.to_thread(workspace.keep_plugin, file_name(file.name), file.text)
    workspace.keep_origin(path.name, origin)
    return read_registered(path)


async def update(workspace: Workspace, registered: Registered) -> Registered:
    """Fetch an added plugin anew from where it came.

    Raises:
        UsageError: it came from nowhere else.
        PluginError: it cannot be had; the old one stays.
    """
    origin = workspace.origin(registered.path.name)
    if not origin or registered.path.parent != workspace.plugins:
        raise UsageError(f"{registered.path.name} did not come from elsewhere: there is no update.")
    return await add(workspace, origin, fresh=True)


async def fetch_all(file: ImjoyFile, workspace: Workspace) -> list[str]:
    """Fetch what a plugin names by address; gives the sentences on what is left out.

    Raises:
        PluginError: a script cannot be had.
    """
    said: list[str] = []
    if file.kind == "native-python" or file.kind == "collection":
        return said

    async def served(address: str, kind: Kind = "other") -> str:
        return (await obtain(address, workspace.fetched, kind=kind)).route

    await code_of(file, served, said.append)
    if worker := str(file.config.entries.get("base_worker") or ""):
        await served(worker, "script")
    await served_page(str(file.config.entries.get("base_frame") or ""), workspace.fetched)
    return said


def file_name(name: str) -> str:
    """What the file of a plugin is called that is kept."""
    plain = "".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in name)
    return f"{plain.strip()[:60] or 'plugin'}{SUFFIX}"


def is_imjoy_source(text: str) -> bool:
    """Whether this names a plugin of ImJoy, and neither a Python file nor a package of PyPI."""
    if application(text) is not None or "\n" in text:
        return True
    if text.startswith(("http://", "https://")):
        return True
    plain = text.partition(SUFFIX)
    if plain[1] and (not plain[2] or plain[2].startswith("@")):
        return True
    owner, colon, _ = text.partition(":")
    is_python = Path(owner).suffix in (".py", ".pyi") or Path(owner).exists()
    return bool(colon) and owner.count("/") == 1 and not is_python
