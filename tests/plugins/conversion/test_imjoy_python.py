"""Plugins written for ImJoy in Python, as typed files: what they give, and what is said."""

from __future__ import annotations

import json
import runpy
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import opsin
from opsin.cli import main
from opsin.errors import PluginError, UsageError
from opsin.plugins.conversion import convert
from opsin.plugins.formats import read_plugin

SCRIPT = '''
from __future__ import annotations
from imjoy import api
import numpy as np
from PIL import Image

class ImJoyPlugin():
    async def setup(self):
        await api.log("initialized")
        self.offset = 10

    def threshold(self, image, level=3.0, dark=False):
        """Untyped."""
        mask = image < level if dark else image > level
        return mask.astype("uint8")

    def many(self, *images):
        return images

    def nothing(self, image):
        api.createWindow(type="imjoy/image", data={"src": image})

    def _hidden(self, image):
        return image

    async def run(self, ctx):
        await api.showProgress(0.5)
        factor = float(ctx.config.factor) if ctx.config["min size"] else 0
        api.showProgress(100)
        return {"type": "imjoy/image", "data": ctx.data.picture * factor + self.offset}

api.export(ImJoyPlugin())
'''
CONFIG: dict[str, Any] = {
    "name": "Old times",
    "type": "native-python",
    "version": "0.2.1",
    "api_version": "0.1.8",
    "description": 'Multiplies "it" & adds.',
    "ui": "Factor {id:'factor', type:'number', min:0, max:10, placeholder:2}<br>"
    "Size {id:'min size', type:'choose', options:['yes', 'no'], placeholder:'yes'} "
    "{id: 'go', type: 'button'}",
    "tags": [],
    "env": ["conda create -n old python=3.7"],
    "requirements": ["pip: numpy pillow", "cmd: make", "repo: https://github.com/a/b"],
    "dependencies": ["a/b:C"],
}


def written(folder: Path, script: str = SCRIPT, lang: str = "python", **changes: Any) -> Path:
    path = folder / "old.imjoy.html"
    config = json.dumps({**CONFIG, **changes})
    path.write_text(
        f'<config lang="json">{config}</config>\n<script lang="{lang}">{script}</script>\n'
        '<attachment name="note">some words</attachment>\n'
    )
    return path


def test_a_plugin_becomes_typed_functions_that_give_what_it_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    source, target = written(tmp_path), tmp_path / "old.py"
    assert main(["plugins", "convert", str(source), str(target)]) == 0
    said = capsys.readouterr().err
    plugin = read_plugin(target)
    assert (plugin.name, plugin.version) == ("Old times", "0.2.1")
    assert plugin.requirements == ("numpy", "pillow")
    assert plugin.description == "Multiplies 'it' & adds."
    assert [one.name for one in plugin.operations] == ["run", "threshold"]
    run, threshold = plugin.operations
    assert [(one.name, one.kind) for one in run.inputs] == [("picture", "image")]
    factor, size = run.parameters
    assert (factor.default, factor.minimum, factor.maximum) == (2, 0, 10)
    assert (size.name, size.title, size.enum) == ("min_size", "Size", ("yes", "no"))
    assert [one.kind for one in threshold.outputs] == ["labels"]
    assert [(one.name, one.default) for one in threshold.parameters] == [
        ("level", 3), ("dark", False),
    ]  # fmt: skip
    image = np.arange(12.0).reshape(3, 4)
    old = opsin.load(str(target))
    assert np.array_equal(old.run(image, factor=3), image * 3 + 10)
    assert np.array_equal(old.run(image, factor=1), image + 10)
    assert np.array_equal(old.threshold(image, dark=True), image < 3)
    for words in (
        "That run takes picture image and gives image is a guess",
        "That threshold takes image image and gives labels is a guess",
        "The field 'min size' is called min_size.",
        "field of type button, left out",
        "wants to run a command to install itself ('make')",
        "It finds no repository https://github.com/a/b.",
        "It asks for Python 3.7",
        "depends on a/b:C in ImJoy",
        "many takes any number of arguments",
        "nothing gives nothing back",
        "api.createWindow (line 21 of the script) fails in a typed file",
    ):
        assert words in said, said


def test_there_and_back_and_there(typed_result: tuple[Path, Path]) -> None:
    """What came of ImJoy goes there again, and comes back the same: manifest and results."""
    first, back = typed_result
    one, other = read_plugin(first), read_plugin(back)
    assert one.digest == other.digest
    assert one.operations == other.operations
    image = np.ones((4, 4))
    results = [runpy.run_path(str(path))["threshold"](image, 0.5) for path in (first, back)]
    assert np.array_equal(*results)


@pytest.fixture
def typed_result(tmp_path: Path) -> tuple[Path, Path]:
    first, imjoy, back = tmp_path / "a.py", tmp_path / "a.imjoy.html", tmp_path / "b.py"
    for source, target in ((written(tmp_path), first), (first, imjoy), (imjoy, back)):
        assert main(["plugins", "convert", str(source), str(target)]) == 0
    return first, back


@pytest.mark.parametrize(
    "name", sorted(path.name for path in Path("examples/plugins").glob("*.py"))
)
def test_examples_go_to_imjoy_and_come_back(name: str, tmp_path: Path) -> None:
    source, imjoy, back = (tmp_path / one for one in ("p.py", "p.imjoy.html", "back.py"))
    source.write_text((Path("examples/plugins") / name).read_text())
    assert main(["plugins", "convert", str(source), str(imjoy)]) == 0
    assert main(["plugins", "convert", str(imjoy), str(back)]) == 0
    one, other = read_plugin(source), read_plugin(back)
    assert (one.digest, one.operations) == (other.digest, other.operations)


def test_a_dict_of_functions_data_as_a_whole_and_what_asks_for_a_person(tmp_path: Path) -> None:
    script = """
from imjoy_rpc import api
def run(ctx):
    print(api.getAttachment("note").value)
    if ctx["config"].get("ask"):
        api.prompt("How much?")
    ctx["data"] = ctx["data"] + 1
    return ctx
def sums(label_image):
    return {"sum": [float(label_image.sum())]}
api.export({"run": run, "sums": sums})
"""
    made = convert(str(written(tmp_path, script, ui="{id: 'ask', type: 'string'}")), "x.py")
    path = tmp_path / "made.py"
    path.write_text(made.files[""])
    operations = {one.name: one for one in read_plugin(path).operations}
    assert list(operations) == ["run_", "sums_"]  # the script has functions of these names
    assert [one.kind for one in operations["sums_"].outputs] == ["table"]
    assert [one.kind for one in operations["sums_"].inputs] == ["labels"]
    module = runpy.run_path(str(path))
    assert np.array_equal(module["run_"](np.ones(2)), [2, 2])
    assert module["sums_"](np.ones(2)) == {"sum": [2.0]}
    with pytest.raises(UsageError, match=r"The plugin wants api\.prompt, which only ImJoy has"):
        module["run_"](np.ones(2), ask="yes")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "window", "lang": "javascript"}, "is a window plugin, which runs in a page"),
        ({"type": "web-worker", "lang": "javascript"}, "is a web-worker plugin, which runs in a p"),
        ({"type": "collection"}, "is a collection plugin"),
        ({"lang": "javascript"}, "has no script in Python"),
        ({"script": "print 'two'"}, "is no Python 3"),
        ({"script": "import js\n"}, r"uses the page that it runs in \(js\)"),
        ({"script": "x = 1"}, "has no function for a typed file: it exports nothing"),
        (
            {"script": "class P:\n def run(self, ctx):\n  api.alert(1)\napi.export(P())"},
            "has no function for a typed file: run gives nothing back",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        convert(str(written(tmp_path, **changes)), "x.py")


def test_web_python_becomes_a_typed_file_too(tmp_path: Path) -> None:
    asked = ["numpy", "js: https://example.org/a.js", "package:scipy"]
    made = convert(str(written(tmp_path, type="web-python", requirements=asked, env="")), "x.py")
    (tmp_path / "made.py").write_text(made.files[""])
    assert read_plugin(tmp_path / "made.py").requirements == ("numpy",)
    assert sum("is for pages, and left out" in one for one in made.left_out) == 2


PIECES = ["ctx", "data", "config", "self", "return", "yield", "def", "class", "api", ".", "(", ")",
          "[", "]", "{", "}", "'", '"', "\n", " ", "    ", "=", "*", "**", "async", "lambda", "#",
          "\\", "{id: 'a', type: 'number'}", "<", "</script", "é", "\ud83d"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_script_is_converted_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = SCRIPT
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 10))
        text = text[:start] + data.draw(st.sampled_from(PIECES[:-1])) + text[start + cut :]
    folder = tmp_path_factory.mktemp("old")
    ui = data.draw(st.text(max_size=20) | st.sampled_from(["{id:'class',type:'number'}"]))
    with suppress(PluginError):
        path = written(folder, text, ui=ui, name=data.draw(st.text(max_size=5)))
        made = convert(str(path), "x.py")
        compile(made.files[""], "x.py", "exec")
