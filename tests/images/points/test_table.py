"""Tables are read batch by batch, and what cannot be read is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opsin.errors import Corrupt, NotFound, OpenError, Unsupported
from opsin.images.points import POSITION, Points, survey, table
from opsin.images.points.memory import points_from_table
from opsin.images.points.reader import open_points
from opsin.images.points.table import open_table
from tests.images.points.trees import everything, table_of


def read(path: Path) -> tuple[Points, np.ndarray]:
    points = open_points(path)
    return points, everything(points)


def test_points_that_napari_saved(tmp_path: Path) -> None:
    path = tmp_path / "nuclei.csv"
    path.write_text(
        "index,axis-0,axis-1,axis-2,confidence,label\n"
        "0.0,1.0,20.5,30.25,0.5,cell\n1.0,2.0,21.5,31.25,,\n"
    )
    points, found = read(path)
    assert points.name == "nuclei"
    assert points.axis_names == ("z", "y", "x")
    assert [one.name for one in points.properties] == ["confidence", "label"]
    assert points.property("label").categories == ("", "cell")
    found = found[np.argsort(found[POSITION][:, 0])]
    np.testing.assert_array_equal(found[POSITION], [[1, 20.5, 30.25], [2, 21.5, 31.25]])
    np.testing.assert_array_equal(found["confidence"], np.array([0.5, np.nan]))
    assert list(found["label"]) == [1, 0]


@pytest.mark.parametrize(("mark", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv")])
def test_text_may_have_other_marks_between_columns(tmp_path: Path, mark: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(f'x{mark}y{mark}"a name"\r\n1{mark}2{mark}"b"\r\n', encoding="utf-8-sig")
    points, found = read(path)
    assert found[POSITION].tolist() == [[2.0, 1.0]]
    assert points.properties[0].name == "a name"


def test_a_column_may_look_like_another_type_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "BLOCK", 256)
    path = tmp_path / "a.csv"
    lines = [f"{i},{i},{i},{i}" for i in range(200)]
    lines[120] = "120.5,120,1.5,120"
    lines[160] = "160,160.25,160,word"
    path.write_text("\n".join(["x,y,a,b", *lines]) + "\n")
    points, found = read(path)
    assert points.count == 200
    assert sorted(found["a"]) == sorted([*(float(i) for i in range(200) if i != 120), 1.5])
    assert len(points.property("b").categories) == 200
    assert 120.5 in found[POSITION][:, 1]


def test_notes_below_the_names_are_no_points(tmp_path: Path) -> None:
    path = tmp_path / "spots.csv"
    path.write_text(
        "LABEL,POSITION_X,POSITION_Y,POSITION_T,QUALITY\nLabel,X,Y,T,Quality\n"
        ",(micron),(micron),(sec),(quality)\nLabel,X,Y,T,Quality\n"
        "ID1,1.5,2.5,0,10\nID2,3.5,4.5,2,11\n"
    )
    points, found = read(path)
    assert points.axis_names == ("t", "y", "x")
    assert sorted(found["QUALITY"]) == [10, 11]
    assert points.warnings == ()


def test_rows_without_position_in_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2\n,3\nnan,4\n5,6\n")
    points, found = read(path)
    assert len(found) == 2
    assert points.warnings == ("2 rows have no position and were left out.",)


def test_a_table_of_other_objects() -> None:
    points = points_from_table({"x": [1.0, 2.0], "y": np.array([3, 4])}, name="dict")
    assert everything(points)[POSITION].tolist() in ([[3, 1], [4, 2]], [[4, 2], [3, 1]])
    assert (points.name, points.extent) == ("dict", ((3, 4), (1, 2)))


def test_columns_that_cannot_be_kept_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MOST_CATEGORIES", 3)
    places = np.random.default_rng(0).random((5, 2))
    points = points_from_table(
        table_of(
            places,
            word=pa.array(["a", "b", "c", "d", "e"]),
            many=pa.array([[1]] * 5),
            position=pa.array([1] * 5),
            price=pa.array([None, 1, 2, 3, 4], pa.decimal128(5, 2)),
        )
    )
    assert [one.name for one in points.properties] == ["id", "price"]
    assert points.property("price").range == (1.0, 4.0)
    assert list(points.warnings) == [
        "The column many was left out: it has values of list<item: int64>.",
        "The column position was left out: that is what its place is called.",
        "The column word was left out: it has more than 3 different words.",
    ]


def test_large_tables_need_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsin.images.points.memory.MOST_HELD", 10)
    path = tmp_path / "big.parquet"
    pq.write_table(table_of(np.zeros((11, 2))), path)
    with pytest.raises(Unsupported, match=r"11 points.*`opsin write big.parquet big.points`"):
        open_points(path)


def test_what_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "binary.csv").write_bytes(b"x,y\n\0\0\0")
    (tmp_path / "twice.csv").write_text("x,x,y\n1,2,3\n")
    (tmp_path / "short.csv").write_text("x,y,z\n1,2,3\n1,2\n")
    (tmp_path / "latin.csv").write_bytes("x,y,näme\n1,2,ö\n".encode("latin-1"))
    (tmp_path / "half.parquet").write_bytes(b"PAR1abc")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    (tmp_path / "folder").mkdir()
    cases: dict[str, tuple[Any, str]] = {
        "empty.csv": (OpenError, r"empty.csv cannot be read: .*mpty"),
        "binary.csv": (Unsupported, "is no text, whatever its name says"),
        "twice.csv": (OpenError, "two columns called 'x': rename one"),
        "short.csv": ((OpenError, Corrupt), "short.csv cannot be read: .*Expected 3 columns"),
        "latin.csv": ((OpenError, Corrupt), r"latin.csv cannot be read: .*"),
        "half.parquet": (OpenError, "half.parquet cannot be read"),
        "image.png": (Unsupported, "is no table of points: give Parquet or CSV"),
        "folder": (Unsupported, "is a folder without Parquet files"),
        "nothing.csv": (NotFound, "There is nothing at"),
    }
    for name, (kind, message) in cases.items():
        with pytest.raises(kind, match=message) as caught:
            survey.survey(open_table(tmp_path / name))
        assert str(caught.value).count("\n") == 0
        assert str(caught.value).endswith(".")


def test_without_pyarrow_it_is_said_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "points.json").write_text("{}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for path in (tmp_path / "a.csv", tmp_path):
        with pytest.raises(
            Unsupported, match=r"by pyarrow, which is missing: pip install opsin\[p"
        ):
            open_points(path)


def test_tables_of_one_folder_must_be_alike(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0], "y": [1.0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1.0], "y": [1]}), tmp_path / "b.parquet")
    with pytest.raises(OpenError, match=r"b.parquet cannot be read: it has other columns than a.p"):
        open_table(tmp_path)
