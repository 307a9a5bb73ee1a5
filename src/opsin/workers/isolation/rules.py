"""Rules: a worker among the other processes of the computer, kept apart by the kernel's Landlock.

It sees names of files, but not what is in them, and other processes, but cannot touch them. See
`opsin.sandbox.landlock` and `opsin.sandbox.system_calls`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from opsin.sandbox import landlock
from opsin.sandbox.enter import Order
from opsin.sandbox.system_calls import INET, INET6, NETLINK
from opsin.workers.isolation.bubblewrap import closed_to, limits_of
from opsin.workers.isolation.sandbox import Level, Sandbox
from opsin.workers.isolation.visible import gpus, system

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SEMAPHORES = "/dev/shm"
"""Where `multiprocessing` makes its locks."""


def level(sandbox: Sandbox) -> Level:
    """What this kernel enforces."""
    network = closed_to(sandbox)
    signals = ("signals",) if landlock.version() >= landlock.SCOPED else ()
    return Level(
        "landlock",
        ("files", *network, *signals, "system calls", "memory", "processes", "size of files"),
    )


def order(reads: Iterable[Path], folder: Path, sandbox: Sandbox) -> Order:
    """What the worker's process does by itself.

    Args:
        reads: what can be read beside the system.
        folder: where it may write.
    """
    limits = sandbox.limits
    kept = limits_of(limits)
    kept["processes"] += _tasks()
    kept["file"] = max(limits.disk, limits.memory)  # of arrays that it hands over, too
    devices = [*map(Path, DEVICES), Path(SEMAPHORES), Path("/proc/self")]
    devices += gpus() * sandbox.gpu
    seen = [*system(sandbox.network), Path("/proc"), Path("/sys"), *reads]
    return Order(
        folder=str(folder),
        files=True,
        reads=tuple(map(str, seen)),
        writes=tuple(map(str, [folder, *devices])),
        network=sandbox.network,
        families=(INET, INET6, NETLINK) if sandbox.network else (),
        alone=False,
        landlock=landlock.version(),
        limits=kept,
    )


def _tasks() -> int:
    """Processes and threads that the user has already, which count as well."""
    count, user = 0, os.geteuid()
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and process.stat().st_uid == user:
                count += sum(1 for _ in (process / "task").iterdir())
        except OSError:  # it has ended
            continue
    return count
