"""Sandbox: what a worker may see and use, whatever enforces that. Pure."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

LevelName: TypeAlias = Literal["bubblewrap", "landlock", "not isolated", "in process"]

PER_PROCESSOR = 64
PROCESSES = 512
"""Processes and threads of a worker, and as many more for each processor."""


def _all_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not Linux, where this limits nothing
        return 2**40


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the computer a worker may take.

    Attributes:
        memory: bytes that each of its processes may have for itself.
        processes: and threads, of the worker and all that it starts.
        disk: bytes of its private folder.
    """

    memory: int = field(default_factory=_all_memory)
    processes: int = field(
        default_factory=lambda: PROCESSES + PER_PROCESSOR * (os.cpu_count() or 1)
    )
    disk: int = field(default_factory=lambda: _all_memory() // 2)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a worker may see beside the system, its environment and its private folder.

    Attributes:
        reads: files and folders that are handed over to be read.
        network: it may talk to other computers.
        variables: that it gets beside those that tell how to compute, or instead.
        gpu: it may use graphics cards.
    """

    reads: tuple[Path, ...] = ()
    network: bool = False
    gpu: bool = False
    limits: Limits = field(default_factory=Limits)
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """What isolates workers here.

    Attributes:
        enforced: what that does, in words.
    """

    name: LevelName
    enforced: tuple[str, ...] = ()

    @property
    def is_isolated(self) -> bool:
        """Whether anything is enforced."""
        return self.name in ("bubblewrap", "landlock")

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.enforced)})" if self.enforced else self.name
