"""ImJoy's files, names and messages, strange ones: whether anything that reads them falls over.

For ten minutes (`--seconds`) all readers get strange texts in turn: the parser of files, forms and
requirements; plugin URIs, mirrors of npm and queries; manifests of repositories; protocol v1.
`wrong_errors` counts errors that are not meant for people, and `slow` ones that took longer than a
second; `memory_growth` is the memory at the end by that after the first tenth.
"""

from __future__ import annotations

import faulthandler
import os
import random
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
HANGS = 60.0
"""Seconds after which the program says where it hangs, and ends."""
SHOWN = 10


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--seconds", type=float, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="other texts")
    options = parser.parse_args()
    seconds = options.seconds or (QUICK if options.quick else SECONDS)
    draw = random.Random(options.seed)
    began, count, wrong, slow, first = time.monotonic(), 0, 0, 0, 0
    while (elapsed := time.monotonic() - began) < seconds:
        faulthandler.dump_traceback_later(HANGS, exit=True)
        for reader in READERS:
            given = reader.make(draw)
            before = time.monotonic()
            error = wrong_error(reader, given)
            slow += time.monotonic() - before > SLOW
            count += 1
            if error is not None:
                wrong += 1
                if wrong <= SHOWN:
                    print(f"{reader.name}: {given!r:.300}", file=sys.stderr)
                    traceback.print_exception(error)
        if not first and elapsed > seconds / 10:
            first = _memory()
    faulthandler.cancel_dump_traceback_later()
    figures = [
        Figure("texts_per_s", "1/s", count / seconds),
        Figure("wrong_errors", "", wrong + slow),
        Figure("memory_growth", "", _memory() / max(1, first or _memory())),
    ]
    conclude(MEASURES, figures, options.json)


def _memory() -> int:
    """Bytes that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
