"""The board against plain whole numbers; coarse levels are exact means."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np
import pytest

from opsin.images.synthetic import synthetic_image
from opsin.images.synthetic.checkerboard import boards


def value(place: dict[str, int], channels: int, longest: int) -> Fraction:
    """Of one pixel of level 0, as the docstring has it."""
    widths = list(boards(longest))
    chosen = widths[place.get("c", 0) % len(widths) :: channels]
    space = [place[axis] for axis in "zyx" if axis in place]
    lights = sum((sum(p >> width for p in space) + place.get("t", 0) + 1) % 2 for width in chosen)
    return Fraction(lights, len(chosen))


def test_the_squares_grow_by_eight_and_there_are_some_at_every_zoom() -> None:
    assert list(boards(1 << 27)) == [6, 9, 12, 15, 18, 21, 24]
    assert list(boards(1 << 20)) == [6, 9, 12, 15, 18]
    assert list(boards(1)) == [6]


@pytest.mark.parametrize("axes", ["yx", "cyx", "tzyx", "tczyx"])
def test_pixels_at_random(axes: str) -> None:
    image = synthetic_image("checkerboard", axes=axes, chunk=32, dtype="float64")
    random = np.random.default_rng(7)
    for _ in range(30):
        index = [int(random.integers(size)) for size in image.shape]
        place = dict(zip(axes, index, strict=True))
        expected = float(value(place, 3 if "c" in axes else 1, max(image.shape)))
        assert image.read(0, index) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("level", "contrast"), [(1, 0.3), (6, 0.3), (7, 0.2), (9, 0.2), (10, 0)])
def test_a_coarse_level_is_the_mean_of_the_finest(level: int, contrast: float) -> None:
    image = synthetic_image("checkerboard", size=2048, axes="tyx", dtype="float64", levels=12)
    fine = image.read(0, [3]).reshape(2048 >> level, 1 << level, 2048 >> level, 1 << level)
    coarse = image.read(level, [3])
    assert np.abs(coarse - fine.mean(axis=(1, 3))).max() < 1e-6
    assert (coarse.std() > contrast) == (contrast > 0)
    middle = (2**level - 1) / 2
    assert image.levels[level].translation == (0, middle, middle)


def test_it_needs_no_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert synthetic_image("checkerboard", size=256).read().mean() == 127.5
