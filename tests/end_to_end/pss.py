"""Memory of a process, as the system counts it, sampled from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil  # type: ignore[import-untyped]

EVERY = 0.05
"""Seconds between two samples."""


@dataclass
class Samples:
    """When, and bytes of PSS: what several processes share counts once."""

    taken: list[tuple[float, int]] = field(default_factory=list)

    @property
    def peak(self) -> int:
        return max(size for _, size in self.taken)


def pss(pid: int, alone: bool = False) -> int:
    """Bytes now, with all that it started or `alone`; of a process that has just ended, none."""
    try:
        family = [psutil.Process(pid)]
        family += [] if alone else family[0].children(recursive=True)
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


@contextmanager
def sampled(pid: int, alone: bool = False) -> Iterator[Samples]:
    """Samples within a `with`, at least one, as `pss` takes them."""
    samples = Samples()
    over = threading.Event()

    def watch() -> None:
        while True:
            samples.taken.append((time.monotonic(), pss(pid, alone)))
            if over.wait(EVERY):
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
