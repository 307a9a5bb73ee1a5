"""Kill rounds: `kill -9` of any one process at a random moment, and nothing is left behind.

See `harness.kill_rounds`. Each of them is killed in turn: the host, a forkserver, a worker, a
process that the plugin has started, and those of bubblewrap; with workers isolated by bubblewrap,
by Landlock, and not at all. Whatever is left, or goes wrong, ends this with an error.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from harness.kill_rounds import LEVELS, KillRounds, Round
from harness.side_by_side import Figure, arguments, conclude

from opsin.workers.isolation.launch import works

MEASURES = "kill -9 of any process at a random moment: what is left, when jobs are rejected"
ROUNDS, QUICK_ROUNDS = 500, 14


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--seed", type=int, default=1, help="of the order of kills")
    options = parser.parse_args()
    count = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    lacking = [name for name in LEVELS[:2] if not works(name)]
    if lacking:
        raise SystemExit(f"{' and '.join(lacking)} cannot be had on this computer.")
    made: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="opsin-kills-") as folder:
        rounds = KillRounds(Path(folder), options.seed)
        try:
            rounds.warm()
            for one in rounds.rounds(count):
                made.append(one)
                if one.left or one.wrong:
                    print(one.words(), file=sys.stderr, flush=True)
        finally:
            rounds.close()
    killed = [one for one in made if one.has_killed]
    rejections = [seconds for one in made for seconds in one.rejections]
    figures = [
        Figure("kills", "rounds", len(killed)),
        Figure("left_behind", "rounds", sum(bool(one.left) for one in made)),
        Figure("gone_wrong", "rounds", sum(bool(one.wrong) for one in made)),
        Figure("rejected_jobs", "jobs", len(rejections)),
        Figure("rejection_ms", "ms", median(rejections or [0]) * 1e3),
        Figure("slowest_rejection_ms", "ms", max(rejections, default=0) * 1e3),
    ]
    conclude(MEASURES, figures, options.json)
    if any(one.left or one.wrong for one in made):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
