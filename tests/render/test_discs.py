"""Discs against the plain rule: one after the other, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.images.source import Array
from opsin.render import discs
from opsin.render.discs import draw_discs

RNG = np.random.default_rng(2)


def plain(
    canvas: Array, places: Array, radii: Array, colours: Array, opacity: float, blending: str
) -> Array:
    """The rule as it is written."""
    out = canvas.astype(np.float64)
    height, width, _ = out.shape
    for (row, column), radius, colour in zip(places, radii, colours, strict=True):
        y, x = np.mgrid[:height, :width] + 0.5
        distance = np.hypot(y - row, x - column)
        cover = np.clip(max(radius, 0.5) + 0.5 - distance, 0, 1)
        alpha = (cover * opacity * min(1, (radius / 0.5) ** 2))[..., np.newaxis]
        if blending == "additive":
            out = np.minimum(out + colour * alpha, 1)
        else:
            out = colour * alpha + out * (1 - alpha)
    return out


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 60),
    widest=st.floats(0.01, 12),
    opacity=st.floats(0, 1),
    blending=st.sampled_from(["translucent", "additive"]),
    batch=st.sampled_from([30, 1000, 1 << 21]),
)
def test_discs_are_what_the_rule_says(
    seed: int, count: int, widest: float, opacity: float, blending: str, batch: int
) -> None:
    rng = np.random.default_rng(seed)
    canvas = rng.random((23, 31, 3)).astype(np.float32)
    places = rng.uniform(-15, 45, (count, 2))
    places[: count // 3] = np.round(places[: count // 3] * 2) / 2  # on middles and corners
    radii = rng.uniform(0, widest, count)
    colours = rng.random((count, 3)).astype(np.float32)
    expected = plain(canvas, places, radii, colours, opacity, blending)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discs, "FRAGMENTS", batch)
        draw_discs(canvas, places, radii, colours, opacity, blending)  # type: ignore[arg-type]
    np.testing.assert_allclose(canvas, expected, atol=2e-6)


def test_the_last_disc_lies_on_top() -> None:
    canvas = np.zeros((11, 11, 3), np.float32)
    places = np.array([[5.5, 5.5], [5.5, 5.5]])
    colours = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    draw_discs(canvas, places, np.array([4.0, 2.0]), colours, 1.0, "translucent")
    np.testing.assert_allclose(canvas[5, 5], [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(canvas[5, 2], [1, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(canvas[0, 0], 0)


def test_a_disc_has_its_area() -> None:
    for radius in (0.2, 0.5, 1.0, 3.0, 10.0):
        areas = []
        for _ in range(30):
            canvas = np.zeros((40, 40, 3), np.float32)
            place = 20 + RNG.random((1, 2))
            draw_discs(canvas, place, np.array([radius]), np.ones((1, 3), "f4"), 1.0, "additive")
            areas.append(canvas[..., 0].sum())
        soft = np.pi / 12  # what the edge adds
        area = np.pi * radius**2 + soft if radius > 0.5 else (np.pi / 4 + soft) * 4 * radius**2
        assert np.mean(areas) == pytest.approx(area, rel=0.05)
