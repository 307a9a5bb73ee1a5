"""Recording: what a real viewer asked for along a tour, and how near a model of it comes."""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path as File
from typing import Any

from harness.sim.link import Chunk, Conditions
from harness.sim.paths import TOURS

RECORDED = TOURS / "recorded"
BUSY = 0.1
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: seconds since the first one, and whether all of it came."""

    began: float
    ended: float
    chunk: Chunk
    complete: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """`applied` says which moment of the tour the camera was at from when on, in seconds."""

    tour: str
    peer: str
    conditions: Conditions
    canvas: tuple[int, int]
    applied: tuple[tuple[float, int], ...]
    requests: tuple[Asked, ...]

    @classmethod
    def of(
        cls, tour: str, peer: str, conditions: Conditions, report: Any, log: Sequence[Any]
    ) -> Recording:
        """From what the page reported and the server logged, in milliseconds."""
        began: float = report["began"]

        def seconds(time: float) -> float:
            return round((time - began) / 1000, 3)

        return cls(
            tour,
            peer,
            conditions,
            (report["size"][0], report["size"][1]),
            tuple((seconds(time), number) for time, number in report["applied"]),
            tuple(
                Asked(seconds(a.began), seconds(a.ended), (a.level, tuple(a.index)), a.complete)
                for a in log
            ),
        )

    @property
    def turnaround(self) -> float:
        """How long the browser took, on average, from an answer to the next request.

        Where it had something to ask for, that is: only what followed within `BUSY` counts.
        """
        begins = sorted(asked.began for asked in self.requests)
        gaps: list[float] = []
        for asked in self.requests:
            following = bisect(begins, asked.ended)
            if following < len(begins) and begins[following] - asked.ended < BUSY:
                gaps.append(begins[following] - asked.ended)
        return sum(gaps) / max(1, len(gaps))

    def write(self) -> None:
        """As JSON of one line per request."""
        requests = [
            json.dumps([a.began, a.ended, a.chunk[0], *a.chunk[1], int(a.complete)])
            for a in self.requests
        ]
        head = {
            "tour": self.tour,
            "peer": self.peer,
            "conditions": asdict(self.conditions),
            "canvas": self.canvas,
            "applied": self.applied,
        }
        text = json.dumps(head)[:-1] + ', "requests": [\n' + ",\n".join(requests) + "\n]}\n"
        (RECORDED / f"{self.tour}.{self.peer}.json").write_text(text)


def read_recording(file: File) -> Recording:
    """A recording from its JSON."""
    content = json.loads(file.read_text())
    return Recording(
        content["tour"],
        content["peer"],
        Conditions(**content["conditions"]),
        (content["canvas"][0], content["canvas"][1]),
        tuple((time, number) for time, number in content["applied"]),
        tuple(
            Asked(began, ended, (level, tuple(index)), bool(complete))
            for began, ended, level, *index, complete in content["requests"]
        ),
    )
