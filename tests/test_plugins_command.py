"""`opsin plugins`: what there is, and plugins of napari in environments of their own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from opsin.cli import main
from opsin.host import added_plugins
from tests.plugins import napari_trial


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def wheel(folder: Path) -> Path:
    """The plugin of the tests as a wheel."""
    napari_trial.write(folder / "site")
    path = folder / "napari_trial-1.5-py3-none-any.whl"
    about = folder / "site/napari_trial-1.5.dist-info"
    (about / "WHEEL").write_text(
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files = sorted(one for one in (folder / "site").rglob("*") if one.is_file())
    names = [one.relative_to(folder / "site").as_posix() for one in files]
    record = "".join(f"{name},,\n" for name in [*names, f"{about.name}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in zip(names, files, strict=True):
            archive.write(file, name)
        archive.writestr(f"{about.name}/RECORD", record)
    return path


def test_a_plugin_in_an_environment_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(added_plugins, "NEEDS", "numpy")  # napari would take a minute
    package = f"napari-trial @ {wheel(tmp_path).as_uri()}"
    assert main(["plugins", "add", package]) == 0
    said = capsys.readouterr()
    assert said.out == "napari:napari-trial  Trial 1.5\n"
    assert "opsin:" not in said.err
    assert main(["plugins", "list"]) == 0
    listed = capsys.readouterr().out
    (block,) = [one for one in listed.split("\n\n") if one.startswith("napari:napari-trial")]
    lines = [" ".join(line.split()) for line in block.splitlines()]
    assert "smooth Smooth" in lines
    assert "watch Watch (not here: It needs a viewer: open it in napari.)" in lines
    assert main(["plugins", "list", "--json"]) == 0
    manifests = {one["address"]: one for one in json.loads(capsys.readouterr().out)}
    assert manifests["napari:napari-trial"]["requirements"] == ["napari-trial==1.5", "napari"]
    # It is known by its name, here as if it were installed.
    assert main(["run", "napari:napari_trial:panel_of_none", "-o", str(tmp_path / "x.zarr")]) == 1
    assert "napari:napari-trial has no operation 'panel_of_none'" in capsys.readouterr().err
    assert main(["envs", "clean", "--all"]) == 0
    assert "0 of 1 environments removed" in capsys.readouterr().out
    assert main(["plugins", "remove", "napari-trial"]) == 0
    assert main(["envs", "clean", "--all"]) == 0
    assert "1 of 1 environments removed" in capsys.readouterr().out
    assert main(["plugins", "remove", "napari-trial"]) == 2
    assert "No plugin called napari-trial was added here" in capsys.readouterr().err
    assert main(["run", "napari:napari-trial:smooth", "-o", str(tmp_path / "x.zarr")]) == 1
    assert "is not installed here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "more"], "Write it as `opsin plugins list`."),
        (["add"], "Write it as `opsin plugins add NAME`."),
        (["add", "no/name"], "'no/name' is no package of PyPI: write it like napari-skimage."),
    ],
)
def test_what_makes_no_sense(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugins", *words]) == 2
    assert message in capsys.readouterr().err


def test_what_is_no_plugin_of_napari(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "add", "numpy"]) == 1
    assert "numpy is installed, but it is no plugin of napari (npe2)." in capsys.readouterr().err


def test_a_file_is_added_and_removed(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "soften.py"
    file.write_text(
        "from opsin.types import Image\n\ndef soften(image: Image) -> Image:\n    ...\n"
    )
    assert main(["plugins", "add", str(file)]) == 0
    kept = data / "plugins" / "soften.py"
    assert capsys.readouterr().out == f"{kept}  soften\n"
    assert kept.read_text() == file.read_text()
    assert main(["plugins", "list"]) == 0
    assert f"{kept}  soften\n  soften  Soften" in capsys.readouterr().out
    assert main(["plugins", "remove", "soften.py"]) == 0
    assert not kept.exists()


def test_operations_are_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trial.py"
    file.write_text(
        "import numpy as np\nfrom opsin.types import Image\n\n"
        "def twice(image: Image) -> Image:\n    return image * 2.0\n\n"
        "def noisy(image: Image, much: float = 1) -> Image:\n"
        "    return image + np.random.random(image.shape) * much\n\n"
        "def needs(image: Image, much: float) -> Image:\n    return image * much\n"
    )
    assert main(["plugins", "check", str(file)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == f"{file} trial"
    assert lines[1:3] == [
        "twice (image: image) → image",
        "functional: equal results for equal inputs, wherever and whenever it was tried",
    ]
    assert lines[3] == "noisy (image: image) → image, with much"
    assert lines[4] == "not functional: it gives other results for the same input"
    assert "not tried: needs needs a value for much" in lines[6]
    assert main(["plugins", "check", str(file), "--functional", "--json"]) == 2
    said = capsys.readouterr()
    about = json.loads(said.out)["operations"]
    assert {name: one["functional"] for name, one in about.items()} == {
        "twice": True,
        "noisy": False,
        "needs": None,
    }
    assert "Not a pure function, as far as is known: noisy, needs." in said.err


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("none.py", None, "There is no plugin at"),
        ("empty.py", "x = 1\n", "no operation"),
        ("a.imjoy.html", "<config></config>", "a.imjoy.html: Its <config> cannot be read"),
        ("notes.txt", "hello", "no plugin that can be added"),
    ],
)
def test_what_is_no_plugin_is_not_added(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str],
    name: str, text: str | None, words: str,
) -> None:  # fmt: skip
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["plugins", "add", str(tmp_path / name)]) == 1
    assert words in capsys.readouterr().err
    assert not list((data / "plugins").iterdir())
