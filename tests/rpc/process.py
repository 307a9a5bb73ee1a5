"""What a process holds, and how much it may."""

from __future__ import annotations

import gc
import os
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from opsin.rpc.pool import default_pool


def descriptors(pid: int | str = "self") -> Counter[str]:
    """Open descriptors of a process, by what they are (without numbers of sockets and pipes)."""
    found: Counter[str] = Counter()
    folder = Path(f"/proc/{pid}/fd")
    for entry in folder.iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:  # the one of this listing
            continue
        if not target.startswith("/proc/"):
            found[target.partition(":")[0]] += 1
    return found


def shared_mappings() -> int:
    """Mapped memory files of this process."""
    return sum("memfd:" in line for line in Path("/proc/self/maps").read_text().splitlines())


@contextmanager
def nothing_leaks() -> Iterator[None]:
    """After the block there are no more descriptors and shared mappings than before.

    There may be fewer: garbage of an earlier test that goes only now.
    """
    gc.collect()
    default_pool().trim()
    before = descriptors(), shared_mappings()
    yield
    gc.collect()
    default_pool().trim()
    after = descriptors(), shared_mappings()
    assert not after[0] - before[0], f"{before} before, {after} after"
    assert after[1] <= before[1], f"{before[1]} mappings before, {after[1]} after"


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """There is room for so many descriptors more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    gaps = [number for number in range(limits[0]) if not is_open(number)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (gaps[count], limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or is there only to be asked for its exit status."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
