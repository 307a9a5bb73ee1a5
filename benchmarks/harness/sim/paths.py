"""Paths: how a camera moves over what image, read from benchmarks/tours/*.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as File
from typing import Any

from opsin.chunks.camera import Camera

TOURS = File(__file__).parents[2] / "tours"
FRAME = 1 / 30
"""Seconds between two moments of a moving camera."""
SLOWING = 4.0
"""How much slower a slowing move ends than it began, as a power of e."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The image that a path leads over; every level has half the rows and columns."""

    size: tuple[int, ...]
    chunks: tuple[int, ...]
    levels: int
    axes: str = "yx"
    dtype: str = "uint16"


@dataclass(frozen=True, slots=True)
class Moment:
    """When a camera is where."""

    time: float
    camera: Camera


@dataclass(frozen=True)
class Path:
    """A camera's way. `policy` names the preset of ours that a user would choose for it."""

    name: str
    shape: Shape
    moments: tuple[Moment, ...]
    end: float
    """Seconds from the first moment, which is at 0."""
    policy: str = "explore"

    def until(self, seconds: float) -> Path:
        """The beginning of this path."""
        moments = tuple(moment for moment in self.moments if moment.time < seconds)
        return replace(self, moments=moments, end=min(self.end, seconds))


@dataclass
class Journey:
    """Writes a path, move by move."""

    camera: Camera
    time: float = 0.0
    moments: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.moments.append(Moment(self.time, self.camera))

    def rest(self, seconds: float) -> None:
        """Stay."""
        self.time += seconds

    def jump(self, center: tuple[float, float], zoom: float) -> None:
        """Be somewhere else at once."""
        self._be(replace(self.camera, center=center, zoom=zoom))

    def go(
        self, seconds: float, center: tuple[float, float], zoom: float, *, slowing: bool = False
    ) -> None:
        """Move there, zooming by the same factor in equal times, and even on the canvas.

        With `slowing`, fast at first and then ever slower, as a thrown thing.
        """
        begin, start = self.time, self.camera
        factor = zoom / start.zoom
        for number in range(1, round(seconds / FRAME) + 1):
            part = number * FRAME / seconds
            if slowing:
                part = (1 - math.exp(-SLOWING * part)) / (1 - math.exp(-SLOWING))
            there = factor**part
            way = part if factor == 1 else (1 - 1 / there) / (1 - 1 / factor)
            y, x = (a + (b - a) * way for a, b in zip(start.center, center, strict=True))
            self.time = begin + number * FRAME
            self._be(replace(start, center=(y, x), zoom=start.zoom * there))

    def step(self, axis: str, to: float, per_second: float) -> None:
        """Go along a slider, one world unit after the other."""
        here = self.camera.position[axis]
        for number in range(1, round(abs(to - here)) + 1):
            self.time += 1 / per_second
            there = {axis: here + math.copysign(number, to - here)}
            self._be(replace(self.camera, position={**self.camera.position, **there}))

    def _be(self, camera: Camera) -> None:
        self.camera = camera
        if self.moments[-1].time == self.time:
            self.moments.pop()
        self.moments.append(Moment(self.time, camera))


def read_path(file: File) -> Path:
    """A path from its JSON: the image, the canvas, where the camera starts, and its moves.

    A move is `{"rest": seconds}`, `{"jump": [y, x], "zoom": z}`, `{"go": seconds, "center": [y, x],
    "zoom": z, "slowing": true}` (what is left out stays) or `{"step": axis, "to": position,
    "per_second": n}`. Without a start, the camera shows the whole image.
    """
    tour = json.loads(file.read_text())
    image = tour["image"]
    shape = Shape(
        tuple(image["size"]),
        tuple(image["chunks"]),
        image["levels"],
        image.get("axes", "yx"),
        image.get("dtype", "uint16"),
    )
    camera = _start(shape, tour["canvas"], tour.get("start", {}))
    journey = Journey(camera)
    for move in tour["moves"]:
        _make(journey, move)
    return Path(
        file.stem, shape, tuple(journey.moments), journey.time, tour.get("policy", "explore")
    )


def _start(shape: Shape, canvas: list[int], start: Mapping[str, Any]) -> Camera:
    rows, columns = shape.size[-2:]
    zoom = start.get("zoom", min(canvas[0] / columns, canvas[1] / rows))
    y, x = start.get("center", (rows / 2, columns / 2))
    position = {name: float(start.get(name, 0)) for name in shape.axes if name not in "yx"}
    return Camera((y, x), zoom, (canvas[0], canvas[1]), position)


def _make(journey: Journey, move: Mapping[str, Any]) -> None:
    camera = journey.camera
    zoom = move.get("zoom", camera.zoom)
    if "rest" in move:
        journey.rest(move["rest"])
    elif "jump" in move:
        y, x = move["jump"]
        journey.jump((y, x), zoom)
    elif "go" in move:
        y, x = move.get("center", camera.center)
        journey.go(move["go"], (y, x), zoom, slowing=move.get("slowing", False))
    else:
        journey.step(move["step"], move["to"], move["per_second"])


def paths() -> dict[str, Path]:
    """All tours, by name."""
    return {file.stem: read_path(file) for file in sorted(TOURS.glob("*.json"))}
