"""Workers: seconds from asking for one until its first reply, beside Appose.

The environments are there already. In a process of its own, one worker is started and stays; then
further ones of the same environment are started, and each sums an array of 64 × 64 that lies in
shared memory. `vs_appose` is the median of these further ones, isolated as well as this computer
can; `landlock` and `not_isolated` say what that costs, `first` is the first one of a process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from harness.environments import python_of
from harness.side_by_side import Figure, alternate, arguments, conclude

from opsin.workers.isolation.launch import works

MEASURES = "Starting a worker: seconds until its first reply, Opsin beside Appose"
STARTS = Path(__file__).parent / "harness" / "starts"
LONGEST = 300.0
LEVELS = {"bubblewrap": "bubblewrap", "landlock": "landlock", "not_isolated": "none"}


def measured(command: list[str | Path], isolation: str = "") -> list[float]:
    """The seconds that each start took."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LONGEST,
        check=True,
        env=os.environ | ({"OPSIN_ISOLATION": isolation} if isolation else {}),
    )
    seconds: list[float] = json.loads(done.stdout)
    return seconds


def main() -> None:
    parser = arguments(MEASURES)
    options = parser.parse_args()
    count = str(1 if options.quick else 10)
    levels = [name for name in ("bubblewrap", "landlock") if works(name)]
    with tempfile.TemporaryDirectory() as folder:
        ours: list[str | Path] = [sys.executable, STARTS / "with_opsin.py", count, folder]
        cases = {name: partial(measured, ours, LEVELS[name]) for name in (*levels, "not_isolated")}
        appose = python_of("appose")
        if appose is not None:
            cases["appose"] = partial(measured, [appose, STARTS / "with_appose.py", count])
        runs = alternate(cases, options.rounds or (1 if options.quick else 5))
    further = {
        name: median(one for run in several for one in run[1:]) for name, several in runs.items()
    }
    first = {name: median(run[0] for run in several) for name, several in runs.items()}
    peer, name = further.get("appose"), "appose" if appose is not None else ""
    best = next(iter(cases))
    figures = [
        Figure("vs_appose", "s", further[best], peer, name),
        *(
            Figure(f"{one}_vs_appose", "s", further[one], peer, name)
            for one in (*levels, "not_isolated")
        ),
        Figure("first_vs_appose", "s", first[best], first.get("appose"), name),
    ]
    conclude(f"{MEASURES} ({best.replace('_', ' ')})", figures, options.json)


if __name__ == "__main__":
    main()
