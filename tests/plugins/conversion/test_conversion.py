"""Plugins in other formats: what comes out works where it is meant to, without Opsin."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from uv import find_uv_bin

from opsin.cli import main
from opsin.errors import PluginError, UsageError
from opsin.plugins.conversion import convert, form_of
from opsin.plugins.formats import read_plugin
from opsin.plugins.imjoy_needs import needs
from opsin.types import Metadata
from tests.host.test_row_inputs import SOURCE as ROW_SOURCE

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples/plugins"
CHECK = Path(__file__).with_name("loaded_by_napari.py")

SOURCE = '''# /// script
# dependencies = ["numpy>=1.26"]
#
# [tool.opsin]
# name = "Trial of all"
# version = "0.3"
# permissions = { network = "asks a server" }
# ///
"""A trial."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

import numpy as np

import opsin.types
from opsin.errors import UsageError
from opsin.types import Axes, Field, Image, Labels, Metadata, Points, Table, progress


class Side(Enum):
    ABOVE = 1
    BELOW = 2


Share = Annotated[float, Field(minimum=0, maximum=1, step=0.125, unit="of all")]


def _halves(image: Image) -> Image:
    return image / 2


def above(
    image: Image, share: Share = 0.5, side: Side = Side.ABOVE, times: int = -3,
    mode: Literal["strict", "loose"] = "strict", odd: int | None = None,
) -> Labels:
    """What is above a share of the maximum.

    Args:
        image: any image.
        share: the share.
    """
    if odd is not None:
        raise UsageError("odd")
    steps = opsin.types.progress(["one", "two"])
    next(steps)
    limit = share * image.max()
    found = image > limit if side is Side.ABOVE else image < limit
    for _ in progress(range(3), description="turns"):
        found = found | (times > 0)
    return found.astype(np.int32)


def parts(
    image: Image, metadata: Metadata, factor: Annotated[float, Field(exclusive_minimum=0)] = 2.0
) -> tuple[Image, Points, Table]:
    """Two layers and a table."""
    size = metadata.scale[0] * factor
    return _halves(image) * size, np.argwhere(image == image.max()), {"sum": [float(image.sum())]}


def middle(stack: Annotated[Image, Axes("zyx")]) -> Annotated[Image, Axes("yx")]:
    return stack[len(stack) // 2]


def count(labels: Labels) -> Table:
    return {"count": [int(labels.max())]}
'''


ROWS = (
    ROW_SOURCE
    + """

def sized(labels: Labels) -> Table:
    numbers = np.unique(labels[labels > 0])
    return {"label": numbers, "size": [int((labels == one).sum()) for one in numbers]}
"""
)


@pytest.fixture
def typed(tmp_path: Path) -> Path:
    path = tmp_path / "trial.py"
    path.write_text(SOURCE)
    return path


def installed(folder: Path, package: Path) -> None:
    command = (find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    words = (*command, "--python", sys.executable, "--target", str(folder), str(package))
    subprocess.run(words, check=True, env={**os.environ, "UV_SYSTEM_CERTS": "1"})


def test_a_package_works_in_napari_without_opsin(
    typed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "napari-trial-of-all"
    assert main(["plugins", "convert", str(typed), str(package)]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(package)
    axes = "opsin: {} works on the axes {}: napari hands it a whole layer, whatever axes that has."
    table = (
        "opsin: The table that {} gives becomes features of the labels or points that it is about, "
        "or is written to the file that its form names."
    )
    assert said.err.splitlines() == [
        "opsin: The permission network is declared nowhere in napari. (asks a server)",
        axes.format("above", "yx"),
        "opsin: The form takes odd as a text, such as None or 3, and any number.",
        table.format("parts"),
        axes.format("parts", "yx"),
        "opsin: The form takes 0 for factor, too.",
        axes.format("middle", "zyx"),
        table.format("count"),
        axes.format("count", "yx"),
    ]
    target = tmp_path / "site"
    installed(target, package)
    image = np.random.default_rng(8).random((24, 20))
    np.save(tmp_path / "image.npy", image)
    asked = {"Above": {"share": 0.25, "mode": "loose"}, "Parts": {"factor": 3.0}}
    environment = {**os.environ, "PYTHONPATH": str(target), "QT_QPA_PLATFORM": "offscreen",
                   "QT_API": "pyqt6", "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}  # fmt: skip
    words = [sys.executable, "-W", "ignore", str(CHECK), package.name, str(tmp_path)]
    ran = subprocess.run(
        [*words, json.dumps(asked)], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    module = runpy.run_path(str(typed))
    np.testing.assert_array_equal(np.load(tmp_path / "Above-0.npy"), module["above"](image, 0.25))
    where = Metadata(("y", "x"), (0.5, 0.25), (3, 4), (None, None))
    half, points, _ = module["parts"](image, where, 3.0)
    np.testing.assert_array_equal(np.load(tmp_path / "Parts-0.npy"), half)
    np.testing.assert_array_equal(np.load(tmp_path / "Parts-1.npy"), points)
    assert told["Parts"]["places"] == [[0.5, 0.25], [0.5, 0.25]]
    form = told["Above"]["form"]
    assert list(form)[:6] == ["image", "share", "side", "times", "mode", "odd"]
    assert form["share"] == {
        "label": "Share (of all)", "value": "0.5", "min": 0, "max": 1, "step": 0.125, "choices": [],
    }  # fmt: skip
    assert form["side"]["choices"] == ["Side.ABOVE", "Side.BELOW"]
    assert form["mode"]["choices"] == ["strict", "loose"]
    assert form["odd"]["value"] == "None"
    assert (form["times"]["value"], form["times"]["min"]) == ("-3", -(2**31))


def test_points_shapes_and_tables_in_napari(tmp_path: Path) -> None:
    """In the world; beside an image in its pixels. Tables become features, or a file."""
    path, package = tmp_path / "rows.py", tmp_path / "napari-rows"
    path.write_text(ROWS)
    convert_to(path, package)
    target = tmp_path / "site"
    installed(target, package)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{target}{os.pathsep}{ROOT}",
        "QT_QPA_PLATFORM": "offscreen",
        "QT_API": "pyqt6",
        "NAPARI_CONFIG": str(tmp_path / "settings.yaml"),
    }
    script = CHECK.with_name("rows_in_napari.py")
    words = [sys.executable, "-W", "ignore", str(script), package.name, str(tmp_path)]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["moved"] == [[12.5, 6.5], [13.5, 6.5], [26.5, 27.5]]
    assert told["near"] == {"x": [6.0, 6.0, 27.0], "near": [1, 1, 0]}
    assert told["below"] == ["value,y,x,n", "44,2,4,2", "168,8,8,2"]
    assert told["areas"] == ["area,corners", "8.0,4", "4.5,3"]
    assert told["means"] == ["column,mean", "y,17.0", "x,13.0", "weight,2.5"]
    assert told["drawn"] == [32, 32]
    assert told["counted"] == {"index": [1, 2], "size": [3, 5]}
    assert told["said"][0] == "3 rows are features of points."
    assert told["said"][-1].startswith("2 rows belong to no layer here: choose a file")


def convert_to(path: Path, package: Path) -> None:
    assert main(["plugins", "convert", str(path), str(package)]) == 0


def test_a_package_is_a_plugin_here_too(typed: Path, tmp_path: Path) -> None:
    package = tmp_path / "napari-trial"
    assert main(["plugins", "convert", str(typed), str(package)]) == 0
    (manifest,) = package.rglob("napari.yaml")
    plugin = read_plugin(manifest)
    assert [(one.name, one.refused) for one in plugin.operations] == [
        ("above", ""), ("parts_in_napari", ""), ("middle", ""), ("count_in_napari", ""),
    ]  # fmt: skip
    back = tmp_path / "back.py"
    assert main(["plugins", "convert", str(package), str(back)]) == 0
    assert back.read_text() == SOURCE


def test_what_was_added_in_imjoy_is_said(typed: Path, tmp_path: Path) -> None:
    (text,) = convert(str(typed), "x.imjoy.html").files.values()
    start, _, rest = text.partition('"requirements": [')
    end = rest.partition("]")[2]
    changed = tmp_path / "changed.imjoy.html"

    def left_out(*more: str) -> tuple[str, ...]:
        asked = json.dumps(["pip: 'numpy\\u003e=1.26'", *more]).replace("\\\\u", "\\u")
        changed.write_text(f'{start}"requirements": {asked}{end}'.replace(", ]", "]"))
        made = convert(str(changed), "x.py")
        assert made.files == {"": SOURCE}
        return made.left_out

    assert left_out() == ()
    assert left_out("pip: six==1.16.0") == (
        "The file asks for six==1.16.0, its typed file does not: add it to its header.",
    )
    assert left_out("repo:https://x.org/a") == ("The repository https://x.org/a is asked for.",)
    (said,) = left_out("cmd: make")
    assert "wants to run a command to install itself ('make')" in said


@pytest.mark.filterwarnings("ignore")  # of what napari imports
def test_functions_of_a_plugin_of_napari_as_a_typed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.plugins import napari_trial

    napari_trial.write(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    made = convert("napari:napari-trial", "trial.py")
    path = tmp_path / "wrapped.py"
    path.write_text(made.files[""])
    plugin = read_plugin(path)
    assert plugin.requirements == ("napari-trial==1.5", "napari")
    assert [one.name for one in plugin.operations] == ["stack"]
    module = runpy.run_path(str(path))
    image = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(module["stack"](image), image + 15)
    said = {one.partition(":")[0] for one in made.left_out}
    assert said == {one.name for one in read_plugin("napari:napari-trial").operations} - {"stack"}
    assert "bright: a choice of it is an Enum of its package." in made.left_out


class Api:
    """Where a plugin of ImJoy exports itself."""

    def __init__(self) -> None:
        self.plugin: Any = None
        self.shown: list[float] = []

    def export(self, plugin: Any) -> None:
        self.plugin = plugin

    def showProgress(self, share: float) -> None:  # as ImJoy calls it
        self.shown.append(share)


def test_an_imjoy_file_runs_and_comes_back(typed: Path, tmp_path: Path) -> None:
    path = tmp_path / "trial.imjoy.html"
    assert main(["plugins", "convert", str(typed), str(path)]) == 0
    text = path.read_text()
    config = json.loads(text.partition('<config lang="json">')[2].partition("</config>")[0])
    assert (config["name"], config["type"], config["version"]) == (
        "Trial of all", "native-python", "0.3",
    )  # fmt: skip
    assert config["requirements"] == ["pip: 'numpy>=1.26'"]
    assert needs(config["requirements"]).requirements == ("numpy>=1.26",)
    script = text.partition('<script lang="python">')[2].partition("</script>")[0]
    image = np.random.default_rng(8).random((24, 20))
    expected = runpy.run_path(str(typed))["above"](image, 0.25)
    api = Api()
    imjoy = types.ModuleType("imjoy_rpc")
    imjoy.api = api  # type: ignore[attr-defined]
    hidden = {name: one for name, one in sys.modules.items() if name.partition(".")[0] == "opsin"}
    try:
        for name in hidden:
            sys.modules[name] = None  # type: ignore[assignment] # it cannot be imported
        sys.modules["imjoy_rpc"] = imjoy
        exec(compile(script, str(path), "exec"), {"__name__": "imjoy_plugin"})
        found = api.plugin.above(image, share=0.25)
        run = api.plugin.run(
            {"config": {"operation": "above", "share": "0.25", "side": "ABOVE"}, "data": image}
        )
        again = asyncio.run(run)
    finally:
        sys.modules.pop("imjoy_rpc")
        for name in [one for one in sys.modules if one.partition(".")[0] == "opsin"]:
            del sys.modules[name]
        sys.modules.update(hidden)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, expected)
    assert api.shown[-1] == 1
    back = tmp_path / "back.py"
    assert main(["plugins", "convert", str(path), str(back)]) == 0
    assert back.read_text() == SOURCE


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_examples_are_converted_or_refused_in_a_sentence(name: str) -> None:
    for target in ("napari-x", "x.imjoy.html"):
        try:
            made = convert(str(EXAMPLES / name), target)
        except PluginError as error:
            assert "has nothing that napari could show" in str(error)  # noqa: PT017
            continue
        for path, text in made.files.items():
            if path.endswith(".py"):
                compile(text, path, "exec")


def test_what_cannot_be_converted(tmp_path: Path) -> None:
    other = tmp_path / "other.imjoy.html"
    other.write_text('<config lang="json">{"name": "x"}</config>')
    with pytest.raises(PluginError, match='does not say the "api_version"'):
        convert(str(other), "x.py")
    foreign = tmp_path / "foreign.py"
    foreign.write_text(
        "from opsin.types import Image\nfrom opsin import open_image\n"
        "def f(image: Image) -> Image: return image\n"
    )
    with pytest.raises(PluginError, match=r"line 2: opsin.open_image is there in Opsin only"):
        convert(str(foreign), "napari-x")
    with pytest.raises(UsageError, match="is a plugin of that kind already"):
        convert(str(foreign), "x.py")
    with pytest.raises(PluginError, match="There is no plugin at"):
        convert(str(tmp_path / "none.py"), "napari-x")
    with pytest.raises(UsageError, match="does not say what it is to be: give --to"):
        form_of("plugin.zip")
    (tmp_path / "there.py").touch()
    assert main(["plugins", "convert", str(other), str(tmp_path / "there.py")]) == 1
    assert main(["plugins", "convert", str(other)]) == 2
