"""ImJoy's files, names and messages, strange ones: whether anything that reads them falls over.

For ten minutes (`--seconds`) all readers get strange texts in turn: the parser of files, forms and
requirements; plugin URIs, mirrors of npm and queries; manifests of repositories; protocol v1. At
the same time those of the page, in node, get strange values and messages of v1.
`wrong_errors` counts errors that are not meant for people, and texts that took more than a second;
`memory_growth` is the memory at the end by that after the first tenth; `page_…` the same of node.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

from harness.corpus.strange_texts import READERS, wrong_error
from harness.side_by_side import Figure, arguments, conclude

MEASURES = "Strange files, names and messages of ImJoy: errors that are none of ours"
SECONDS = 600.0
QUICK = 10.0
SLOW = 1.0
"""Seconds of the processor."""
HANGS = 60.0
"""Seconds after which the program says where it hangs, and ends."""
SHOWN = 10
IN_NODE = Path(__file__).parents[1] / "web" / "tests" / "imjoy" / "long_fuzz.ts"


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--seconds", type=float, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="other texts")
    options = parser.parse_args()
    seconds = options.seconds or (QUICK if options.quick else SECONDS)
    page = _of_the_page(seconds, options.seed)
    draw = random.Random(options.seed)
    began, count, wrong, slow, first = time.monotonic(), 0, 0, 0, 0
    while (elapsed := time.monotonic() - began) < seconds:
        faulthandler.dump_traceback_later(HANGS, exit=True)
        for reader in READERS:
            given = reader.make(draw)
            before = time.process_time()
            error = wrong_error(reader, given)
            if (took := time.process_time() - before) > SLOW:
                slow += 1
                print(f"{reader.name}: {took:.1f} s for {given!r:.300}", file=sys.stderr)
            count += 1
            if error is not None:
                wrong += 1
                if wrong <= SHOWN:
                    print(f"{reader.name}: {given!r:.300}", file=sys.stderr)
                    traceback.print_exception(error)
        if not first and elapsed > seconds / 10:
            first = _memory()
    faulthandler.cancel_dump_traceback_later()
    told = _told(page)
    figures = [
        Figure("texts_per_s", "1/s", count / seconds),
        Figure("wrong_errors", "", wrong + slow),
        Figure("memory_growth", "", _memory() / max(1, first or _memory())),
        Figure("page_texts_per_s", "1/s", told["count"] / seconds),
        Figure("page_wrong_errors", "", told["wrong"]),
        Figure("page_memory_growth", "", told["last"] / max(1, told["first"])),
    ]
    conclude(MEASURES, figures, options.json)


def _of_the_page(seconds: float, seed: int) -> subprocess.Popen[str]:
    """Node, which does the same with what reads v1 in the page."""
    node = Path(sys.executable).with_name("node")
    if not node.is_file():
        raise SystemExit(f"There is no {node}: run `make setup`.")
    command = (node, IN_NODE, f"{seconds:g}", str(seed))
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _told(page: subprocess.Popen[str]) -> dict[str, int]:
    """What node counted; one that hangs, or that has ended before, counts as wrong."""
    try:
        answer, _ = page.communicate(timeout=HANGS)
        told: dict[str, int] = json.loads(answer)
    except (subprocess.TimeoutExpired, ValueError):
        page.kill()
        page.wait()
        return {"count": 0, "wrong": 1, "first": 1, "last": 1}
    return told


def _memory() -> int:
    """Bytes that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
