"""Formats that others read: through bioio's reader packages, and through napari's plugins."""

from __future__ import annotations

import gc
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask.array as da
import imageio.v3 as imageio
import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from opsin.errors import NotFound, OpenError, ReadError, Unsupported
from opsin.images.layer import layers_of
from opsin.images.readers import bioio, npe2, open_image, open_images, readers
from opsin.images.readers.address import Address
from opsin.workers import napari_reading

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of pydantic, which npe2 uses
    from npe2 import PluginManager, PluginManifest

RANDOM = np.random.default_rng(3)
BINARY = b"\0\1\2\3" * 300


def test_last_resorts_are_asked_last() -> None:
    names = [reader.__name__.rpartition(".")[2] for reader in readers()]  # type: ignore[attr-defined]
    assert names[-2:] == ["bioio", "npe2"]
    assert names[:-2] == sorted(names[:-2])


# -------------------------------------------------------------------------------------- bioio


def test_a_movie_in_a_gif(tmp_path: Path) -> None:
    array = RANDOM.integers(0, 255, (5, 40, 50, 3)).astype("u1")
    imageio.imwrite(tmp_path / "a.gif", array)
    expected = imageio.imread(tmp_path / "a.gif")
    with open_image(tmp_path / "a.gif") as image:
        assert image.name == "a"
        assert image.axis_names == ("t", "y", "x", "c")
        assert image.rgb
        assert image.source.provenance == "computed"
        np.testing.assert_array_equal(image.read(), expected)
        np.testing.assert_array_equal(image.read(0, (3,)), expected[3])


class Scenes:
    """As a file of two scenes and two levels looks to who uses BioImage."""

    scenes = ("one", "two")
    resolution_levels = (0, 1)
    physical_pixel_sizes: Any = type("Sizes", (), {"X": 0.5, "Y": 0.25, "Z": None})
    time_interval = 2.5
    dimension_properties: Any = type("Properties", (), {"Y": type("P", (), {"unit": "nanometer"})})
    channel_names = ("DAPI", "GFP")

    def __init__(self) -> None:
        self.scene, self.level = "", 0

    def set_scene(self, scene: str) -> None:
        self.scene = scene

    def set_resolution_level(self, level: int) -> None:
        self.level = level

    @property
    def xarray_dask_data(self) -> Any:
        import xarray

        size = 40 >> self.level
        value = self.scenes.index(self.scene) * 10 + self.level
        data = da.full((3, 2, 1, size, size), value, dtype="u2", chunks=(1, 1, 1, 20, 20))
        return xarray.DataArray(data, dims=tuple("TCZYX"))


def test_scenes_levels_channels_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bioio as package

    imageio.imwrite(tmp_path / "a.gif", np.zeros((40, 50), "u1"))
    monkeypatch.setattr(package, "BioImage", _Fake(package.BioImage))
    images = open_images(tmp_path / "a.gif")
    assert [image.name for image in images] == ["a · one", "a · two"]
    for number, image in enumerate(images):
        assert image.axis_names == ("t", "c", "y", "x")
        assert [level.shape for level in image.levels] == [(3, 2, 40, 40), (3, 2, 20, 20)]
        assert image.levels[0].scale == (2.5, 1, 0.25, 0.5)
        assert image.levels[1].scale == (2.5, 1, 0.5, 1)
        assert [axis.unit for axis in image.axes] == ["second", None, "nanometer", "micrometer"]
        assert [channel.name for channel in image.channels] == ["DAPI", "GFP"]
        assert (image.read(1) == number * 10 + 1).all()
        image.close()


class _Fake:
    """BioImage's choice of a plugin, and then the file above."""

    def __init__(self, real: Any) -> None:
        self.determine_plugin = real.determine_plugin

    def __call__(self, path: Path, reader: Any) -> Scenes:
        assert path.exists()
        assert "imageio" in reader.__module__
        return Scenes()


def test_a_file_that_bioios_reader_cannot_read(tmp_path: Path) -> None:
    whole = imageio.imwrite("<bytes>", np.zeros((40, 50, 3), "u1"), extension=".gif")
    (tmp_path / "a.gif").write_bytes(whole[:30])
    with pytest.raises(OpenError, match=r"a\.gif"):
        open_image(tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("name", "package"), [("a.czi", "bioio-czi"), ("a.xyz", "bioio-bioformats")]
)
def test_what_to_install(name: str, package: str, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / name).write_bytes(BINARY)
    with pytest.raises(Unsupported, match=f"begins with bytes .* try 'pip install {package}'"):
        open_image(tmp_path / name)
    monkeypatch.setattr(bioio, "find_spec", lambda _name: None)
    with pytest.raises(Unsupported, match=rf"'pip install opsin\[bioio\]' .* such as {package}\."):
        open_image(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.czi", b"some text"), ("a.tif", BINARY), ("a.czi", b""), ("noname", BINARY)],
)
def test_what_is_obviously_something_else_is_not_asked_about(
    name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Address) -> bool:
        raise AssertionError

    monkeypatch.setattr(bioio, "recognises", fail)
    monkeypatch.setattr(npe2, "recognises", fail)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unsupported):
        open_image(tmp_path / name)
    with pytest.raises(NotFound):
        open_image(tmp_path / "nothing.czi")


# --------------------------------------------------------------------------------------- npe2

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
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has ended
            if "opsin.worker_main" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


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
    monkeypatch.setattr(npe2, "find_spec", lambda _name: None)
    with pytest.raises(Unsupported, match="no reader knows"):
        open_image(path)
