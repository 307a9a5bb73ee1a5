"""Points are written as an index: all of them, each once, where it belongs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from opsin.errors import Corrupt, OpenError, Unsupported, UsageError, WriteError
from opsin.images.points import POSITION, building
from opsin.images.points.memory import points_from_table
from opsin.images.points.reader import open_points
from opsin.images.points.write import write_points
from tests.images.points.trees import (
    all_ranks,
    check_tree,
    chunks,
    everything,
    levels,
    small,
    table_of,
)

RNG = np.random.default_rng(5)

coordinates = st.one_of(
    st.floats(-1e6, 1e6, width=32),
    st.integers(-3, 3).map(float),  # so that many points share their place
)
positions = st.integers(2, 3).flatmap(
    lambda axes: nps.arrays(
        np.float64,
        st.tuples(st.integers(1, 300), st.just(axes)),
        elements=coordinates,
        fill=coordinates,
    )
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(positions)
def test_every_point_is_there_once_and_where_its_rank_puts_it(
    tmp_path_factory: pytest.TempPathFactory, places: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("points")
    table = table_of(places)
    with small():
        write_points(table, folder / "out")
        held = points_from_table(table)
    for points in (open_points(folder / "out"), held):
        with points:
            check_tree(points, all_ranks(len(places)))
            found = everything(points)
            assert sorted(found["id"]) == list(range(len(places)))
            np.testing.assert_array_equal(found[POSITION], places[found["id"]])


def test_points_in_time_are_cut_by_time_first(tmp_path: Path) -> None:
    count = 4000
    t = RNG.integers(0, 8, count)
    yx = RNG.random((count, 2)) * 1000
    table = pa.table({"t": t, "y": yx[:, 0], "x": yx[:, 1], "id": np.arange(count, dtype="u4")})
    with small(taken=16, leaf=300):
        write_points(table, tmp_path / "out")
    with open_points(tmp_path / "out") as points:
        check_tree(points, all_ranks(count))
        assert points.axis_names == ("t", "y", "x")
        assert points.axes[0].type == "time"
        assert points.steps == (1.0, 0.0, 0.0)
        *_, eighths = zip(range(4), levels(points), strict=False)
        cells = eighths[1]
        assert len(cells) == 8
        assert sorted(zip(cells.low[:, 0], cells.high[:, 0], strict=True)) == [
            (float(i), float(min(i + 1, 7))) for i in range(8)
        ]
        whole = points.extent[1:]
        for axis, (low, high) in enumerate(whole, 1):
            assert (cells.low[:, axis] == low).all()
            assert (cells.high[:, axis] == high).all()


def test_what_is_written_is_plain_parquet_that_others_read(tmp_path: Path) -> None:
    count = 2000
    places = RNG.normal(size=(count, 3)).astype(np.float32)
    kind = RNG.choice(["tail", "head", ""], count)
    weight = pa.array([None if i % 7 == 0 else i for i in range(count)], pa.int16())
    table = table_of(places, kind=kind, weight=weight, flag=places[:, 0] > 0)
    with small(taken=64, leaf=500):
        write_points(table, tmp_path / "out")
    whole = pq.read_table(tmp_path / "out" / "points")
    assert whole.schema.names == table.schema.names
    assert whole.schema.field("z").type == pa.float32()
    back = whole.take(np.argsort(whole["id"].to_numpy()))
    for name in ("x", "y", "z", "id", "kind", "flag"):
        assert back[name].to_pylist() == table[name].to_pylist()
    assert np.array_equal(back["weight"].to_numpy(), weight.to_numpy(False), equal_nan=True)
    some = ds.dataset(tmp_path / "out" / "points").to_table(filter=ds.field("x") > 1)
    assert some.num_rows == (places[:, 2] > 1).sum()
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "points.json", "cells.parquet", "points"
    }  # fmt: skip
    assert json.loads((tmp_path / "out/points.json").read_text())["format"] == "opsin-points"


def test_properties_keep_their_values(tmp_path: Path) -> None:
    count = 500
    kind = RNG.choice(["b", "a", "ü"], count)
    area = RNG.random(count) * 100
    table = table_of(RNG.random((count, 2)), kind=pa.array(kind).dictionary_encode(), area=area)
    write_points(table, tmp_path / "out")
    with open_points(tmp_path / "out") as points:
        assert [one.name for one in points.properties] == ["id", "kind", "area"]
        assert points.property("kind").categories == ("a", "b", "ü")
        assert points.property("kind").dtype == np.uint8
        assert points.property("area").range == (area.min(), area.max())
        found = everything(points)
        np.testing.assert_array_equal(found["area"], area[found["id"]])
        words = np.array(points.property("kind").categories)[found["kind"]]
        np.testing.assert_array_equal(words, kind[found["id"]])
        fewer = points.with_properties("area")
        assert everything(fewer).dtype.names == ("position", "area")
        np.testing.assert_array_equal(everything(fewer)["area"], found["area"])
        assert fewer.chunk_bytes(0, (0,)) < points.chunk_bytes(0, (0,))
        with pytest.raises(UsageError, match=r"no property 'size': its properties are id, kind"):
            points.with_properties("size")


def test_points_lie_in_the_world(tmp_path: Path) -> None:
    places = RNG.integers(0, 100, (300, 2))
    write_points(
        table_of(places),
        tmp_path / "out",
        name="nuclei",
        scale={"y": 0.5, "x": 2},
        translation={"x": -10},
        units={"y": "micrometer", "x": "micrometer"},
    )
    with open_points(tmp_path / "out") as points:
        assert points.name == "nuclei"
        assert [axis.unit for axis in points.axes] == ["micrometer"] * 2
        found = everything(points)
        np.testing.assert_array_equal(found[POSITION], places[found["id"]] * (0.5, 2) + (0, -10))
        assert points.extent[1] == (places[:, 1].min() * 2 - 10, places[:, 1].max() * 2 - 10)
        check_tree(points, all_ranks(300))


def test_rows_without_a_position_are_left_out_and_counted(tmp_path: Path) -> None:
    places = RNG.random((200, 2))
    places[3, 0], places[50, 1], places[51] = np.nan, np.inf, -np.inf
    x = pa.array([None if i == 9 else v for i, v in enumerate(places[:, 1])])
    table = pa.table({"y": places[:, 0], "x": x, "id": np.arange(200, dtype="u4")})
    write_points(table, tmp_path / "out")
    with open_points(tmp_path / "out") as points:
        assert points.warnings == ("4 rows have no position and were left out.",)
        assert sorted(everything(points)["id"]) == sorted(set(range(200)) - {3, 9, 50, 51})
        check_tree(points, all_ranks(200))


def test_many_points_at_one_place_are_refused_when_they_do_not_fit(tmp_path: Path) -> None:
    places = np.ones((900, 2))
    with small():
        write_points(table_of(places[:600]), tmp_path / "fits")
        with pytest.raises(WriteError, match=r"900 points at one place.*but 640 can be"):
            write_points(table_of(places), tmp_path / "out")
    with open_points(tmp_path / "fits") as points:
        check_tree(points, all_ranks(600))
    assert [p.name for p in tmp_path.iterdir()] == ["fits"]


def test_the_order_of_batches_does_not_matter(tmp_path: Path) -> None:
    table = table_of(RNG.normal(size=(1000, 2)))
    pq.write_table(table, tmp_path / "one.parquet")
    folder = tmp_path / "several"
    folder.mkdir()
    for number in range(4):
        pq.write_table(
            table.slice(250 * number, 250), folder / f"{number}.parquet", row_group_size=77
        )
    found = []
    with small(taken=16, leaf=200):
        for number, source in enumerate((table, tmp_path / "one.parquet", folder)):
            write_points(source, tmp_path / f"out{number}")
    for number in range(3):
        with open_points(tmp_path / f"out{number}") as points:
            found.append([(c.stop[0], chunk["id"].tolist()) for c, chunk in chunks(points)])
    assert found[0] == found[1] == found[2]


# ------------------------------------------------------------------------------ what is refused


def test_nothing_is_left_of_what_was_refused(tmp_path: Path) -> None:
    good = table_of(RNG.random((10, 2)))
    cases: list[tuple[object, dict[str, object], type[Exception], str]] = [
        (pa.table({"a": [1.0], "b": ["x"]}), {}, Unsupported, "no columns that are called like"),
        (good, {"columns": {"y": "y"}}, UsageError, "need columns for y and x"),
        (good, {"columns": {"y": "y", "x": "gone"}}, UsageError, "no column of numbers called"),
        (good, {"columns": {"y": "y", "x": "y"}}, UsageError, "along one axis, not along two"),
        (good, {"columns": {"y": "y", "x": "x", "q": "id"}}, UsageError, "axes t, z, y and x"),
        (good, {"properties": ["size"]}, UsageError, "no column 'size' to keep"),
        (good, {"scale": {"z": 1.0}}, UsageError, "no axis 'z'"),
        (good, {"scale": {"y": 0.0}}, UsageError, "scale of 0 along y makes no sense"),
        (good, {"translation": {"y": np.nan}}, UsageError, "nowhere along y"),
        (good.slice(0, 0), {}, OpenError, "holds no points: it is empty"),
        (
            pa.table({"x": [np.nan], "y": [1.0]}), {}, OpenError,
            "holds no points: none of its 1 rows has a position",
        ),
        ("no table", {}, OpenError, "There is nothing at no table"),
        (42, {}, UsageError, "This is no table"),
    ]  # fmt: skip
    for source, options, kind, message in cases:
        with pytest.raises(kind, match=message):
            write_points(source, tmp_path / "out", **options)  # type: ignore[arg-type]
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(WriteError, match="is no folder: make it first"):
        write_points(good, tmp_path / "a" / "b")


def test_what_is_there_is_only_replaced_when_asked_and_only_points(tmp_path: Path) -> None:
    first, second = table_of(RNG.random((10, 2))), table_of(RNG.random((20, 2)))
    out = tmp_path / "out"
    write_points(first, out)
    with pytest.raises(WriteError, match="exists already"):
        write_points(second, out)
    with pytest.raises(OpenError):
        write_points(second.slice(0, 0), out, overwrite=True)
    with open_points(out) as points:
        assert points.count == 10
    write_points(second, out, overwrite=True)
    with open_points(out) as points:
        assert points.count == 20
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(WriteError, match="holds no points, so it is not overwritten"):
        write_points(first, other, overwrite=True)
    assert {p.name for p in tmp_path.iterdir()} == {"out", "other"}


def test_a_damaged_table_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(table_of(RNG.random((50_000, 2))), path, compression="none")
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196  # the header of the first page
    path.write_bytes(data)
    with pytest.raises((Corrupt, OpenError), match=r"in\.parquet"):
        write_points(path, tmp_path / "out")
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(OpenError, match=r"in.parquet cannot be read: .*\.$"):
        write_points(path, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


def test_a_table_that_changes_while_it_is_read_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("x,y\n" + "1,2\n" * 100)
    survey = building.Building.run

    def grow(self: building.Building) -> None:
        with path.open("a") as file:
            file.write("3,4\n")
        survey(self)

    monkeypatch.setattr(building.Building, "run", grow)
    with pytest.raises(Corrupt, match="has changed while it was read"):
        write_points(path, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]


# ------------------------------------------------------------------------------ what it takes


CHILD = """
import sys
import numpy as np, pyarrow as pa
from opsin.images.points import building
from opsin.images.points.write import write_points
building.LEAF, building.LEAST_LEAF, building.RUN = 1 << 15, 1 << 15, 1 << 20
count = int(sys.argv[2])
rng = np.random.default_rng(0)
table = pa.table({"x": rng.random(count, "f4"), "y": rng.random(count, "f4")})
def progress(part):
    print(part, flush=True)
write_points(table, sys.argv[1], progress=progress)
"""


def test_a_killed_write_leaves_nothing_under_the_name_and_the_next_one_clears_up(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "out"), "200000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if float(line) > 0.7:  # in the middle of writing cells
                os.kill(child.pid, signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.")
    write_points(table_of(RNG.random((10, 2))), tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_progress_goes_from_none_to_all(tmp_path: Path) -> None:
    told: list[float] = []
    with small(taken=16, leaf=200):
        write_points(table_of(RNG.random((2000, 2))), tmp_path / "out", progress=told.append)
    assert told == sorted(told)
    assert told[0] < 0.2
    assert told[-1] == 1.0
    assert len(told) > 20


def test_memory_does_not_grow_with_the_number_of_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "LEAST_LEAF", 2000)
    monkeypatch.setattr(building, "LEAF", 2000)
    monkeypatch.setattr(building, "RUN", 1 << 16)
    monkeypatch.setattr("opsin.images.points.table.BATCH", 1 << 10)
    monkeypatch.setattr("opsin.images.points.survey.SAMPLE", 2000)
    monkeypatch.setattr("opsin.images.points.division.TAKEN", 128)
    monkeypatch.setattr("opsin.images.points.division.MOST", 256)
    monkeypatch.setattr(building, "TAKEN", 128)
    peaks = []
    for count in (10_000, 80_000):
        table = table_of(RNG.random((count, 2)))  # Arrow's memory is not counted
        write_points(table, tmp_path / "first", overwrite=True)  # imports
        tracemalloc.start()
        write_points(table, tmp_path / f"{count}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
