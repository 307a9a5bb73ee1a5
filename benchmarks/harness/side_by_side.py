"""Side by side: run cases in alternating rounds, print the medians, write them as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

Case = TypeVar("Case", bound=Hashable)
Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of ours, and of a peer where there is one; smaller is better, but for rates."""

    name: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None


def arguments(measures: str) -> argparse.ArgumentParser:
    """The options that every benchmark has; `measures` is one line."""
    parser = argparse.ArgumentParser(description=measures)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    return parser


def alternate(
    cases: Mapping[Case, Callable[[], Measured]], rounds: int
) -> dict[Case, list[Measured]]:
    """Run all cases once per round, in each round another one first, so that noise hits all."""
    names = list(cases)
    measured: dict[Case, list[Measured]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            measured[name].append(cases[name]())
    return measured


def medians(measured: Mapping[Case, Sequence[float]]) -> dict[Case, float]:
    return {name: median(values) for name, values in measured.items()}


def conclude(measures: str, figures: Sequence[Figure], file: Path | None) -> None:
    """Print what was measured, as a line and a table, and write the JSON."""
    rows = [("figure", "unit", "ours", "peer", "ours/peer", "peer is")]
    for figure in figures:
        peer, ratio = figure.peer, figure.ratio
        rows.append(
            (
                figure.name,
                figure.unit,
                f"{figure.ours:.4g}",
                "" if peer is None else f"{peer:.4g}",
                "" if ratio is None else f"{ratio:.2f}",
                figure.peer_name,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(measures)
    for row in rows:
        left = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
        right = [text.rjust(width) for text, width in zip(row[2:5], widths[2:5], strict=True)]
        print("  ".join([*left, *right, row[5]]).rstrip())
    if file is not None:
        content = {
            figure.name: {
                "ours": figure.ours,
                "peer": figure.peer,
                "ratio": figure.ratio,
                "unit": figure.unit,
            }
            for figure in figures
        }
        file.write_text(json.dumps(content, indent=2) + "\n")
