"""Numbers: what one tour of one viewer came to, from the report of its page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
from harness.view.data import Data
from harness.view.reference import AGREES, LEAST_FOREGROUND, Picture, disagreement, slice_picture

UNITS = {
    "first_content": "ms",
    "target": "ms",
    "frame_gap": "ms",
    "stall": "ms",
    "store_bytes": "MiB",
    "link_bytes": "MiB",
    "cpu": "s of CPU",
    "view_target": "ms",
    "latency": "ms",
    "blank": "% of canvas × s",
    "pss": "MiB",
    "lost": "pictures",
}
JOINED = {"frame_gap": max, "stall": max, "pss": max}
"""How numbers of two tours become one, where they are not added."""
OF_FIRST = ("first_content", "target", "view_target", "latency")
"""What is taken of the first tour alone: in a played stack no move has an end of its own."""


@dataclass(frozen=True)
class Run:
    """`void` says why it does not count: what of it was not as it must be, empty if it counts."""

    numbers: dict[str, float]
    void: str = ""
    pictures: dict[str, Picture] = field(default_factory=dict)


def read(report: Mapping[str, Any], tour: Mapping[str, Any], data: Data) -> Run:
    """The numbers that the page can tell."""
    if "error" in report:
        return Run({}, report["error"].splitlines()[0])
    opening, *moves = report["phases"]
    pictures = {phase["name"]: _picture(phase) for phase in report["phases"] if "final" in phase}
    void = _void(report["phases"], pictures, tour, data)
    if void:
        return Run({}, void, pictures)
    inputs = report["inputs"]
    latencies, settled = [], []
    for moved, phase in zip(inputs, moves, strict=True):
        latencies.append(phase["firstChange"] - moved["first"])
        settled.append(max(0.0, phase["target"] - moved["last"]))
    numbers = {
        "first_content": opening["firstContent"] - opening["from"],
        "target": opening["target"] - opening["from"],
        "frame_gap": max(
            max(_gaps(moved, phase)) for moved, phase in zip(inputs, moves, strict=True)
        ),
        "stall": max((gap for _, gap in report["gaps"]), default=0.0),
        "view_target": median(settled),
        "latency": median(latencies),
        "lost": report["lost"],
        "blank": _blank(report["phases"], opening["firstContent"]),
    }
    return Run(numbers, "", pictures)


def joined(runs: Sequence[Run]) -> Run:
    """Of the tours that one figure is about."""
    void = "; ".join(run.void for run in runs if run.void)
    if void:
        return Run({}, void)
    numbers = {}
    for name in UNITS:
        values = [run.numbers[name] for run in runs]
        numbers[name] = values[0] if name in OF_FIRST else JOINED.get(name, sum)(values)
    return Run(numbers)


def _void(
    phases: Sequence[Mapping[str, Any]],
    pictures: Mapping[str, Picture],
    tour: Mapping[str, Any],
    data: Data,
) -> str:
    """Why a run does not count, or nothing."""
    camera = dict(tour["start"])
    for phase, move in zip(phases, ({}, *tour["moves"]), strict=True):
        camera |= {name: move[name] for name in ("center", "zoom", "z") if name in move}
        name = phase["name"]
        if name not in pictures:
            return f"{name}: it presented nothing"
        if phase["foreground"] < LEAST_FOREGROUND:
            return f"{name}: it shows next to nothing"
        if phase["firstChange"] is None or phase["target"] is None:
            return f"{name}: the picture did not change"
        if "angles" not in camera:
            expected = slice_picture(data, camera, tour["canvas"])
            off = disagreement(pictures[name], expected)
            if off > AGREES:
                return f"{name}: the final picture is {off:.0f}/255 off that of NumPy"
    if phases[0]["firstContent"] is None:
        return "its first content was never seen"
    return ""


def _picture(phase: Mapping[str, Any]) -> Picture:
    width, height = phase["size"]
    return np.frombuffer(base64.b64decode(phase["final"]), np.uint8).reshape(height, width)


def _gaps(moved: Mapping[str, Any], phase: Mapping[str, Any]) -> Iterator[float]:
    """Between presented frames, from the first camera until the first frame after the last."""
    times = [moved["first"]]
    for time in phase["frames"]:
        times.append(time)
        if time > moved["last"]:
            break
    return (b - a for a, b in pairwise(times))


def _blank(phases: Sequence[Mapping[str, Any]], since: float) -> float:
    """Share of the canvas that was of the clear colour where the final picture is not, × time."""
    total = 0.0
    for phase in phases:
        width, height = phase["size"]
        seen = phase["clear"]
        ends = [*(time for time, _ in seen[1:]), phase["until"]]
        for (time, clear), end in zip(seen, ends, strict=True):
            if time >= since:
                share = max(0, clear - phase["finalClear"]) / (width * height)
                total += share * (end - time) / 1000
    return 100 * total
