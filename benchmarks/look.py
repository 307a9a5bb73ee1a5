"""How soon a real browser shows an image, and how it feels to move in it.

A plain headless Chromium, which nothing listens to: the page itself opens the image, goes to ten
views (a camera change per animation frame, then a rest) and reports. Server, browser and profile
are fresh in every round; the browser has started before the clock does. Chromium draws in
software here, and counts uncovered pixels of every frame, so a frame takes longer than it would.

* first_content: from the navigation to the first frame that covers the image; target: to the frame
  that shows it as sharp as it gets; view_settled: the same from the last camera change of a view.
* input_latency: from a camera change to the first frame that shows it (or a later one);
  longest_frame_gap: the worst while moving.
* link: bytes that came over the view's socket; server_cpu: from the navigation to the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from harness.chromium import browser
from harness.demo import FULL, demo_image
from harness.measured_page import measured
from harness.side_by_side import Figure, arguments, conclude

MEASURES = "Opening an image in Chromium and looking at ten places: when what was on the canvas"
UNITS = {
    "first_content_ms": "ms",
    "target_ms": "ms",
    "view_settled_ms": "ms",
    "input_latency_ms": "ms",
    "longest_frame_gap_ms": "ms",
    "link_mib": "MiB",
    "server_cpu_s": "s of CPU",
}
BROWSER_STARTS_MS = 1500
LONGEST = 120.0
"""Seconds that a round may take."""

START_PAGE = f"""<!doctype html><title>Start</title><script>
setTimeout(() => {{
  location.href = "{{address}}&navigated=" + (performance.timeOrigin + performance.now());
}}, {BROWSER_STARTS_MS});
</script>"""


def look(image: Path) -> dict[str, Any]:
    """What the page reports of one tour."""
    with (
        measured("tour.js", image) as server,
        browser(server.page("measured", bare="", clear="ff00ff"), START_PAGE),
    ):
        report = server.report(LONGEST)
    assert report["failed"] == 0, f"{report['failed']} chunks failed"
    return report


def numbers(report: dict[str, Any]) -> dict[str, float]:
    """The figures of one tour."""
    began = report["navigated"]
    covered = (f["time"] for f in report["opening"] if f["inside"] and not f["uncovered"])
    settled = (f["time"] for f in report["opening"] if f["settled"])
    views = report["views"]
    latencies = [latency for view in views for latency in _latencies(view)]
    return {
        "first_content_ms": next(covered) - began,
        "target_ms": next(settled) - began,
        "view_settled_ms": median(_settled(view) for view in views),
        "input_latency_ms": median(latencies),
        "longest_frame_gap_ms": max(_longest_gap(view) for view in views),
        "link_mib": report["linkBytes"] / 2**20,
        "server_cpu_s": report["serverCpu"],
    }


def _shows(view: dict[str, Any]) -> list[tuple[float, int]]:
    """Of every frame of a camera of this view: when, and which camera, counted from 0."""
    numbers = {(*i["center"], i["zoom"]): number for number, i in enumerate(view["inputs"])}
    cameras = ((f["time"], numbers.get((*f["center"], f["zoom"]))) for f in view["frames"])
    return [(time, number) for time, number in cameras if number is not None]


def _latencies(view: dict[str, Any]) -> Iterator[float]:
    shows = _shows(view)
    for number, entry in enumerate(view["inputs"]):
        yield next(time for time, shown in shows if shown >= number) - entry["time"]


def _longest_gap(view: dict[str, Any]) -> float:
    """Between presented frames, from the first camera to the frame that shows the last."""
    shows = _shows(view)
    last = len(view["inputs"]) - 1
    end = next(time for time, shown in shows if shown == last)
    times = [time for time, _ in shows if time <= end]
    return max((b - a for a, b in pairwise(times)), default=0.0)


def _settled(view: dict[str, Any]) -> float:
    arrived: float = view["inputs"][-1]["time"]
    settled = (f["time"] for f in view["frames"] if f["settled"] and f["time"] > arrived)
    return float(next(settled)) - arrived


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--size", type=int, default=FULL, help="pixels of the image along y and x")
    options = parser.parse_args()
    image = demo_image(options.size)
    rounds = options.rounds or (2 if options.quick else 7)
    reports = [look(image) for _ in range(rounds)]
    found = [numbers(report) for report in reports]
    figures = [
        Figure(name, unit, median(one[name] for one in found)) for name, unit in UNITS.items()
    ]
    width, height = reports[0]["size"]
    about = f"{options.size} × {options.size} pixels, canvas {width} × {height}, {rounds} rounds"
    conclude(f"{MEASURES}; {about}", figures, options.json)


if __name__ == "__main__":
    main()
