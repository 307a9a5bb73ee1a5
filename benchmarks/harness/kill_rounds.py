"""Kill rounds: somebody is killed by SIGKILL while jobs run, and then nothing may be left behind.

A round is the work of `killed_host`: jobs at the same time in workers of a plugin with an
environment of its own, one more job, and rest. At a random moment of it one process is killed: the
host, a forkserver, a worker, a process that the plugin has started, or one of bubblewrap. At rest
(of a host that was killed: when the next one rests) it is looked for processes, descriptors, shared
memory and files that should not be there.
"""

from __future__ import annotations

import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.holding import Holding, holding
from harness.killed_host import PLUGIN

LEVELS = ("bubblewrap", "landlock", "none")
LONGEST_ROUND = 180.0
"""Seconds; whoever waits longer waits for ever."""
GONE_WITHIN = 20.0
"""Seconds that the kernel and the host get to clear up."""
LATEST = 0.7
"""Part of the time that a round takes, in which somebody is killed."""
OLD = 3600
"""Seconds by which what a killed host has left is made older, so that it is not taken for new."""
REASONS = re.compile(r"WorkerLost: The worker (ended|did not start)\b")


@dataclass(frozen=True)
class Process:
    """A process, as far as its role can be told from outside."""

    pid: int
    parent: int
    command: str


def below(pid: int) -> list[Process]:
    """A process, and all that it and its own have started, from the outside in."""
    found, waiting = [], [(pid, 0)]
    while waiting:
        one, parent = waiting.pop(0)
        with suppress(OSError):
            command = Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found.append(Process(one, parent, command))
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [(int(word), one) for word in (task / "children").read_text().split()]
    return found


def _called(name: str, tree: list[Process], *, outermost: bool) -> list[int]:
    """Processes with a name in their command, whose parents have it too, or have it not."""
    named = {one.pid for one in tree if name in one.command}
    return [one.pid for one in tree[1:] if one.pid in named and outermost != (one.parent in named)]


def _bubblewraps(tree: list[Process]) -> list[Process]:
    return [one for one in tree[1:] if Path(one.command.partition(" ")[0]).name == "bwrap"]


def _workers(tree: list[Process]) -> list[int]:
    apart = [one for one in tree if one not in _bubblewraps(tree)]
    servers = _called(FORKSERVER, apart, outermost=True)
    return [one.pid for one in apart if one.parent in servers]


FORKSERVER = "opsin.forkserver"
PARTIES: Mapping[str, Callable[[list[Process]], list[int]]] = {
    "host": lambda tree: [tree[0].pid],
    "forkserver": lambda tree: _called(
        FORKSERVER, [one for one in tree if one not in _bubblewraps(tree)], outermost=True
    ),
    "worker": _workers,
    "child": lambda tree: [one.pid for one in tree if one.parent in _workers(tree)],
    "bubblewrap": lambda tree: [one.pid for one in _bubblewraps(tree) if one.parent == tree[0].pid],
    "bubblewrap inside": lambda tree: [
        one.pid for one in _bubblewraps(tree) if one.parent != tree[0].pid
    ],
}
"""Whom to kill, among the processes from the host on."""


@dataclass
class Round:
    """What was done, and what came of it."""

    number: int
    level: str
    killed: str = ""
    left: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    rejections: list[float] = field(default_factory=list)
    """Seconds from the kill until the host had told of a job that failed for it."""
    seconds: float = 0.0

    @property
    def has_killed(self) -> bool:
        """Somebody was killed, and not only looked for."""
        return self.killed in PARTIES

    def words(self) -> str:
        """For people."""
        bad = "; ".join([*self.left, *self.wrong])
        return f"round {self.number}: {self.level}, {self.killed or 'nobody'} killed: {bad or 'ok'}"


class KillRounds:
    """Rounds in a folder of their own. The order of kills is that of a seed; their moments vary."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self._workspace, self._temporary = folder / "workspace", folder / "temporary"
        self._runtime = folder / "runtime"
        for one in (self._temporary, self._runtime):
            one.mkdir()
        self._plugin = folder / "victim.py"
        self._plugin.write_text(PLUGIN)
        self._marker = f"OPSIN_DATA={self._workspace}".encode()
        self._random = random.Random(seed)
        self._host: subprocess.Popen[bytes] | None = None
        self._rest: Holding | None = None
        self._events: list[dict[str, Any]] = []
        self._unread = b""
        self._usual: dict[str, float] = {}

    def close(self) -> None:
        """End the host."""
        if self._host is not None:
            self._host.kill()
            self._drop_host()

    def warm(self) -> None:
        """Rounds without a kill, which make the environment, and show what a host holds at rest."""
        for number, level in enumerate((LEVELS[-1], *LEVELS)):
            made = self.round(-1 - number, level, "")
            if made.wrong:
                raise RuntimeError(made.words())
            self._usual[level] = made.seconds
        assert self._host is not None
        self._rest = _held(self._host.pid)

    def rounds(self, count: int) -> Iterator[Round]:
        """Kill somebody, so many times: every party at every level in turn."""
        turns = [(level, party) for level in LEVELS for party in PARTIES]
        turns = [one for one in turns if one[0] == "bubblewrap" or not _wraps(one[1])]
        order: list[tuple[str, str]] = []
        for number in range(count):
            if not order:
                order = turns.copy()
                self._random.shuffle(order)
            yield self.round(number, *order.pop())

    def round(self, number: int, level: str, party: str) -> Round:
        """One round in which that party is killed; '': nobody is."""
        made, start = Round(number, level), time.monotonic()
        host = self._ready_host(made)
        assert host.stdin is not None
        host.stdin.write(f"{level}\n".encode())
        host.stdin.flush()
        killed_at, killed = 0.0, None
        if party:
            moment = start + self._random.uniform(0, LATEST) * self._usual[level]
            killed_at, killed = self._kill(host.pid, party, moment)
            made.killed = party if killed else f"no {party}"
        if killed == host.pid:
            self._drop_host()
            made.left += self._processes_left(0, but="bwrap")  # the next host ends one that waits
            self._let_time_pass()
        else:
            self._until("rest", made)
            self._look(made, host.pid, killed_at if killed else 0.0)
        made.seconds = time.monotonic() - start
        return made

    # ------------------------------------------------------------------ the host

    def _ready_host(self, made: Round) -> subprocess.Popen[bytes]:
        if self._host is None:
            variables = {
                "OPSIN_DATA": str(self._workspace),
                "TMPDIR": str(self._temporary),
                "XDG_RUNTIME_DIR": str(self._runtime),
            }
            program = Path(__file__).with_name("killed_host.py")
            self._host = subprocess.Popen(
                [sys.executable, program, self._workspace, self._plugin],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | variables,
                start_new_session=True,
            )
            self._until("ready", made)
        self._events.clear()
        return self._host

    def _drop_host(self) -> None:
        assert self._host is not None
        self._host.wait()
        for pipe in (self._host.stdin, self._host.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._host, self._unread = None, b""

    def _kill(self, host: int, party: str, moment: float) -> tuple[float, int | None]:
        """Kill one of a party, at that moment or as soon as there is one, before the rest."""
        time.sleep(max(0.0, moment - time.monotonic()))
        while not any(event["event"] == "rest" for event in self._events):
            tree = below(host)
            for pid in self._random.sample(found := PARTIES[party](tree), len(found)):
                if self._killed(pid, host):
                    return time.monotonic(), pid
            self._read(0.002)
        return 0.0, None

    def _killed(self, pid: int, host: int) -> bool:
        """Kill a process, if it is one of the host's still and not another one with its number."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            if not any(one.pid == pid for one in below(host)):
                return False
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _read(self, seconds: float) -> None:
        """Take what the host has told."""
        assert self._host is not None
        assert self._host.stdout is not None
        if select.select([self._host.stdout], [], [], seconds)[0]:
            data = os.read(self._host.stdout.fileno(), 2**16)
            if not data:
                raise RuntimeError(f"The host has ended with {self._host.wait()}.")
            *lines, self._unread = (self._unread + data).split(b"\n")
            self._events += map(json.loads, lines)

    def _until(self, event: str, made: Round) -> None:
        deadline = time.monotonic() + LONGEST_ROUND
        while not any(one["event"] == event for one in self._events):
            self._read(1.0)
            if time.monotonic() > deadline:
                said = "\n".join(map(str, self._events))
                tree = "\n".join(map(str, below(self._host.pid if self._host else 0)))
                raise RuntimeError(f"{made.words()}\nThe host is stuck.\n{said}\n{tree}")

    # ------------------------------------------------------------------ what is left

    def _look(self, made: Round, host: int, killed_at: float) -> None:
        """Judge what a host has told, and what there is at its rest."""
        names = [one["event"] for one in self._events]
        jobs = [one for one in self._events if one["event"] == "ended"]
        if jobs[-1]["state"] != "done":
            made.wrong.append(f"the next job was {jobs[-1]['state']}: {jobs[-1]['error']}")
        for one in jobs:
            expected = "not isolated" if made.level == "none" else made.level
            if one["state"] == "done" and not one["isolation"].startswith(expected):
                made.wrong.append(f"{one['operation']} ran {one['isolation']}")
            if one["state"] == "done":
                continue
            if not killed_at or not REASONS.match(one["error"] or ""):
                made.wrong.append(f"{one['operation']} was {one['state']}: {one['error']}")
            elif one["at"] > killed_at:
                made.rejections.append(one["at"] - killed_at)
        failed = [one for one in jobs if one["state"] != "done"]
        if made.killed == "child" and failed:
            made.wrong.append(f"{failed[0]['operation']} failed for a child: {failed[0]['error']}")
        if made.killed == "worker" and len(failed) > 1:
            made.wrong.append(f"{len(failed)} jobs failed for one worker: {failed}")
        if names.count("after") != 1 or self._events[-1]["workers"]:
            made.wrong.append(f"it told {names}, and of {self._events[-1]['workers']} workers")
        made.left += self._processes_left(host)
        deadline = time.monotonic() + GONE_WITHIN
        while left := self._files_left() + self._held_too_much(host):
            if time.monotonic() > deadline:
                made.left += left
                break
            time.sleep(0.02)

    def _let_time_pass(self) -> None:
        """A host was killed: what it has left is not young any more, and its results are seen."""
        for path in self._temporary.iterdir():
            os.utime(path, (time.time() - OLD,) * 2)
        for path in (self._workspace / "results").glob("*/[!.]*"):
            shutil.rmtree(path.parent)

    def _processes_left(self, host: int, but: str = "") -> list[str]:
        """Those that have not ended in time, without the host, and without what is called so."""
        deadline = time.monotonic() + GONE_WITHIN
        while left := [
            one for one in self._marked() if one != host and not (but and _name(one) == but)
        ]:
            if time.monotonic() > deadline:
                return [f"process {one}: {_described(one)}" for one in left]
            time.sleep(0.005)
        return []

    def _marked(self) -> Iterator[int]:
        """All processes that have come from a host here, wherever they are now."""
        for path in Path("/proc").iterdir():
            if path.name.isdigit():
                with suppress(OSError):
                    if self._marker in (path / "environ").read_bytes():
                        yield int(path.name)

    def _held_too_much(self, host: int) -> list[str]:
        return [] if self._rest is None else _held(host).less(self._rest)

    def _files_left(self) -> list[str]:
        places = (self._temporary, self._runtime, self._workspace / "results")
        found = [str(path) for place in places for path in place.iterdir()]
        return found + [str(path) for path in Path("/dev/shm").glob("*opsin*")]


def _held(pid: int) -> Holding:
    """What a process holds; files that lie about are looked at elsewhere."""
    return replace(holding(pid), files=frozenset())


def _wraps(party: str) -> bool:
    return party.startswith("bubblewrap")


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _described(pid: int) -> str:
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        kept = [line for line in status.splitlines() if line.startswith(("State", "PPid"))]
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return f"{kept} {command[-160:]}"
    return "gone by now"
