"""ImJoy URI: what names a plugin of ImJoy: an address, a place in a repository, or its text. Pure.

    USER/REPO[@COMMIT]:NAME[@TAG]                    a plugin in the repository's manifest
    https://…/manifest.imjoy.json:NAME[@TAG]         the same, of one that is elsewhere
    https://github.com/USER/REPO/blob/…/x.imjoy.html[@TAG]     an address; pages of GitHub are
    https://gist.github.com/USER/ID                            rewritten to what they show
    NAME[@TAG]                                       a plugin of the same manifest
    any text with more than one line                 the plugin itself

Any text at all gives one of these, or a `UsageError` (`normalizePluginUrl` of imjoy-core).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from opsin.errors import UsageError

LONGEST = 4096
"""Letters of what is no source text."""
SUFFIX = ".imjoy.html"
MANIFEST = "manifest.imjoy.json"
BRANCH = "master"
"""Of a repository, where no commit is named."""
RAW = "https://raw.githubusercontent.com"
GISTS = "https://api.github.com/gists"

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_IN_MANIFEST = re.compile(r"(https?://.+/manifest\.imjoy\.json):([^/@:]+)(?:@([^/@:]*))?")
_TAG = re.compile(r"(\.imjoy\.html)@([^/?#]*)", re.IGNORECASE)
_REPOSITORY = re.compile(r"([\w.-]+)/([\w.-]+)", re.ASCII)
_SAFE = "/%:@!$&'()*+,;=~-._"

Kind = Literal["source", "address", "external", "gist", "repository", "path", "name"]


@dataclass(frozen=True, slots=True)
class ImjoyUri:
    """What a text names.

    Attributes:
        kind: `source`: the plugin's text itself; `address`: its file is there; `external`: a page
            that is a window itself; `gist`: the first plugin of what GitHub answers there;
            `repository`: in the manifest at the address; `path`: a file, beside the manifest or of
            this computer; `name`: in the manifest in which this text stands.
        address: of what is to be fetched; '' for the others.
        text: the source, the path, or the name of the plugin.
        tag: the variant that is asked for; '': none is.
        repository: as `USER/REPO` or `USER/REPO@COMMIT`, where it is one of GitHub.
    """

    kind: Kind
    address: str = ""
    text: str = ""
    tag: str = ""
    repository: str = ""


def read_uri(text: str) -> ImjoyUri:
    """What a text names.

    Raises:
        UsageError: it names nothing; the message says what is missing.
    """
    if "\n" in text:
        return ImjoyUri("source", text=text)
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise UsageError("That names no plugin: write USER/REPO:NAME, an address, or a name.")
    if found := _IN_MANIFEST.fullmatch(text):
        return ImjoyUri(
            "repository", _cleaned(found[1]), found[2].strip(), (found[3] or "").strip()
        )
    if _ADDRESS.match(text):
        return _at(text)
    if text.startswith("www."):
        return _at(f"https://{text}")
    if text.lower().startswith("file://"):
        path, tag = _without_tag(text[7:])
        return ImjoyUri("path", text=unquote(path), tag=tag)
    path, tag = _without_tag(text)
    if path.lower().endswith(SUFFIX) and not _is_in_repository(text):
        return ImjoyUri("path", text=path, tag=tag)
    if _is_in_repository(text):
        return _in_repository(text)
    name, _, tag = text.partition("@")
    if not name.strip():
        raise UsageError(f"{_short(text)} names no plugin: a tag stands behind its name.")
    return ImjoyUri("name", text=name.strip(), tag=tag.strip())


def is_source(text: str) -> bool:
    """Whether this is a plugin's text, and no name of one."""
    return "\n" in text


def manifest_address(repository: str) -> str:
    """Where the manifest of a repository lies: `USER/REPO`, one of GitHub's pages, or an address.

    Raises:
        UsageError: it is no repository.
    """
    return _manifest(repository.strip(), "")[0]


def _is_in_repository(text: str) -> bool:
    place, colon, _ = text.partition(":")
    return bool(colon) and "/" in place


def _in_repository(text: str) -> ImjoyUri:
    place, _, rest = text.partition(":")
    name, _, tag = rest.partition("@")
    place, _, commit = place.partition("@")
    if not name.strip():
        raise UsageError(f"{_short(text)} names no plugin: write it like USER/REPO:NAME.")
    address, repository = _manifest(place.strip(), commit.strip())
    return ImjoyUri("repository", address, name.strip(), tag.strip(), repository)


def _manifest(place: str, commit: str) -> tuple[str, str]:
    """Address of a repository's manifest, and its short name."""
    if len(place) > LONGEST:
        raise UsageError(f"{_short(place)} is no repository: write it like USER/REPO.")
    bare = re.sub(r"^(?:https?://)?(?:www\.)?github\.com/+", "", place, flags=re.IGNORECASE)
    if bare != place or not _ADDRESS.match(place):
        bare, _, named = bare.partition("@")
        commit = commit or named
        bare = bare.partition("?")[0].partition("#")[0].strip("/")
        parts = bare.split("/")
        if len(parts) >= 4 and parts[2] in ("tree", "blob"):
            rest = parts[3:-1] if parts[-1] == MANIFEST else parts[3:]
            commit = commit or "/".join(rest)
            bare = "/".join(parts[:2])
        bare = bare.removesuffix(".git")
        found = _REPOSITORY.fullmatch(bare)
        if found is None or {".", ".."} & {found[1], found[2]}:
            raise UsageError(f"{_short(place)} is no repository: write it like USER/REPO.")
        if not commit:
            return f"{RAW}/{bare}/{BRANCH}/{MANIFEST}", bare
        return f"{RAW}/{bare}/{_quoted(commit)}/{MANIFEST}", f"{bare}@{commit}"
    place = _cleaned(place)
    return place, ""


def _at(text: str) -> ImjoyUri:
    address, tag = _without_tag(text)
    address = _cleaned(address)
    parts = urlsplit(address)
    host, path = (parts.hostname or "").lower(), parts.path
    pieces = [piece for piece in path.split("/") if piece]
    if host == "gist.github.com" and pieces:
        if "raw" in pieces:
            whole = parts._replace(netloc="gist.githubusercontent.com").geturl()
            return ImjoyUri("address", whole, tag=tag)
        last, _, found = pieces[-1].partition("@")
        return ImjoyUri("gist", f"{GISTS}/{_quoted(last)}", tag=tag or found)
    on_github = host in ("github.com", "www.github.com") and len(pieces) > 4
    if on_github and pieces[2] in ("blob", "raw"):
        return ImjoyUri("address", "/".join((RAW, *pieces[:2], *pieces[3:])), tag=tag)
    # ImJoy looks at how the address ends before the question mark.
    kind: Kind = "address" if unquote(path).lower().endswith(SUFFIX) else "external"
    return ImjoyUri(kind, address, tag=tag)


def _without_tag(text: str) -> tuple[str, str]:
    found = _TAG.search(text)
    if found is None:
        return text, ""
    return text[: found.end(1)] + text[found.end() :], found[2].strip()


def _cleaned(address: str) -> str:
    """The address, with what may not stand in one written as it has to be.

    Raises:
        UsageError: it is none.
    """
    try:
        parts = urlsplit(address)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or re.search(r"[\x00-\x20\x7f\\]", parts.netloc):
        raise UsageError(f"{_short(address)} is no address.")
    if parts.username or parts.password:
        raise UsageError(f"{_short(address)} holds a name or password: leave it out.")
    return parts._replace(
        scheme=parts.scheme.lower(),
        path=_quoted(parts.path),
        query=quote(parts.query, safe=f"{_SAFE}?", errors="replace"),
    ).geturl()


def _quoted(text: str) -> str:
    return quote(text, safe=_SAFE, errors="replace")


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return repr(plain if len(plain) <= 80 else f"{plain[:79]}…")
