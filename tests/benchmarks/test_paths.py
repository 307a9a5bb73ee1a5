import json
import math
from itertools import pairwise
from pathlib import Path as File

import pytest
from harness.sim.paths import FRAME, paths, read_path


def written(folder: File, **tour: object) -> File:
    file = folder / "tour.json"
    image = {"size": [4096, 4096], "chunks": [256, 256], "levels": 5}
    file.write_text(json.dumps({"image": image, "canvas": [512, 256], **tour}))
    return file


def test_without_a_start_the_whole_image_is_seen(tmp_path: File) -> None:
    path = read_path(written(tmp_path, moves=[{"rest": 2}]))
    assert path.end == 2
    (moment,) = path.moments
    assert (moment.time, moment.camera.center, moment.camera.zoom) == (0, (2048, 2048), 1 / 16)


def test_a_zooming_move_is_even_on_the_canvas(tmp_path: File) -> None:
    path = read_path(written(tmp_path, moves=[{"go": 3, "center": [1000, 3000], "zoom": 2}]))
    last = path.moments[-1].camera
    assert last.zoom == pytest.approx(2)
    assert last.center == pytest.approx((1000, 3000))
    steps = [
        math.dist(a.camera.center, b.camera.center) * math.sqrt(a.camera.zoom * b.camera.zoom)
        for a, b in pairwise(path.moments)
    ]
    assert max(steps) == pytest.approx(min(steps), rel=1e-6)
    factors = [b.camera.zoom / a.camera.zoom for a, b in pairwise(path.moments)]
    assert max(factors) == pytest.approx(min(factors))
    assert {round(b.time - a.time, 9) for a, b in pairwise(path.moments)} == {round(FRAME, 9)}


def test_moves_follow_each_other(tmp_path: File) -> None:
    image = {"size": [9, 64, 64], "chunks": [1, 64, 64], "levels": 1, "axes": "zyx"}
    moves = [
        {"rest": 1},
        {"jump": [5, 6], "zoom": 3},
        {"step": "z", "to": 1, "per_second": 4},
        {"go": 1, "center": [9, 6], "slowing": True},
    ]
    path = read_path(written(tmp_path, image=image, start={"z": 3}, moves=moves))
    jumped, two, one = path.moments[1:4]
    assert (jumped.time, jumped.camera.center, jumped.camera.zoom) == (1, (5, 6), 3)
    assert [(m.time, m.camera.position["z"]) for m in (two, one)] == [(1.25, 2), (1.5, 1)]
    rows = [m.camera.center[0] for m in path.moments[3:]]
    steps = [b - a for a, b in pairwise(rows)]
    assert steps == sorted(steps, reverse=True)
    assert [rows[-1], path.end] == pytest.approx([9, 2.5])


def test_the_tours_are_what_the_issue_of_them_asks_for() -> None:
    known = paths()
    assert {"jump", "zoom", "pan", "fling", "fly", "play_z", "play_t"} <= known.keys()
    for path in known.values():
        assert 5 < path.end < 30
        times = [moment.time for moment in path.moments]
        assert times == sorted(set(times))
    assert max(path.shape.levels for path in known.values()) >= 18
