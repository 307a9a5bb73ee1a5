"""Trial: a call under conditions that a pure function does not notice, and a look at what it does.

As `opsin.worker_main`, which enters it, this needs the standard library only.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DAYS = 400 * 86400.0
"""Seconds by which the clocks of two trials differ."""
CODE = (".py", ".pyc", ".pyd", ".so")
OF_SYSTEM = ("/dev/", "/proc/", "/sys/", "/usr/share/zoneinfo/")
READS = ("open", "os.listdir", "os.scandir")
WORDS = {
    "os.exec": "it starts another program",
    "os.posix_spawn": "it starts another program",
    "os.system": "it starts another program",
    "subprocess.Popen": "it starts another program",
    "socket.bind": "it talks to others over the network",
    "socket.connect": "it talks to others over the network",
    "socket.getaddrinfo": "it talks to others over the network",
    "socket.sendto": "it talks to others over the network",
}
"""What an event of Python's audit says of a function."""

_found: list[str] | None = None
"""What the function does that its result may depend on; None: nobody looks."""
_own: tuple[str, ...] = ()
_is_listening = False


@contextmanager
def trial(number: int, file: str) -> Iterator[list[str]]:
    """Conditions that differ between numbers: the time, and how many processors there seem to be.

    Args:
        number: from 1; with 0 nothing is done.
        file: of the plugin. What lies beside it is not part of its environment.

    Yields a list of what was done meanwhile that a pure function does not do, in words.
    """
    global _found, _own, _is_listening  # noqa: PLW0603 # a hook stays for as long as the process
    if not number:
        yield []
        return
    if not _is_listening:
        sys.addaudithook(_hear)
        _is_listening = True
    beside = str(Path(file).parent)
    places = [sys.prefix, sys.base_prefix, tempfile.gettempdir(), *sys.path]
    _own = tuple(f"{os.path.realpath(one)}{os.sep}" for one in places if one and one != beside)
    before = {(place, name): getattr(place, name) for place, name in _CHANGED}
    found: list[str] = []
    _found = found
    try:
        for (place, name), made in _CHANGED.items():
            setattr(place, name, made(before[place, name], number))
        yield found
    finally:
        _found = None
        for (place, name), value in before.items():
            setattr(place, name, value)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    found = _found
    if found is None:
        return
    if event in WORDS:
        found.append(WORDS[event])
    elif event in READS:
        _judge(found, event, arguments)


def _judge(found: list[str], event: str, arguments: tuple[Any, ...]) -> None:
    path = arguments[0] if arguments else None
    if not isinstance(path, (str, bytes)):
        return  # a descriptor
    name = os.fsdecode(path)
    whole = os.path.realpath(name)
    if name.endswith(CODE) or name.startswith(OF_SYSTEM) or f"{whole}{os.sep}".startswith(_own):
        return
    flags = arguments[2] if event == "open" and len(arguments) > 2 else 0
    writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
    if event != "open" and whole in map(os.path.realpath, sys.path):
        return  # Python looks for modules
    found.append(f"it {'writes' if writes else 'reads'} {name}")


def _later(clock: Callable[[], Any], number: int, unit: float) -> Callable[[], Any]:
    return lambda: clock() + type(clock())(number * DAYS * unit)


def _later_by_default(told: Callable[..., Any], number: int) -> Callable[..., Any]:
    def changed(seconds: float | None = None, /) -> Any:
        return told(time.time() if seconds is None else seconds)

    return changed


_CHANGED: dict[tuple[Any, str], Callable[[Any, int], Any]] = {
    (time, "time"): lambda clock, number: _later(clock, number, 1),
    (time, "time_ns"): lambda clock, number: _later(clock, number, 1e9),
    (time, "localtime"): _later_by_default,
    (time, "gmtime"): _later_by_default,
    (time, "ctime"): _later_by_default,
    (os, "cpu_count"): lambda count, number: lambda: number,
}
"""What is not the same in two trials, and how."""
if hasattr(os, "sched_getaffinity"):
    _CHANGED[os, "sched_getaffinity"] = lambda told, number: lambda pid=0: set(range(number))
