"""The loader on a virtual clock: what is seen along camera paths, over many kinds of links.

The real planner, queue, loader, cache and view of Opsin, beside models of how neuroglancer, viv
and idetik choose, order, abort and keep chunks; the models of the first two come within a tenth of
what the real ones were recorded to ask for (`harness/sim/record.py`, tests/benchmarks). All have
the same image, link, decoding, memory and canvas: each point of it shows the target level, else the
nearest finer one, else the nearest coarser one that is there. Rivals aim at Opsin's target level
(the coarsest with a data pixel per device pixel). Nothing is measured: two runs give equal numbers.

For every path of tours/*.json, means over the links:

* first: seconds until no point of the canvas is blank; settle: from a rest's begin to its target.
* at target: share of the time in which the whole canvas shows the target level; sharp: mean share
  of the canvas that does.
* blur: mean over time and canvas of log2(size of the pixels shown / of the target level); blank: of
  the share that shows nothing of its slice, which blurs like one level beyond the coarsest.
* waste: chunks that came and were never drawn, per chunk that came; MB: that came over the link.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from statistics import fmean

from harness.side_by_side import Figure, arguments, conclude
from harness.sim.idetik import EXPLORATION, PLAYBACK, Idetik
from harness.sim.link import Conditions
from harness.sim.measures import Result
from harness.sim.neuroglancer import Neuroglancer
from harness.sim.opsin_viewer import OpsinViewer
from harness.sim.paths import Path, paths
from harness.sim.simulate import Viewer, World, simulate
from harness.sim.viv import Viv

from opsin.chunks.policy import POLICIES

MEASURES = "Camera paths on a virtual clock: the loader beside models of other viewers'"
LATENCIES = (0.0, 0.05, 0.1, 0.2)
BANDWIDTHS = (5e6, 20e6, 50e6)
QUICK = ((0.1, 20e6),)
QUICK_PATHS = ("jump", "pan", "play_t")
OURS = "opsin"
COLUMNS = ("first", "settle", "at target", "sharp", "blur", "blank", "waste", "MB")

Run = tuple[str, str, float, float]
"""Path, viewer, latency, bandwidth."""


def viewer(name: str, path: Path, policy: str | None) -> Callable[[World], Viewer]:
    """How to make a viewer, with what its user would choose for the path."""
    if name == OURS:
        chosen = POLICIES[policy or path.policy]
        return lambda world: OpsinViewer(world, chosen)
    if name == "idetik":
        profile = PLAYBACK if "t" in path.shape.axes else EXPLORATION
        return lambda world: Idetik(world, profile=profile)
    return {"neuroglancer": Neuroglancer, "viv": Viv}[name]


VIEWERS = (OURS, "neuroglancer", "viv", "idetik")


def one(run: Run, policy: str | None) -> Result:
    """One viewer on one path over one link."""
    name, who, latency, bandwidth = run
    path = paths()[name]
    return simulate(path, Conditions(latency, bandwidth), viewer(who, path, policy))


def row(results: Sequence[Result]) -> dict[str, float]:
    """Means over links, by column."""
    return {
        "first": fmean(r.first_content for r in results),
        "settle": fmean(r.settle for r in results),
        "at target": fmean(r.at_target for r in results),
        "sharp": fmean(r.sharp for r in results),
        "blur": fmean(r.blur for r in results),
        "blank": fmean(r.blank for r in results),
        "waste": fmean(r.waste for r in results),
        "MB": fmean(r.bytes for r in results) / 1e6,
    }


def figures_of(name: str, rows: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    """A path's figures: blur and time at target beside the best rival's, and waste."""
    rivals = [who for who in VIEWERS if who != OURS]
    sharpest = min(rivals, key=lambda who: rows[who]["blur"])
    soonest = max(rivals, key=lambda who: rows[who]["at target"])
    ours = rows[OURS]
    return [
        Figure(f"{name}_blur_vs_best", "levels", ours["blur"], rows[sharpest]["blur"], sharpest),
        Figure(
            f"{name}_at_target_vs_best",
            "of time",
            ours["at target"],
            rows[soonest]["at target"],
            soonest,
        ),
        Figure(f"{name}_waste", "of chunks", ours["waste"]),
    ]


def table(name: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    width = max(map(len, VIEWERS))
    print(f"{name:{width}}" + "".join(f"{column:>11}" for column in COLUMNS))
    for who, numbers in rows.items():
        print(f"{who:{width}}" + "".join(f"{numbers[column]:11.3f}" for column in COLUMNS))
    print(flush=True)


def main() -> None:
    known = paths()
    parser = arguments(MEASURES)
    parser.add_argument("--path", action="append", choices=sorted(known), help="only this one")
    parser.add_argument("--policy", choices=sorted(POLICIES), help="ours, on every path")
    parser.add_argument("--latency", type=float, action="append", metavar="MS")
    parser.add_argument("--bandwidth", type=float, action="append", metavar="MB/S")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    names = options.path or (QUICK_PATHS if options.quick else tuple(known))
    links = _links(options)
    figures: list[Figure] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in names:
            runs = [(name, who, *link) for who in VIEWERS for link in links]
            found = list(pool.map(one, runs, [options.policy] * len(runs)))
            results = dict(zip(runs, found, strict=True))
            rows = {who: row([results[name, who, *link] for link in links]) for who in VIEWERS}
            table(name, rows)
            figures += figures_of(name, rows)
    conclude(f"{MEASURES}; {len(links)} links", figures, options.json)


def _links(options: argparse.Namespace) -> list[tuple[float, float]]:
    if options.latency or options.bandwidth:
        latencies = [ms / 1000 for ms in options.latency or ()] or LATENCIES
        bandwidths = [mb * 1e6 for mb in options.bandwidth or ()] or BANDWIDTHS
        return list(product(latencies, bandwidths))
    return list(QUICK) if options.quick else list(product(LATENCIES, BANDWIDTHS))


if __name__ == "__main__":
    main()
