"""Verified: operations that were tried and found functional, as long as nothing about them changes.

What they give for equal inputs can be kept, and they may run several times at once. That an
operation was verified holds for its plugin as it was then, for the modules beside it that it
imported, and for the packages that it ran with; on one computer.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from opsin.host.calls import Program
from opsin.host.workspace import Workspace
from opsin.workers.environment import CURRENT, Environment


def verified(workspace: Workspace, program: Program, environment: Environment) -> str:
    """Words for an operation with all that its results depend on beside what it is given.

    '' if it was not verified as it is now: it, a module beside it or its packages have changed.
    """
    packages = fingerprint(environment)
    for known in workspace.verified(program.plugin.digest, program.operation.name):
        files = {str(path): str(digest) for path, digest in json.loads(known["files"]).items()}
        if known["packages"] == packages and digests(files) == files:
            return f"{program.plugin.digest} {program.operation.name} {packages} {known['files']}"
    return ""


def remember(
    workspace: Workspace, program: Program, environment: Environment, files: Iterable[str]
) -> None:
    """An operation was found functional; `files` are the modules beside it that it imported."""
    packages = fingerprint(environment)
    if packages:
        workspace.record_verified(
            program.plugin.digest, program.operation.name, packages, digests(files)
        )


def forget(workspace: Workspace, program: Program) -> None:
    """An operation was found not to be functional."""
    workspace.forget_verified(program.plugin.digest, program.operation.name)


def fingerprint(environment: Environment) -> str:
    """Words for the packages of an environment; '' if they may change without anybody's notice."""
    return environment.key if environment.key != CURRENT else _of_this_process()


def digests(files: Iterable[str] | Mapping[str, str]) -> dict[str, str]:
    """The SHA-256 of each file; '' for one that cannot be read."""
    found = {}
    for file in sorted(files):
        try:
            found[file] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        except OSError:
            found[file] = ""
    return found


@lru_cache(maxsize=1)
def _of_this_process() -> str:
    names = []
    for one in metadata.distributions():
        name, about = one.metadata["Name"], one.read_text("direct_url.json") or "{}"
        if name != "opsin" and json.loads(about).get("dir_info", {}).get("editable"):
            return ""  # its files change, and its version does not
        names.append(f"{name}=={one.version}")
    said = "\n".join([platform.python_version(), platform.platform(), *sorted(names)])
    return f"{CURRENT}-{hashlib.sha256(said.encode()).hexdigest()[:32]}"
