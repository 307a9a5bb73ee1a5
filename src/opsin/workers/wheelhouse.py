"""Wheelhouse: the files of packages that a lock names, kept so that they install without a network.

A bundle brings them; they stay beside the environments, in a folder for each lock, for as long as
the lock is there.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from opsin.errors import EnvironmentFailed
from opsin.images.draft import draft_name
from opsin.workers.environment import Locked
from opsin.workers.installer import Output
from opsin.workers.uv import run_uv

WHEEL = re.compile(r"[A-Za-z0-9_.]+-[A-Za-z0-9_.!+]+(-\d[A-Za-z0-9_]*)?-[\w.]+-[\w.]+-[\w.]+\.whl")
"""What a wheel is called (PEP 427)."""
_INDEX = re.compile(r"^ +# from (https?://\S+)$", re.MULTILINE)
"""Where uv says that it has a package from."""
_HIDDEN = "****"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


async def fetch(locked: Locked, folder: Path, output: Output) -> None:
    """Fetch the wheels that a lock names, for the Python that it is for, into an empty folder.

    uv installs, but does not hand out wheels, so that pip does it, in a passing environment. It
    looks where uv has found the packages: builds of PyTorch, for one, have an index of their own.

    Raises:
        EnvironmentFailed: one cannot be had, for example as a package has none for this computer.
    """
    sources = locked.sources
    words = ["--dest", str(folder), "--require-hashes", "--no-deps", "--only-binary=:all:"]
    words += ["--disable-pip-version-check", "--no-input", "--quiet", "-r", str(locked.file)]
    for link in sources.find_links:
        words += ["--find-links", link]
    if sources.offline:
        words.append("--no-index")
    else:
        indexes = [sources.index] if sources.index else []
        indexes += [one for one in await _indexes(locked, folder) if one not in indexes]
        for number, index in enumerate(indexes):
            words += ["--extra-index-url" if number else "--index-url", index]
    passing = ("run", "--no-project", "--isolated", "--python", locked.interpreter)
    itself = replace(sources, torch="").arguments()
    pip = ("--with", "pip", "--quiet", *itself, "python", "-m", "pip", "download")
    await run_uv((*passing, *pip, *words), output, wanted=locked.wanted)


async def _indexes(locked: Locked, folder: Path) -> list[str]:
    """Where uv finds the packages of a lock; without those that want a password, which it hides."""
    told = folder / "told.txt"
    options = ("--no-deps", "--emit-index-annotation", "--quiet", "--output-file", str(told))
    try:
        await run_uv(
            (
                *("pip", "compile", str(locked.file), *options),
                *("--python", locked.interpreter, *locked.sources.arguments()),
            ),
            lambda line: None,
            wanted=locked.wanted,
        )
        text = await asyncio.to_thread(told.read_text)
    finally:
        told.unlink(missing_ok=True)
    found = dict.fromkeys(_INDEX.findall(text))
    return [one for one in found if _HIDDEN not in one]


def check(wheels: Iterable[Path], lock: str) -> None:
    """See that wheels are those that a lock names.

    Raises:
        EnvironmentFailed: one is not.
    """
    known = hashes_in(lock)
    for wheel in wheels:
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not WHEEL.fullmatch(wheel.name) or digest not in known:
            raise EnvironmentFailed(
                f"{wheel.name} is not among the files that its lock names: the bundle was changed "
                "after it was made, so that nothing of it is used."
            )


def keep(wheels: Iterable[Path], locked: Locked, lock: Path) -> None:
    """Keep wheels and the lock that names them, where `prepare` finds both."""
    home = locked.wheels
    draft = home.with_name(draft_name(home.name))
    draft.mkdir(parents=True)
    try:
        for wheel in wheels:
            shutil.move(wheel, draft / wheel.name)
        shutil.rmtree(home, ignore_errors=True)
        draft.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.copyfile(lock, locked.file)


def hashes_in(lock: str) -> set[str]:
    """SHA-256 of all files that a lock names, in hexadecimal."""
    return set(_HASH.findall(lock))
