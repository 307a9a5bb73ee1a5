"""The algebra of the Mandelbulb against its definition by angles, in numbers of 40 digits."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from opsin.images.image import Image
from opsin.images.synthetic import synthetic_image
from opsin.images.synthetic.mandelbulb import ALL_OF_IT, LANES, RADIUS, _step
from tests.images.synthetic.precise import PI, angle_of, sin_cos

Vector = tuple[Decimal, Decimal, Decimal]

SURFACE = (151574, 412061, 543075)
"""A voxel of level 0 at the surface, deep down."""


def eighth_power(v: Vector, turned: Decimal = Decimal(0)) -> Vector:
    """As White and Nylander have it."""
    x, y, z = v
    rho = (x * x + y * y).sqrt()
    sin_theta, cos_theta = sin_cos(8 * angle_of(rho, z))
    sin_phi, cos_phi = sin_cos(8 * angle_of(y, x) + turned)
    power = length(v) ** 8
    return power * sin_theta * cos_phi, power * sin_theta * sin_phi, power * cos_theta


def length(v: Vector) -> Decimal:
    return sum((part * part for part in v), Decimal(0)).sqrt()


def value(c: Vector, voxel: Decimal, most: int, turned: Decimal = Decimal(0)) -> float:
    """Of a voxel, as the docstring of the module has it."""
    if length(c) ** 2 >= Decimal(ALL_OF_IT):
        return 0.0
    v, slope, closest = c, Decimal(1), Decimal("Infinity")
    for _ in range(most):
        if length(v) > Decimal(RADIUS):
            break
        slope = 8 * length(v) ** 7 * slope + 1
        x, y, z = eighth_power(v, turned)
        v = x + c[0], y + c[1], z + c[2]
        closest = min(closest, length(v))
    part = 1.0
    if length(v) > Decimal(RADIUS):
        distance = length(v) * length(v).ln() / (2 * slope)
        part = max(0.0, float(1 - distance / voxel))
    shade = min(max(float(closest) - 0.25, 0.0), 1.0)
    return part * (0.2 + 0.8 * shade * math.sqrt(shade))


def place(image: Image, level: int, index: tuple[int, ...]) -> tuple[Vector, Decimal]:
    """Where a voxel lies, from what the level says, and how wide it is: the bulb's z is our y."""
    geometry, side = image.levels[level], image.shape[-1]
    z, y, x = (
        (Decimal(t) + i * Decimal(s) + (1 - Decimal(side)) / 2) * Decimal("2.5") / side
        for t, i, s in zip(geometry.translation[-3:], index, geometry.scale[-3:], strict=True)
    )
    return (x, z, y), Decimal(geometry.scale[-1]) * Decimal("2.5") / side


def test_the_numbers_of_40_digits() -> None:
    for angle in (0.0, 0.3, -2.5, 3.1, 40.0):
        sine, cosine = sin_cos(Decimal(angle))
        assert (float(sine), float(cosine)) == pytest.approx((math.sin(angle), math.cos(angle)))
        assert abs(sine * sine + cosine * cosine - 1) < Decimal("1e-38")
        back = angle_of(sine, cosine) - Decimal(angle)
        assert abs(back - (back / (2 * PI)).to_integral_value() * 2 * PI) < Decimal("1e-37")
    assert abs(angle_of(Decimal(1), Decimal(-1)) - 3 * PI / 4) < Decimal("1e-38")
    assert float(angle_of(Decimal(-1), Decimal(-2))) == pytest.approx(math.atan2(-1, -2))


def test_one_step_is_right_to_the_last_digits() -> None:
    random = np.random.default_rng(3)
    starts = random.normal(size=(LANES, 3))
    starts *= (random.uniform(0.3, 1.3, LANES) / np.linalg.norm(starts, axis=1))[:, np.newaxis]
    starts[0], starts[1], starts[2] = (0, 0, 0.9), (0, 0, -1.1), (0, 0, 0)  # on the polar axis
    starts[3], starts[4] = (1e-9, 1e-9, 0.9), (1e-200, 0, 1)  # close to it
    starts[5] = (0.7, 0.5, 0)  # on the equator
    starts[6] = (3.0, 2.9, 1.0)  # has left
    turned = 0.4
    state = np.zeros((8, LANES))
    state[:3], state[3], state[4], state[5:] = starts.T, 2.0, math.inf, 0.125
    assert _step(state, math.cos(turned), math.sin(turned))
    for lane, start in enumerate(starts.tolist()):
        v = (Decimal(start[0]), Decimal(start[1]), Decimal(start[2]))
        after = [float(part) + 0.125 for part in eighth_power(v, Decimal(turned))]
        scale = max(1.0, float(length(v)) ** 8)
        if lane == 6:
            after = start
        assert np.abs(state[:3, lane] - after).max() < 2e-14 * scale, start
        slope = float(8 * length(v) ** 7 * 2 + 1)
        assert state[3, lane] == pytest.approx(2.0 if lane == 6 else slope, rel=1e-14)


@pytest.mark.parametrize("level", [0, 7, 11, 14])
def test_voxels_at_the_surface(level: int) -> None:
    image = synthetic_image("mandelbulb", dtype="float64", chunk=16)
    most = 6 + (20 - level) // 2
    corner = [(i >> level) // 16 for i in SURFACE]
    chunk = image.source.decode(level, tuple(corner), None)
    assert 0.02 < (chunk > 0).mean() < 0.98
    random = np.random.default_rng(level)
    expected, found = [], []
    for _ in range(100):
        at = tuple(int(i) for i in random.integers(16, size=3))
        c, voxel = place(image, level, tuple(16 * i + j for i, j in zip(corner, at, strict=True)))
        expected.append(value(c, voxel, most))
        found.append(chunk[at])
    off = np.abs(np.array(found) - expected)
    assert np.sort(off)[-2] < 1e-4  # one may lie on an edge of the formula
    assert np.std(expected) > 0.05


def test_the_far_corner_is_empty_at_once() -> None:
    image = synthetic_image("mandelbulb")
    last = image.levels[0].grid[0] - 1
    assert not image.source.decode(0, (last, last, last), None).any()


def test_nothing_beyond_the_ball_that_is_skipped_belongs_to_it() -> None:
    random = np.random.default_rng(11)
    for _ in range(100):
        v = random.normal(size=3)
        v *= math.sqrt(ALL_OF_IT) * 1.0001 / np.linalg.norm(v)
        c = (Decimal(v[0]), Decimal(v[1]), Decimal(v[2]))
        at = c
        for _ in range(12):
            x, y, z = eighth_power(at)
            at = x + c[0], y + c[1], z + c[2]
            if length(at) > 2:
                break
        assert length(at) > 2


def test_t_turns_it_and_channels_shade_it() -> None:
    image = synthetic_image("mandelbulb", axes="tczyx", size=(8, 3, 48, 48, 48), dtype="float64")
    values = image.read(0)
    solid = values > 0
    assert (solid[:, 0] == solid[:, 1]).all()
    assert (values[0, 0] != values[0, 1]).any()
    assert (solid[0, 0] != solid[3, 0]).any()
    random = np.random.default_rng(2)
    plain = synthetic_image("mandelbulb", axes="tzyx", size=(8, 48, 48, 48), dtype="float64")
    turned = plain.read(0, [3])
    for _ in range(15):
        at = tuple(int(i) for i in random.integers(12, 36, size=3))
        c, voxel = place(plain, 0, at)
        assert abs(turned[at] - value(c, voxel, 6 + 3, 2 * PI * 3 / 8)) < 1e-4


def test_without_z_it_is_cut_in_the_middle() -> None:
    flat = synthetic_image("mandelbulb", axes="yx", size=65, dtype="float64").read(0)
    solid = synthetic_image("mandelbulb", size=65, dtype="float64", levels=1, chunk=65).read(0)
    assert (flat == solid[32]).all()
    assert 0.2 < (flat > 0).mean() < 0.8
