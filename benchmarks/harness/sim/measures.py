"""Measures: what a run showed, from one frame after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.sim.canvas import Frame
from harness.sim.link import Chunk

RESTS = 0.5
"""Seconds without a move after which a camera is said to have come to rest."""


@dataclass(frozen=True, slots=True)
class Result:
    """The numbers of one run.

    Attributes:
        first_content: seconds until no point of the canvas inside the image was blank.
        at_target: share of the path's time in which the whole canvas was at its target level.
        sharp: mean over time of the share of the canvas that was.
        blur: mean over time and canvas of log2(shown pixel / target pixel); see `canvas.Frame`.
        blank: mean over time of the share of the canvas that showed nothing of its slice.
        waste: chunks that came and were not drawn (before they came again), per chunk that came, up
            to the moment when all was settled after the end; 0 if none came.
        settle: mean over the rests of the seconds until the whole canvas was at its target; a rest
            in which it never was counts with its length.
        settled: seconds from the end of the path until the whole canvas was at its target.
        requests: how many were begun until then.
        loaded: chunks that came until then.
        bytes: what came over the link until then, parts of aborted chunks included.
    """

    first_content: float
    at_target: float
    sharp: float
    blur: float
    blank: float
    waste: float
    settle: float
    settled: float
    requests: int
    loaded: int
    bytes: float


class Drawing:
    """Which of the chunks that came were drawn."""

    def __init__(self) -> None:
        self.loaded = 0
        self.wasted = 0
        self._unseen: set[Chunk] = set()

    def came(self, chunk: Chunk) -> None:
        self.loaded += 1
        self.wasted += chunk in self._unseen  # it came before, for nothing
        self._unseen.add(chunk)

    def drew(self, chunks: Iterable[Chunk]) -> None:
        self._unseen.difference_update(chunks)

    @property
    def waste(self) -> float:
        return (self.wasted + len(self._unseen)) / max(1, self.loaded)


class Measures:
    """Adds up frames, each of which stands for the time up to the next."""

    def __init__(self) -> None:
        self.time = 0.0
        self._target = self._sharp = self._blur = self._blank = 0.0
        self._first: float | None = None
        self._settles: list[float] = []
        self._moved_at = 0.0
        self._reached: float | None = None

    def moved(self) -> None:
        """The camera is somewhere else from now on."""
        self._end_of_rest()
        self._moved_at, self._reached = self.time, None

    def add(self, frame: Frame, seconds: float) -> None:
        """What was shown from now on for so long."""
        if self._first is None and frame.blank == 0:
            self._first = self.time
        if self._reached is None and frame.at_target:
            self._reached = self.time
        self._target += seconds * frame.at_target
        self._sharp += seconds * frame.sharp
        self._blur += seconds * frame.blur
        self._blank += seconds * frame.blank
        self.time += seconds

    def result(self, drawing: Drawing, settled: float, requests: int, link_bytes: float) -> Result:
        self._end_of_rest()
        settles = self._settles or [settled]
        return Result(
            first_content=self.time if self._first is None else self._first,
            at_target=self._target / self.time,
            sharp=self._sharp / self.time,
            blur=self._blur / self.time,
            blank=self._blank / self.time,
            waste=drawing.waste,
            settle=sum(settles) / len(settles),
            settled=settled,
            requests=requests,
            loaded=drawing.loaded,
            bytes=link_bytes,
        )

    def _end_of_rest(self) -> None:
        if self.time - self._moved_at >= RESTS:
            reached = self.time if self._reached is None else self._reached
            self._settles.append(reached - self._moved_at)
