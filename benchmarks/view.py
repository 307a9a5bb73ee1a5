"""Opsin, neuroglancer and viv led along the same tours of the same images, in the same Chromium.

2D: a slide of 16384 × 16384 pixels, opened at half its size, ten pans and zooms, thrown once; and a
stack, played through. 3D: 1024 × 512 × 512 voxels, opened whole, turned, zoomed into. Canvas 512 ×
384, drawn in software. Browser, profile and server are fresh in every run; the viewers take turns.

All three read the same OME-Zarr from the same HTTP server, which answers every request for a file
of the image 0 or 40 ms late, whoever asks. For neuroglancer (the client of its PyPI wheel) and viv
(npm, a page of a few lines) that lies between browser and image. Opsin's server runs beside the
browser, as with `opsin view`, so that for it too the image is far and nothing else is; it opens the
image when the browser sets out for the page. Chromium asks one server for six files at once, that
server for as many as it likes. Pages and scripts come without delay.

What is on the canvas is seen by `captureStream`, in a worker of the page: when each frame came, and
as many pictures as can be copied, which are fewer of a canvas that a worker draws. Of such a canvas
the stream may lag or lose its end on a busy computer: when nothing has come for 0.2 s the canvas
itself is looked at, again and again until the end, and what the stream lacks counts as come then
(`lost`). Times of frames are good to about 10 ms. No developer tools listen; the page reports by
itself.

A run counts only if every picture in which a move ended agrees with one that NumPy alone computes;
else it is repeated, once. In 3D, which has to be asked for, it need only show something: viv shows
next to nothing of levels that are halved along z, as these are.

* first_content: from setting out until 95 % of the foreground (what is more than 8/255 above the
  darkest) is within 10/255 of the final picture, both reduced 16 times; target: until every pixel
  is within 1/255 of it, for good.
* frame_gap: the longest time without a new frame while the camera moves; stall: the longest time
  that the page's main thread did not answer, opening included.
* store_bytes: of the image, read from its server; link_bytes: of it, come into the browser.
* cpu: of all processes (the browser's and Opsin's server), from setting out to the end.
* Beside these, which have no aim: view_target, from the end of a move to its final picture;
  latency, from the first camera of a move to the first frame that differs; blank, clear colour
  where there is image; pss, memory of all processes at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import imagecodecs
from harness.demo import CACHE, FULL
from harness.side_by_side import Figure, alternate, arguments, conclude
from harness.view import data
from harness.view.lead import lead, read_tour
from harness.view.outcome import UNITS, Run, joined
from harness.view.viewers import VIEWERS, Viewer

MEASURES = "Three viewers on the same tours of the same images"
AIMED = ("first_content", "target", "frame_gap", "stall", "store_bytes", "link_bytes", "cpu")
"""The figures; the rest is printed."""
TOURS = {"2d": ("plane", "stack"), "3d": ("volume",)}
IMAGES: Mapping[str, Callable[[int], data.Data]] = {
    "plane": data.plane,
    "stack": data.stack,
    "volume": lambda _size: data.volume(),
}
QUICK_MOVES = 3
Case = tuple[str, str, int]
"""Dimensions, viewer, milliseconds of latency."""


def along(
    case: Case, viewer: Viewer, tours: Sequence[tuple[Mapping[str, Any], data.Data]]
) -> list[Run]:
    """The runs of one viewer, each in a browser of its own; what does not count is repeated."""
    runs = []
    latency = case[-1]
    for tour, image in tours:
        run = lead(viewer, tour, image, latency / 1000)
        if run.void and "angles" not in tour["start"]:
            run = lead(viewer, tour, image, latency / 1000)
        runs.append(run)
        print(*case, tour["image"], run.void or said(run.numbers), file=sys.stderr, flush=True)
    return runs


def keep_pictures(case: Case, runs: Sequence[Run], folder: Path) -> None:
    """Write the picture in which every move ended, as PNG, so that one can look at it."""
    folder = folder / "_".join(map(str, case))
    folder.mkdir(parents=True, exist_ok=True)
    for run in runs:
        for name, picture in run.pictures.items():
            (folder / f"{name}.png").write_bytes(imagecodecs.png_encode(picture))


def middle(runs: Sequence[Run]) -> dict[str, float]:
    """The medians of the runs that count; of none, nothing."""
    counting = [run.numbers for run in runs if not run.void]
    if not counting:
        return {}
    return {name: median(one[name] for one in counting) for name in UNITS}


def figures(
    found: Mapping[Case, Mapping[str, float]], peers: Sequence[str], asked: Sequence[Case]
) -> list[Figure]:
    """Opsin beside each peer; without the peer's number where none of its runs counts."""
    made = []
    for dimensions, viewer, latency in asked:
        ours = found[dimensions, "opsin", latency]
        if viewer != "opsin" or not ours:
            continue
        for peer in peers:
            theirs = found.get((dimensions, peer, latency), {})
            made += [
                Figure(
                    f"{name}_{dimensions}_{latency}ms_vs_{peer}",
                    UNITS[name],
                    ours[name],
                    theirs.get(name),
                    peer if theirs else "",
                )
                for name in AIMED
            ]
    return made


def said(numbers: Mapping[str, float]) -> str:
    """All of them, with their units."""
    return ", ".join(f"{name} {value:.4g} {UNITS[name]}" for name, value in numbers.items())


def show(found: Mapping[Case, Mapping[str, float]], voids: Mapping[Case, Sequence[str]]) -> None:
    """Print all numbers of all viewers, and which runs did not count, and why."""
    for case, numbers in found.items():
        dimensions, viewer, latency = case
        print(f"{dimensions}, {latency} ms, {viewer}: {said(numbers) or 'no run counts'}")
        for void in voids[case]:
            print(f"    a run that does not count: {void}")


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--size", type=int, default=FULL, help="pixels of the slide along y and x")
    parser.add_argument("--only", choices=sorted(TOURS), help="2D or 3D; 2D alone if quick")
    parser.add_argument("--latency", type=int, choices=(0, 40), help="ms; one of them alone")
    parser.add_argument(
        "--pictures",
        type=Path,
        default=CACHE / "benchmarks" / "view",
        metavar="FOLDER",
        help="where the final pictures are written",
    )
    options = parser.parse_args()
    peers = ["neuroglancer"] if options.quick else [name for name in VIEWERS if name != "opsin"]
    viewers = {name: viewer for name in ("opsin", *peers) if (viewer := VIEWERS[name]())}
    dimensions = [options.only] if options.only else ["2d", "3d"][: 2 - options.quick]
    latencies = [options.latency] if options.latency is not None else [0, 40][: 2 - options.quick]
    tours = {
        shown: [
            (read_tour(name, options.size, QUICK_MOVES if options.quick else None), image)
            for name in (TOURS[shown][:1] if options.quick else TOURS[shown])
            for image in (IMAGES[name](options.size),)
        ]
        for shown in dimensions
    }
    cases = {
        (shown, name, latency): partial(along, (shown, name, latency), viewer, tours[shown])
        for shown in dimensions
        for latency in latencies
        for name, viewer in viewers.items()
    }
    rounds = options.rounds or (1 if options.quick else 5)
    measured = alternate(cases, rounds)
    found, voids = {}, {}
    for case, all_runs in measured.items():
        keep_pictures(case, all_runs[-1], options.pictures)
        runs = [joined(parts) for parts in all_runs]
        found[case] = middle(runs)
        voids[case] = [run.void for run in runs if run.void]
    show(found, voids)
    about = f"{options.size} × {options.size} pixels, canvas 512 × 384, {rounds} rounds"
    conclude(f"{MEASURES}; {about}", figures(found, peers, list(cases)), options.json)


if __name__ == "__main__":
    main()
