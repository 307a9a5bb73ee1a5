"""What every program of this folder does: link two processes, measure one case, report as JSON.

    python -m harness.links.with_opsin CASE [--mode MODE] [--mib SIZE] [--count N]

Runs in the environments of peers too, with the standard library and NumPy and nothing else.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

AT_ONCE = 64
MIB = 2**20


class Link:
    """A process that calls, which is this one, and one that is called. A program does what it can.

    Attributes:
        others: ids of the processes beside this one.
        started: seconds from the start of the one that is called to its first reply.
    """

    others: Sequence[int] = ()
    started = 0.0

    def call(self, count: int, at_once: int = 1) -> None:
        """Add two small numbers there, so many times."""
        raise NotImplementedError

    def array(self, size: int) -> Any:
        """So many bytes to hand over."""
        raise NotImplementedError

    def hand(self, array: Any, count: int) -> list[float]:
        """Seconds, each time, from the call until the other process has read its first element."""
        raise NotImplementedError

    def echo(self, array: Any, count: int) -> list[float]:
        """Seconds, each time, from the call until the array has come back."""
        raise NotImplementedError

    def call_back(self, count: int) -> None:
        """Let the other side call a function of this one, one call after the other."""
        raise NotImplementedError

    def call_during(self, array: Any, at_least: int) -> list[float]:
        """Seconds of small calls, while the array is sent over the same link again and again."""
        raise NotImplementedError

    def close(self) -> None:
        """End both sides."""
        raise NotImplementedError


OpenLink = Callable[[str], Link]
Serve = Callable[[str, str], None]


class Other:
    """The process that is called: this very program, with `--serve ADDRESS`."""

    def __init__(self, program: str, mode: str, address: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="opsin-bench-"))  # of mode 0700
        self.address = address or str(self.folder / "socket")
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", program, "serve", "--address", self.address, "--mode", mode],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline().strip()
        assert self.said, "the other side ended before it was ready"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def say(word: str = "ready") -> None:
    """Tell who started this process that it can be called."""
    print(word, flush=True)


# ---------------------------------------------------------------------------------- what it costs


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, which may be another one (Linux)."""
    return time.clock_gettime(~pid << 3 | 2)


def pss(pids: Sequence[int | str]) -> int:
    """Bytes in memory, where what several processes share counts once."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


class Cost:
    """Wall time, and CPU time of both sides, of what is done in a `with`."""

    def __init__(self, link: Link) -> None:
        self._others = link.others

    def __enter__(self) -> Cost:
        self._cpu = self._cpu_now()
        self._wall = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = self._cpu_now() - self._cpu

    def _cpu_now(self) -> float:
        return time.process_time() + sum(map(cpu_seconds, self._others))


class Peak:
    """How much memory is added at most, on both sides, during a `with`."""

    def __init__(self, link: Link) -> None:
        self._pids: list[int | str] = ["self", *link.others]
        self._over = threading.Event()

    def __enter__(self) -> Peak:
        self._before = self._most = pss(self._pids)
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.bytes = self._most - self._before

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self._most = max(self._most, pss(self._pids))


# ---------------------------------------------------------------------------------- the cases


def _calls(link: Link, count: int, _size: int) -> dict[str, float]:
    link.call(count // 10 + 1)
    with Cost(link) as one:
        link.call(count)
    return {"wall": one.wall / count, "cpu": one.cpu / count}


def _in_flight(link: Link, count: int, _size: int) -> dict[str, float]:
    link.call(AT_ONCE, AT_ONCE)
    count = max(1, count // AT_ONCE) * AT_ONCE
    with Cost(link) as flight:
        link.call(count, AT_ONCE)
    return {"wall": flight.wall / count, "cpu": flight.cpu / count}


def _both(link: Link, count: int, size: int) -> dict[str, float]:
    flight = _in_flight(link, count, size)
    return {**_calls(link, count, size), **{f"flight_{k}": v for k, v in flight.items()}}


def _hand(link: Link, count: int, size: int) -> dict[str, float]:
    array = link.array(size)
    link.hand(array, 2)
    with Cost(link) as cost:
        taken = link.hand(array, count)
    return {"wall": median(taken), "cpu": cost.cpu / count}


def _echo(link: Link, count: int, size: int) -> dict[str, float]:
    array = link.array(size)
    link.echo(array, 2)
    with Cost(link) as cost:
        taken = link.echo(array, count)
    return {"wall": median(taken), "cpu": cost.cpu / count}


def _callbacks(link: Link, count: int, _size: int) -> dict[str, float]:
    link.call_back(count // 10 + 1)
    with Cost(link) as cost:
        link.call_back(count)
    return {"wall": cost.wall / count, "cpu": cost.cpu / count}


def _during(link: Link, count: int, size: int) -> dict[str, float]:
    array = link.array(size)
    link.call(20)
    waits = sorted(link.call_during(array, count))
    return {"p50": waits[len(waits) // 2], "p99": waits[len(waits) * 99 // 100]}


def _start(link: Link, _count: int, _size: int) -> dict[str, float]:
    return {"wall": link.started}


def _peak(link: Link, count: int, size: int) -> dict[str, float]:
    array = link.array(size)
    link.call(10)
    with Peak(link) as peak:
        link.echo(array, count)
    return {"bytes": peak.bytes}


CASES: dict[str, Callable[[Link, int, int], dict[str, float]]] = {
    "calls": _calls,
    "in_flight": _in_flight,
    "both": _both,
    "hand": _hand,
    "echo": _echo,
    "callbacks": _callbacks,
    "during": _during,
    "start": _start,
    "peak": _peak,
}


def main(open_link: OpenLink, serve: Serve) -> None:
    """What a program does when it is run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*CASES, "serve"])
    parser.add_argument("--address", default="")
    parser.add_argument("--mode", default="")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--mib", type=int, default=0)
    options = parser.parse_args()
    if options.case == "serve":
        serve(options.address, options.mode)
        return
    link = open_link(options.mode)
    try:
        found = CASES[options.case](link, options.count, options.mib * MIB)
    finally:
        link.close()
    print(json.dumps(found))
