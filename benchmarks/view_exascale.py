"""Flights through images that nothing could hold, in Chromium, and how they look and feel.

A Mandelbrot set of 2^27 × 2^27 pixels, a stop at every level from the coarsest to the finest, at
512 × 384; and the surface of a Mandelbulb of 2^20 voxels cubed (an exabyte), down to single voxels,
at 256 × 256. `opsin view` has 512 MiB, the canvas 256 MiB of slots. Between two stops lie six
cameras, which are left before they are loaded. The flight goes there, looking at the canvas at
every stop, which keeps page and canvas waiting; and back, without. Browser and server are fresh in
every round, and nothing but the page itself listens; Chromium draws in software, on the same cores
as the server computes. The server's memory is sampled from outside. A flight in which something was
blank, failed or beyond its bounds ends the benchmark.

* first_content: from the last camera until the look at the canvas from which on 95 % of the
  foreground (what is more than 8/255 above black) is within 10/255 of the last picture, both
  reduced 16 times; target: all within 1/255. Medians over the stops. The first look comes after
  150 ms, the next ones every 100 ms, or as often as the canvas can be read: that is how good these
  times are.
* latency: on the way back, from a camera to the first frame that shows it, or a later one; median.
  (In 2D all pixels of every frame are counted, to see that none is blank: it takes longer than it
  would. In 3D a frame counts when it is handed to GL, which has yet to draw it.)
* main_gap: on the way back, the longest time without an animation frame of the page; beside it that
  of a page that does nothing else, for as long, while the server rests.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from harness.chromium import browser
from harness.demo import CACHE
from harness.flight import CENTRE_OF_PLANE, DEEP, THRESHOLD, WIDTH_OF_PLANE
from harness.measured_page import measured
from harness.side_by_side import Figure, arguments, conclude

from opsin.chunks.volume_camera import looking

sys.path.append(str(Path(__file__).parents[1]))  # tests look at memory in the same way
from tests.end_to_end.pss import sampled

MEASURES = "Flights through the Mandelbrot set and the Mandelbulb in Chromium"
MIB = 2**20
MEMORY, SLOTS, ABOVE = 512, 256, 200
"""MiB: of the server's chunks, of the canvas, and what the server may have beside its chunks."""
GLIDE, GLIDES_FOR_MS = 6, 50
PLANE, VOLUME = (512, 384), (256, 256)
BROWSER_KEEPS = 143
"""Rows of the window."""
SIDE_OF_PLANE, LEVELS = 2**27, 18
SURFACE = (287_098.4, 389_266.0, 358_205.9)
"""A voxel on the surface of the Mandelbulb at every level, as seen from there."""
MIDDLE = (524_287.5,) * 3
WHOLE = 13
"""Halvings from one voxel per pixel to all of it."""
LONGEST = 400.0
"""Seconds that a flight may take."""
RESTS = 20_000
"""Milliseconds at most that the empty page is looked at."""
FILM = "exascale.webp"
FRAME, COLUMNS = (192, 144), 5
"""Pixels of a picture in the film, and how many are beside one another."""
START_PAGE = """<!doctype html><title>Start</title><script>
setTimeout(() => { location.href = "{address}"; }, 1500);
</script>"""
Flight = Mapping[str, Any]
Picture = npt.NDArray[np.uint8]


def plane(quick: bool) -> Flight:
    """From all of the Mandelbrot set to single pixels."""
    step = WIDTH_OF_PLANE / SIDE_OF_PLANE
    middle = SIDE_OF_PLANE / 2 - 0.5
    deep = (middle - DEEP.imag / step, middle + (DEEP.real - CENTRE_OF_PLANE) / step)
    stops = []
    for level in (12, 6, 0) if quick else range(LEVELS - 1, -1, -1):
        near = min(1.0, (LEVELS - 1 - level) / 2)  # the first views are of the whole set
        center = [middle + (at - middle) * near for at in deep]
        stops.append({"name": f"level_{level:02}", "center": center, "zoom": 2.0**-level})
    return {"layer": {"colormap": "twilight"}, "stops": stops}


def volume(quick: bool) -> Flight:
    """From all of the Mandelbulb to single voxels."""
    look = {
        "orientation": looking(35, 25),
        "perspective": 40,
        "mode": "iso",
        "threshold": THRESHOLD,
        "quality": 0.125 if quick else 0.25,
    }
    stops = []
    for level in (6, 0) if quick else (WHOLE, *range(WHOLE - 3, -1, -2)):
        center = MIDDLE if level == WHOLE else SURFACE
        stops.append({"name": f"zoom_{level:02}", "center": center, "zoom": 2.0**-level})
    return {"layer": {"contrast": [0, 32]}, "volume": look, "stops": stops}


FLIGHTS = {"mandelbrot": (plane, PLANE), "mandelbulb": (volume, VOLUME)}


def fly(name: str, quick: bool) -> dict[str, Any]:
    """What one flight and an empty page after it report, and the most memory of the server."""
    made, (width, height) = FLIGHTS[name]
    flight = {**made(quick), "size": (width, height), "steps": GLIDE, "every": GLIDES_FOR_MS}
    window = (width, height + BROWSER_KEEPS)
    with (
        measured("exascale_tour.js", f"synthetic:{name}", "--memory", f"{MEMORY}MiB") as server,
        sampled(server.process.pid) as memory,
    ):
        query = {"bare": "", "clear": "ff00ff" if name == "mandelbrot" else "000000"}
        address = server.page(
            "measured", slots=f"{SLOTS * MIB}", flight=json.dumps(flight), **query
        )
        with browser(address, START_PAGE, window):
            report = server.report(LONGEST)
        rests = min(RESTS, report["flew"])
        with browser(server.page("empty", flight=json.dumps({"rests": rests})), START_PAGE, window):
            report["empty"] = server.report(LONGEST)
    return {**report, "pss": memory.peak / MIB}


def check(name: str, report: Mapping[str, Any]) -> None:
    """End the benchmark after a flight that was not what it should be."""
    frames = [frame for stop in report["stops"] + report["back"] for frame in stop["frames"]]
    blank = sum(frame["uncovered"] > 0 for frame in frames)
    slots = report["peak"]["slots"] / MIB
    wrong = {
        f"{blank} of {len(frames)} frames were blank somewhere": blank > 0,
        f"{report['failed']} bricks failed": report["failed"] > 0,
        f"the canvas held {slots:.0f} MiB": slots > SLOTS,
        f"the server's PSS was {report['pss']:.0f} MiB": report["pss"] > MEMORY + ABOVE,
    }
    found = [text for text, is_so in wrong.items() if is_so]
    if found:
        raise SystemExit(f"{name}: {'; '.join(found)}.")


def times(stop: Mapping[str, Any]) -> dict[str, float]:
    """Of one stop, in milliseconds."""
    arrived = stop["inputs"][-1]["time"]
    pictures = [pixels_of(sample) for sample in stop["samples"]]
    foreground = pictures[-1].max(axis=-1) > 8
    taken = [sample["time"] for sample in stop["samples"]]
    found = {"first_content": taken[0], "target": taken[0]}
    for after, picture in zip(taken[1:], pictures, strict=False):
        off = np.abs(picture - pictures[-1]).max(axis=-1)
        if (off[foreground] > 10).mean() > 0.05:
            found["first_content"] = found["target"] = after
        elif off.max() > 1:
            found["target"] = after
    return {what: time - arrived for what, time in found.items()}


def pixels_of(sample: Mapping[str, Any]) -> npt.NDArray[np.int64]:
    width, height = sample["size"]
    pixels = np.frombuffer(base64.b64decode(sample["pixels"]), np.uint8)
    return pixels.reshape(height, width, 4)[..., :3].astype(np.int64)


def latencies(stop: Mapping[str, Any]) -> Iterator[float]:
    """From every camera on the way to the first frame that shows it or a later one."""
    numbers = {entry["zoom"]: number for number, entry in enumerate(stop["inputs"])}
    shown = [(f["time"], numbers[f["zoom"]]) for f in stop["frames"] if f["zoom"] in numbers]
    for number, entry in enumerate(stop["inputs"]):
        yield next(time for time, other in shown if other >= number) - entry["time"]


def figures_of(name: str, reports: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Of all flights through one image."""
    stops = [stop for report in reports for stop in report["stops"]]
    found = [times(stop) for stop in stops]
    late = [time for report in reports for stop in report["back"] for time in latencies(stop)]
    return [
        *(
            Figure(f"{name}_{what}_ms", "ms", median(one[what] for one in found))
            for what in ("first_content", "target")
        ),
        Figure(f"{name}_latency_ms", "ms", median(late)),
        Figure(
            f"{name}_main_gap_ms",
            "ms",
            median(max(report["gaps"]) for report in reports),
            median(max(report["empty"]["gaps"]) for report in reports),
            "an empty page",
        ),
        Figure(f"{name}_slot_peak_mib", "MiB", max(r["peak"]["slots"] for r in reports) / MIB),
        Figure(f"{name}_pss_peak_mib", "MiB", max(report["pss"] for report in reports)),
    ]


def show(name: str, report: Mapping[str, Any]) -> None:
    """A line per stop."""
    both = report["stops"] + report["back"]
    print(f"{name}: {sum(len(stop['frames']) for stop in both)} frames, none blank")
    for stop in report["stops"]:
        told = ", ".join(f"{what} {time:.0f} ms" for what, time in times(stop).items())
        print(f"  {stop['name']:10} {told}")
    for stop in report["back"]:
        print(f"  back at {stop['name']:10} latency {median(latencies(stop)):.0f} ms")


def keep(flown: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write the picture of every stop, and all of a few of them in one small file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, report in flown.items():
        pictures = []
        for stop in report["stops"]:
            png = base64.b64decode(stop["picture"])
            (folder / f"{name}_{stop['name']}.png").write_bytes(png)
            pictures.append(imagecodecs.png_decode(png)[..., :3])
        chosen = np.linspace(0, len(pictures) - 1, min(len(pictures), COLUMNS)).round().astype(int)
        rows.append(np.concatenate([smaller(pictures[number]) for number in chosen], axis=1))
    width = max(row.shape[1] for row in rows)
    film = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    encoded = imagecodecs.webp_encode(np.concatenate(film), level=80)
    (folder / FILM).write_bytes(encoded)


def smaller(picture: Picture) -> Picture:
    """The middle of a picture, in the size and shape of the film's, halved where it can be."""
    width, height = FRAME
    if picture.shape[1] < 2 * width:
        return middle_of(picture, width, height)
    even = middle_of(picture, 2 * width, 2 * height)
    blocks = even.reshape(height, 2, width, 2, 3)
    means: Picture = blocks.mean(axis=(1, 3)).round().astype(np.uint8)
    return means


def middle_of(picture: Picture, width: int, height: int) -> Picture:
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument(
        "--frames",
        type=Path,
        default=CACHE / "view_exascale",
        metavar="FOLDER",
        help="for the picture of every stop, and a film of some of them",
    )
    options = parser.parse_args()
    rounds = options.rounds or 1
    flown: dict[str, list[dict[str, Any]]] = {name: [] for name in FLIGHTS}
    for _ in range(rounds):
        for name, reports in flown.items():
            reports.append(fly(name, options.quick))
            check(name, reports[-1])
    for name, reports in flown.items():
        show(name, reports[0])
    keep({name: reports[-1] for name, reports in flown.items()}, options.frames)
    figures = [one for name, reports in flown.items() for one in figures_of(name, reports)]
    conclude(f"{MEASURES}; {rounds} rounds", figures, options.json)
    print(f"Frames: {options.frames}")


if __name__ == "__main__":
    main()
