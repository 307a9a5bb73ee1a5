"""Environments of peers: one for each, made from its lock on first use and kept in `.cache`."""

from __future__ import annotations

import hashlib
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
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=LONGEST)
        except (OSError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "stderr", None) or error).strip().splitlines()
            print(f"{peer} is left out: {said[-1] if said else error}", file=sys.stderr)
            return None
    done.touch()
    return python
