"""Enter: the first that runs in a worker's process. It narrows itself, and becomes the worker.

    python -I -S -c 'from opsin.sandbox.enter import enter; enter({...}, ["python", "-c", "..."])'

Until then neither the plugin nor the packages of its environment have run, not even the `.pth`
files that Python reads when it starts.
"""

from __future__ import annotations

import os

from opsin.sandbox import kernel, landlock, system_calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypedDict

    class Order(TypedDict):
        """What to do before the program.

        Attributes:
            folder: to be in.
            reads, writes: what may be read, and written, as well; no other files, if `files`.
            network: TCP may be used.
            families: sockets that may be made; None: all.
            alone: see `opsin.sandbox.system_calls`.
            landlock: the version of its rules; 0: none.
            limits: by the names of `LIMITS`.
        """

        folder: str
        files: bool
        reads: Sequence[str]
        writes: Sequence[str]
        network: bool
        families: Sequence[int] | None
        alone: bool
        landlock: int
        limits: Mapping[str, int]
else:
    Order = dict

LIMITS = {
    "processes": "RLIMIT_NPROC",
    "memory": "RLIMIT_DATA",
    "file": "RLIMIT_FSIZE",
    "core": "RLIMIT_CORE",
}
FIRST_TO_GO = b"1000"
"""To the kernel, when there is no memory left."""
REFUSED = 125
"""What the process ends with, if it cannot be narrowed as it was told to."""


def enter(order: Order, program: Sequence[str]) -> None:
    """Narrow this process as told, and run a program in its place. Does not return.

    If anything cannot be done, the process ends with one line that says what.
    """
    try:
        os.chdir(order["folder"])
        narrow(order)
        os.execv(program[0], list(program))
    except (kernel.Refused, OSError, ValueError) as error:
        os.write(2, f"The plugin cannot be isolated: {error}.\n".encode())
    os._exit(REFUSED)


def narrow(order: Order) -> None:
    """Narrow this process, which must have one thread.

    Raises:
        Refused, OSError, ValueError: the kernel does not do it.
    """
    for name, limit in order["limits"].items():
        _limit(LIMITS[name], limit)
    try:
        with open("/proc/self/oom_score_adj", "wb") as file:  # noqa: PTH123 # quicker
            file.write(FIRST_TO_GO)
    except OSError:  # a wish
        pass
    if not order["alone"]:  # else it has a process of its own for that
        kernel.control(kernel.ADOPT_ORPHANS, 1)
    if kernel.machine():
        kernel.give_up_privileges()
    if order["landlock"]:
        landlock.restrict(
            order["reads"],
            order["writes"],
            files=order["files"],
            network=order["network"],
            known=order["landlock"],
        )
    if kernel.machine():
        known = order["landlock"]
        system_calls.restrict(
            families=order["families"],
            alone=order["alone"],
            truncate=not order["files"] or known >= landlock.TRUNCATES,
        )


def _limit(name: str, limit: int) -> None:
    import resource  # not on Windows, where this module is imported as well

    kind = getattr(resource, name)
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    resource.setrlimit(kind, (limit, limit))
