"""The same views of the same images in napari, opened by Opsin and by napari itself.

2D: 16384 × 16384 pixels (uint16), opened whole, then 20 views at other places and
zooms, then five of them again. z: 20 neighbouring slices of 1024 × 512 × 512 voxels in chunks of 64
cubed. 3D: the same voxels turned and zoomed into.

Opsin's layers beside napari's on zarr arrays (`napari`; `napari_async` with its experimental async
slicing) and on dask arrays over these (`dask`), each in a napari of its own on a screen of its own,
in turn. All of them read the OME-Zarr from one HTTP server, which counts what it sends and answers
every request 0 or 50 ms late, or (`local`) from the disk.

What is on the canvas is read back after each drawing, alike for all. A view is at its end when no
other picture has come for 0.4 s (0.7 s with the delay) and napari or Opsin says that all is there;
`final` is when the last picture came, `first` (of the opening) when something was on the canvas. A
turn is the time for which the loop of the window does not come to a timer; `stall` is the longest
one after the opening, less the median turn of a redraw with unchanged data (`stall_open` that of
the opening, most of which is napari's making a layer). Before all that a small image is opened
and closed in the same way, so that nothing is imported or compiled any more. What differs from the
final pictures of napari by more than 2/255 on average is named.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from harness import napari_tour
from harness.bound import bound
from harness.demo import FULL
from harness.screen import desktop, screen
from harness.side_by_side import Figure, alternate, arguments, conclude
from harness.view import data
from harness.view.store import IMAGE, Store

MEASURES = "Views in napari: Opsin's layers beside napari's own"
TOOLS = ("opsin", "napari", "napari_async", "dask")
VIEWS, SLICES, AGAIN = 20, 20, 5
WARM = 1024
LATENCY = 0.05
ALIKE = 2.0
"""Mean difference of pictures, of 255."""
MIB = 2**20
Case = tuple[str, str, str]
"""Tour, place (`0ms`, `50ms`, `local`), tool."""


@dataclass(frozen=True)
class Run:
    """What one tour came to: milliseconds, bytes by part of the tour, seconds of CPU, MiB."""

    first: float
    final: float
    """Of all views together, without the opening."""
    opened: float
    bytes: Mapping[str, int]
    stall: float
    stall_open: float
    cpu: float
    rss: float
    pictures: Sequence[np.ndarray[Any, Any]]


def moves_2d(size: int, count: int) -> list[list[Any]]:
    """Views at random places, from an eighth to four times the size of the pixels."""
    random = np.random.default_rng(3)
    views = []
    for _ in range(count):
        zoom = float(2 ** random.uniform(-3, 2))
        y, x = random.uniform(0.1 * size, 0.9 * size, 2)
        views.append(["view", [float(y), float(x), zoom]])
    again = views[:AGAIN][::-1]
    return [*views, ["mark", "views"], *again, ["mark", "again"]]


def moves_z(depth: int, count: int) -> list[list[Any]]:
    """Neighbouring slices from the middle on."""
    slices: list[list[Any]] = [["slice", depth // 2 + 1 + number] for number in range(count)]
    return [*slices, ["mark", "views"]]


def moves_3d() -> list[list[Any]]:
    """Turn, and zoom in, twice."""
    turned: list[list[Any]] = [["volume", [10.0, 20.0, 80.0]], ["zoom", 4.0], ["zoom", 2.0]]
    return [*turned, ["mark", "views"]]


def toured(case: Case, image: data.Data, moves: list[list[Any]], display: str) -> Run:
    """One tool along one tour."""
    _, where, tool = case
    latency = LATENCY if where == "50ms" else 0.0
    served: Any = nullcontext()
    if where != "local":
        served = Store(image, latency, {}, {}, {}, lambda: None, lambda: None)
    with served as store, tempfile.TemporaryDirectory() as folder:
        place = f"{store.address}/{IMAGE}" if store is not None else _linked(image, Path(folder))
        warm = data.plane(WARM)
        task = {
            "tool": tool,
            "warm": str(warm.folder),
            "warm_levels": _levels(warm),
            "place": place,
            "levels": _levels(image),
            "contrast": image.contrast,
            "moves": moves,
            "latency": latency,
        }
        told, counts = led(task, display, Path(folder), lambda: store.bytes if store else 0)
    views = told["views"]
    read = {name: counts[name] - counts[before] for before, name in pairwise(counts)}
    opening, *rest = views
    run = Run(
        first=opening["first"] or napari_tour.LONGEST * 1000,
        final=sum(view["final"] for view in rest),
        opened=opening["final"],
        bytes=read,
        stall=told["longest_turn"] - told["redraw"],
        stall_open=told["opening_turn"] - told["redraw"],
        cpu=told["cpu"],
        rss=told["rss"],
        pictures=[_picture(view["picture"]) for view in views],
    )
    print(*case, said(run), file=sys.stderr, flush=True)
    return run


def led(
    task: Mapping[str, Any], display: str, folder: Path, count: Any
) -> tuple[dict[str, Any], dict[str, int]]:
    """What a tour tells at its end, and what was counted at its marks."""
    command = [sys.executable, "-W", "ignore", "-m", "harness.napari_tour"]
    counts: dict[str, int] = {}
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            bound(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            cwd=Path(__file__).parent, env=desktop(display, folder),
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        told: dict[str, Any] = {}
        for line in process.stdout:
            told = json.loads(line)
            if "mark" in told:
                counts[told["mark"]] = count()
                process.stdin.write("\n")
                process.stdin.flush()
        process.wait(30)
    if "views" not in told:
        raise RuntimeError(f"napari has ended: {(folder / 'log.txt').read_text()[-3000:]}")
    return told, counts


def said(run: Run) -> str:
    """One line."""
    read = ", ".join(f"{name} {count / MIB:.1f}" for name, count in run.bytes.items())
    return (
        f"first {run.first:.0f}, opened {run.opened:.0f}, views {run.final:.0f} ms; MiB: {read}; "
        f"stall {run.stall:.0f} ms, opening {run.stall_open:.0f}; "
        f"cpu {run.cpu:.1f} s, {run.rss:.0f} MiB"
    )


def _linked(image: data.Data, folder: Path) -> str:
    """The image on the disk, with the world of one unit per pixel that the server tells of too."""
    place = folder / IMAGE
    place.mkdir()
    (place / "zarr.json").write_bytes(image.metadata)
    for number in range(_levels(image)):
        (place / str(number)).symlink_to(image.folder / str(number))
    return str(place)


def _levels(image: data.Data) -> int:
    return sum(1 for path in image.folder.iterdir() if path.name.isdigit())


def _picture(text: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).astype(np.int16)


def differing(runs: Mapping[Case, Sequence[Run]]) -> list[str]:
    """Views whose pictures are not those of napari in the same place; in 3D Opsin's are finer."""
    found = []
    for (tour, where, tool), several in runs.items():
        reference = runs.get((tour, where, "napari"))
        if tool == "napari" or reference is None or tour == "3d":
            continue
        for number, (ours, theirs) in enumerate(
            zip(several[0].pictures, reference[0].pictures, strict=True)
        ):
            apart = float(np.abs(ours - theirs).mean()) if ours.shape == theirs.shape else 255.0
            if apart > ALIKE:
                found.append(f"{tour} {where} {tool}: view {number} differs by {apart:.1f}")
    return found


OWN, ALL = ("napari",), TOOLS[1:]
FIGURES = (
    ("bytes_2d_vs_best", "MiB", ("2d", "50ms"), ("open", "views"), ALL),
    ("bytes_zsteps_vs_napari", "MiB", ("z", "0ms"), ("views",), OWN),
    ("stall_ms", "ms", ("2d", "0ms"), ("stall",), ALL),
    ("stall_open_ms", "ms", ("2d", "0ms"), ("stall_open",), ALL),
    ("first_content_50ms_vs_napari", "ms", ("2d", "50ms"), ("first",), OWN),
    ("final_50ms_vs_napari", "ms", ("2d", "50ms"), ("final",), OWN),
    ("final_local_vs_napari", "ms", ("2d", "local"), ("final",), OWN),
    ("bytes_again_vs_napari", "MiB", ("2d", "50ms"), ("again",), OWN),
    ("bytes_3d_vs_napari", "MiB", ("3d", "0ms"), ("open", "views"), OWN),
    ("stall_z_ms", "ms", ("z", "0ms"), ("stall",), ALL),
    ("stall_3d_ms", "ms", ("3d", "0ms"), ("stall",), ALL),
    ("cpu_2d_vs_napari", "s", ("2d", "0ms"), ("cpu",), OWN),
    ("rss_2d_vs_napari", "MiB", ("2d", "0ms"), ("rss",), OWN),
)
"""Name, unit, tour and place, what is added up, and the peers of which the best is taken."""


def figures(runs: Mapping[Case, Sequence[Run]]) -> list[Figure]:
    """Those for which there are runs."""

    def of(case: Case, whats: Sequence[str]) -> float:
        values = (sum(_number(run, what) for what in whats) for run in runs[case])
        return float(median(values))

    made = []
    for name, unit, (tour, where), whats, peers in FIGURES:
        there = [peer for peer in peers if (tour, where, peer) in runs]
        if (tour, where, "opsin") in runs and there:
            best = min(there, key=lambda peer: of((tour, where, peer), whats))
            theirs = of((tour, where, best), whats)
            if not theirs:  # of so small an image nobody reads anything again
                continue
            made.append(Figure(name, unit, of((tour, where, "opsin"), whats), theirs, best))
    return made


def _number(run: Run, what: str) -> float:
    if what in ("open", "views", "again"):
        return run.bytes[what] / MIB
    return float(getattr(run, what))


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("--size", type=int, default=FULL, help="of the image in 2D")
    parser.add_argument("--only", choices=("2d", "z", "3d"), help="one kind of tour")
    options = parser.parse_args()
    quick = options.quick
    size = min(options.size, 2048) if quick else options.size
    plane = data.plane(size)
    volume = data.volume((128, 128, 128) if quick else data.VOLUME)
    views, slices = (3, 3) if quick else (VIEWS, SLICES)
    tours = {
        "2d": (plane, moves_2d(size, views), ("50ms",) if quick else ("0ms", "50ms", "local")),
        "z": (volume, moves_z(volume.level(0).shape[0], slices), ("0ms",)),
        "3d": (volume, moves_3d(), ("0ms",)),
    }
    tools = ("opsin", "napari") if quick else TOOLS
    with screen() as display:
        cases = {
            (tour, where, tool): partial(toured, (tour, where, tool), image, moves, display)
            for tour, (image, moves, places) in tours.items()
            for where in places
            for tool in tools
            if options.only in (None, tour) and not (quick and tour == "3d")
        }
        runs = alternate(cases, options.rounds or (1 if quick else 3))
    for line in differing(runs):
        print(line, file=sys.stderr)
    conclude(MEASURES, figures(runs), options.json)


if __name__ == "__main__":
    main()
