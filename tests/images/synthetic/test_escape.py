"""Mandelbrot and Julia against whole numbers of 160 bits, at places of all kinds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest

from opsin.images.image import Image
from opsin.images.synthetic import synthetic_image
from opsin.images.synthetic.escape import RADIUS, escape_times, shades

BITS = 160
CHUNK = 16

Point = tuple[Fraction, Fraction]


def escape_time(z: Point, c: Point, most: int) -> float:
    """The smooth escape time, without any of the shortcuts; -1 where there is none."""
    (a, b), (p, q) = ([int(part * 2**BITS) for part in point] for point in (z, c))
    leaves = int(RADIUS**2) << BITS
    for step in range(most + 1):
        aa, bb = a * a >> BITS, b * b >> BITS
        if aa + bb > leaves:
            log = math.log((aa + bb) / 2**BITS) / 2
            return max(0.0, step - math.log2(log / math.log(RADIUS)))
        a, b = aa - bb + p, (a * b >> (BITS - 1)) + q
    return -1.0


def shade(time: float, channel: int = 0) -> float:
    if time < 0:
        return 0.0
    return 0.53 + 0.47 * math.cos(1.2 * math.sqrt(time) + 0.9 + 0.55 * channel)


# The valleys of seahorses and elephants, copies of the set, tips, far outside, inside; and where
# points leave late, after 1500 steps: near the neck and the cusp.
MANDELBROT = (
    -0.745428 + 0.113009j, 0.2755 + 0.0066j, -1.7687 + 0.0017j, 1j, -0.15652 + 1.03225j, -2 + 0j,
    -2.2 - 1j, -0.1 + 0.1j, -1 + 0.2j, -0.12 + 0.74j, -0.75 + 0.002j, 0.250004 + 0j, -1.25 + 0.002j,
)  # fmt: skip


@pytest.mark.parametrize("level", [0, 8, 18])
def test_mandelbrot(level: int) -> None:
    image = synthetic_image("mandelbrot", chunk=CHUNK, dtype="float64")
    most = 64 * (27 - level)
    expected, found = [], []
    for chunk, row, column in pixels(image, level, MANDELBROT, 3, -0.75):
        c = place(image, level, chunk, row, column, Fraction(3), Fraction(-3, 4))
        expected.append(shade(escape_time((Fraction(0), Fraction(0)), c, most)))
        found.append(image.source.decode(level, chunk, None)[row, column])
    assert 0.2 < np.mean(np.array(expected) == 0) < 0.7
    assert np.abs(np.array(found) - expected).max() < 1e-4


@pytest.mark.parametrize("level", [0, 12])
def test_julia_turns_with_t(level: int) -> None:
    image = synthetic_image("julia", axes="tyx", size=(8, *[1 << 27] * 2), chunk=CHUNK)
    most = 64 * (27 - level)
    points = [0.05 + 0.1j, 0.9 - 0.45j, -0.32 + 0.24j, 1.5 + 0.2j, 0j]
    for t, constant in ((0, -0.4 + 0.6j), (2, -0.6 - 0.4j), (4, 0.4 - 0.6j)):
        c = (
            Fraction(constant.real).limit_denominator(10),
            Fraction(constant.imag).limit_denominator(10),
        )
        for chunk, row, column in pixels(image, level, points, 3.25, 0):
            z = place(image, level, chunk, row, column, Fraction(13, 4), Fraction(0))
            value = image.source.decode(level, (t, *chunk), None)[0, row, column]
            # c has its own rounding errors, which grow.
            assert abs(value / 65535 - shade(escape_time(z, c, most))) < 0.01


def test_mandelbrot_has_other_beginnings_along_t_and_z() -> None:
    image = synthetic_image("mandelbrot", axes="tczyx", size=(4, 3, 64, 64, 64), dtype="float64")
    assert len(image.levels) == 1
    values = image.read(0)
    random = np.random.default_rng(1)
    for _ in range(200):
        t, channel, z, y, x = (int(random.integers(size)) for size in values.shape)
        begin = (Fraction(2 * z + 1, 64) - 1, Fraction(t, 4))
        c = place(image, 0, (0, 0), y, x, Fraction(3), Fraction(-3, 4))
        expected = shade(escape_time(begin, c, 6 * 64), channel)
        assert abs(values[t, channel, z, y, x] - expected) < 1e-4


def test_no_row_or_column_is_repeated_at_full_zoom() -> None:
    image = synthetic_image("mandelbrot", dtype="float64")
    (index, _, _), *_ = pixels(image, 0, MANDELBROT[:1], 3, -0.75)
    values = image.source.decode(0, index, None)
    assert values.std() > 0.1
    assert (values[1:] != values[:-1]).mean(axis=1).min() > 0.5
    assert (values[:, 1:] != values[:, :-1]).mean(axis=0).min() > 0.5


def test_the_steps_that_are_allowed_grow_with_the_zoom_and_nothing_else_changes() -> None:
    image = synthetic_image("mandelbrot", size=4096, dtype="float64", levels=5)
    small = synthetic_image("mandelbrot", size=256, dtype="float64", levels=1)
    assert (image.read(4) == small.read(0)).all()


def test_colours_are_the_channels() -> None:
    colour = synthetic_image("julia", size=64, axes="yxc")
    layers = synthetic_image("julia", size=64, axes="cyx", dtype="uint8")
    assert colour.rgb
    assert not layers.rgb
    assert (colour.read(0) == np.moveaxis(layers.read(0), 0, 2)).all()
    assert [channel.name for channel in layers.channels] == ["red", "green", "blue"]


def test_shades_are_between_0_and_1_and_only_0_where_nothing_leaves() -> None:
    times = np.append(np.linspace(0, 2000, 100_001), -1).astype(np.float32)
    for channel in range(3):
        values = shades(times, channel)
        assert values[-1] == 0
        assert 0.05 < values[:-1].min() < 0.07
        assert 0.99 < values.max() <= 1


def test_times_of_wide_pictures_and_odd_sizes_are_defined() -> None:
    re, im = np.array([-3000.0, 1e9, 0.3]), np.linspace(-2, 2, 7)
    out = np.full((7, 3), np.nan, np.float32)
    escape_times(re, im, 0.0, 0.0, False, 128, out)
    assert np.isfinite(out).all()
    assert (out[:, :2] >= 0).all()


# ------------------------------------------------------------------------------ means


def pixels(
    image: Image, level: int, points: Sequence[complex], width: float, middle: float
) -> Iterator[tuple[tuple[int, int], int, int]]:
    """Some pixels of the chunks around points of the plane, and of the last chunk of all."""
    geometry = image.levels[level]
    side, last, chunk = geometry.shape[-1], geometry.grid[-1] - 1, geometry.chunks[-1]
    random = np.random.default_rng(level)
    for point in points:
        row, column = (
            side * (0.5 - point.imag / width),
            side * ((point.real - middle) / width + 0.5),
        )
        index = min(int(row) // chunk, last), min(int(column) // chunk, last)
        for _ in range(5):
            yield index, int(random.integers(chunk)), int(random.integers(chunk))
    yield (last, last), chunk - 1, chunk - 1


def place(
    image: Image,
    level: int,
    chunk: Sequence[int],
    row: int,
    column: int,
    width: Fraction,
    middle: Fraction,
) -> Point:
    """Of the middle of a pixel, from what the level says; the imaginary axis points up."""
    geometry, side = image.levels[level], image.shape[-1]
    parts = []
    for axis, at in ((-1, column), (-2, row)):
        pixel = chunk[axis] * geometry.chunks[axis] + at
        world = Fraction(geometry.translation[axis]) + pixel * Fraction(geometry.scale[axis])
        parts.append((world + Fraction(1, 2) - Fraction(side, 2)) * width / side)
    return middle + parts[0], -parts[1]
