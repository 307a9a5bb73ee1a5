"""Transformations: what is a scale and a translation is understood, however it is written."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import OpenError, OpsinError, Unsupported
from opsin.images.transformation import Transformation, parse_transformations

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)
SCALES = st.floats(1e-3, 1e3)


def scale(*factors: float) -> dict[str, Any]:
    return {"type": "scale", "scale": list(factors)}


def shift(*by: float) -> dict[str, Any]:
    return {"type": "translation", "translation": list(by)}


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "sequence", "transformations": list(parts)}


def by_dimension(*parts: tuple[list[int], dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "byDimension",
        "transformations": [
            {"inputAxes": axes, "outputAxes": axes, "transformation": one} for axes, one in parts
        ],
    }


@pytest.mark.parametrize(
    "entry",
    [
        sequence(scale(2, 3), shift(10, 20)),
        sequence(shift(5, 20 / 3), sequence(scale(2, 3)), {"type": "identity"}),
        {"type": "affine", "affine": [[2, 0, 10], [0, 3, 20]]},
        {"type": "bijection", "forward": sequence(scale(2, 3), shift(10, 20)), "inverse": 5},
        by_dimension(([1], sequence(scale(3), shift(20))), ([0], sequence(scale(2), shift(10)))),
        by_dimension(([1, 0], sequence(scale(3, 2), shift(20, 10)))),
        sequence({"type": "rotation", "rotation": [[2, 0], [0, 3]]}, shift(10, 20)),
        sequence({"type": "mapAxis", "mapAxis": [0, 1]}, scale(2, 3), shift(10, 20)),
    ],
)
def test_many_ways_to_write_the_same(entry: dict[str, Any]) -> None:
    found = parse_transformations("level 'a'", 2, [entry])
    assert found.scale == (2, 3)
    np.testing.assert_allclose(found.translation, (10, 20), rtol=1e-15)


@given(st.lists(st.tuples(SCALES, NUMBERS), min_size=1, max_size=6), NUMBERS)
def test_they_are_applied_one_after_the_other(parts: list[tuple[float, float]], x: float) -> None:
    entries = [entry for s, t in parts for entry in (scale(s), shift(t))]
    middle = len(entries) // 2
    nested = [sequence(*entries[:middle]), sequence(*entries[middle:])] if middle else entries
    expected, size = x, abs(x)
    for s, t in parts:
        expected, size = expected * s + t, size * s + abs(t)
    for lists in ([entries], [entries[:middle], entries[middle:]], [nested], [None, nested]):
        found = parse_transformations("x", 1, *lists)
        value = found.scale[0] * x + found.translation[0]
        assert value == pytest.approx(expected, abs=1e-12 * size + 1e-300)
        back = found.then(found.inverse())
        assert back.scale[0] == pytest.approx(1)
        largest = abs(found.translation[0] / found.scale[0]) + 1e-300
        assert back.translation[0] == pytest.approx(0, abs=1e-12 * largest)


@pytest.mark.parametrize(
    ("entry", "kind", "message"),
    [
        ({"type": "rotation", "rotation": [[0, 1], [-1, 0]]}, Unsupported, "by a rotation"),
        ({"type": "rotation", "path": "r"}, Unsupported, "by a rotation"),
        ({"type": "affine", "affine": [[1, 0.1, 0], [0, 1, 0]]}, Unsupported, "by an affine"),
        ({"type": "affine", "affine": [[-1, 0, 0], [0, 1, 0]]}, Unsupported, "by an affine"),
        ({"type": "affine", "affine": [[1, 0], [0, 1]]}, Unsupported, "by an affine"),
        ({"type": "mapAxis", "mapAxis": [1, 0]}, Unsupported, "order of axes"),
        ({"type": "displacements", "path": "d"}, Unsupported, "field of displacements"),
        ({"type": "projectAxis"}, Unsupported, "by a projection"),
        ({"type": "scale", "path": "s"}, Unsupported, "keeps the scale of level 'a' in an array"),
        (
            {
                "type": "byDimension",
                "transformations": [
                    {"inputAxes": [0, 1], "outputAxes": [1, 0], "transformation": scale(1, 1)}
                ],
            },
            Unsupported,
            "order of the axes",
        ),
        (by_dimension(([0], scale(1))), OpenError, "without some of its axes"),
        (by_dimension(([0], scale(1)), ([0, 1], scale(1, 1))), OpenError, "makes no sense"),
        (by_dimension(([0, 5], scale(1, 1))), OpenError, "makes no sense"),
        (by_dimension(([0, 0], scale(1, 1)), ([1], scale(1))), OpenError, "makes no sense"),
        ({"type": "byDimension", "transformations": [7]}, OpenError, "makes no sense"),
        ({"type": "nonsense"}, OpenError, "unknown type 'nonsense'"),
        (7, OpenError, "unknown type None"),
        (sequence(scale(1e200, 1), scale(1e200, 1)), OpenError, "out of all bounds"),
        (scale(1), OpenError, "a scale that is not 2 numbers"),
        (scale(1, 0), OpenError, "a scale is positive"),
        (shift(1, True), OpenError, "a translation that is not 2 numbers"),
    ],
)
def test_others_are_refused_by_name(entry: Any, kind: type, message: str) -> None:
    with pytest.raises(OpenError, match=message) as caught:
        parse_transformations("level 'a'", 2, [entry])
    assert type(caught.value) is kind


def test_depth_is_bounded() -> None:
    entry = shift(1)
    for _ in range(8):
        entry = sequence(entry)
    assert parse_transformations("x", 1, [entry]) == Transformation((1,), (1,))
    with pytest.raises(Unsupported, match="inside of 8 others"):
        parse_transformations("x", 1, [sequence(entry)])


KEYS = ["type", "scale", "translation", "affine", "transformations", "inputAxes", "outputAxes"]
TYPES = ["scale", "translation", "sequence", "affine", "byDimension", "bijection", "rotation"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats() | st.sampled_from(TYPES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS, "transformation", "forward"]), inner)
        | st.fixed_dictionaries(
            {"type": st.sampled_from(TYPES)}, optional=dict.fromkeys(KEYS[1:], inner)
        )
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(JSON)
def test_nonsense_is_an_error_of_ours(entries: Any) -> None:
    with suppress(OpsinError):
        found = parse_transformations("x", 2, entries)
        assert all(np.isfinite(found.translation))
        assert all(s > 0 for s in found.scale)
