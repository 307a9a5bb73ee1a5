"""Supervision: how long workers may take, how much memory, and how many there may be. Pure."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsin import option_values
from opsin.errors import UsageError

VARIABLE = "OPSIN_LIMITS"
"""Names limits, as in `time=600,memory=4G,workers=8`."""
PER_PROCESSOR, FEWEST = 2, 8
MORE_TIME = "give it more with --time-limit (time_limit in Python)"
MORE_MEMORY = "give it more with --memory-limit (memory_limit in Python)"


@dataclass(frozen=True, slots=True)
class Supervision:
    """What is granted to workers.

    Attributes:
        start: seconds in which a worker has to be there.
        idle: seconds for which one is kept that has nothing to do.
        time: seconds that a run may take, once it runs; None: as long as it takes.
        memory: bytes that a worker and all that it starts may take; None: all that there is.
        workers: that may be there at the same time.
    """

    start: float = 120.0
    idle: float = 300.0
    time: float | None = None
    memory: int | None = None
    workers: int = max(FEWEST, PER_PROCESSOR * (os.cpu_count() or 1))

    @classmethod
    def given(cls, variables: Mapping[str, str] = os.environ) -> Supervision:
        """What `OPSIN_LIMITS` says.

        Raises:
            UsageError: that cannot be understood.
        """
        found: dict[str, Any] = {}
        for word in filter(None, map(str.strip, variables.get(VARIABLE, "").split(","))):
            name, _, value = word.partition("=")
            if name not in _READ:
                raise UsageError(f"{VARIABLE} sets {', '.join(_READ)}, and not {name}.")
            try:
                found[name] = _understood(name, value)
            except UsageError as error:
                raise UsageError(f"{VARIABLE}: {name}: {error}") from None
        return cls(**found)

    def but(self, *, time: Any = None, memory: Any = None) -> Supervision:
        """The same with another limit for a run, where one is given: numbers, or words for them.

        Raises:
            UsageError: it is none.
        """
        changed: dict[str, Any] = {}
        if time is not None:
            changed["time"] = _understood("time", time)
        if memory is not None:
            changed["memory"] = _understood("memory", memory)
        return replace(self, **changed)

    def words(self) -> str:
        """What `OPSIN_LIMITS` would be to say the same to another process."""
        said = {name: getattr(self, name) for name in _READ}
        return ",".join(f"{name}={value}" for name, value in said.items() if value is not None)

    def over_time(self) -> str:
        """What a run failed for that took too long."""
        return (
            f"It was ended, because it took longer than {told_seconds(self.time or 0)}, "
            f"its time limit: {MORE_TIME}."
        )

    def over_memory(self, reason: str) -> str:
        """What a run failed for that was given no more memory."""
        return f"{reason}. Its memory limit is {told_size(self.memory or 0)}: {MORE_MEMORY}."


def _understood(name: str, value: Any) -> Any:
    """A limit, from a number or words for it.

    Raises:
        UsageError: it is none.
    """
    try:
        return _READ[name](str(value))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{error}.") from None


DEFAULT = Supervision()


def told_seconds(count: float) -> str:
    """So many seconds, in words."""
    return "1 second" if count == 1 else f"{count:g} seconds"


def told_size(count: int) -> str:
    """So many bytes, in words."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _count(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is no number of workers: give 1 or more")
    return int(value)


_READ: Mapping[str, Callable[[str], Any]] = {
    "start": option_values.seconds,
    "idle": option_values.seconds,
    "time": option_values.seconds,
    "memory": option_values.memory,
    "workers": _count,
}
