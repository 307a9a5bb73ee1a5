"""Versions of npm: the one chosen is that which npm's own package chooses."""

from __future__ import annotations

import json
import random
from pathlib import Path

from opsin.plugins.npm_versions import choose, is_exact
from tests.peers.npm import node

WEB = Path(__file__).parents[2] / "web"
PROGRAM = """
const semver = require("semver");
const [versions, ranges] = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(ranges.map((one) => semver.maxSatisfying(versions, one))));
"""
TAGS = {"latest": "2.6.14", "next": "3.0.0-rc.1"}


def test_the_newest_that_fits_is_chosen_as_npm_does() -> None:
    draw = random.Random(5)
    numbers = [
        f"{draw.randint(0, 3)}.{draw.randint(0, 12)}.{draw.randint(0, 12)}" for _ in range(90)
    ]
    before = [f"{draw.choice(numbers)}-{draw.choice(('rc', 'beta'))}.{n}" for n in range(40)]
    versions = sorted({*numbers, *before, "3.0.0-rc6", "3.0.0-alpha"})
    parts = ("1", "1.2", "1.2.3", "0.3", "0", "2.x", "2.5.x", "*", "0.0.4", "3.0.0-rc.1", "v1.2")
    operators = ("", "^", "~", ">=", ">", "<", "<=", "=", "~>", "> ")
    ranges = [f"{operator}{part}" for operator in operators for part in (*parts, *before[:6])]
    for _ in range(600):
        both = [draw.choice(ranges[:100]) for _ in range(draw.randint(1, 2))]
        ranges.append(draw.choice((" ", " || ")).join(both))
        ranges.append(f"{draw.choice(parts[:6])} - {draw.choice(parts[:6])}")
    given = json.dumps([versions, ranges])
    theirs = json.loads(node("node", "-e", PROGRAM, folder=WEB, given=given))
    ours = [choose(one or "*", versions, {}) for one in ranges]
    different = [(r, a, b) for r, a, b in zip(ranges, ours, theirs, strict=True) if a != b]
    assert not different, different[:10]
    assert sum(one is not None for one in ours) > 500


def test_tags_come_first() -> None:
    versions = ["2.6.14", "2.7.0", "3.0.0-rc.1"]
    assert choose("latest", versions, TAGS) == choose("", versions, TAGS) == "2.6.14"
    assert choose("next", versions, TAGS) == "3.0.0-rc.1"
    assert choose("^2.0.0", versions, TAGS) == "2.6.14"  # what its makers call the latest
    assert choose("2.7", versions, TAGS) == "2.7.0"
    assert choose("nightly", versions, TAGS) is None


def test_any_text_is_a_range_or_none() -> None:
    draw = random.Random(6)
    for _ in range(20_000):
        text = "".join(draw.choices("0123456789.xX*^~<>=|- v+ab\n١²", k=draw.randint(0, 20)))
        choose(text, ["1.2.3", "x", "9" * 400], {})
        is_exact(text)
    assert is_exact("1.2.3")
    assert is_exact("3.0.0-rc6")
    assert not is_exact("^1.2.3")
    assert not is_exact("1.2")
