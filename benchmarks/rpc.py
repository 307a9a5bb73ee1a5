"""The RPC beside its peers and the floor: calls, callbacks, arrays, a busy link, the browser.

Each case runs in fresh processes, ours and the peers' in turn, each in an environment of its own
(made on first use: `harness/environments.py`). The programs are in `harness/links/`, and say what
they measure; what is given is the median over rounds. Whole calls are measured, through the public
interface: from the call until the other process has read the first element of an array (`array_…`),
or until the answer is here.

A peer whose environment cannot be made is left out: then its figures have no ratio.

* Rates are higher-is-better, so their ratio is our rate / the peer's; all else is lower-is-better.
* CPU is that of all processes of a link together.
* Peers: hypha-rpc (with its server), Appose, pyzmq. Floors: msgpack frames over the same kind of
  socket, bytes over it, bare descriptor passing, one memcpy into fresh pages, a bare WebSocket.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from harness.environments import python_of
from harness.side_by_side import Figure, alternate, arguments, conclude

MEASURES = "calls and arrays between two processes, and to a page, beside peers and the floor"
HERE = Path(__file__).parent
LONGEST = 300.0
"""Seconds that one case may take."""


@dataclass(frozen=True)
class Case:
    """One case of one program, in fresh processes."""

    program: str
    case: str
    mode: str = ""
    mib: int = 0
    count: int = 1

    def __str__(self) -> str:
        size = f" of {self.mib} MiB" if self.mib else ""
        return f"{self.program}: {self.case}{size} {self.mode}".rstrip()


@dataclass(frozen=True)
class Comparison:
    """A figure: one number of our case, and of a peer's."""

    name: str
    unit: str
    ours: Case
    peer: Case
    key: str = "wall"
    convert: Callable[[float], float] = float


def _per_second(seconds: float) -> float:
    return 1 / seconds


def _ms(seconds: float) -> float:
    return seconds * 1e3


def _us(seconds: float) -> float:
    return seconds * 1e6


def _mib(count: float) -> float:
    return count / 2**20


def calls(quick: bool) -> list[Comparison]:
    """Small calls, callbacks, the start of a worker."""
    many, some, few = (2000, 200, 128) if quick else (5000, 400, 320)
    ours = Case("opsin", "both", count=many)
    floor = Case("floor", "both", "calls", count=many)
    hypha = Case("hypha", "both", count=few)
    appose = Case("appose", "calls", count=some)
    rate, cpu = ("calls/s", _per_second), ("µs of CPU", _us)
    found = [
        *_compare("small_call", rate, ours, {"hypha": hypha, "appose": appose, "floor": floor}),
        *_compare("small_call_cpu", cpu, ours, {"floor": floor, "hypha": hypha}, "cpu"),
        *_compare("in_flight_64", rate, ours, {"hypha": hypha, "floor": floor}, "flight_wall"),
        *_compare("in_flight_64_cpu", cpu, ours, {"floor": floor}, "flight_cpu"),
    ]
    if quick:
        return found
    zmq = Case("pyzmq", "both", count=many)
    blocking = Case("floor", "calls", "blocking", count=many)
    plain = Case("opsin", "calls", "plain", count=many)
    back, hypha_back = (
        Case("opsin", "callbacks", count=1000),
        Case("hypha", "callbacks", count=1000),
    )
    started = {peer: Case(peer, "start") for peer in ("appose", "pyzmq", "hypha")}
    return [
        *found,
        *_compare("small_call", rate, ours, {"pyzmq": zmq}),
        *_compare("small_call_plain", rate, plain, {"appose": appose}),
        *_compare("small_call_cpu", cpu, ours, {"pyzmq": zmq, "blocking": blocking}, "cpu"),
        *_compare("in_flight_64", rate, ours, {"pyzmq": zmq}, "flight_wall"),
        *_compare("callbacks", rate, back, {"hypha": hypha_back}),
        *_compare("start", ("ms", _ms), Case("opsin", "start"), started),
    ]


def arrays(quick: bool) -> list[Comparison]:
    """Arrays of 1, 64 and 512 MiB, there, and there and back."""
    found = []
    for mib in (512,) if quick else (1, 64, 512):
        count = {1: 30, 64: 7, 512: 3}[mib]

        def case(program: str, mode: str, what: str = "hand", n: int = count, m: int = mib) -> Case:
            return Case(program, what, mode, m, n)

        name, ms = f"array_{mib}", ("ms", _ms)
        by_ref, bare = case("opsin", "ref", n=50), case("floor", "ref", n=50)
        memcpy = case("floor", "fresh")
        fresh, recycled = case("opsin", "fresh"), case("opsin", "recycled")
        appose = case("appose", "ref", n=30)
        found += _compare(f"{name}_by_ref", ms, by_ref, {"bare": bare, "appose": appose})
        found += _compare(f"{name}_fresh", ms, fresh, {"memcpy": memcpy})
        found += _compare(f"{name}_recycled", ms, recycled, {"memcpy": memcpy})
        if quick:
            continue
        copies = {"numpy_copy": case("floor", "numpy"), "appose": case("appose", "fresh")}
        found += _compare(f"{name}_fresh", ms, fresh, copies)
        by_value = {"floor": case("floor", "value"), "pyzmq": case("pyzmq", "value")}
        if mib <= 64:
            by_value["hypha"] = case("hypha", "value", n=5 if mib == 1 else 1)
        found += _compare(f"{name}_by_value", ms, case("opsin", "value"), by_value)
        for mode in ("ref", "fresh", "recycled", "value"):
            peers = {"pyzmq": case("pyzmq", "value", "echo")}
            found += _compare(f"echo_{mib}_{mode}", ms, case("opsin", mode, "echo"), peers)
    return found


def busy(quick: bool) -> list[Comparison]:
    """A small call during a transfer of 256 MiB on the same link; memory that 64 MiB take."""
    during = Case("opsin", "during", "value", 256, 200)
    peer = {"pyzmq": Case("pyzmq", "during", "value", 256, 4 if quick else 20)}
    found = [
        *_compare("small_during_large_p99", ("ms", _ms), during, peer, "p99"),
        *_compare("small_during_large_p50", ("ms", _ms), during, peer, "p50"),
    ]
    for mode in () if quick else ("ref", "fresh", "value"):
        ours, zmq = Case("opsin", "peak", mode, 64, 3), Case("pyzmq", "peak", "value", 64, 3)
        found += _compare(f"peak_echo_64_{mode}", ("MiB", _mib), ours, {"pyzmq": zmq}, "bytes")
    return found


def browser(_quick: bool) -> list[Comparison]:
    """64 MiB to a page in Chromium."""
    ours, peer = (Case("browser", "hand", mode, 64, 5) for mode in ("rpc", "bare"))
    return _compare("browser_64", ("ms", _ms), ours, {"bare_socket": peer})


def _compare(
    name: str,
    how: tuple[str, Callable[[float], float]],
    ours: Case,
    peers: dict[str, Case],
    key: str = "wall",
) -> list[Comparison]:
    """A figure for each peer, named after it; of a busy link there is one peer, and no name."""
    unit, convert = how
    alone = name.startswith("small_during")
    return [
        Comparison(f"{name}_ms" if alone else f"{name}_vs_{peer}", unit, ours, case, key, convert)
        for peer, case in peers.items()
    ]


# ---------------------------------------------------------------------------------- running them


class Programs:
    """Runs cases, each with the interpreter that has what its program needs."""

    def __init__(self) -> None:
        self._pythons: dict[str, Path | None] = dict.fromkeys(
            ("opsin", "floor", "browser"), Path(sys.executable)
        )

    def can_run(self, case: Case) -> bool:
        if case.program not in self._pythons:
            self._pythons[case.program] = python_of(case.program)
        return self._pythons[case.program] is not None

    def run(self, case: Case) -> dict[str, float]:
        python = self._pythons[case.program]
        assert python is not None
        options = ["--mode", case.mode, "--mib", str(case.mib), "--count", str(case.count)]
        environment = {**os.environ, "PYTHONPATH": str(HERE)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a start would be that of a compiler
        process = subprocess.Popen(
            [python, "-m", f"harness.links.with_{case.program}", case.case, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # what it has started ends with it
        )
        try:
            out, errors = process.communicate(timeout=LONGEST)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            raise SystemExit(f"{case} failed:\n{errors[-2000:]}")
        found: dict[str, float] = json.loads(out.splitlines()[-1])
        return found


def measure(comparisons: Sequence[Comparison], rounds: int) -> list[Figure]:
    """Run every case once per round, ours and the peers' in turn."""
    programs = Programs()
    wanted = [case for one in comparisons for case in (one.ours, one.peer)]
    cases = [case for case in dict.fromkeys(wanted) if programs.can_run(case)]
    found = alternate({case: partial(programs.run, case) for case in cases}, rounds)

    def number(one: Comparison, case: Case) -> float:
        return one.convert(median(result[one.key] for result in found[case]))

    figures = []
    for one in comparisons:
        peer, said = None, f"{one.peer.program} is not here"
        if one.peer in found:
            peer, said = number(one, one.peer), f"{one.peer.program} {one.peer.mode}".strip()
        figures.append(Figure(one.name, one.unit, number(one, one.ours), peer, said))
    return figures


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="figures with this in their name")
    options = parser.parse_args()
    quick: bool = options.quick
    comparisons = [one for part in (calls, arrays, busy, browser) for one in part(quick)]
    if options.only:
        comparisons = [one for one in comparisons if any(w in one.name for w in options.only)]
    figures = measure(comparisons, options.rounds or (1 if quick else 5))
    conclude(MEASURES, figures, options.json)


if __name__ == "__main__":
    main()
