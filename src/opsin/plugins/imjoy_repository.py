"""ImJoy repository: the plugins that a `manifest.imjoy.json` lists, with their addresses. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urljoin

from opsin.errors import PluginError
from opsin.plugins.imjoy_uri import MANIFEST, SUFFIX, ImjoyUri, read_uri

LARGEST = 2**23
"""Bytes of a manifest."""
MOST = 5000
"""Plugins."""
_ADDRESS = re.compile(r"(?:https?|file):///?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ListedPlugin:
    """A plugin, as its repository lists it.

    Attributes:
        uri: where its file is; of a repository on this computer a path.
        origin: `USER/REPO:NAME`; '' where the repository has no such name.
        entry: all that is said of it; much of it is a copy of its config.
    """

    name: str
    uri: str
    origin: str = ""
    type: str = ""
    version: str = ""
    description: str = ""
    entry: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImjoyRepository:
    """What a manifest says.

    Attributes:
        address: of the manifest.
        plugins: those that are not disabled, in their order.
    """

    address: str
    name: str = ""
    description: str = ""
    version: str = ""
    plugins: tuple[ListedPlugin, ...] = ()

    def find(self, name: str) -> ListedPlugin:
        """The plugin of a name; the first, if several have it.

        Raises:
            PluginError: there is none.
        """
        found = next((one for one in self.plugins if one.name == name), None)
        if found is None:
            raise PluginError(
                f"There is no plugin {name!r:.80} in {self.name or self.address}: "
                "look at its list for the name."
            )
        return found

    def dependency(self, text: str) -> ImjoyUri:
        """What a plugin of this repository means by the URI of one that it depends on.

        A bare name is looked up here, and a path stands beside the manifest.

        Raises:
            PluginError: there is no such plugin here.
            UsageError: it names nothing.
        """
        uri = read_uri(text)
        if uri.kind == "path":
            place = _joined(_folder(self.address), uri.text)
        elif uri.kind == "name":
            place = self.find(uri.text).uri
        else:
            return uri
        found = read_uri(place) if _ADDRESS.match(place) else ImjoyUri("path", text=place)
        return ImjoyUri(found.kind, found.address, found.text, uri.tag or found.tag)


def read_manifest(content: bytes | str, address: str, repository: str = "") -> ImjoyRepository:
    """The repository that a manifest describes.

    Args:
        content: of the file.
        address: from where it is, or a path; plugins lie beside it.
        repository: its short name, such as `USER/REPO`.

    Raises:
        PluginError: it is no manifest.
    """
    if len(content) > LARGEST:
        raise PluginError(f"{address} is larger than {LARGEST // 2**20} MiB.")
    try:
        value = json.loads(content.removeprefix("\ufeff") if isinstance(content, str) else content)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120].rstrip(".")
        raise PluginError(f"{address} is no list of plugins: {reason}.") from None
    listed = value.get("plugins") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        raise PluginError(f'{address} is no list of plugins: it has no "plugins".')
    root = _text(value, "uri_root").strip()
    if not _ADDRESS.match(root):
        root = _joined(_folder(address), root.strip("/"))
    plugins = []
    for entry in listed[:MOST]:
        name = _text(entry, "name") if isinstance(entry, dict) else ""
        if not name or entry.get("disabled"):
            continue
        uri = _text(entry, "uri") or f"{name}{SUFFIX}"
        plugins.append(
            ListedPlugin(
                name=name,
                uri=uri if _ADDRESS.match(uri) else _joined(root, uri),
                origin=f"{repository}:{name}" if repository else "",
                type=_text(entry, "type"),
                version=_text(entry, "version"),
                description=_text(entry, "description"),
                entry=entry,
            )
        )
    return ImjoyRepository(
        address,
        _text(value, "name"),
        _text(value, "description"),
        _text(value, "version"),
        tuple(plugins),
    )


def _folder(address: str) -> str:
    """That in which a manifest lies."""
    plain = address.partition("?")[0].partition("#")[0] if _ADDRESS.match(address) else address
    if plain.endswith(MANIFEST):
        return plain.removesuffix(MANIFEST).rstrip("/")
    return plain.rpartition("/")[0] if plain.lower().endswith(".json") else plain.rstrip("/")


def _joined(root: str, path: str) -> str:
    """A path below a root, which it does not leave where that is on this computer."""
    path = path.replace("\\", "/")
    if _ADDRESS.match(root):
        if path.startswith(root):
            return path
        plain = quote(path.lstrip("/"), safe="/%@!$&'()*+,;=~-._?", errors="replace")
        try:
            return urljoin(f"{root.rstrip('/')}/", f"./{plain}") if plain else root
        except ValueError:
            return root
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return "/".join([root.rstrip("/") or ".", *parts]) if parts else root


def _text(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else ""
