"""Repositories: git repositories that a plugin wants in its working folder, cloned once and kept.

They lie beside the environments, in a folder for each set of repositories, so that a plugin finds
them side by side. Nothing of them is run. They stay as they were cloned, until locks are forgotten.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from opsin.errors import EnvironmentFailed
from opsin.images.draft import draft_name
from opsin.workers.install_failure import why_git_failed
from opsin.workers.lines import lines_of
from opsin.workers.package_sources import read_sources, shown
from opsin.workers.uv import SECRETS, Output

FOLDER = "repositories"
KILLED_WITHIN = 5.0
"""Seconds that a killed git is waited for."""
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
            "with `opsin envs sources`."
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
        status = await _run(
            (git, *_SAFELY, "clone", "--quiet", "--depth=1", "--no-tags", "--", url, str(draft)),
            say,
        )
        if status:
            reason, fix = why_git_failed(lines)
            raise EnvironmentFailed("\n".join([f"{what}: {reason}. {fix}", *lines[-TOLD:]]))
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


async def _run(command: tuple[str, ...], output: Output) -> int:
    """Run git, which is killed with all that it started when this task is cancelled."""
    given = {name: value for name, value in os.environ.items() if name not in SECRETS}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env=given | _VARIABLES,
    )
    assert process.stdout is not None
    try:
        async for line in lines_of(process.stdout):
            output(line)
        return await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError, ValueError):
            await asyncio.wait_for(process.communicate(), KILLED_WITHIN)
        raise
