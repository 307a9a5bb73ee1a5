"""Sources: the text of an ImJoy plugin, by its URI, its address, its path, or itself.

What came over the network is kept, by its address, so that it is there without one from then on;
so are the manifests of repositories. Nothing of a plugin is run.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from opsin.errors import PluginError, UsageError
from opsin.host.imjoy.download import dead, download, unreachable
from opsin.host.imjoy.reach import check_reach
from opsin.host.imjoy.resources import write_whole
from opsin.plugins.imjoy_repository import ImjoyRepository, read_manifest
from opsin.plugins.imjoy_uri import BRANCH, RAW, SUFFIX, ImjoyUri, manifest_address, read_uri

FOLDER = "sources"
"""In that of what was fetched."""
LARGEST = 2**24
"""Bytes of a plugin's file."""
LARGEST_MANIFEST = 2**23
DEEPEST = 4
"""Names that lead to names."""
_DEFAULT_BRANCHES = ("HEAD",)
"""What a repository has where it has no `master`."""


@dataclass(frozen=True, slots=True)
class PluginSource:
    """A plugin that was found.

    Attributes:
        uri: what was asked for.
        text: of its file; '' of a page that is a window itself (`external`).
        tag: the variant that was asked for; '': none.
        origin: where the text is from: an address, a path, `USER/REPO:NAME`; '' for source text.
        address: that it was fetched from; '' if it was not.
        path: the file: that which is kept here, or that of the user; None of source text.
        repository: in which its dependencies are looked up by name; None: there is none.
    """

    uri: ImjoyUri
    text: str
    tag: str = ""
    origin: str = ""
    address: str = ""
    path: Path | None = None
    repository: ImjoyRepository | None = None

    @property
    def external(self) -> bool:
        """Whether it is a page at `address`, whose handshake says what it is."""
        return self.uri.kind == "external"


async def obtain_source(
    text: str,
    folder: Path,
    *,
    repository: ImjoyRepository | None = None,
    files: bool = False,
    fresh: bool = False,
    offline: bool = False,
) -> PluginSource:
    """The plugin that a text names.

    Args:
        text: an ImJoy URI, an address, a path, or the plugin's own text.
        folder: what was fetched for plugins.
        repository: of the plugin that names it: bare names and paths are looked up there.
        files: whether paths of this computer are read: only where its user chose them.
        fresh: fetch it even if it is kept; what is kept stays if that fails.
        offline: nothing is fetched.

    Raises:
        PluginError: it cannot be had; its `reason` says why, where that is known.
        UsageError: the text names nothing.
    """
    uri = read_uri(text)
    asked = uri
    if repository is not None and uri.kind in ("name", "path"):
        uri = repository.dependency(text)
        files = files or _is_beside(uri, repository)
    get = _Getter(folder, fresh, offline)
    scope, origin = repository, ""
    for _ in range(DEEPEST):
        if uri.kind != "repository":
            break
        scope = await get.manifest(uri.address, uri.repository)
        listed = scope.find(uri.text)
        origin = origin or listed.origin
        found = scope.dependency(listed.uri)
        uri = replace(found, tag=uri.tag or found.tag)
    if uri.kind == "source":
        return PluginSource(asked, uri.text, repository=scope)
    if uri.kind == "external":
        place = origin or uri.address
        return PluginSource(uri, "", uri.tag, place, uri.address, None, scope)
    if uri.kind == "path":
        if not files:
            raise PluginError(f"{uri.text} is a file of this computer, which a plugin cannot name.")
        path = _absolute(uri.text)
        return PluginSource(asked, await _read(path), uri.tag, origin or str(path), "", path, scope)
    if uri.kind == "name":
        raise UsageError(
            f"There is no plugin {uri.text!r:.80}: write USER/REPO:NAME, an address, or a path."
        )
    if uri.kind == "gist":
        uri = await get.in_gist(uri)
    path, content = await get.plugin(uri.address)
    place = origin or uri.address
    return PluginSource(asked, content, uri.tag, place, uri.address, path, scope)


async def obtain_repository(
    text: str, folder: Path, *, fresh: bool = False, offline: bool = False
) -> ImjoyRepository:
    """The repository that a text names: `USER/REPO`, a page of GitHub, the address of a manifest.

    Raises:
        PluginError: it cannot be had.
        UsageError: it names none.
    """
    short = text.strip() if re.fullmatch(r"[\w.-]+/[\w.-]+(@[^@]+)?", text.strip()) else ""
    return await _Getter(folder, fresh, offline).manifest(manifest_address(text), short)


class _Getter:
    """Fetches, or takes what is kept."""

    def __init__(self, folder: Path, fresh: bool, offline: bool) -> None:
        self._folder = folder / FOLDER
        self._fresh = fresh
        self._offline = offline

    async def manifest(self, address: str, short: str) -> ImjoyRepository:
        """The repository whose manifest is at an address."""
        default = f"/{BRANCH}/"
        tries = [address]
        if address.startswith(RAW) and "@" not in short:
            tries += [address.replace(default, f"/{one}/", 1) for one in _DEFAULT_BRANCHES]
        _, content = await self._any(tries, "manifest.imjoy.json", LARGEST_MANIFEST)
        return read_manifest(content, address, short)

    async def in_gist(self, uri: ImjoyUri) -> ImjoyUri:
        """The address of the first plugin of a gist."""
        _, content = await self._any([uri.address], "gist.json", LARGEST)
        try:
            files: Any = json.loads(content)["files"].values()
            named = [one["raw_url"] for one in files if str(one["filename"]).endswith(SUFFIX)]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            named = []
        if not named or not isinstance(named[0], str):
            raise dead(uri.address, f"that gist holds no {SUFFIX} file")
        found = read_uri(named[0])
        return replace(found, kind="address", tag=uri.tag or found.tag)

    async def plugin(self, address: str) -> tuple[Path, str]:
        """The file of a plugin, and its text."""
        last = unquote(address.partition("?")[0]).rpartition("/")[2]
        stem = re.sub(r"[^\w. -]+", "_", last.removesuffix(SUFFIX), flags=re.ASCII).strip(" .")
        tries = [address]
        if address.startswith(RAW) and f"/{BRANCH}/" in address:
            tries.append(address.replace(f"/{BRANCH}/", "/HEAD/", 1))
        path, content = await self._any(tries, f"{stem[:80] or 'plugin'}{SUFFIX}", LARGEST)
        text = _decoded(content, address)
        if not re.search(r"<config[\s>]", text):
            raise dead(address, "what comes from there is no plugin of ImJoy")
        return path, text

    async def _any(self, addresses: Sequence[str], name: str, limit: int) -> tuple[Path, bytes]:
        """The first that can be had."""
        first: PluginError | None = None
        for address in addresses:
            try:
                return await self._get(address, name, limit)
            except PluginError as error:
                first = first or error
                if error.reason != "dead_address":
                    break
        assert first is not None
        raise first

    async def _get(self, address: str, name: str, limit: int) -> tuple[Path, bytes]:
        await asyncio.to_thread(check_reach, address)
        digest = hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()[:24]
        path = self._folder / digest / name
        if not self._fresh or self._offline:
            try:
                return path, await asyncio.to_thread(path.read_bytes)
            except OSError:
                pass
        if self._offline:
            raise unreachable(
                address, "it is not on this computer, and the network is switched off"
            )
        found = await download(address, limit=limit)
        await asyncio.to_thread(write_whole, path, found.content)
        return path, found.content


def _is_beside(uri: ImjoyUri, repository: ImjoyRepository) -> bool:
    """Whether it is a file of a repository that is on this computer itself."""
    return uri.kind == "path" and not repository.address.startswith(("http://", "https://"))


def _absolute(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, ValueError):  # the home of a user whom nobody knows
        return Path(text).absolute()


async def _read(path: Path) -> str:
    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)

    try:
        content = await asyncio.to_thread(read)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PluginError(f"{path} cannot be read: {reason}.") from None
    if len(content) > LARGEST:
        raise PluginError(f"{path} is larger than {LARGEST // 2**20} MiB.", reason="bad_config")
    return _decoded(content, quote(str(path), safe="/ "))


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PluginError(f"{where} is no text in UTF-8.", reason="bad_config") from None
