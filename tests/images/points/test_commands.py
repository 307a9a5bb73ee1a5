"""Points on the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pyarrow.parquet as pq
import pytest

from opsin.cli import main
from opsin.errors import Unsupported
from opsin.images.points.reader import open_points
from opsin.images.readers import open_images
from tests.images.points.trees import table_of

OPSIN = Path(sys.executable).with_name("opsin")
RNG = np.random.default_rng(8)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "cells.csv"
    lines = [f"{i},{i * 3},{i * 2},{i % 7}" for i in range(100)]
    path.write_text("\n".join(["Z,Y_centroid,X_centroid,size", *lines, "1,,2,3"]) + "\n")
    return path


def test_write_and_info(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cells.points"
    assert main(["write", str(table), str(out), "--scale", "y=0.5"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    assert said.err.splitlines() == [
        "opsin: cells: 1 row has no position and were left out.",
        "opsin: cells: The positions are those of the columns y = Y_centroid, x = X_centroid.",
    ]
    assert main(["info", str(out), "--json"]) == 0
    (about,) = json.loads(capsys.readouterr().out)
    assert about == {
        "name": "cells",
        "kind": "points",
        "provenance": "disk",
        "count": 100,
        "axes": [
            {"name": "y", "type": "space", "unit": None, "low": 0, "high": 148.5, "step": 0},
            {"name": "x", "type": "space", "unit": None, "low": 0, "high": 198, "step": 0},
        ],
        "properties": [
            {"name": "Z", "dtype": "int64", "range": [0, 99], "categories": None},
            {"name": "size", "dtype": "int64", "range": [0, 6], "categories": None},
        ],
        "levels": [{"cells": 1, "count": 100}],
        "warnings": ["1 row has no position and were left out."],
    }
    assert main(["info", str(out)]) == 0
    assert "  axis        y, 0 to 148.5\n" in capsys.readouterr().out
    columns = "z=Z,y=Y_centroid,x=X_centroid"
    assert main(["write", str(table), str(out), "--columns", columns, "--overwrite"]) == 0
    with open_points(out) as points:
        assert points.axis_names == ("z", "y", "x")


def test_snapshot_of_a_table_and_of_a_slice(table: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "cloud.parquet", tmp_path / "a.png"
    pq.write_table(table_of(RNG.random((3000, 3)) * 100), path)
    pictures = []
    for more, status in (([], 0), (["--position", "z=50"], 0), (["--position", "z=500"], 2)):
        command = ["snapshot", str(path), str(out), "--size", "200x200", *more]
        assert main(command) == status
        pictures.append(imagecodecs.png_decode(out.read_bytes()))
    lit = [(picture > 0).mean() for picture in pictures]
    assert lit[0] > 5 * lit[1] > 0
    assert main(["snapshot", str(table), str(out)]) == 0
    assert imagecodecs.png_decode(out.read_bytes()).max() == 255


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ("write {table} a.zarr", 2, "Points are not written as OME-Zarr: call it cells.points"),
        ("write {table} a --levels 3", 2, "--levels is not for points"),
        ("write {table} a --ome 0.4", 2, "--ome is not for points"),
        ("write {image} a.ome.zarr --columns y=a,x=b", 2, "--columns is not for an image"),
        ("write {table} a --columns y", 2, "write it like z=Z,y=Y,x=X"),
        ("write synthetic:points a", 2, "is no table: points are written from Parquet or CSV"),
        ("write {table} no/a", 1, "is no folder"),
        ("snapshot {table} a.png --level 0", 2, "Points are not drawn by levels"),
        ("snapshot {table} a.png --position z=1", 2, "There is no slider 'z'"),
        ("info {table}/a", 1, "There is nothing at"),
    ],
)
def test_what_makes_no_sense(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, words: str, status: int, sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    image = tmp_path / "image.png"
    image.write_bytes(imagecodecs.png_encode(np.zeros((4, 4), np.uint8)))
    try:
        found = main([word.format(table=table, image=image) for word in words.split()])
    except SystemExit as error:
        found = int(str(error.code))
    assert found == status
    assert sentence in capsys.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} == {"cells.csv", "image.png"}


def test_points_are_no_image(table: Path) -> None:
    with pytest.raises(Unsupported, match=r"cells.csv holds points, which are no image: .*\.$"):
        open_images(table)


def test_a_write_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    pq.write_table(table_of(RNG.random((500_000, 3)).astype("f4")), path)
    command = [str(word) for word in (OPSIN, "write", path, tmp_path / "large.points")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        while not list(tmp_path.glob(".large.points.*")):
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=30)
    assert child.returncode == 128 + signal.SIGTERM
    assert b"Stopped. Nothing is left of it." in said
    assert [p.name for p in tmp_path.iterdir()] == ["large.parquet"]
