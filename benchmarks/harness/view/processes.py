"""Processes: what all that this one started has taken, however it came to be started (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from harness.links.measure import pss

TICKS = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)


def cpu_seconds() -> float:
    """Of all children and theirs, those that have ended included where somebody waited for them."""
    ticks = 0
    for pid in _below(os.getpid()):
        with suppress(*GONE):
            # After the name, which may hold anything: state is field 3, CPU times are 14 to 17.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def memory() -> float:
    """MiB in memory, where what several share counts once."""
    total = 0
    for pid in _below(os.getpid()):
        with suppress(*GONE):
            total += pss([pid])
    return total / 2**20


def _below(pid: int) -> Iterator[int]:
    """All children, and theirs."""
    with suppress(*GONE):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(*GONE):
                for child in map(int, (thread / "children").read_text().split()):
                    yield child
                    yield from _below(child)
