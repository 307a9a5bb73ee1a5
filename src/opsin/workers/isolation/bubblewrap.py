"""Bubblewrap: a worker in a file system, network and list of processes of its own (Linux).

The program `bwrap` makes them. It works for root and for ordinary users, where the kernel lets
users have namespaces. Inside, the worker's own filter and limits (`opsin.sandbox`) come on top.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from opsin.sandbox import landlock
from opsin.sandbox.enter import Order
from opsin.sandbox.system_calls import INET, INET6, NETLINK, UNIX
from opsin.workers.isolation.sandbox import Level, Limits, Sandbox
from opsin.workers.isolation.visible import SYSTEM, gpus, outermost, system

FOLDER = "/tmp"
OLD_FOLDER = "/var/tmp"
HOME = f"{FOLDER}/home"
PARENT = 1
"""The parent of a worker, as it sees it."""
ENTERS = b"opsin.sandbox.enter"
"""What stands in the commands of Opsin's own."""
SIGNALLED = 128
"""What bubblewrap adds to the number of a signal that ended the program, to end with it."""


def program() -> str | None:
    """Where it is installed."""
    return shutil.which("bwrap")


def level(sandbox: Sandbox) -> Level:
    """What it enforces."""
    network = closed_to(sandbox)
    return Level(
        "bubblewrap",
        ("files", *network, "other processes", "system calls", "memory", "processes", "disk"),
    )


def command(bwrap: str, reads: Iterable[Path], sandbox: Sandbox) -> list[str]:
    """What stands before the program that is to run inside.

    Args:
        reads: what is visible, and can be read, beside the system; what is not there is left out.
    """
    network, limits = sandbox.network, sandbox.limits
    line = [bwrap, "--unshare-all", *["--share-net"] * network, "--die-with-parent"]
    line += ["--cap-drop", "ALL"]
    for path in map(Path, SYSTEM):  # /bin is a link into /usr on most systems
        if path.is_symlink() and len(path.parts) == 2:
            line += ["--symlink", str(path.readlink()), str(path)]
    seen = outermost(path for path in system(network) if not _is_link(path))
    line += _binds("--ro-bind-try", seen)
    line += ["--ro-bind-try", "/sys", "/sys", "--proc", "/proc", "--dev", "/dev"]
    line += ["--size", str(limits.disk), "--perms", "1777", "--tmpfs", "/dev/shm"]
    line += ["--size", str(limits.disk), "--perms", "1777", "--tmpfs", FOLDER]
    line += _binds("--dev-bind-try", gpus() * sandbox.gpu)
    given = outermost(reads)
    line += ["--dir", HOME, "--dir", "/run"]
    if not any(path.is_relative_to(OLD_FOLDER) for path in given):  # which no link can hold
        line += ["--symlink", FOLDER, OLD_FOLDER]
    line += _binds("--ro-bind-try", given)
    return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", FOLDER, "--"]


def order(sandbox: Sandbox) -> Order:
    """What the worker's process does by itself."""
    known = landlock.version()
    # The network that is shared has the abstract sockets of all programs in it.
    closed = not sandbox.network or known >= landlock.SCOPED
    return Order(
        folder=FOLDER,
        files=False,
        reads=(),
        writes=(),
        network=sandbox.network,
        families=(*[UNIX] * closed, INET, INET6, NETLINK),
        alone=True,
        landlock=known if known >= landlock.SCOPED else 0,
        limits=limits_of(sandbox.limits),
    )


def closed_to(sandbox: Sandbox) -> tuple[str, ...]:
    """What it would have if it were allowed to."""
    return (*["network"] * (not sandbox.network), *["graphics card"] * (not sandbox.gpu))


def end_orphans() -> None:
    """Kill what is left of hosts that were killed.

    Bubblewrap's inner process waits for the outer one before it can die with it. If that is killed
    in this moment, it waits for ever.
    """
    with suppress(OSError):  # there is no /proc
        here = Path("/proc/self/ns/pid").readlink()
        for process in Path("/proc").iterdir():
            with suppress(OSError, IndexError):
                if not process.name.isdigit() or process.stat().st_uid != os.geteuid():
                    continue
                command = _command(process)
                if command[0].endswith(b"bwrap") and ENTERS in b"".join(command):
                    parent = (process / "stat").read_bytes().rpartition(b")")[2].split()[1]
                    wrapped = _command(process.with_name(parent.decode()))[0].endswith(b"bwrap")
                    if not wrapped and (process / "ns/pid").readlink() != here:
                        os.kill(int(process.name), signal.SIGKILL)


def _command(process: Path) -> list[bytes]:
    return (process / "cmdline").read_bytes().split(b"\0")


def limits_of(limits: Limits) -> dict[str, int]:
    """Those that the kernel keeps for each process."""
    return {"processes": limits.processes, "memory": limits.memory, "core": 0}


def _is_link(path: Path) -> bool:
    return path.is_symlink() and len(path.parts) == 2


def _binds(how: str, paths: Sequence[Path]) -> list[str]:
    return [word for path in paths for word in (how, str(path), str(path))]
