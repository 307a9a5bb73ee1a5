"""A script's function on many images: what is written, what fails, and how it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import opsin
from opsin.errors import UsageError, WriteError
from opsin.images.image import Image
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image

PIXELS = np.random.default_rng(0).integers(0, 99, (40, 50), dtype=np.uint16)


def process(image: Image) -> dict[str, Any]:
    pixels = image.read()
    return {"bright": image_from_array(pixels // 2), "sums": {"sum": [int(pixels.sum())]}}


def status(
    function: Any, *recorded: str | Mapping[str, Any], arguments: Sequence[str | Path]
) -> int:
    with pytest.raises(SystemExit) as ended:
        opsin.batch(function, *recorded, arguments=[*map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        tifffile.imwrite(folder / f"{number}.tif", PIXELS + number)
    return folder


def test_a_folder_is_done_image_by_image_whatever_fails(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "1.tif").write_bytes(b"no TIFF")
    out = tmp_path / "out"
    assert status(process, str(images / "0.tif"), arguments=[images, "--out", out]) == 1
    told = capsys.readouterr().err
    assert "[2/3] 1.tif\n    failed: " in told
    assert told.endswith("1 of 3 failed.\n")
    names = [f"{n}-{what}" for n in (0, 2) for what in ("bright.ome.zarr", "sums.csv")]
    assert listed(out) == names
    with open_image(out / "2-bright.ome.zarr") as image:
        np.testing.assert_array_equal(image.read(), (PIXELS + 2) // 2)
    assert (out / "2-sums.csv").read_text().split() == ["sum", str(int((PIXELS + 2).sum()))]
    # Mended, the same command does what is missing, and nothing else.
    tifffile.imwrite(images / "1.tif", PIXELS + 1)
    before = (out / "0-sums.csv").stat().st_mtime_ns
    assert status(process, str(images / "0.tif"), arguments=[images, "--out", out]) == 0
    assert capsys.readouterr().err.count("is done already") == 2
    assert (out / "0-sums.csv").stat().st_mtime_ns == before
    assert len(listed(out)) == 6


def test_what_is_recorded_is_done_if_nothing_is_named(images: Path, tmp_path: Path) -> None:
    recorded = {"address": str(images / "1.tif"), "number": 0, "kind": "labels"}
    kinds = []

    def look(image: Image) -> dict[str, Any]:
        kinds.append(image.kind)
        return {"same": image}

    assert status(look, recorded, arguments=["--out", tmp_path / "out"]) == 0
    assert kinds == ["labels"]
    with open_image(tmp_path / "out/1-same.ome.zarr") as image:
        assert image.kind == "labels"


def test_several_images_that_belong_together(images: Path, tmp_path: Path) -> None:
    def difference(one: Image, other: Image) -> dict[str, Any]:
        return {"difference": image_from_array(other.read() - one.read())}

    known = [str(images / f"{number}.tif") for number in (0, 1)]
    out = tmp_path / "out"
    named: list[str | Path] = [images / "0.tif", images / "2.tif"]
    assert status(difference, *known, arguments=[*named, "--out", out]) == 0
    with open_image(out / "0-difference.ome.zarr") as image:
        assert set(np.unique(image.read())) == {2}
    assert status(difference, *known, arguments=[images, "--out", out]) == 2


def test_what_is_there_is_not_replaced_unless_asked(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "0-sums.csv").write_text("mine")
    words: list[str | Path] = [images / "0.tif", "--out", out]
    assert status(process, str(images / "0.tif"), arguments=words) == 1
    assert "exists already: add --overwrite, or choose another --out" in capsys.readouterr().err
    assert (out / "0-sums.csv").read_text() == "mine"
    assert status(process, str(images / "0.tif"), arguments=[*words, "--overwrite"]) == 0
    assert (out / "0-sums.csv").read_text() != "mine"


def test_what_a_stop_left_is_made_anew(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words: list[str | Path] = [images / "0.tif", "--out", out]

    class Stop(BaseException):
        pass

    class Sudden(dict[str, Any]):
        def __iter__(self) -> Any:
            raise Stop

    def stopped(image: Image) -> dict[str, Any]:
        made = process(image)
        return {"bright": made["bright"], "sums": Sudden()}

    with pytest.raises(Stop):
        opsin.batch(stopped, str(images / "0.tif"), arguments=[*map(str, words)])
    assert listed(out) == ["0-bright.ome.zarr"]
    assert status(process, str(images / "0.tif"), arguments=words) == 0
    assert listed(out) == ["0-bright.ome.zarr", "0-sums.csv"]


def test_names_that_differ_in_their_ends_alone_stay_apart(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", PIXELS)
    tifffile.imwrite(folder / "a.tiff", PIXELS)
    out = tmp_path / "out"
    assert status(process, "x.tif", arguments=[folder, "--out", out]) == 0
    assert {name.rpartition("-")[0] for name in listed(out)} == {"a.tif", "a.tiff"}


@pytest.mark.parametrize(
    ("value", "name", "error", "said"),
    [
        (5, "a.csv", UsageError, "A int cannot be saved"),
        (PIXELS, "a.tif", UsageError, "let its name end with .ome.zarr"),
        (PIXELS, "there.zarr", WriteError, "exists already"),
        ({"a": [1]}, "nowhere/a.csv", WriteError, "cannot be written"),
    ],
)
def test_what_cannot_be_saved_is_said(
    tmp_path: Path, value: Any, name: str, error: type[Exception], said: str
) -> None:
    (tmp_path / "there.zarr").mkdir()
    with pytest.raises(error, match=said):
        opsin.save(value, tmp_path / name)
