"""An index that is damaged is refused in a sentence, whatever is wrong with it."""

from __future__ import annotations

import json
import pickle
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsin.errors import Corrupt, NotFound, OpenError, OpsinError, Unsupported
from opsin.images.points import parts
from opsin.images.points.reader import open_points
from opsin.images.points.write import write_points
from tests.images.points.trees import everything, small, table_of

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("index") / "some.points"
    kind = pa.array(RNG.choice(["a", "b"], 2000))
    with small(taken=32, leaf=400):
        write_points(table_of(RNG.random((2000, 3)), kind=kind), out)
    return out


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "some.points"))


def change(folder: Path, **values: Any) -> None:
    path = folder / "points.json"
    document = json.loads(path.read_text())
    document.update(values)
    path.write_text(json.dumps(document))


def cell(name: str, row: int, value: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        table = pq.read_table(folder / "cells.parquet")
        column = table[name].to_numpy().copy()
        column[row] = value
        table = table.set_column(table.column_names.index(name), name, pa.array(column))
        pq.write_table(table, folder / "cells.parquet")

    return write


DAMAGES: dict[str, tuple[Callable[[Path], object], type[OpsinError], str]] = {
    "no document": (lambda f: (f / "points.json").write_text(""), OpenError, "cannot be underst"),
    "not ours": (lambda f: (f / "points.json").write_text("{}"), OpenError, "cannot be understood"),
    "a list": (lambda f: (f / "points.json").write_text("[" * 9999), OpenError, "cannot be under"),
    "later": (lambda f: change(f, version=2), Unsupported, "version 2 of opsin-points, and this"),
    "no axes": (lambda f: change(f, axes=[]), OpenError, "no points with the axes"),
    "count": (lambda f: change(f, count="x"), OpenError, "Expected `int`"),
    "other count": (lambda f: change(f, count=1999), OpenError, "account for 1999 points"),
    "property": (
        lambda f: change(f, properties=[{"name": "id", "dtype": "O"}]), OpenError,
        "no property 'id' of type 'O'",
    ),
    "no cells": (lambda f: (f / "cells.parquet").unlink(), OpenError, "cells.parquet cannot"),
    "other cells": (
        lambda f: pq.write_table(pa.table({"a": [1]}), f / "cells.parquet"), OpenError,
        "cells.parquet ",
    ),
    "empty cells": (
        lambda f: pq.write_table(pq.read_table(f / "cells.parquet")[:0], f / "cells.parquet"),
        OpenError, "has 0 rows",
    ),
    "cut off": (
        lambda f: (f / "cells.parquet").write_bytes((f / "cells.parquet").read_bytes()[:-9]),
        OpenError, "cells.parquet cannot be read",
    ),
    "no root": (cell("parent", 0, 0), OpenError, "is no tree"),
    "a loop": (cell("parent", 5, 9), OpenError, "is no tree: a cell lies in one that comes after"),
    "twins": (cell("parent", 4, 0), OpenError, "is no tree"),
    "an axis": (cell("axis", 1, 3), OpenError, "cuts along an axis that there is not"),
    "a cut": (cell("cut", 1, np.nan), OpenError, "a cut that is nowhere"),
    "ranks": (cell("stop", 1, 1e-9), OpenError, "ranks that are out of order"),
    "NaN": (cell("stop", 1, np.nan), OpenError, "ranks that are out of order"),
    "points": (cell("count", 3, 5), OpenError, "does not account for 2000 points"),
    "negative": (cell("count", 3, -5), OpenError, "does not account for 2000 points"),
    "group": (cell("group", 3, -5), OpenError, "names a row group that there is not"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_when_it_is_opened(copy: Path, damage: str) -> None:
    do, kind, message = DAMAGES[damage]
    do(copy)
    with pytest.raises(kind, match=rf"^some.points .*{message}.*\.$"):
        open_points(copy)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cell("part", 3, 77), "part-00077.parquet cannot be read"),
        (cell("group", 3, 77), "has no group 77 of"),
        (lambda f: (f / "points/part-00000.parquet").write_bytes(b"PAR1"), "cannot be read"),
        (lambda f: change(f, properties=[{"name": "gone", "dtype": "int8"}]), "lacks a column"),
        (
            lambda f: change(f, properties=[{"name": "kind", "dtype": "int8"}]),
            "a column has other values than it says",
        ),
        (
            lambda f: change(
                f, properties=[{"name": "kind", "dtype": "uint8", "categories": ["a"]}]
            ),
            "a column has other values than it says",
        ),
    ],
)
def test_damage_is_told_when_it_is_read(
    copy: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(copy)
    with open_points(copy) as points, pytest.raises(Corrupt, match=message):
        everything(points)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["points.json", "cells.parquet"]),
    where=st.floats(0, 1, exclude_max=True),
    what=st.binary(min_size=1, max_size=8),
)
def test_any_bytes_give_points_or_a_sentence(
    written: Path, tmp_path_factory: pytest.TempPathFactory, name: str, where: float, what: bytes
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for path in ("points.json", "cells.parquet"):
        shutil.copy(written / path, folder)
    (folder / "points").symlink_to(written / "points")
    data = bytearray((folder / name).read_bytes())
    place = int(where * len(data))
    data[place : place + len(what)] = what
    (folder / name).write_bytes(data)
    said = "."
    try:
        with open_points(folder) as points:
            points.read(points.tree.levels - 1, (0,))
    except OpsinError as error:
        said = str(error)
    finally:
        shutil.rmtree(folder)
    assert said.endswith(".")


def test_what_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unsupported, match="holds no points: give an index, Parquet or CSV"):
        open_points(tmp_path / "folder")
    with pytest.raises(NotFound, match="There is nothing at"):
        open_points(tmp_path / "nothing")
    with pytest.raises(Unsupported, match="give a local path"):
        open_points("https://example.org/a.points")


def test_many_threads_read_at_once_and_few_files_stay_open(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "OPEN", 2)
    with open_points(written) as points:
        assert len(list((written / "points").iterdir())) > 4
        expected = everything(points)
        start = threading.Barrier(4)

        def read(_: int) -> np.ndarray:
            start.wait()
            return everything(points)

        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(read, range(4)):
                assert np.array_equal(found, expected)
        source = pickle.loads(pickle.dumps(points.source))
        np.testing.assert_array_equal(source.direct(0)((0,))[0], points.read(0, (0,)))
