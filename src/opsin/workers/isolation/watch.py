"""Watch: whether a worker and all that it has started keep within their limits, taken together.

The kernel limits each process, and root's not in number. So the host looks from time to time.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from opsin.workers.isolation.sandbox import Limits
from opsin.workers.supervision import told_size

INTERVAL = 0.5
"""Seconds between two looks."""
SHARE = 10
"""Times as long as a look took is waited before the next."""


class Watch:
    """Looks at one worker.

    Args:
        pid: of the process that was started; those that it starts count as well.
        folder: what it writes there counts; None: the file system limits that itself.
        remedy: what is said of too much memory, after that.

    Attributes:
        pause: seconds until the next look.
    """

    def __init__(self, pid: int, limits: Limits, folder: Path | None, remedy: str = "") -> None:
        self._pid = pid
        self._remedy = remedy
        self._limits = limits
        self._folder = folder
        self.pause = INTERVAL
        self._seen: dict[int, int] = {}

    def excess(self) -> str | None:
        """What it has too much of, in words; None if nothing. Takes a while: not for a loop."""
        start = time.perf_counter()
        try:
            return self._excess()
        finally:
            self.pause = max(INTERVAL, SHARE * (time.perf_counter() - start))

    def end_strays(self) -> None:
        """Kill what the worker has started, as far as it was seen, wherever it is now."""
        with suppress(OSError):
            self._look()
        for pid, began in self._seen.items():
            if pid != self._pid and began and _began(pid) == began:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def _excess(self) -> str | None:
        limits, threads = self._limits, self._look()
        if threads > limits.processes:
            return f"it had more than {limits.processes} processes and threads"
        # What they share counts several times in the first sum, which costs little.
        if all(sum(map(taken, self._seen)) > limits.memory for taken in (_resident, _proportional)):
            return f"it took more than {told_size(limits.memory)} of memory{self._remedy}"
        if self._folder is not None and _size(self._folder, limits.disk) > limits.disk:
            return f"it wrote more than {told_size(limits.disk)} into its temporary folder"
        return None

    def _look(self) -> int:
        """Find all processes; how many threads they have."""
        waiting, seen, count = [self._pid], dict[int, int](), 0
        while waiting and count <= self._limits.processes:
            pid = waiting.pop()
            seen[pid] = _began(pid)
            with suppress(OSError), os.scandir(f"/proc/{pid}/task") as tasks:
                for task in tasks:
                    count += 1
                    waiting += map(int, Path(task.path, "children").read_text().split())
        if seen.keys() - {self._pid}:  # else it may have ended, and left others behind
            self._seen = seen
        return count


def _began(pid: int) -> int:
    """When a process began, in the kernel's ticks; 0 if it is not there."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return 0


def _resident(pid: int) -> int:
    with suppress(OSError, IndexError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _proportional(pid: int) -> int:
    """Bytes of memory; of what several processes have, each counts its share."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                return int(line.split()[1]) * 1024
    return 0


def _size(folder: Path, enough: int) -> int:
    """Bytes on the disk of what lies in a folder; not all is counted if there are `enough`."""
    found, waiting = 0, [str(folder)]
    while waiting and found <= enough:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for one in entries:
                with suppress(OSError):
                    found += one.stat(follow_symlinks=False).st_blocks * 512
                    if one.is_dir(follow_symlinks=False):
                        waiting.append(one.path)
    return found
