"""Install failure: which package stands in the way, why, and what to do, out of what uv says. Pure.

uv (https://docs.astral.sh/uv) prints `error: …`, then a `cause: …` for each thing behind it. Its
sentences are made for whoever wrote the requirements; here they are for whoever runs the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opsin.errors import Reason

WORKER_NEEDS = ("numpy>=1.26", "msgspec>=0.19")
"""What a worker needs itself, whatever the plugin asks for."""
TOLD = 12
"""Lines of uv that the message repeats."""
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"


@dataclass(frozen=True, slots=True)
class InstallFailure:
    """What stands in the way. `package` is empty where no single one does."""

    package: str
    reason: str
    fix: str
    said: tuple[str, ...] = ()
    """The last lines of uv."""
    word: Reason = "no_wheel"
    """The reason in one word, for programs."""

    @property
    def sentence(self) -> str:
        """In one paragraph, and below it what uv said."""
        what = "The plugin's packages cannot be installed"
        first = f"{what}: {self.reason}. {self.fix}"
        return "\n".join([first, *self.said])


@dataclass(frozen=True, slots=True)
class _Sign:
    """What a line of uv looks like, and what it means; `{package}` and groups are filled in."""

    pattern: str
    reason: str
    fix: str


_SOURCES = "in the settings of packages (opsin envs sources)"
_NETWORK = (
    "Connect this computer to the network, or name a folder of wheels or another index "
    f"{_SOURCES}, and run it again."
)
_ADDRESS = "See whether its address is right and this computer has a network, and run it again."
_EXISTING = "Ask for a version that exists."
_SIGNS = (
    _Sign(
        r"No space left on device|Disk quota exceeded",
        "the disk is full",
        "Make room, for example with `opsin envs clean`, and run it again.",
    ),
    _Sign(
        rf"Hash mismatch for `(?P<package>{NAME})==(?P<version>[^`]+)`",
        "{package} {version} is not the file that was locked; somebody may have tampered with it",
        "Nothing was installed. If its makers have replaced the file, forget the lock with "
        "`opsin envs clean --locks`.",
    ),
    _Sign(
        r"network was disabled|was not found in the cache",
        "{package} is not on this computer, and the network is switched off",
        f"Switch it on, or name a folder of wheels {_SOURCES}.",
    ),
    _Sign(
        rf"(?P<package>{NAME}) was not found in the (?:package registry|provided)",
        "there is no package called {package} where packages come from",
        f"See whether its name is spelt rightly, or name another index {_SOURCES}.",
    ),
    _Sign(
        r"you require (?P<pair>[^,]+? and [^,]+?), we can conclude",
        "{pair} do not go together",
        "Ask for other versions; what stands against what is said below.",
    ),
    _Sign(
        rf"Because (?P<package>{NAME})(?P<has>[<>=!~]\S+) has no wheels with a matching Python",
        "{package} {has} was not built for this Python",
        "Ask for a newer version of {package}.",
    ),
    _Sign(
        rf"Because (?P<package>{NAME})(?P<has>[<>=!~]\S+) has no wheels with a matching platform",
        "{package} {has} was not built for this kind of computer",
        "Ask for another version of {package}.",
    ),
    _Sign(
        r"current Python version \((?P<python>[\d.]+)\) does not satisfy "
        rf"Python(?P<wants>[^\s]+) and (?P<package>{NAME})==(?P<version>\S+) "
        r"depends",
        "{package} {version} wants Python {wants}, and this is {python}",
        "Run Opsin with such a Python, or ask for another version of {package}.",
    ),
    _Sign(
        rf"there (?:is|are) no versions? of (?P<package>{NAME})(?P<wants>[<>=!~][^\s,]*)?",
        "there is no version {wants} of {package}",
        _EXISTING,
    ),
    _Sign(
        rf"only (?P<package>{NAME})(?P<has>[<>=!~]\S+) is available and you require",
        "of {package} there is only {has}",
        _EXISTING,
    ),
    _Sign(
        r"Git executable not found",
        "{package} is fetched with git, which is not installed",
        "Install git, and run it again.",
    ),
    _Sign(
        rf"`(?P<package>{NAME}) @ git[^`]*`[\s\S]*Git operation failed",
        "{package} cannot be fetched with git",
        _ADDRESS,
    ),
    _Sign(
        rf"Package metadata name `(?P<has>{NAME})` does not match given name `(?P<package>{NAME})`",
        "what lies where {package} is asked for is {has}",
        "Ask for it by its name.",
    ),
    _Sign(
        rf"Failed to (?:download and )?build `(?P<package>{NAME})",
        "{package} has no wheel for this computer, and building it from its source failed",
        "Ask for a version of {package} that has a wheel, or install the compiler or library that "
        "is named below.",
    ),
    _Sign(
        rf"Failed to (?:build|download|fetch|install).{{0,40}}`(?P<package>{NAME})",
        "{package} cannot be fetched",
        _NETWORK,
    ),
    _Sign(
        rf"Failed to fetch: \S+/(?P<package>{NAME})/(?:\s|$)",
        "{package} cannot be fetched",
        _NETWORK,
    ),
    _Sign(
        r"Failed to fetch: \S+/(?P<package>[A-Za-z0-9][\w.-]*?)-\d[^/\s]*\.(?:whl|tar\.gz|zip)",
        "{package} cannot be fetched",
        _NETWORK,
    ),
    _Sign(r"Failed to fetch: ", "{package} cannot be fetched", _NETWORK),
    _Sign(
        r"No interpreter found for (?P<wants>.+?)(?: in |$)",
        "there is no {wants} on this computer",
        "Install it, or ask for another Python.",
    ),
)
_CAUSES = (
    (re.compile(r"[Rr]epository .*not found|does not (?:appear to be|exist)"), "it is not there"),
    (
        re.compile(r"could not read Username|Authentication failed"),
        "its server wants to know who asks",
    ),
    (re.compile(r"Could not resolve host"), "the name of its server is unknown here"),
    (re.compile(r"Failed to connect|Couldn't connect"), "its server refuses the connection"),
    (re.compile(r"dns error|resolv|lookup address"), "the name of its server is unknown here"),
    (re.compile(r"Connection refused"), "its server refuses the connection"),
    (re.compile(r"certificate"), "the certificate of its server is not trusted"),
    (re.compile(r"timed? ?out", re.I), "its server does not answer"),
    (re.compile(r"\b401\b|\b403\b"), "its server wants to know who asks"),
    (re.compile(r"\b404\b"), "its server does not have it"),
)


def explained(lines: Iterable[str], wanted: Sequence[str] = ()) -> InstallFailure:
    """Why an install failed.

    Args:
        lines: that uv printed.
        wanted: the requirements, as PEP 508 writes them.
    """
    told = [line.rstrip() for line in lines if line.strip()]
    said = tuple(told[-TOLD:])
    text = re.sub(r"\n\s+", " ", "\n".join(told))  # what goes on in the next line is one
    for sign in _SIGNS:
        found = re.search(sign.pattern, text)
        if found is None:
            continue
        groups = {name: value or "" for name, value in found.groupdict().items()}
        package = _as_asked(groups.get("package", ""), wanted) or _package(text, wanted)
        groups["package"] = package or "a package"
        for name in ("wants", "has"):
            groups[name] = groups.get(name, "").strip("`,.'")
        reason = " ".join(sign.reason.format(**groups).split())
        own = [one for one in WORKER_NEEDS if one in re.split(r", | and ", groups.get("pair", ""))]
        reason += f" ({own[0]} is what Opsin itself needs)" if own else ""
        cause = _cause(text) if sign.fix in (_NETWORK, _ADDRESS) else ""
        word = _word(sign, text)
        return InstallFailure(package, reason + cause, sign.fix.format(**groups), said, word)
    if "unsatisfiable" in text:
        reason = "the requirements contradict each other"
        return InstallFailure(_package(text, wanted), reason, "See below.", said)
    return InstallFailure(_package(text, wanted), "uv ended with an error", "See below.", said)


def _word(sign: _Sign, text: str) -> Reason:
    if "disk is full" in sign.reason or "tampered" in sign.reason:
        return ""
    if "wants Python" in sign.reason or sign.reason.startswith("there is no {wants} on"):
        return "needs_python"
    if "network is switched off" in sign.reason:
        return "needs_network"
    if sign.fix in (_NETWORK, _ADDRESS):
        gone = re.search(r"\b404\b|[Rr]epository .*not found|does not (?:appear to be|exist)", text)
        return "dead_address" if gone else "needs_network"
    return "no_wheel"


def why_git_failed(lines: Iterable[str]) -> tuple[str, str]:
    """Why git could not fetch a repository, and what to do.

    Args:
        lines: that it printed.
    """
    return _cause(" ".join(lines)).removeprefix(", as ") or "git ended with an error", _ADDRESS


def _cause(text: str) -> str:
    return next((f", as {what}" for pattern, what in _CAUSES if pattern.search(text)), "")


def _as_asked(package: str, wanted: Sequence[str]) -> str:
    """The name of a package as it was asked for; the names of files have _ for what joins it."""
    same = (name for name in map(_name, wanted) if _plain(name) == _plain(package))
    return next(same, package)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _package(text: str, wanted: Sequence[str]) -> str:
    """The requirement that the text speaks of first."""
    names = {name: at for name in map(_name, wanted) if (at := _place(name, text)) >= 0}
    return min(names, key=lambda name: names[name], default="")


def _name(requirement: str) -> str:
    found = re.match(NAME, requirement.strip())
    return found[0] if found else ""


def _place(name: str, text: str) -> int:
    found = re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) if name else None
    return found.start() if found else -1
