"""Package: the few modules of Opsin that a worker needs, in a folder for its path.

The environment of a plugin has NumPy and msgspec, but not Opsin, whose other packages would have to
agree with those of the plugin. So a worker gets a folder with these modules, and nothing else.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from opsin.images.draft import draft_name
from opsin.workers.environment import Environment

NEEDED = (
    "__init__.py",
    "errors.py",
    "forkserver.py",
    "types.py",
    "worker_beside.py",
    "worker_imjoy",
    "worker_main.py",
    "worker_napari.py",
    "worker_trial.py",
    "rpc",
    "sandbox",
)
"""Modules and packages, beside this one's."""

_HOME = Path(__file__).parents[1]


def worker_package(folder: Path) -> Path:
    """The folder to put on a worker's path, made inside `folder` if it is not there yet.

    Raises:
        OSError: it cannot be written.
    """
    sources = sorted(_sources())
    digest = hashlib.sha256()
    for path in sources:
        digest.update(f"{path.relative_to(_HOME)}\0".encode())
        digest.update(path.read_bytes())
    made = folder / f"worker-{digest.hexdigest()[:16]}"
    if made.is_dir():
        return made
    draft = folder / draft_name(made.name)
    try:
        for path in sources:
            copy = draft / "opsin" / path.relative_to(_HOME)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        try:
            draft.rename(made)
        except OSError:
            if not made.is_dir():  # nobody else was quicker
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return made


def compiled(package: Path, environment: Environment) -> None:
    """Have the modules there compiled, once for each environment: a worker may write nothing there.

    Where that cannot be done, it starts more slowly.
    """
    mark = package / f".compiled-{environment.key}"
    if mark.exists():
        return
    # Without `site`, which would run code of the environment's packages.
    command = [str(environment.python), "-I", "-S", "-m", "compileall", "-q", "opsin"]
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(command, cwd=package, capture_output=True, timeout=30, check=True)
        mark.touch()


def _sources() -> list[Path]:
    found: list[Path] = []
    for name in NEEDED:
        path = _HOME / name
        found += path.rglob("*.py") if path.is_dir() else [path]
    return found
