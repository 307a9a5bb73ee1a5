"""Repositories: git repositories that a plugin wants in its working folder, cloned once and kept.

They lie beside the environments, in a folder for each set of repositories, so that a plugin finds
them side by side. Nothing of them is run. They stay as they were cloned, until locks are forgotten.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from opsin.errors import EnvironmentFailed
from opsin.images.draft import draft_name
from opsin.workers.install_failure import why_git_failed
from opsin.workers.installer import Output, run_installer
from opsin.workers.package_sources import read_sources, shown

FOLDER = "repositories"
TOLD = 12
"""Lines of git that a message repeats."""
_SAFELY = ("-c", "core.hooksPath=/dev/null", "-c", "credential.helper=", "-c", "core.askPass=")
_VARIABLES = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "GIT_ALLOW_PROTOCOL": "https:file"}


async def obtain(
    repositories: Mapping[str, str], *, folder: Path, output: Output = lambda line: None
) -> Path:
    """The folder in which repositories lie; those that are not there yet are cloned.

    Args:
        repositories: their addresses, by the folder that each is to lie in.
        folder: where environments are kept.
        output: is given every line that git prints.

    Raises:
        EnvironmentFailed: one cannot be had; the message says why. Nothing is left of it.
    """
    identity = "\0".join(f"{name} {url}" for name, url in sorted(repositories.items()))
    home = folder / FOLDER / hashlib.sha256(identity.encode()).hexdigest()[:24]
    for name, url in repositories.items():
        if not await asyncio.to_thread((home / name).is_dir):
            await _clone(url, home / name, folder, output)
    return home


def forget(folder: Path) -> None:
    """Take away all that were cloned; they are cloned anew when a plugin asks for them."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


async def _clone(url: str, place: Path, folder: Path, output: Output) -> None:
    what = f"The repository {shown(url)} cannot be fetched"
    if read_sources(folder).offline:
        raise EnvironmentFailed(
            f"{what}: it is not on this computer, and the network is switched off. Switch it on "
            "with `opsin envs sources`.",
            reason="needs_network",
        )
    git = shutil.which("git")
    if git is None:
        raise EnvironmentFailed(f"{what}: git is not installed. Install it, and run this again.")
    output(f"Cloning {shown(url)}")
    draft = folder / FOLDER / draft_name(place.name)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        output(line)

    try:
        how = ("clone", "--quiet", "--depth=1", "--no-tags")
        status = await run_installer((git, *_SAFELY, *how, "--", url, str(draft)), say, _VARIABLES)
        if status:
            reason, fix = why_git_failed(lines)
            message = "\n".join([f"{what}: {reason}. {fix}", *lines[-TOLD:]])
            is_gone = reason.startswith("it is not there")
            raise EnvironmentFailed(message, reason="dead_address" if is_gone else "needs_network")
        await asyncio.to_thread(_keep, draft, place)
    finally:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)


def _keep(draft: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.rename(place)
    except OSError:
        if not place.is_dir():  # nobody else was quicker
            raise
