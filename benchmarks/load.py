"""Load: 50 workers and 200 calls in flight for ten minutes. No answer is lost, memory stays flat.

See `harness.load`. The workers are isolated as well as this computer can, and begin with the load.
The time of a small call contains its wait for a worker, with 150 others before it. An answer that
is lost or wrong, or memory that grows, ends this with an error.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from harness.load import load
from harness.side_by_side import Figure, arguments, conclude

MEASURES = "Many workers and calls in flight: what is lost, memory, seconds of a small call"
WORKERS, IN_FLIGHT, SECONDS = 50, 200, 600.0
QUICK = 10, 40, 10.0
FILLED, GROWTH = 120.0, 1.2
"""Seconds after which the second and the last third of a run may differ by no more than this."""
REST_MIB = 48.0
"""What chance may add to the host, when all is over."""


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--in-flight", type=int)
    options = parser.parse_args()
    workers, in_flight, seconds = QUICK if options.quick else (WORKERS, IN_FLIGHT, SECONDS)
    workers, in_flight = options.workers or workers, options.in_flight or in_flight
    seconds = options.seconds or seconds
    with tempfile.TemporaryDirectory(prefix="opsin-load-") as folder:
        made = asyncio.run(load(Path(folder), workers, in_flight, seconds))
    third = len(made.memories) // 3
    first, last = median(made.memories[third : 2 * third]), median(made.memories[-third:])
    half, late = np.percentile(made.small, [50, 99])
    figures = [
        Figure("workers", "", made.workers),
        Figure("calls_per_s", "1/s", made.calls / seconds),
        Figure("lost_calls", "calls", len(made.lost)),
        Figure("small_call_p50_ms", "ms", float(half) * 1e3),
        Figure("small_call_p99_ms", "ms", float(late) * 1e3),
        Figure("memory_first_mib", "MiB", first),
        Figure("memory_last_mib", "MiB", last),
        Figure("memory_growth", "times", last / first),
        Figure("rest_before_mib", "MiB", made.rest[0]),
        Figure("rest_after_mib", "MiB", made.rest[1]),
    ]
    conclude(MEASURES, figures, options.json)
    if made.lost:
        raise SystemExit(f"{len(made.lost)} calls were lost: {made.lost[:5]}")
    if seconds >= FILLED and last > first * GROWTH:
        raise SystemExit(f"Memory grew from {first:.0f} to {last:.0f} MiB.")
    if made.rest[1] - made.rest[0] > REST_MIB:
        raise SystemExit(
            f"At rest, the host grew from {made.rest[0]:.0f} to {made.rest[1]:.0f} MiB."
        )


if __name__ == "__main__":
    main()
