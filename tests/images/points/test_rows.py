"""Rows: tables, points and shapes as columns, from files, points and memory."""

from __future__ import annotations

import csv
import string
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import Corrupt, NotFound, OpenError, OpsinError, Unsupported, UsageError
from opsin.images.points import text_columns
from opsin.images.points.memory import points_from_table
from opsin.images.points.reader import open_points
from opsin.images.points.rows import (
    Rows,
    holds_rows,
    read_rows,
    rows_from_columns,
    rows_from_points,
    write_rows,
)
from opsin.images.points.text_columns import read_text_columns
from opsin.images.points.write import write_points

SHAPES = """index,shape-type,vertex-index,axis-0,axis-1
0,polygon,0,1.0,2.0
0,polygon,1,1.0,6.0
0,polygon,2,5.0,2.0
7,rectangle,0,0.5,0.5
7,rectangle,1,0.5,3.5
"""


def written(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_of_text_are_whole_numbers_numbers_or_texts(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "n,x,name,gap,under,is\n1,2,a,,1_0,True\n-3,4.5,,7,2,false\n\n9,nan,ü,inf,3,true\n",
    )
    found = read_text_columns(path)
    assert found["n"].dtype == np.int64
    assert found["n"].tolist() == [1, -3, 9]
    assert found["x"].tolist()[:2] == [2.0, 4.5]
    assert found["name"] == ["a", "", "ü"]
    assert np.isnan(found["gap"][0])
    assert found["gap"][1:].tolist() == [7.0, np.inf]
    assert found["is"].tolist() == [True, False, True]
    assert found["under"] == ["1_0", "2", "3"]


def test_a_column_that_changes_late_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_columns, "BATCH", 3)
    cells = [*map(str, range(7)), "1.5", *map(str, range(7)), "end"]
    path = written(tmp_path, "\t".join("ab") + "\n" + "".join(f"{one}\t1\n" for one in cells))
    found = read_text_columns(path)
    assert found["a"] == cells
    assert found["b"].tolist() == [1] * len(cells)


def test_what_stands_below_the_names_is_passed_over(tmp_path: Path) -> None:
    text = "LABEL,POSITION_X,POSITION_Y\nLabel,X,Y\nLabel,X,Y\n,(um),(um)\nID1,3.0,4.0\n"
    rows = read_rows(written(tmp_path, text), "points")
    assert rows.positions().tolist() == [[4.0, 3.0]]


TEXTS = st.text(string.ascii_letters + " ,;\"'\n\t-.é", max_size=8)
CELLS = st.one_of(
    st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=2),
    st.lists(st.floats(allow_nan=False), min_size=2, max_size=2),
    st.lists(st.just("") | TEXTS.map("k{}".format), min_size=2, max_size=2),
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(list("abcdef")), CELLS, min_size=2, max_size=5))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, list[Any]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    assert write_rows(columns, path) == 2
    for name, column in read_rows(path).columns.items():
        assert list(column) == columns[name]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), TEXTS.map(str.encode)))
def test_any_bytes_are_columns_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_bytes(content)
    try:
        found = read_rows(path)
    except OpsinError as error:
        assert "\n" not in str(error)  # noqa: PT017 # it need not be raised
    else:
        assert all(len(column) == found.count for column in found.columns.values())


def test_text_and_parquet_are_read_alike(tmp_path: Path) -> None:
    table = pa.table({"y": [0.25, 3.0], "x": [1, 2], "kind": ["a", "b"], "n": [None, 4]})
    pacsv.write_csv(table, tmp_path / "t.csv")
    pq.write_table(table, tmp_path / "t.parquet")
    text, parquet = read_rows(tmp_path / "t.csv"), read_rows(tmp_path / "t.parquet")
    assert list(text) == list(parquet) == ["y", "x", "kind", "n"]
    for name in text:
        np.testing.assert_array_equal(text[name], parquet[name])
    made = tmp_path / "u.parquet"
    assert write_rows(text, made, parquet=True) == 2
    assert pq.read_table(made).column_names == table.column_names


def test_points_are_in_the_order_of_the_file_and_those_without_a_place_are_left_out(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "X_centroid,Y_centroid,t\n3,4,0\nnan,1,1\n5,,2\n7,8,1\n")
    rows = read_rows(path, "points")
    assert rows.axis_names == ("t", "y", "x")
    assert rows.placed.tolist() == [True, False, False, True]
    assert rows.positions().tolist() == [[0, 4, 3], [1, 8, 7]]
    assert rows.positions("xy").tolist() == [[3, 4], [7, 8]]
    assert rows.origin is not None
    assert rows.origin.address == str(path)
    with pytest.raises(UsageError, match="nothing along z"):
        rows.positions("zyx")


def test_wrong_names_of_columns_are_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"\(only a, b\): rename the columns .* to y and x"):
        read_rows(written(tmp_path, "a,b,name\n1,2,k\n"), "points")
    with pytest.raises(Unsupported, match="no numbers at all"):
        read_rows(written(tmp_path, "y,x\nhere,there\n"), "points")


@pytest.mark.parametrize(
    ("name", "text", "error", "said"),
    [
        ("none.csv", None, NotFound, "There is nothing"),
        ("t.csv", "", OpenError, "is empty"),
        ("t.csv", "a,a\n1,2\n", OpenError, "two columns called 'a'"),
        ("t.csv", "y,x\n1,2\n3\n", Corrupt, "line 3 has 1 cells, and there are 2"),
        ("t.csv", "y\0,x\n", Unsupported, "is no text"),
        ("t.parquet", "PAR1 or not", OpenError, "cannot be read"),
        ("t.png", "y,x", Unsupported, "give Parquet or CSV"),
    ],
)
def test_bad_files_are_one_clear_error(
    tmp_path: Path, name: str, text: str | None, error: type[OpsinError], said: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=said):
        read_rows(path)


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_columns, "MOST_ROWS", 3)
    path = written(tmp_path, "y,x\n" + "1,2\n" * 4)
    with pytest.raises(Unsupported, match="more than 3 rows"):
        read_rows(path)
    with pytest.raises(Unsupported, match="at most 16777216 at once"):
        read_rows("synthetic:points")


def test_an_empty_table_has_no_points(tmp_path: Path) -> None:
    rows = read_rows(written(tmp_path, "y,x,name\n"), "points")
    assert rows.positions().shape == (0, 2)
    assert rows["name"].tolist() == []


def test_points_of_an_index_and_of_a_formula_are_all_there(tmp_path: Path) -> None:
    places = np.random.default_rng(1).random((5000, 2)) * 100
    kinds = ["a", "b"] * 2500
    write_points({"y": places[:, 0], "x": places[:, 1], "kind": kinds}, tmp_path / "p.points")
    rows = read_rows(tmp_path / "p.points", "points")
    found = sorted(zip(rows.positions().tolist(), rows["kind"], strict=True))
    assert found == sorted(zip(places.tolist(), kinds, strict=True))
    formula = read_rows("synthetic:points,axes=zyx,size=64,count=1000", "points")
    assert formula.positions().shape == (1000, 3)
    assert (formula.positions() >= -0.5).all()
    assert holds_rows("synthetic:points")
    assert not holds_rows("synthetic:mandelbrot")
    assert not holds_rows(tmp_path)


def test_points_that_were_opened_are_read_from_their_file(tmp_path: Path) -> None:
    path = written(tmp_path, "x,y,name\n5,6,b\n1,2,a\n")
    with open_points(path) as points:
        rows = rows_from_points(points, "mine")
    assert (rows.name, rows["name"]) == ("mine", ["b", "a"])
    assert rows.positions().tolist() == [[6, 5], [2, 1]]
    with points_from_table({"x": [5.0, 1.0], "y": [6.0, 2.0]}, name="held") as held:
        made = rows_from_points(held)
    assert made.origin is None
    assert sorted(made.positions().tolist()) == [[2, 1], [6, 5]]


def test_shapes_stand_corner_by_corner(tmp_path: Path) -> None:
    rows = read_rows(written(tmp_path, SHAPES), "shapes")
    assert rows.axis_names == ("y", "x")
    assert rows.shape_numbers().tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(UsageError, match="no column 'index'"):
        rows_from_columns({"y": [1.0], "x": [2.0]}, "shapes", "corners")


def test_columns_that_make_no_table_are_refused() -> None:
    with pytest.raises(UsageError, match="differ in length"):
        rows_from_columns({"a": [1], "b": [1, 2]}, "table", "it")
    with pytest.raises(UsageError, match="single value"):
        rows_from_columns({"a": 1}, "table", "it")


def test_what_is_kept_is_the_same_again(tmp_path: Path) -> None:
    def again(rows: Rows) -> Rows:
        path = tmp_path / f"kept {rows.name}"
        write_rows(rows.kept(), path)
        return read_rows(path, rows.kind)

    text = "y [um],x [um],z [um],label\n0.1,2,3,7\nnan,2,3,8\n1e-300,0.30000000000000004,5,9\n"
    points = read_rows(written(tmp_path, text, "points.csv"), "points")
    shapes = read_rows(written(tmp_path, SHAPES, "shapes.csv"), "shapes")
    small = np.array([0.1, 0.2], np.float32)
    columns = {"small": small, "is": small > 0.15, "n": np.array([3, 4], np.uint8), "s": ["a", ""]}
    table = rows_from_columns(columns, "table", "table.csv")
    for rows in (points, shapes, table):
        before = rows.identity()
        assert again(rows).identity() == before
        assert again(rows).axes == rows.axes
    assert len({points.identity(), shapes.identity(), table.identity()}) == 3
    with (tmp_path / "kept points.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["z [um]", "y [um]", "x [um]"]
