"""Stubs: what is read of them, and that the library's own functions run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops_table
from skimage.segmentation import expand_labels

import opsin
from opsin.cli import main
from opsin.errors import PluginError, RemoteError
from opsin.plugins.formats import read_plugin
from opsin.plugins.formats.stub_file import parse
from opsin.plugins.manifest import decode, encode
from opsin.server.host_service import check_plugin
from tests.plugins.formats.test_python_file_fuzz import WORDS

EXAMPLE = Path("examples/plugins/skimage_objects.pyi")
FUNCTION = "from opsin.types import Image\ndef f(image: Image) -> Image: ...\n"

LIBRARY = """
import enum, sys

class Way(enum.Enum):
    UP = 1
    DOWN = 2

def turned(image, way=Way.UP, *, by=1.0):
    return image + (by if way is Way.UP else -by)

def loaded(image):
    return {"modules": [name for name in ("opsin.worker_napari", "napari") if name in sys.modules]
            or ["none"]}

limit = 3
"""
STUB = """
from enum import Enum
from opsin.types import Image, Table

class Way(Enum):
    UP = 1
    DOWN = 2

def turned(image: Image, way: Way = Way.UP, by: float = 1.0) -> Image: ...
def loaded(image: Image) -> Table: ...
def limit(image: Image) -> Image: ...
def gone(image: Image) -> Image: ...
"""


def header(*lines: str) -> str:
    return "\n".join(["# /// script", *(f"# {line}" for line in lines), "# ///", ""])


def test_what_is_read_of_a_stub() -> None:
    plugin = read_plugin(EXAMPLE)
    assert plugin.kind == "native-python"
    assert plugin.requirements == ("scikit-image>=0.25",)
    expand, measure = plugin.operations
    assert expand.entry == "skimage.segmentation:expand_labels"
    assert measure.entry == "skimage.measure:regionprops_table"
    assert [one.optional for one in measure.inputs] == [False, True]
    assert (expand.parameters[0].unit, expand.parameters[0].default) == ("px", 1)


def test_a_stub_is_called_after_its_module() -> None:
    def entry(source: str, text: str = FUNCTION) -> str:
        return parse(text.encode(), source).operations[0].entry

    assert entry("somewhere/tools.pyi") == "tools:f"
    assert entry("a.b.pyi") == "a.b:f"
    assert entry("x-y.pyi", header("[tool.opsin]", 'module = "x.y"') + FUNCTION) == "x.y:f"
    named = header("[tool.opsin]", 'functions = { f = "p.q" }') + FUNCTION
    assert entry("x-y.pyi".replace("-", "_"), named) == "p.q:f"
    with pytest.raises(PluginError, match=r"^x-y.pyi does not say for which module it stands"):
        entry("x-y.pyi")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (['module = "a b"'], "module is not like"),
        (['module = "os; x"'], "module is not like"),
        (["module = 3"], "not a short text"),
        (['functions = ["f"]'], "functions is not like"),
        (["functions = { f = 3 }"], "functions is not like"),
        (['functions = { f = "a:b.c" }'], "functions is not like"),
        (['functions = { g = "a:b" }'], "names 'g', which the stub lacks"),
        (['modul = "a"'], "has no key 'modul': it has .* module, functions"),
    ],
)
def test_headers_that_are_not_understood(lines: list[str], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        parse((header("[tool.opsin]", *lines) + FUNCTION).encode(), "s.pyi")


def test_what_hides_a_default_is_refused_and_only_stubs_name_modules(tmp_path: Path) -> None:
    hidden = "from opsin.types import Image\ndef f(image: Image, s: float = ...) -> Image: ...\n"
    with pytest.raises(PluginError, match=r"line 2: \.\.\. does not say which value it is"):
        parse(hidden.encode(), "s.pyi")
    plain = tmp_path / "plain.py"
    plain.write_text(header("[tool.opsin]", 'module = "a"') + FUNCTION)
    with pytest.raises(PluginError, match="has no key 'module'"):
        read_plugin(plain)


def test_the_example_runs_what_stands_in_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    labels = np.zeros((40, 50), np.int32)
    labels[5:9, 5:9], labels[20:30, 30:34] = 1, 2
    objects = opsin.load(str(EXAMPLE))
    grown = objects.expand_labels(labels, distance=4)
    assert np.array_equal(grown, expand_labels(labels, distance=4))
    table = objects.measure(grown)
    assert {name: list(column) for name, column in table.items()} == {
        name: column.tolist() for name, column in regionprops_table(grown).items()
    }


def test_a_stub_beside_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enums are the library's, and what is for napari is not loaded."""
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    (tmp_path / "turning_library.py").write_text(LIBRARY)
    (tmp_path / "turning_library.pyi").write_text(STUB)
    library = opsin.load(str(tmp_path / "turning_library.pyi"))
    image = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(library.turned(image, way="DOWN", by=2.0), image - 2)
    assert list(library.loaded(image)["modules"]) == ["none"]
    with pytest.raises(PluginError, match="turning_library has no function limit"):
        library.limit(image)
    with pytest.raises(PluginError, match="turning_library has no function gone"):
        library.gone(image)
    (tmp_path / "lost.pyi").write_text(STUB)
    with pytest.raises((PluginError, RemoteError), match="There is no module lost"):
        opsin.load(str(tmp_path / "lost.pyi")).loaded(image)


def test_a_stub_is_added_listed_run_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    assert main(["plugins", "add", str(EXAMPLE)]) == 0
    kept = str(tmp_path / "data" / "plugins" / EXAMPLE.name)
    assert main(["plugins", "list"]) == 0
    assert f"{kept}  Objects of scikit-image 1.0" in capsys.readouterr().out
    labels = np.zeros((9, 9), np.int32)
    labels[4, 4] = 3
    assert (opsin.load(kept).expand_labels(labels, distance=2) == 3).sum() == 13
    assert main(["plugins", "remove", EXAMPLE.name]) == 0
    check_plugin("a.pyi", FUNCTION)
    with pytest.raises(PluginError, match=r"^a.pyi, line 1: this is not Python"):
        check_plugin("a.pyi", "def f(:")


CONTENT = EXAMPLE.read_bytes()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_stub_with_things_changed(data: st.DataObject) -> None:
    content = CONTENT
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 12))
        piece = data.draw(st.sampled_from(WORDS) | st.binary(max_size=3))
        content = content[:start] + piece + content[start + cut :]
    with suppress(PluginError):
        plugin = parse(content, "p.pyi")
        assert decode(encode(plugin)) == plugin
        assert all(":" in one.entry for one in plugin.operations)
