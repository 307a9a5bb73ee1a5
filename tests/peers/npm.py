"""Peers from npm: programs that Opsin is tested beside, each installed once from its lock."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".cache" / "tests" / "peers"
LONGEST = 300.0


def installed(peer: str) -> Path:
    """The folder of a peer, with its `node_modules`."""
    source = HERE / peer
    files = sorted(path for path in source.iterdir() if path.is_file())
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:12]
    folder, done = KEPT / f"{peer}-{digest}", KEPT / f"{peer}-{digest}" / "complete"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{peer}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(source, folder)
            node("npm", "ci", "--ignore-scripts", "--loglevel=error", folder=folder)
            done.touch()
    return folder


def node(program: str, *arguments: str, folder: Path, given: str = "") -> str:
    """Run a program of Node in a folder, and return what it prints."""
    tools = Path(sys.executable).parent
    done = subprocess.run(
        [tools / program, *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
