"""Label colours: the fixture, and the hash once more in plain integers."""

from __future__ import annotations

import colorsys
import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opsin.render.labels import colours

FIXTURE = Path("protocol/fixtures/label_colours.json")


def mix(x: int) -> int:
    x ^= x >> 16
    x = x * 0x85EBCA6B & 0xFFFFFFFF
    x ^= x >> 13
    x = x * 0xC2B2AE35 & 0xFFFFFFFF
    return x ^ x >> 16


def plain(identity: int) -> tuple[float, float, float]:
    h = mix((identity & 0xFFFFFFFF) ^ mix((identity >> 32) ^ 0x9E3779B9))
    return colorsys.hsv_to_rgb(
        (h & 0xFFFF) / 65536,
        0.55 + 0.45 * (h >> 16 & 0xFF) / 255,
        0.75 + 0.25 * (h >> 24 & 0xFF) / 255,
    )


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_plain_integers_agree(ids: list[int]) -> None:
    got = colours(np.array(ids, np.uint64))
    np.testing.assert_allclose(got, [plain(identity) for identity in ids], atol=1e-12)


def test_fixture() -> None:
    entries = json.loads(FIXTURE.read_text())
    ids = [int(entry["id"]) for entry in entries]
    assert {1, 2, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**40 + 7, 2**63, 2**64 - 1} <= set(ids)
    np.testing.assert_allclose(
        colours(np.array(ids, np.uint64)), [entry["rgb"] for entry in entries], atol=1e-8
    )


def test_every_integer_type_has_the_same_colours() -> None:
    ids = np.arange(100).reshape(10, 10)
    expected = colours(ids.astype("u8"))
    assert expected.shape == (10, 10, 3)
    for dtype in ("u1", "u2", "u4", "i1", "i2", "i4", "i8"):
        np.testing.assert_array_equal(colours(ids.astype(dtype)), expected)
    np.testing.assert_array_equal(
        colours(np.array([-1], "i2")), colours(np.array([2**64 - 1], "u8"))
    )


def test_neighbouring_ids_are_told_apart() -> None:
    got = colours(np.arange(1, 2000, dtype="u4"))
    steps = np.abs(np.diff(got, axis=0)).max(axis=1)
    assert np.median(steps) > 0.3
    assert got.max(axis=1).min() >= 0.75
