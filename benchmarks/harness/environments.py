"""Environments of peers: one for each, made from its lock on first use and kept in `.cache`.

A peer in Python has a `peers/NAME.txt`; one from npm a folder `peers/NAME` with its lock.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness.demo import CACHE

LOCKS = Path(__file__).parents[1] / "peers"
LONGEST = 500.0
"""Seconds that one may take to be made."""


def python_of(peer: str) -> Path | None:
    """The interpreter of a peer's environment; None, and a line that says why, if there is none."""
    lock = LOCKS / f"{peer}.txt"
    state = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / "benchmarks" / "peers" / f"{peer}-{state}"
    python, done = folder / "bin" / "python", folder / "complete"
    if done.exists():
        return python
    print(f"Making an environment for {peer} in {folder} …", file=sys.stderr, flush=True)
    uv = Path(sys.executable).with_name("uv")
    sync = ("pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode")
    commands: tuple[list[str | Path], ...] = (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder],
        [uv, *sync, "--python", python, lock],
    )
    if not all(_works(command, peer) for command in commands):
        return None
    done.touch()
    return python


def npm_folder_of(peer: str) -> Path | None:
    """The folder with a peer's `node_modules`; None, and a line that says why, if there is none."""
    lock = LOCKS / peer / "package-lock.json"
    state = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = CACHE / "benchmarks" / "peers" / f"{peer}-{state}"
    done = folder / "complete"
    if done.exists():
        return folder
    print(f"Making an environment for {peer} in {folder} …", file=sys.stderr, flush=True)
    shutil.copytree(LOCKS / peer, folder, dirs_exist_ok=True)
    npm = Path(sys.executable).with_name("npm")
    if not _works([npm, "ci", "--ignore-scripts"], peer, folder):
        return None
    done.touch()
    return folder


def _works(command: list[str | Path], peer: str, folder: Path | None = None) -> bool:
    """Run one step of making an environment; False, and a line that says why, if it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            cwd=folder,
            env={**os.environ, "PATH": path},
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        print(f"{peer} is left out: {said[-1] if said else error}", file=sys.stderr)
        return False
    return True
