"""What a process holds: descriptors, shared mappings, memory, files in shared folders."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.links.measure import pss


@dataclass(frozen=True)
class Holding:
    """All but memory, which is never exactly the same twice."""

    descriptors: Counter[str]
    shared_mappings: int
    files: frozenset[str]

    def less(self, before: Holding) -> list[str]:
        """What was not there before, in words."""
        more = [f"{n} × {name}" for name, n in (self.descriptors - before.descriptors).items()]
        if self.shared_mappings > before.shared_mappings:
            more.append(f"{self.shared_mappings - before.shared_mappings} shared mappings")
        return more + sorted(self.files - before.files)


def holding(pid: int | str = "self", files: str = "opsin") -> Holding:
    """What a process holds now, and which files with that in their name lie about."""
    found: Counter[str] = Counter()
    process = Path(f"/proc/{pid}")
    for entry in (process / "fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:  # the one of this listing
            continue
        if not target.startswith("/proc/"):
            found[target.partition(":")[0]] += 1  # without the numbers of sockets and pipes
    maps = (process / "maps").read_text().splitlines()
    folders = (Path("/dev/shm"), Path(tempfile.gettempdir()))
    lying = frozenset(str(path) for folder in folders for path in folder.glob(f"*{files}*"))
    return Holding(found, sum("memfd:" in line for line in maps), lying)


def memory(*pids: int | str) -> float:
    """MiB."""
    return pss(pids) / 2**20
