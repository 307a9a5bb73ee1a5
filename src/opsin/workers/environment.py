"""Environment: the packages that an operation runs with, and how they get there.

If this Python satisfies a plugin's requirements, it is the environment. Otherwise uv makes one: it
locks the requirements, and the hash of Python, platform and lock names the environment, which
plugins with an equal lock share. A lock is kept by what was asked for, so that an environment that
was made once is found again without a network.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from opsin.errors import EnvironmentFailed
from opsin.workers.install_failure import WORKER_NEEDS
from opsin.workers.installer import Output
from opsin.workers.kept_environments import ASKED, COMPLETE, WHEELS, remove_unused
from opsin.workers.package_sources import PackageSources, read_sources
from opsin.workers.uv import run_uv

CURRENT = "current"
"""The key of the environment that this process runs in."""


_COMMIT = re.compile(r"^\S+ @ git\+\S+@[0-9a-f]{40}", re.MULTILINE)
"""How a lock names what comes from git."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python interpreter with what a plugin requires. `key` is the same for the same packages."""

    python: Path
    key: str

    @property
    def home(self) -> Path:
        """Its folder."""
        return self.python.parents[1]


@dataclass(frozen=True, slots=True)
class Locked:
    """Versions that were chosen.

    Attributes:
        wanted: what was asked for, and what a worker needs itself.
        interpreter: the Python that they are for.
        sources: where they come from.
        file: holds them, as pip reads requirements, each with the hashes of its files.
    """

    wanted: tuple[str, ...]
    interpreter: str
    sources: PackageSources
    file: Path

    @property
    def wheels(self) -> Path:
        """The folder in which wheels are kept that a bundle brought, if one did."""
        return self.file.parent.parent / WHEELS / self.file.stem


def current() -> Environment:
    """The environment that this process runs in."""
    return Environment(Path(sys.executable), CURRENT)


def lacking(requirements: Sequence[str], requires_python: str = "") -> str | None:
    """Why the present environment does not satisfy requirements; None if it does.

    Raises:
        EnvironmentFailed: a requirement is malformed.
    """
    return next((reason for _, reason in unmet(requirements, requires_python)), None)


def unmet(requirements: Sequence[str], requires_python: str = "") -> Iterator[tuple[str, str]]:
    """The requirements that the present environment does not satisfy, each with the reason.

    That of Python comes first, and is ''.

    Raises:
        EnvironmentFailed: a requirement is malformed.
    """
    if not python_fits(requires_python):
        yield "", f"Python {platform.python_version()} is not {requires_python}"
    for text in requirements:
        requirement = _parse(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        if requirement.url is not None:
            yield text, f"{requirement.name} is wanted from {requirement.url}"
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield text, f"{requirement.name} is not installed"
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield text, f"{requirement.name} {version} is not {requirement.specifier}"
        elif requirement.extras:
            extras = ", ".join(sorted(requirement.extras))
            yield text, f"{requirement.name} is wanted with {extras}"


@lru_cache(maxsize=64)
def packages_of(environment: Environment, requirements: tuple[str, ...]) -> tuple[str, ...]:
    """What a plugin ran with, as `name==version`: all packages of an environment that was made for
    it, and those that it asks for of the one that this process runs in.
    """
    if environment.key != CURRENT:
        with suppress(OSError):
            lines = (environment.home / COMPLETE).read_text().splitlines()
            return tuple(line.split()[0] for line in lines if "==" in line.partition("#")[0])
        return ()
    names = sorted({_parse(text).name for text in (*requirements, *WORKER_NEEDS)})
    found = []
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name}=={metadata.version(name)}")
    return tuple(found)


async def prepare(
    requirements: Sequence[str],
    requires_python: str = "",
    *,
    folder: Path,
    output: Output = lambda line: None,
) -> Environment:
    """The environment for a plugin, made if need be.

    Args:
        requirements: as pip understands them (PEP 508).
        requires_python: versions of Python that will do (PEP 440); empty for any.
        folder: where environments are kept; it is made if need be.
        output: is given every line that uv prints.

    Raises:
        EnvironmentFailed: it cannot be made; the message names the package, the reason and what
            to do. Nothing is left of it: the same call tries again.
    """
    reason = lacking(requirements, requires_python)
    if reason is None:
        return current()
    output(f"A separate environment is needed: {reason}.")
    locked = await lock(requirements, requires_python, folder=folder, output=output)
    key = _hash(_identity(), locked.interpreter, locked.file.read_text())
    home = folder / key
    if not (home / COMPLETE).is_file():
        async with _Alone(folder / f"{key}.making"):
            if not (home / COMPLETE).is_file():  # nobody else made it meanwhile
                await _install(home, locked, output)
                await asyncio.to_thread(remove_unused, folder)
    return Environment(home / "bin" / "python", key)


async def lock(
    requirements: Sequence[str],
    requires_python: str = "",
    *,
    folder: Path,
    output: Output = lambda line: None,
) -> Locked:
    """The versions for a plugin, chosen now if they were not chosen before. See `prepare`.

    Raises:
        EnvironmentFailed: they cannot be chosen.
    """
    locked = await place_of_lock(requirements, requires_python, folder=folder, output=output)
    if not locked.file.is_file():
        async with _Alone(folder / f"{locked.file.stem}.locking"):
            if not locked.file.is_file():  # nobody else made it meanwhile
                output("Resolving " + ", ".join(locked.wanted))
                await _choose(locked, output)
    return locked


async def place_of_lock(
    requirements: Sequence[str], requires_python: str, *, folder: Path, output: Output
) -> Locked:
    """Where the versions are, or will be, that are chosen for a plugin. See `prepare`.

    Raises:
        EnvironmentFailed: a requirement is malformed, there is no such Python, or it cannot be
            read where packages come from.
    """
    wanted, sources = _wanted(requirements), read_sources(folder)
    asked = _hash(_identity(), requires_python, *wanted, *sources.choice())
    file = folder / "locks" / f"{asked}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    return Locked(wanted, await _interpreter(requires_python, output), sources, file)


async def _interpreter(requires_python: str, output: Output) -> str:
    """The real interpreter (not a shim, not a virtual environment's link) to build upon."""
    if python_fits(requires_python):
        return _real(getattr(sys, "_base_executable", sys.executable))
    found: list[str] = []
    arguments = ("python", "find", "--no-project", "--no-python-downloads", requires_python)
    await run_uv(arguments, output, keep=found)
    return _real(found[-1].strip())


async def _choose(locked: Locked, output: Output) -> None:
    draft = locked.file.with_suffix(f".{os.getpid()}")
    options = ("--generate-hashes", "--no-emit-index-url", "--python", locked.interpreter)
    try:
        await run_uv(
            (
                *("pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", *options),
                *("--output-file", str(draft), *locked.sources.arguments()),
            ),
            output,
            wanted=locked.wanted,
            text="\n".join(locked.wanted),
        )
        draft.replace(locked.file)
    finally:
        draft.unlink(missing_ok=True)


async def _install(home: Path, locked: Locked, output: Output) -> None:
    sources, wanted = locked.sources, locked.wanted
    await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
    try:
        interpreter = ("--python", locked.interpreter)
        await run_uv(("venv", "--quiet", *interpreter, str(home)), output)
        python = str(home / "bin" / "python")
        # Compiled now, because an isolated worker may write nothing there.
        options = [_hashes(locked.file.read_text()), "--compile-bytecode", *sources.arguments()]
        if locked.wheels.is_dir():
            options += ["--find-links", str(locked.wheels)]
        sync = ("pip", "sync", "--python", python, *options, str(locked.file))
        try:
            here = () if sources.offline else ("--offline",)
            await run_uv((*sync, *here, "--quiet"), lambda line: None, wanted=wanted)
        except EnvironmentFailed:
            if sources.offline:
                raise
            await run_uv(sync, output, wanted=wanted)
        await asyncio.to_thread((home / ASKED).write_text, "\n".join(wanted))
        await asyncio.to_thread(shutil.copyfile, locked.file, home / COMPLETE)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
        raise


def _hashes(lock: str) -> str:
    """How hashes are checked: what a commit of git holds has none, but the commit is one itself."""
    return "--verify-hashes" if _COMMIT.search(lock) else "--require-hashes"


class _Alone:
    """Holds a lock file, so that two processes do not make one environment at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    async def __aenter__(self) -> None:
        import fcntl

        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(0.1)
                else:
                    return
        except BaseException:
            os.close(self._descriptor)
            raise

    async def __aexit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _wanted(requirements: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*map(str, map(_parse, requirements)), *WORKER_NEEDS}))


def _identity() -> str:
    return f"{platform.python_implementation()} {platform.machine()} {sys.platform}"


def _parse(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise EnvironmentFailed(f"The requirement {text!r} is malformed: {error}.") from None


def python_fits(requires_python: str) -> bool:
    """Whether this Python is among versions (PEP 440).

    Raises:
        EnvironmentFailed: they are malformed.
    """
    try:
        return SpecifierSet(requires_python).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier:
        raise EnvironmentFailed(
            f"The plugin asks for Python {requires_python!r}, which is malformed: "
            'write it like ">=3.11".'
        ) from None


def _real(interpreter: str) -> str:
    return os.path.realpath(interpreter)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
