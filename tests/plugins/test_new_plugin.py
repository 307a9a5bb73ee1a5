"""Plugins to start from: each runs as it is, and gives what one would expect."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import get_args

import imagecodecs
import numpy as np
import pytest
from scipy import ndimage

from opsin.cli import main
from opsin.errors import PluginError, UsageError, WriteError
from opsin.images.readers import open_image
from opsin.option_values import PLUGIN_TEMPLATES
from opsin.plugins import new_plugin
from opsin.plugins.formats import read_plugin
from opsin.plugins.new_plugin import Template, write_new

NUCLEI = Path(__file__).parents[1] / "data/nuclei/test/images/003.png"


def test_the_templates_are_those_of_the_command_line() -> None:
    assert tuple(PLUGIN_TEMPLATES) == get_args(Template)
    folder = Path(new_plugin.__file__).with_name("templates")
    assert {f"{name}{ends}" for name, ends in PLUGIN_TEMPLATES.items()} == {
        one.name for one in folder.iterdir() if one.is_file()
    }


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("blur.py", "Blur"),
        ("find_my-cells.py", "Find my cells"),
        ("_x.py", "X"),
        ("___.py", "My plugin"),
        ("ärger.py", None),
        ("a b.py", None),
        ("blur.txt", None),
        (".py", None),
        ("1.py", None),
        ('"quoted".py', None),
    ],
)
def test_it_is_called_as_its_file(tmp_path: Path, file: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(PluginError, match="no name for a plugin"):
            write_new(tmp_path / file)
        assert not list(tmp_path.iterdir())
    else:
        write_new(tmp_path / file)
        assert read_plugin(tmp_path / file).name == name


def test_a_file_is_named_as_its_template_wants(tmp_path: Path) -> None:
    kinds = {"a.py": "native-python", "b.pyi": "native-python", "c.imjoy.html": "window"}
    for name, kind in kinds.items():
        write_new(tmp_path / name)
        assert read_plugin(tmp_path / name).kind == kind
    write_new(tmp_path / "my-worker.imjoy.html", "web-worker")
    made = read_plugin(tmp_path / "my-worker.imjoy.html")
    assert (made.name, made.kind) == ("My worker", "web-worker")
    with pytest.raises(UsageError, match=r"The file of a window ends with \.imjoy\.html"):
        write_new(tmp_path / "d.py", "window")
    with pytest.raises(PluginError, match="no name for a plugin"):
        write_new(tmp_path / "e.html")


def test_the_native_one_of_imjoy_runs_as_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugins", "new", "mine.imjoy.html", "--template", "native-python"]) == 0
    assert "opsin run mine.imjoy.html" in capsys.readouterr().out
    assert main(["run", "mine.imjoy.html", "sigma=0"]) == 0
    found = capsys.readouterr()
    assert "Mine: The noise was 0.999, and is 0.999." in found.out + found.err


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "blur.py").write_text("mine")
    with pytest.raises(WriteError, match="exists already"):
        write_new(tmp_path / "blur.py")
    assert (tmp_path / "blur.py").read_text() == "mine"
    with pytest.raises(WriteError, match="cannot be written: No such"):
        write_new(tmp_path / "none" / "blur.py")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(
    capsys: pytest.CaptureFixture[str], template: str, *words: str, file: str = "mine.py"
) -> None:
    """Write a plugin, and run it as the command says that it is run."""
    assert main(["plugins", "new", file, "--template", template]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "opsin run" in line]
    command = line.partition("opsin run ")[2].split()
    assert main(["run", command[0], *words, "-o", command[-1]]) == 0
    Path(file).unlink()


def test_each_runs_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = imagecodecs.imread(NUCLEI)
    run(capsys, "filter", str(NUCLEI))
    with open_image("out.ome.zarr") as image:
        bright = image.read()
    assert bright.dtype == pixels.dtype
    assert (bright.min(), bright.max()) == (pixels.min(), pixels.max())
    assert bright.mean() > pixels.mean()
    Path("out.ome.zarr").rename("bright.ome.zarr")

    run(capsys, "stub", str(NUCLEI), "sigma=3", file="mine.pyi")
    with open_image("out.ome.zarr") as image:
        assert np.array_equal(image.read(), ndimage.gaussian_filter(pixels, 3))
    Path("out.ome.zarr").rename("smooth.ome.zarr")

    run(capsys, "labels", str(NUCLEI), "smallest=50")
    with open_image("out.ome.zarr") as image:
        labels = image.read()
    sizes = np.bincount(labels.ravel())[1:]
    assert len(sizes) > 5
    assert sizes.min() >= 50

    run(capsys, "table", "labels=out.ome.zarr", f"image={NUCLEI}")
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert [int(row["size"]) for row in rows] == sizes.tolist()
    assert float(rows[0]["mean"]) == pytest.approx(pixels[labels == 1].mean())
    Path("out.csv").unlink()

    run(capsys, "points", str(NUCLEI), "radius=6")
    spots = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    places = np.array([[float(spot["y"]), float(spot["x"])] for spot in spots]).round().astype(int)
    assert len(places) > 5
    assert pixels[tuple(places.T)].mean() > 2 * pixels.mean()
