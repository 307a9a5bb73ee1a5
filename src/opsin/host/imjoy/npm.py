"""npm: packages of npm, each kept unpacked in a folder, from the registry that npm is set to use.

Nothing of a package is run, and what it depends on is not fetched: a page takes files of it. What
comes is verified against the registry's checksum before it is unpacked.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit
from weakref import WeakValueDictionary

from opsin.errors import PluginError
from opsin.host.imjoy.download import dead, download, unreachable
from opsin.images.draft import draft_name
from opsin.plugins.npm_mirrors import NAME, Field
from opsin.plugins.npm_versions import choose, is_exact

REGISTRY = "https://registry.npmjs.org"
"""npm's own, which it uses where nothing else is set."""
FOLDER = "npm"
LARGEST_LIST = 2**26
"""Bytes of what the registry says of a package."""
LARGEST_PACKAGE = 2**28
LARGEST_UNPACKED = 2**30
MOST_FILES = 100_000
_ABBREVIATED = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"
_HASHES = ("sha512", "sha384", "sha256", "sha1")
_FOLDERS = ("dist", "build", "umd", "lib", "min", "dist/js", "dist/css", "css", "js")
_LOCKS: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()


async def install(name: str, range: str, folder: Path, *, offline: bool = False) -> Path:
    """The folder of a package in the newest version that a range means, fetched if need be.

    Args:
        name: of the package.
        range: a version, a range or a tag; '' for the latest.
        folder: what was fetched for plugins.
        offline: nothing is fetched.

    Raises:
        PluginError: it cannot be had; its `reason` is one of those of `download`.
    """
    if not NAME.fullmatch(name):
        raise PluginError(f"{name!r:.80} is no name of a package of npm.")
    home = folder / FOLDER
    lock = _LOCKS.setdefault((id(asyncio.get_running_loop()), name), asyncio.Lock())
    async with lock:
        if is_exact(range) and (kept := place_of(home, name, range)).is_dir():
            return kept
        what = f"{registry_of(name)}/{quote(name, safe='@')}"
        if offline:
            return _kept(home, name, range, unreachable(what, "the network is switched off"))
        try:
            about = await _about(what)
        except PluginError as error:
            return _kept(home, name, range, error)
        version, tarball, checksum = _chosen(about, name, range, what)
        place = place_of(home, name, version)
        if not await asyncio.to_thread(place.is_dir):
            found = await download(_of_registry(tarball, name), limit=LARGEST_PACKAGE, seconds=300)
            await asyncio.to_thread(_unpack, found.content, checksum, place, tarball)
        return place


def place_of(home: Path, name: str, version: str) -> Path:
    """Where a version of a package lies in the folder of packages."""
    return home / f"{name}@{version}"


def registry_of(name: str) -> str:
    """Address of the registry that npm is set to have a package from, without a `/` at the end."""
    scope = name.partition("/")[0] if name.startswith("@") else ""
    settings = _settings(os.environ)
    found = (scope and settings.get(f"{scope}:registry")) or settings.get("registry")
    return (found or REGISTRY).rstrip("/")


def entry_file(package: Path, field: Field) -> str:
    """Path of the file that a package is, for mirrors that go by a field of its `package.json`."""
    try:
        about = json.loads((package / "package.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        about = {}
    about = about if isinstance(about, dict) else {}
    fields = {
        "unpkg": ("unpkg", "browser", "main"),
        "jsdelivr": ("jsdelivr", "browser", "main"),
        "module": ("module", "jsnext:main", "browser", "main"),
        "style": ("style", "main"),
    }[field]
    named = [about[one] for one in fields if isinstance(about.get(one), str)]
    if field == "module" and (exported := _exported(about.get("exports"))):
        named.insert(0, exported)
    for one in (*named, "index.js"):
        if found := file_in(package, one):
            return found
    return ""


def file_in(package: Path, path: str, *, anywhere: bool = False) -> str:
    """The file of a package that a path means; '' if it has none.

    What is asked for without its ending, or minified, is found too, as mirrors find it; `anywhere`:
    in another folder of the package, too.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path or "\\" in path:
        return ""
    plain = "/".join(parts)
    tries = [plain, f"{plain}.js", f"{plain}.mjs", f"{plain}/index.js"]
    tries += [re.sub(r"\.min(\.\w+)$", r"\1", plain)] if ".min." in plain else []
    tries += [f"{one}/{plain}" for one in _FOLDERS] if anywhere else []
    for one in tries:
        if one and (package / one).is_file():
            return one
    return _elsewhere(package, parts[-1]) if anywhere and parts else ""


def _elsewhere(package: Path, name: str) -> str:
    """The file of a name that lies least deep; letters may be of another case."""
    wanted = {name.lower(): 0, re.sub(r"\.min(\.\w+)$", r"\1", name.lower()): 1}
    found = [
        (wanted[path.name.lower()], len(path.parts), path.as_posix())
        for path in (one.relative_to(package) for one in package.rglob("*"))
        if path.name.lower() in wanted and (package / path).is_file()
    ]
    return min(found)[2] if found else ""


def _exported(exports: Any, depth: int = 0) -> str:
    """The module that `exports` of a `package.json` names for pages."""
    if isinstance(exports, str):
        return exports
    if not isinstance(exports, Mapping) or depth > 8:
        return ""
    for key in (".", "browser", "import", "module", "default"):
        if key in exports and (found := _exported(exports[key], depth + 1)):
            return found
    return ""


async def _about(address: str) -> dict[str, Any]:
    found = await download(address, limit=LARGEST_LIST, accept=_ABBREVIATED)
    try:
        about = json.loads(found.content)
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or not isinstance(about.get("versions"), dict):
        raise dead(address, "that is no registry of npm")
    return about


def _chosen(about: dict[str, Any], name: str, range: str, where: str) -> tuple[str, str, str]:
    """The version, where it is packed, and its checksum."""
    tags = about.get("dist-tags")
    version = choose(range, about["versions"], tags if isinstance(tags, dict) else {})
    entry = about["versions"].get(version) if version else None
    if not isinstance(entry, dict) or not re.fullmatch(r"[\w.+-]{1,100}", str(version)):
        raise dead(where, f"there is no version {range or 'latest'} of {name}")
    dist = entry.get("dist")
    dist = dist if isinstance(dist, dict) else {}
    tarball, integrity = dist.get("tarball"), dist.get("integrity")
    if not isinstance(integrity, str) and isinstance(dist.get("shasum"), str):
        integrity = f"sha1-{_base64(dist['shasum'])}"
    if not isinstance(tarball, str) or not isinstance(integrity, str):
        raise dead(where, f"it does not say where {name} {version} is, or how to verify it")
    return str(version), tarball, integrity


def _base64(digits: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(digits)).decode()
    except ValueError:
        return ""


def _of_registry(tarball: str, name: str) -> str:
    """The address of what is packed, at the registry that is set, as npm does it."""
    registry, parts = urlsplit(registry_of(name)), urlsplit(tarball)
    if parts.hostname != urlsplit(REGISTRY).hostname:
        return tarball
    path = f"{registry.path.rstrip('/')}{parts.path}"
    return parts._replace(scheme=registry.scheme, netloc=registry.netloc, path=path).geturl()


def _kept(home: Path, name: str, range: str, error: PluginError) -> Path:
    """The newest version that is here and will do."""
    scope, _, plain = name.rpartition("/")
    there = (home / scope).glob(f"{plain}@*") if (home / scope).is_dir() else ()
    versions = [path.name.rpartition("@")[2] for path in there if path.is_dir()]
    range = "*" if range in ("", "latest") else range
    version = choose(range, versions, {})
    if version is None:
        raise error
    return place_of(home, name, version)


def _unpack(content: bytes, checksum: str, place: Path, where: str) -> None:
    """Verify what is packed, and put its files in their place."""
    _verify(content, checksum, where)
    draft = place.with_name(draft_name(place.name))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
        for path, data in _files(content, where):
            target = draft.joinpath(*path.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        draft.rename(place)
    except OSError as error:
        if not place.is_dir():  # nobody else was quicker
            raise PluginError(f"{place} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _verify(content: bytes, checksum: str, where: str) -> None:
    known = dict(word.partition("?")[0].split("-", 1) for word in checksum.split() if "-" in word)
    kind = next((one for one in _HASHES if known.get(one)), "")
    if not kind or base64.b64encode(hashlib.new(kind, content).digest()).decode() != known[kind]:
        raise dead(where, "what comes from there is not what the registry says it is")


def _files(content: bytes, where: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The files of a package, without the folder that they all lie in."""
    total = count = 0
    try:
        with tarfile.open(fileobj=gzip.open(io.BytesIO(content)), mode="r|") as packed:
            for member in packed:
                total, count = total + member.size, count + 1
                if total > LARGEST_UNPACKED or count > MOST_FILES:
                    raise dead(where, "it is far too large when it is unpacked")
                path = _safe(member.name)
                if path is None or not member.isfile():
                    continue
                file = packed.extractfile(member)
                yield path, file.read() if file else b""
    except (tarfile.TarError, EOFError, ValueError, gzip.BadGzipFile) as error:
        raise dead(where, f"it cannot be unpacked ({error})") from None


def _safe(name: str) -> PurePosixPath | None:
    """Where a file goes; None: nowhere."""
    parts = name.split("/")
    if name.startswith("/") or len(parts) < 2 or len(name) > 1000:
        return None
    if any(part in ("", ".", "..") or re.search(r"[\\\x00:]", part) for part in parts[1:]):
        return None
    return PurePosixPath(*parts[1:])


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What npm is set to, of what is asked for here: by variables, else by the user's file."""
    lower = {name.lower(): value for name, value in environment.items()}
    files = [lower.get("npm_config_globalconfig", "/etc/npmrc")]
    files.append(lower.get("npm_config_userconfig", "") or str(Path.home() / ".npmrc"))
    found: dict[str, str] = {}
    for file in files:
        try:
            lines = Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
        for line in lines:
            key, equals, value = line.partition("=")
            if equals and key.strip().endswith("registry"):
                found[key.strip()] = _expanded(value.strip().strip("\"'"), environment)
    if given := lower.get("npm_config_registry"):
        found["registry"] = given
    return {key: value for key, value in found.items() if re.match(r"https?://", value)}


def _expanded(value: str, environment: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda one: environment.get(one[1], ""), value)
