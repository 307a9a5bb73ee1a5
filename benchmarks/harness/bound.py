"""Bound: a command whose process is killed when the one that started it ends, however (Linux).

Without this, a benchmark that is killed leaves its browser and its servers behind.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG. It stays over exec; the signal comes when the *thread* ends that started it."""


def bound(command: Sequence[str | Path]) -> list[str]:
    """What to start in place of `command`, from a thread that lasts as long as the process may."""
    return [sys.executable, "-IS", __file__, str(os.getpid()), *map(str, command)]


def become(parent: int, command: Sequence[str]) -> None:
    """Bind this process to its parent and be `command` from now on."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it is dead already
            sys.exit(1)
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
