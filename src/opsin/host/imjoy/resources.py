"""Resources: scripts and styles that plugins name by address, fetched once and kept.

What lies in the folder, of which everything can be thrown away and is then fetched anew:

    files/HASH/NAME          by the SHA-256 of the content
    npm/NAME@VERSION/…       packages of npm, whole
    addresses/DIGEST.json    what an address gave, by the SHA-256 of the address
    sources/                 plugins' files (opsin.host.imjoy.sources)

Files appear at once and complete, so any number of processes may use the folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import mimetypes
import re
import time
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import quote, unquote, urlsplit

import msgspec

from opsin.errors import PluginError
from opsin.host.imjoy import npm
from opsin.host.imjoy.download import dead, download, unreachable
from opsin.host.imjoy.module_imports import imports, rewritten
from opsin.host.imjoy.reach import check_reach
from opsin.images.draft import draft_name
from opsin.plugins.npm_mirrors import NpmFile, npm_file

FOLDER = "fetched"
"""Of a workspace."""
LARGEST = 2**26
"""Bytes of one file."""
DEEPEST = 20
"""Modules that import each other, one behind the other."""
log = logging.getLogger("opsin")
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")
_ENDINGS = {
    "application/javascript": ".js",
    "text/javascript": ".js",
    "application/x-javascript": ".js",
    "text/css": ".css",
    "application/json": ".json",
    "application/wasm": ".wasm",
}
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".cjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".map": "application/json",
    ".wasm": "application/wasm",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".svg": "image/svg+xml",
}

Kind: TypeAlias = Literal["script", "style", "module", "other"]


class Resource(msgspec.Struct, frozen=True):
    """A file that a plugin named by its address.

    Attributes:
        address: as it was named.
        hash: SHA-256 of its content, in hexadecimal digits.
        name: of the file.
        content_type: of it.
        route: where the server has it, below `/plugin/TOKEN/`: `files/HASH/NAME`, or
            `npm/NAME@VERSION/PATH`, where what lies beside it is to be had, too.
        at: when it was fetched, in seconds since 1970.
    """

    address: str
    hash: str
    name: str
    content_type: str
    route: str
    at: float

    def path(self, folder: Path) -> Path:
        """Where it lies."""
        return folder / unquote(self.route)


async def obtain(
    address: str,
    folder: Path,
    *,
    kind: Kind = "other",
    offline: bool = False,
    importers: tuple[str, ...] = (),
) -> Resource:
    """What lies at an address: as it was kept, else fetched and kept.

    What a module imports by address is kept with it, and imported from there.

    Args:
        address: `http` or `https`; one of the mirrors of npm is had from npm.
        folder: what was fetched for plugins.
        kind: what it is to be; a page in place of a script is an error.
        offline: nothing is fetched.
        importers: addresses of the modules on the way to this one.

    Raises:
        PluginError: it cannot be had; its `reason` is `dead_address` or `needs_network`.
    """
    address = _whole(address)
    await asyncio.to_thread(check_reach, address)
    kept = await asyncio.to_thread(kept_resource, address, folder)
    if kept is not None:
        return kept
    wanted, failed = npm_file(address), None
    if wanted is not None:
        try:
            return await _from_npm(address, wanted, folder, kind, offline)
        except PluginError as error:
            failed = error
    try:
        if offline:
            raise unreachable(address, "the network is switched off")
        found = await download(address, limit=LARGEST)
    except PluginError as error:
        # What a mirror of npm has, npm has, but for what was withdrawn there.
        raise (failed if failed and wanted and not wanted.anywhere else error) from None
    if kind != "other" and found.content_type == "text/html":
        raise dead(address, f"there is a page, and no {kind}")
    name = _name(found.address, found.content_type, kind)
    content = found.content
    if kind == "module":
        content = await _with_imports(content, found.address, (*importers, address), folder)
    return await asyncio.to_thread(keep_resource, address, content, name, folder)


async def _with_imports(
    text: bytes, address: str, importers: tuple[str, ...], folder: Path
) -> bytes:
    """A module that imports what is kept here. Whatever cannot be had, it names by its address."""
    places: dict[bytes, str] = {}
    for written, wanted in imports(text, address).items():
        places[written] = wanted
        if wanted in importers or len(importers) > DEEPEST:
            continue  # a circle: a file that is found by its content cannot name one that names it
        try:
            found = await obtain(wanted, folder, kind="module", importers=importers)
            places[written] = f"../../{found.route}"
        except PluginError as error:
            log.info("%s imports %s: %s", address, wanted, error)
    return rewritten(text, places)


def kept_resource(address: str, folder: Path) -> Resource | None:
    """What an address gave, if that is still here; None: it has to be fetched."""
    try:
        found = msgspec.json.decode(_entry(_whole(address), folder).read_bytes(), type=Resource)
        return found if found.path(folder).is_file() else None
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def kept_file(hash: str, name: str, folder: Path) -> Path | None:
    """The file that the server has at `files/HASH/NAME`; None: there is none. For any texts."""
    if not _HASH.fullmatch(hash) or not _NAME.fullmatch(name):
        return None
    path = folder / "files" / hash / name
    return path if path.is_file() else None


def package_file(path: str, folder: Path) -> Path | None:
    """The file that the server has at `npm/PATH`; None: there is none. For any text."""
    parts = path.split("/")
    if not path or {"", ".", ".."} & set(parts) or re.search(r"[\\\x00]", path):
        return None
    found = folder.joinpath(npm.FOLDER, *parts)
    home = (folder / npm.FOLDER).resolve()
    try:
        return found if found.is_file() and home in found.resolve().parents else None
    except OSError:
        return None


def content_type(name: str) -> str:
    """Of a file, by its name."""
    ending = Path(name).suffix.lower()
    return _TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"


async def _from_npm(
    address: str, wanted: NpmFile, folder: Path, kind: Kind, offline: bool
) -> Resource:
    failed: PluginError | None = None
    for name in wanted.packages:
        try:
            package = await npm.install(name, wanted.version, folder, offline=offline)
        except PluginError as error:
            failed = failed or error
            continue
        path = await asyncio.to_thread(_file_of, package, wanted, kind)
        if path:
            home = package.relative_to(folder).as_posix()
            return await asyncio.to_thread(_note, address, folder, f"{home}/{path}")
        failed = dead(address, f"{package.name} has no file {wanted.path or 'for pages'}")
    raise failed or dead(address, "npm has no such package")


def _file_of(package: Path, wanted: NpmFile, kind: Kind) -> str:
    if wanted.path:
        return npm.file_in(package, wanted.path, anywhere=wanted.anywhere)
    return npm.entry_file(package, "style" if kind == "style" else wanted.entry)


def keep_resource(address: str, content: bytes, name: str, folder: Path) -> Resource:
    """Put content where it belongs, and note what the address gave."""
    digest = hashlib.sha256(content).hexdigest()
    path = folder / "files" / digest / name
    if not path.is_file():
        write_whole(path, content)
    return _note(address, folder, f"files/{digest}/{name}", digest)


def _note(address: str, folder: Path, place: str, digest: str = "") -> Resource:
    path = folder / place
    if not digest:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    route = quote(place, safe="/@")
    found = Resource(address, digest, path.name, content_type(path.name), route, time.time())
    write_whole(_entry(address, folder), msgspec.json.encode(found))
    return found


def write_whole(path: Path, content: bytes) -> None:
    """Have a file appear at once, with all of its content.

    Raises:
        PluginError: it cannot be written.
    """
    draft = path.with_name(draft_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise PluginError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        draft.unlink(missing_ok=True)


def _entry(address: str, folder: Path) -> Path:
    digest = hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()
    return folder / "addresses" / f"{digest}.json"


def _whole(address: str) -> str:
    """An address without its scheme is one of the same page's, which had `https`."""
    address = address.strip()
    return f"https:{address}" if address.startswith("//") else address


def _name(address: str, kind_of_content: str, kind: Kind) -> str:
    """A plain name for what came from an address."""
    last = unquote(urlsplit(address).path).rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip(".-")[-80:].lstrip(".-") or "file"
    if Path(name).suffix.lower() in _TYPES or kind == "other":
        return name
    fallback = ".css" if kind == "style" else ".js"
    return name[:70] + _ENDINGS.get(kind_of_content, fallback)
