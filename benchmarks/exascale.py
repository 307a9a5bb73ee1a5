"""Flights through images that nothing could hold, and how soon one sees where one is.

A Mandelbrot set of 2^27 × 2^27 pixels, a stop at every level from the coarsest to the finest, at
512 × 384; and a Mandelbulb of 2^20 voxels cubed (an exabyte), down to single voxels, at 256 × 256
and with 64 bricks at most. Both are generated as they are looked at, by the loader and the renderer
of `opsin.snapshot`, in 512 MiB. Between two stops the camera glides over six views, which it leaves
before they are loaded. The flights have a process of their own, whose memory is sampled from
outside. The last frame of every stop is written as a PNG.

* first_content: from the last movement until 95 % of the foreground (what is more than 8/255 above
  black) is within 10/255 of the last frame, both reduced 16 times.
* covered: until there is something everywhere; target: until all is as sharp as it gets.
* waste: chunks that were generated for nothing, as a share of all.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from statistics import median
from typing import Any

from harness.demo import CACHE
from harness.holding import memory
from harness.side_by_side import Figure, arguments, conclude

MEASURES = "Flights through the Mandelbrot set and the Mandelbulb: how soon each stop is seen"
SAMPLED_EVERY = 0.1
TIMES = ("first_content", "covered", "target")


def fly(folder: Path, quick: bool) -> tuple[list[dict[str, Any]], float]:
    """What is reported of the flights, and the most memory of their process, in MiB (PSS)."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "harness.flight", str(folder), *["--quick"] * quick]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
    )
    most = 0.0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(SAMPLED_EVERY):
            try:
                most = max(most, memory(process.pid))
            except (FileNotFoundError, ProcessLookupError):  # it has ended
                return

    watching = threading.Thread(target=watch)
    watching.start()
    assert process.stdout is not None
    reports = [json.loads(line) for line in process.stdout]
    over.set()
    watching.join()
    if process.wait() != 0:
        raise SystemExit(f"The flight has ended with status {process.returncode}.")
    return reports, most


def show(report: dict[str, Any]) -> None:
    """A line per stop."""
    print(f"{report['name']:12}  bricks  " + "  ".join(f"{name:>13}" for name in TIMES))
    for stop in report["stops"]:
        times = "  ".join(f"{stop[name] * 1000:10.0f} ms" for name in TIMES)
        print(f"  {stop['name']:10}  {stop['bricks']:6}  {times}")
    print(f"  {report['generated']} chunks, {report['wasted']} of them for nothing\n")


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument(
        "--frames", type=Path, default=CACHE / "exascale", metavar="FOLDER", help="for the frames"
    )
    options = parser.parse_args()
    rounds = options.rounds or 1
    flights = [fly(options.frames, options.quick) for _ in range(rounds)]
    for report in flights[0][0]:
        show(report)
    figures: list[Figure] = []
    for number, name in enumerate(("mandelbrot", "mandelbulb")):
        reports = [reports[number] for reports, _ in flights]
        for what in TIMES:
            times = [stop[what] * 1000 for report in reports for stop in report["stops"]]
            figures.append(Figure(f"{name}_{what}_ms", "ms", median(times)))
        figures += [
            Figure(
                f"{name}_cache_peak_mib",
                "MiB",
                max(report["cache_peak"] for report in reports) / 2**20,
            ),
            Figure(f"{name}_chunks", "chunks", median(r["generated"] for r in reports)),
            Figure(
                f"{name}_waste", "of all", median(r["wasted"] / r["generated"] for r in reports)
            ),
        ]
    figures.append(Figure("pss_peak_mib", "MiB", max(most for _, most in flights)))
    conclude(MEASURES, figures, options.json)
    print(f"Frames: {options.frames}")


if __name__ == "__main__":
    main()
