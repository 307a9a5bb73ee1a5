"""Environment: the packages that an operation runs with, and how they get there.

If this Python satisfies a plugin's requirements, it is the environment. Otherwise uv makes one: it
locks the requirements, and the hash of Python, platform and lock names the environment, which
plugins with an equal lock share. A lock is kept by what was asked for, so that an environment that
was made once is found again without a network.
"""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import os
import platform
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from opsin.errors import EnvironmentFailed

WORKER_NEEDS = ("numpy>=1.26", "msgspec>=0.19")
"""What a worker needs itself, whatever the plugin asks for."""

CURRENT = "current"
"""The key of the environment that this process runs in."""
KILLED_WITHIN = 5.0
"""Seconds that a killed uv is waited for."""
LONGEST_LINE = 5000
"""Letters of a line that are kept: more than a path has."""
SECRETS = ("OPSIN_TOKEN",)
"""Variables that nothing sees which comes from outside: packages run code when they are built."""
TOLD = 12
"""Lines of a failed install that the error repeats."""

Output = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python interpreter with what a plugin requires. `key` is the same for the same packages."""

    python: Path
    key: str


def current() -> Environment:
    """The environment that this process runs in."""
    return Environment(Path(sys.executable), CURRENT)


def lacking(requirements: Sequence[str], requires_python: str = "") -> str | None:
    """Why the present environment does not satisfy requirements; None if it does.

    Raises:
        EnvironmentFailed: a requirement is malformed.
    """
    if not _python_fits(requires_python):
        return f"Python {platform.python_version()} is not {requires_python}"
    for text in requirements:
        requirement = _parse(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        if requirement.url is not None:
            return f"{requirement.name} is wanted from {requirement.url}"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            return f"{requirement.name} is not installed"
        if not requirement.specifier.contains(version, prereleases=True):
            return f"{requirement.name} {version} is not {requirement.specifier}"
        if requirement.extras:
            extras = ", ".join(sorted(requirement.extras))
            return f"{requirement.name} is wanted with {extras}"
    return None


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
        EnvironmentFailed: it cannot be made; the message names the package and the reason.
    """
    reason = lacking(requirements, requires_python)
    if reason is None:
        return current()
    output(f"A separate environment is needed: {reason}.")
    wanted = sorted({*map(str, map(_parse, requirements)), *WORKER_NEEDS})
    identity = f"{platform.python_implementation()} {platform.machine()} {sys.platform}"
    asked = _hash(identity, requires_python, *wanted)
    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = locks / f"{asked}.txt"
    interpreter = await _interpreter(requires_python, output)
    if not lock.is_file():
        async with _Alone(folder / f"{asked}.locking"):
            if not lock.is_file():  # nobody else made it meanwhile
                output("Resolving " + ", ".join(wanted))
                await _lock(wanted, interpreter, lock, output)
    key = _hash(identity, interpreter, lock.read_text())
    home = folder / key
    python = home / "bin" / "python"
    if not (home / "complete").is_file():
        async with _Alone(folder / f"{key}.making"):
            if not (home / "complete").is_file():  # nobody else made it meanwhile
                await _install(home, interpreter, lock, output)
    return Environment(python, key)


async def _interpreter(requires_python: str, output: Output) -> str:
    """The real interpreter (not a shim, not a virtual environment's link) to build upon."""
    if _python_fits(requires_python):
        return _real(getattr(sys, "_base_executable", sys.executable))
    found: list[str] = []
    arguments = ("python", "find", "--no-project", "--no-python-downloads", requires_python)
    await _uv(arguments, output, keep=found)
    return _real(found[-1].strip())


async def _lock(wanted: Sequence[str], interpreter: str, lock: Path, output: Output) -> None:
    draft = lock.with_suffix(f".{os.getpid()}")
    try:
        await _uv(
            (
                *("pip", "compile", "-", "--quiet", "--no-header", "--no-annotate"),
                *("--generate-hashes", "--no-emit-index-url", "--python", interpreter),
                *("--output-file", str(draft)),
            ),
            output,
            text="\n".join(wanted),
        )
        draft.replace(lock)
    finally:
        draft.unlink(missing_ok=True)


async def _install(home: Path, interpreter: str, lock: Path, output: Output) -> None:
    await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
    try:
        await _uv(("venv", "--quiet", "--python", interpreter, str(home)), output)
        python = str(home / "bin" / "python")
        sync = ("pip", "sync", "--python", python, "--require-hashes", str(lock))
        try:
            await _uv((*sync, "--offline", "--quiet"), lambda line: None)
        except EnvironmentFailed:
            await _uv(sync, output)
        (home / "complete").touch()
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
        raise


async def _uv(
    arguments: Sequence[str],
    output: Output,
    *,
    text: str = "",
    keep: list[str] | None = None,
) -> None:
    """Run uv, which is killed with everything that it started when this task is cancelled."""
    from uv import find_uv_bin

    variables = {name: value for name, value in os.environ.items() if name not in SECRETS}
    variables |= {"UV_SYSTEM_CERTS": "1", "VIRTUAL_ENV": ""}
    process = await asyncio.create_subprocess_exec(
        find_uv_bin(),
        *arguments,
        "--color=never",
        "--no-progress",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env=variables,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: list[str] = [] if keep is None else keep
    try:
        process.stdin.write(text.encode())
        process.stdin.close()
        async for line in _lines(process.stdout):
            lines.append(line)
            output(line)
        status = await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Not `wait`, which may never end while output is left that nobody reads.
        with suppress(TimeoutError, ValueError):
            await asyncio.wait_for(process.communicate(), KILLED_WITHIN)
        raise
    if status:
        said = "\n".join(line for line in lines if line.strip())
        last = "\n".join(said.splitlines()[-TOLD:])
        raise EnvironmentFailed(f"The plugin's packages cannot be installed:\n{last}")


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """What comes, line by line, however long a line is: its end is left out then."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    while data := await stream.read(2**16):
        *lines, rest = (rest + decoder.decode(data)).split("\n")
        for line in lines:
            yield line[:LONGEST_LINE].rstrip()
        rest = rest[:LONGEST_LINE]
    if rest:
        yield rest.rstrip()


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


def _parse(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise EnvironmentFailed(f"The requirement {text!r} is malformed: {error}.") from None


def _python_fits(requires_python: str) -> bool:
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
