"""Images that readers of napari's plugins give, each in an isolated process of its own."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

from opsin.errors import OpenError, ReadError, Unsupported
from opsin.images.layer import layers_of
from opsin.images.readers import open_image, open_images
from opsin.workers import napari_reader, napari_reading
from opsin.workers.isolation.visible import around
from opsin.workers.offered_readers import offer_readers
from tests.workers.processes import workers_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of pydantic, which npe2 uses
    from npe2 import PluginManager, PluginManifest

RANDOM = np.random.default_rng(3)
BINARY = b"\0\1\2\3" * 300

offer_readers()

Give = Callable[[list[Any]], None]


FOO = """
import pickle
from pathlib import Path

def get_reader(path):
    print("looked at")
    return read

def read(path):
    layers = pickle.loads(Path(__file__).with_name("layers").read_bytes())
    if layers and isinstance(layers[0], Exception):
        raise layers[0]
    if layers and isinstance(layers[0], str):
        exec(layers[0], globals())
        return made()
    return layers
"""
MANIFEST = """
name: foo-reader
display_name: Foo
contributions:
  commands:
    - {id: foo-reader.get_reader, title: Read, python_name: "foo_reader:get_reader"}
  readers:
    - {command: foo-reader.get_reader, filename_patterns: ["*.foo"], accepts_directories: false}
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Give]:
    """A plugin of napari that is installed and reads *.foo: what it is told to give.

    A text is a program that says what `made()` gives.
    """
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "foo_reader.py").write_text(FOO)
    (folder / "napari.yaml").write_text(MANIFEST)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    manager = PluginManager.instance()
    manager.register(PluginManifest.from_file(folder / "napari.yaml"))

    def give(what: list[Any]) -> None:
        (folder / "layers").write_bytes(pickle.dumps(what))

    yield give
    manager.unregister("foo-reader")
    assert "foo_reader" not in sys.modules, "it was imported here"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "cells.foo").write_bytes(BINARY)
    return tmp_path / "cells.foo"


STACK = RANDOM.integers(0, 999, (3, 40, 50)).astype("u2")


def test_an_image_and_labels(plugin: Give, path: Path) -> None:
    labels = RANDOM.integers(0, 9, (40, 50)).astype("i4")
    plugin(
        [
            (STACK, {"name": "nuclei", "scale": (2, 0.5, 0.5), "translate": [1, 2, 3],
                     "contrast_limits": [10, 90], "colormap": "green", "units": ("um",) * 3}),
            (labels, {}, "labels"),
            (np.zeros((5, 2)), {}, "points"),
        ]
    )  # fmt: skip
    image, mask = open_images(path)
    assert image.name == "nuclei"
    assert image.axis_names == ("z", "y", "x")
    assert image.levels[0].scale == (2, 0.5, 0.5)
    assert image.levels[0].translation == (1, 2, 3)
    assert {axis.unit for axis in image.axes} == {"micrometer"}
    (layer,) = layers_of(image)
    assert (layer.contrast, layer.colormap) == ((10, 90), "green")
    assert image.warnings == (
        "The napari plugin foo-reader also gives points, which are left out.",
    )
    np.testing.assert_array_equal(image.read(), STACK)
    assert (mask.kind, mask.name) == ("labels", "cells · 2")
    np.testing.assert_array_equal(mask.read(), labels)


def test_a_channel_axis(plugin: Give, path: Path) -> None:
    meta = {
        "channel_axis": 0, "name": ["a", "b", "c"], "scale": (0.5, 0.25), "visible": [1, 1, False],
        "colormap": ["red", "strange", "blue"], "contrast_limits": [[0, 5], [1, 6], [2, 7]],
    }  # fmt: skip
    plugin([(STACK, meta, "image")])
    with open_image(path) as image:
        assert image.axis_names == ("c", "y", "x")
        assert image.channel_axis == 0
        assert image.levels[0].scale == (1, 0.5, 0.25)
        assert [(c.name, c.colour, c.window, c.visible) for c in image.channels] == [
            ("a", "ff0000", (0, 5), True), ("b", None, (1, 6), True),
            ("c", "0000ff", (2, 7), False),
        ]  # fmt: skip
        np.testing.assert_array_equal(image.read(), STACK)


def test_a_pyramid(plugin: Give, path: Path) -> None:
    """Whether it is said to be one or not. Its levels are lazy, so its reader lives as long."""
    before = workers()
    levels = [da.from_array(STACK[:, ::step, ::step], chunks=20) for step in (1, 2)]
    plugin([(levels, {"multiscale": True}), (levels, {})])
    images = open_images(path)
    assert len(workers() - before) == 1
    for image in images:
        assert [level.shape for level in image.levels] == [(3, 40, 50), (3, 20, 25)]
        np.testing.assert_array_equal(image.read(1), STACK[:, ::2, ::2])
        image.close()
    del image, images
    until(lambda: gc.collect() >= 0 and not workers() - before)


def test_axes(plugin: Give, path: Path) -> None:
    given: list[tuple[tuple[int, ...], dict[str, Any], str]] = [
        ((40, 50, 3), {}, "y x c"),
        ((40, 50, 3), {"rgb": False}, "z y x"),
        ((9, 9, 3), {"rgb": True}, "y x c"),
        ((2, 3, 4, 5), {}, "t z y x"),
        ((2, 2, 3, 4, 5), {}, "d0 t z y x"),
        ((3, 4, 5), {"axis_labels": ["T", "y", "x"]}, "t y x"),
        ((3, 4, 5), {"axis_labels": ["axis 0", "axis 1", "axis 2"]}, "z y x"),
        ((3, 4, 5), {"axis_labels": ["-3", "-2", "-1"]}, "z y x"),
        ((3, 4, 5), {"channel_axis": -3}, "c y x"),
    ]
    plugin([(np.zeros(shape, "u1"), meta) for shape, meta, _ in given])
    images = open_images(path)
    assert [" ".join(image.axis_names) for image in images] == [axes for _, _, axes in given]


def test_rotation_is_not_dropped_in_silence(plugin: Give, path: Path) -> None:
    plugin([(STACK, {"rotate": 30, "affine": np.eye(4), "shear": np.eye(3)})])
    with open_image(path) as image:
        assert image.warnings == ("cells is rotated or sheared, which is not shown.",)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([RuntimeError("no dice")], r"napari plugin foo-reader \(RuntimeError: no dice\)"),
        ([(np.zeros((5, 2)), {}, "points")], "gives no image of cells.foo, but points"),
        ([(None,)], "gives no image of cells.foo, but nothing that can be shown"),
        ([(np.zeros((5, 5), "c8"),)], r"foo-reader \(UsageError: An array of complex64"),
        ([("text",)], r"cells\.foo cannot be read by the napari plugin"),
        ([([STACK, STACK],)], "foo-reader .*is not smaller"),
    ],
)
def test_what_a_plugin_may_get_wrong(
    layers: list[Any], said: str, plugin: Give, path: Path
) -> None:
    plugin(layers)
    with pytest.raises(OpenError, match=said):
        open_image(path)


def test_metadata_that_make_no_sense_are_left_out(plugin: Give, path: Path) -> None:
    names = (
        "scale", "translate", "axis_labels", "units", "contrast_limits", "colormap", "visible",
        "rgb", "affine",
    )  # fmt: skip
    nonsense: list[Any] = ["x", [], [None], float("nan"), {"a": 1}, [[1, 2], [3]], -1, object]
    plugin([(STACK, dict.fromkeys(names, one)) for one in nonsense])
    images = open_images(path)
    assert len(images) == len(nonsense)
    for image in images:
        np.testing.assert_array_equal(image.read(), STACK)


LAZY = """
import os
import dask.array as da
import numpy as np

def block(block_info=None):
    (low, _), _ = block_info[None]["array-location"]
    if low >= 300_000:
        os._exit(3)
    return np.full((1000, 10_000), low // 1000 % 251, "u1")

def made():
    array = da.map_blocks(block, chunks=((1000,) * 400, (10_000,)), dtype="u1")
    return [(array, {"name": "huge"})]
"""


def workers() -> set[int]:
    return {one.pid for one in workers_of()}


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_huge_lazy_image_stays_with_its_reader_until_it_is_let_go_of(
    plugin: Give, path: Path
) -> None:
    """4 GB, of which a few blocks are read; a block that ends the process ends no more."""
    before = workers()
    plugin([LAZY])
    image = open_image(path)
    assert image.shape == (400_000, 10_000)
    np.testing.assert_array_equal(
        image.read(0, (slice(119_999, 120_001), slice(5))),
        np.repeat([[119], [120]], 5, 1),
    )
    assert len(workers() - before) == 1
    with pytest.raises(ReadError):
        image.read(0, (slice(300_000, 300_001), slice(1)))
    with pytest.raises(ReadError):
        image.read(0, (slice(1), slice(1)))
    image.close()
    del image
    until(lambda: gc.collect() >= 0 and not workers() - before)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\nos._exit(3)", r"foo-reader \(The worker ended: .*3"),
        ("import os\nos.kill(os.getpid(), 11)", r"foo-reader \(The worker ended: .*signal 11"),
        ("while True: pass", r"foo-reader \(it gave nothing within 1 s\)"),
        ("raise SystemExit(0)", r"foo-reader \(RuntimeError: .* wanted to end the program"),
        ("from PyQt6.QtWidgets import QDialog\nQDialog()", "This plugin wants a window .QDialog"),
        ("def made(): return [(da, {}, 'image')] * 200\nda = 1", "200 layers, which is too many"),
    ],
)
def test_what_a_reader_does_to_its_process_is_one_clear_error(
    code: str, said: str, plugin: Give, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(napari_reading, "PATIENCE", 1.0 if "while" in code else 60.0)
    before = workers()
    plugin([code])
    with pytest.raises(OpenError, match=said) as raised:
        open_image(path)
    assert "\n" not in str(raised.value)
    until(lambda: not workers() - before)


def test_a_plugin_by_its_manifest(tmp_path: Path, path: Path, monkeypatch: Any) -> None:
    """As an installed package is found: a manifest that names a function."""
    folder = tmp_path / "site" / "bar_plugin"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "import numpy\n"
        "def get_reader(path):\n"
        "    return (lambda path: [(numpy.ones((9, 9)), {'name': 'bar'}, 'image')]) "
        "if 'good' in path else None\n"
    )
    (folder / "napari.yaml").write_text(
        "name: bar-plugin\ndisplay_name: Bar\ncontributions:\n  commands:\n"
        "    - id: bar-plugin.get_reader\n      title: Read\n"
        "      python_name: bar_plugin:get_reader\n  readers:\n"
        "    - command: bar-plugin.get_reader\n      accepts_directories: false\n"
        "      filename_patterns: ['*.bar']\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    manager = PluginManager.instance()
    manager.register(PluginManifest.from_file(folder / "napari.yaml"))
    try:
        for name in ("good.bar", "other.bar"):
            (tmp_path / name).write_bytes(BINARY)
        with open_image(tmp_path / "good.bar") as image:
            assert image.name == "bar"
            assert (image.read() == 1).all()
        with pytest.raises(Unsupported, match=r"say that they read other\.bar \(bar-plugin\)"):
            open_image(tmp_path / "other.bar")
    finally:
        manager.unregister("bar-plugin")
        assert "bar_plugin" not in sys.modules


def test_our_own_plugin_is_not_asked(path: Path) -> None:
    manager = PluginManager.instance()
    manager.discover()
    readers = [one.plugin_name for one in manager.iter_compatible_readers([str(path)])]
    assert readers == ["opsin"]  # which reads everything, and would ask us
    with pytest.raises(Unsupported, match="no reader knows"):
        open_image(path)


def test_without_npe2(path: Path, plugin: Give, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari_reader, "find_spec", lambda _name: None)
    with pytest.raises(Unsupported, match="no reader knows"):
        open_image(path)


PRY = """
from pathlib import Path
import numpy as np

def made():
    found = {}
    for name, path in %r.items():
        try:
            found[name] = Path(path).read_text()
        except OSError as error:
            found[name] = type(error).__name__
    try:
        Path(%r).write_text("x")
        found["write"] = "done"
    except OSError as error:
        found["write"] = type(error).__name__
    return [(np.ones((5, 5)), {"name": " ".join(f"{a}={b}" for a, b in found.items())})]
"""


def test_a_reader_sees_the_file_and_what_lies_beside_it_only(
    plugin: Give, path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("away") / "secret"
    for one in (away, path.with_name("beside.txt")):
        one.write_text(one.name)
    places = {"beside": str(path.with_name("beside.txt")), "away": str(away)}
    plugin([PRY % (places, str(path.with_name("new")))])
    with open_image(path) as image:
        told = dict(one.split("=") for one in image.name.split())
    assert told.pop("away") in ("FileNotFoundError", "PermissionError")
    assert told.pop("write") in ("OSError", "PermissionError")
    assert told == {"beside": "beside.txt"}
    assert not path.with_name("new").exists()


def test_not_isolated_it_sees_all(
    plugin: Give, path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any
) -> None:
    """So it is the sandbox that the test above tests."""
    monkeypatch.setenv("OPSIN_ISOLATION", "none")
    away = tmp_path_factory.mktemp("away") / "secret"
    away.write_text("secret")
    plugin([PRY % ({"away": str(away)}, str(path.with_name("new")))])
    with open_image(path) as image:
        assert image.name == "away=secret write=done"


def test_what_may_belong_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.mhd", "a.raw", "a_2.raw", "diary.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert around(tmp_path / "a.mhd") == (tmp_path / "a.mhd", tmp_path)
    assert around(tmp_path / "folder") == (tmp_path / "folder",)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert set(around(tmp_path / "a.mhd")) == {tmp_path / "a.mhd", tmp_path / "a.raw"}


@pytest.mark.parametrize(
    "first",
    [
        "import opsin; opsin.open_image",
        "from opsin.cli import main; main(['info', 'nothing'])",
        "from opsin.napari.layers import members_of; members_of('nothing')",
        "from opsin.host.host_thread import HostThread; HostThread().close()",
    ],
)
def test_whoever_opens_images_offers_it_without_loading_it(first: str, tmp_path: Path) -> None:
    code = (
        f"import sys\nfrom contextlib import suppress\nwith suppress(Exception): {first}\n"
        "assert 'opsin.workers.napari_reader' not in sys.modules\n"
        "from opsin.images.readers import readers; print(readers()[-1].__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"OPSIN_DATA": str(tmp_path)},
        check=False,
    )
    assert done.stdout.split()[-1:] == ["opsin.workers.napari_reader"], done.stderr
