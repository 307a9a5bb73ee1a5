"""Permissions: what a plugin asks to be allowed, and what of that its user agreed to. Pure.

Nothing is allowed that was not agreed to, and an agreement is about one version of a plugin that
asks for just this, for these reasons: another version, or one that asks for more, is asked anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from opsin.errors import UsageError
from opsin.plugins.imjoy_uri import SUFFIX
from opsin.plugins.manifest import Permission, PermissionName, Plugin
from opsin.workers.isolation.visible import is_private

State: TypeAlias = Literal["allowed", "refused", "unasked", "always"]
Answer: TypeAlias = bool | tuple[Path, ...]
"""Whether it is allowed; of `files`, the folders that may be read (none: it is not allowed)."""

NAMES: tuple[PermissionName, ...] = ("network", "files", "gpu")
"""What a user can allow. To start other programs is always possible: they are isolated as well."""
WHAT: Mapping[str, str] = {
    "network": "the network",
    "files": "folders of yours",
    "gpu": "the graphics card",
    "processes": "to start other programs",
}
OF_THE_KERNEL = ("/dev", "/proc", "/sys")
"""Folders that are none: what is in them is not in files."""
COMPUTE_ON_GPUS = frozenset(
    {"cupy", "jax", "keras", "mxnet", "pycuda", "pyclesperanto", "pyopencl", "tensorflow", "torch"}
)
"""Packages that take the graphics card if there is one, and else do without, silently."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a user answered to one permission of a plugin.

    Attributes:
        plugin: its address.
        terms: what it asked for, and as what; see `terms`.
        folders: of `files`, that may be read.
    """

    plugin: str
    terms: str
    name: PermissionName
    allowed: bool
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a run may use beside what every plugin may.

    Attributes:
        network: it may talk to other computers, and to servers on this one.
        gpu: it may use graphics cards.
        folders: that it may read.
    """

    network: bool = False
    gpu: bool = False
    folders: tuple[Path, ...] = ()

    def __or__(self, other: Allowed) -> Allowed:
        folders = tuple(sorted({*self.folders, *other.folders}))
        return Allowed(self.network or other.network, self.gpu or other.gpu, folders)

    def has(self, name: PermissionName) -> bool:
        """Whether that is allowed, or needs not be."""
        found = {"network": self.network, "gpu": self.gpu, "files": bool(self.folders)}
        return found.get(name, True)

    def words(self) -> tuple[str, ...]:
        """As they are written: `network`, `gpu`, `files=/data/models`."""
        names = ["network"] * self.network + ["gpu"] * self.gpu
        return (*names, *(f"files={folder}" for folder in self.folders))


NOTHING = Allowed()


@dataclass(frozen=True, slots=True)
class Asked:
    """A permission as it stands: `unasked` is as good as `refused`, but for that."""

    name: PermissionName
    reason: str
    state: State
    folders: tuple[Path, ...] = ()


def wanted(plugin: Plugin) -> tuple[Permission, ...]:
    """What a plugin asks for; of one that cannot say so, all that there is."""
    if plugin.permissions or not (plugin.kind == "napari" or plugin.source.endswith(SUFFIX)):
        return plugin.permissions
    in_page = plugin.kind not in ("napari", "native-python")
    return tuple(Permission(name) for name in NAMES if name == "network" or not in_page)


def to_be_asked(plugin: Plugin) -> tuple[PermissionName, ...]:
    """What a user should be asked about when it comes: what it says that it asks for. Files of
    ImJoy cannot say so, and use the network more often than not.
    """
    if plugin.source.endswith(SUFFIX) and not plugin.permissions:
        return ("network",)
    return tuple(one.name for one in plugin.permissions if one.name in NAMES)


def terms(plugin: Plugin, *, copied: bool) -> str:
    """What an agreement is about: the version, and all that it asks for, with the reasons.

    Args:
        copied: the file is a copy that Opsin keeps, so other contents are another version.
    """
    reasons = sorted((one.name, one.reason) for one in plugin.permissions)
    said = [plugin.name, plugin.version, reasons, plugin.digest if copied else ""]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def asked(plugin: Plugin, agreements: Iterable[Agreement]) -> list[Asked]:
    """What a plugin asks for, and how each stands after these agreements, which are about it."""
    found = {one.name: one for one in agreements}
    stand: list[Asked] = []
    for one in wanted(plugin):
        answer = found.get(one.name)
        if one.name not in NAMES:
            stand.append(Asked(one.name, one.reason, "always"))
        elif answer is None:
            stand.append(Asked(one.name, one.reason, "unasked"))
        else:
            state: State = "allowed" if answer.allowed else "refused"
            stand.append(Asked(one.name, one.reason, state, answer.folders))
    return stand


def allowed(stand: Iterable[Asked]) -> Allowed:
    """What may be used."""
    yes = {one.name: one for one in stand if one.state == "allowed"}
    folders = yes["files"].folders if "files" in yes else ()
    return Allowed("network" in yes, "gpu" in yes, tuple(sorted(folders)))


def from_words(plugin: Plugin, words: Iterable[str]) -> Allowed:
    """What words such as `network` and `files=/data/models` allow a plugin.

    Raises:
        UsageError: it does not ask for that, or there is no such permission or folder.
    """
    found = NOTHING
    for word in words:
        name, _, place = word.partition("=")
        check_wanted(plugin, name)
        if name == "files":
            found |= Allowed(folders=(folder(place),))
        elif place:
            raise UsageError(f"Only files take a folder: write {name}, and not {word}.")
        else:
            found |= Allowed(network=name == "network", gpu=name == "gpu")
    return found


def check_wanted(plugin: Plugin, name: str) -> PermissionName:
    """The name, if a plugin asks for what it names and a user can allow that.

    Raises:
        UsageError: there is no such permission, or it does not ask for it.
    """
    for one in NAMES:
        if one == name and name in (other.name for other in wanted(plugin)):
            return one
    if name in NAMES:
        raise UsageError(
            f"{plugin.name} does not ask for {WHAT[name]}: its manifest has to name {name} among "
            "its permissions, with the reason."
        )
    if name == "processes":
        raise UsageError("Every plugin may start other programs: they are isolated as it is.")
    raise UsageError(f"There is no permission {name[:60]!r}: there are {', '.join(NAMES)}.")


def folder(text: str) -> Path:
    """A folder that a plugin may be allowed to read, by its whole path.

    Raises:
        UsageError: it is none, or far too much.
    """
    path = Path(text).expanduser()
    if not text.strip():
        raise UsageError("Name the folder that may be read, as in files=/data/models.")
    if not path.is_absolute():
        raise UsageError(f"Give a whole path, such as /data/models, and not {text}.")
    if not path.is_dir():
        raise UsageError(f"{text} is no folder.")
    path = path.resolve()
    if is_private(path):
        raise UsageError(
            f"{text} is or holds a home folder, or all temporary files: name a folder inside of it."
        )
    if any(path.is_relative_to(one) for one in OF_THE_KERNEL):
        raise UsageError(f"{text} is no folder of files.")
    return path


def said_of(
    plugin: Plugin, address: str, given: Allowed, packages: Sequence[str], *, has_gpu: bool
) -> str:
    """One line that tells what a run goes without, and how to allow it; '' if it has all.

    Args:
        packages: that it runs with, such as `torch==2.9.0`.
        has_gpu: there is a graphics card.
    """
    declared = [one.name for one in plugin.permissions if has_gpu or one.name != "gpu"]
    names = [name for name in declared if not given.has(name)]
    if names:
        lacks = " and ".join(WHAT[name] for name in names)
        return (
            f"{plugin.name} asks for {lacks}, is not allowed that, and runs without. To allow it: "
            f"{command(address, names)}"
        )
    uses = {re.split(r"[=<>!~\[ ;@-]", one, maxsplit=1)[0].lower() for one in packages}
    if not has_gpu or given.gpu or not (using := sorted(uses & COMPUTE_ON_GPUS)):
        return ""
    if any(one.name == "gpu" for one in wanted(plugin)):
        does = f"is not allowed to use it. To allow it: {command(address, ['gpu'])}"
    else:
        does = "does not ask for it: name gpu among its permissions."
    return f"{using[0]} runs without the graphics card, because {plugin.name} {does}"


def command(address: str, names: Iterable[str]) -> str:
    """The command that allows a plugin something."""
    words = " ".join(f"--allow {'files=FOLDER' if one == 'files' else one}" for one in names)
    return f"opsin plugins permissions {shlex.quote(address)} {words}"
