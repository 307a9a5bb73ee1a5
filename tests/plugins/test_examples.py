"""The plugins in examples/: called directly, as anybody would call a function."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from uv import find_uv_bin

import opsin
from opsin.errors import Cancelled
from opsin.plugins.formats import read_plugin
from opsin.plugins.parameters import complete
from opsin.types import Metadata, reporting
from tests.plugins.average_precision import average_precision

EXAMPLES = Path("examples/plugins")
NUCLEI = Path("tests/data/nuclei/test")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(kind: str, number: int) -> NDArray[Any]:
    return imagecodecs.png_decode((NUCLEI / kind / f"{number:03}.png").read_bytes())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_what_is_read_of_a_file_is_what_python_makes_of_it(path: Path) -> None:
    plugin = read_plugin(path)
    module = load(path.stem)
    assert plugin.description == module.__doc__
    for operation in plugin.operations:
        function = getattr(module, operation.name)
        described = [(one.name, one.description) for one in operation.inputs]
        described += [(one.name, one.description) for one in operation.parameters]
        names = {name for name, _ in described} | set(operation.metadata)
        assert names == set(function.__annotations__) - {"return"}
        assert all(description for _, description in described)
        defaults = complete(operation, {})
        for parameter in operation.parameters:
            real = function.__defaults__[-len(operation.parameters) :]
            expected = real[operation.parameters.index(parameter)]
            assert defaults[parameter.name] == getattr(expected, "name", expected)


class Steps:
    def __init__(self, cancel_at: str = "") -> None:
        self.heard: list[str] = []
        self.cancel_at = cancel_at

    def cancelled(self) -> bool:
        return self.cancel_at in self.heard

    def report(self, done: float, total: float | None, description: str) -> None:
        assert (done, total) == (len(self.heard), 6)
        self.heard.append(description)


def test_nuclei_finds_nuclei() -> None:
    """Over all 40 images it has 0.76 at 0.5 and 0.61 at 0.75; every fourth is enough here."""
    nuclei = load("nuclei").nuclei
    found = [
        average_precision(nuclei(picture("images", number)), picture("masks", number))
        for number in range(0, 40, 4)
    ]
    at_50, at_75 = np.mean(found, axis=0)
    assert at_50 > 0.74
    assert at_75 > 0.60


def test_nuclei_says_where_it_is_and_can_be_cancelled() -> None:
    nuclei = load("nuclei").nuclei
    image = picture("images", 1)
    steps = Steps()
    with reporting(steps):
        labels = nuclei(image)
    assert steps.heard == ["threshold", "fill holes", "measure", "find middles", "split", "clean"]
    assert np.array_equal(labels, nuclei(image))
    with reporting(Steps(cancel_at="measure")), pytest.raises(Cancelled):
        nuclei(image)


def test_nuclei_of_odd_images() -> None:
    nuclei = load("nuclei").nuclei
    for image in (np.zeros((20, 30), np.uint8), np.full((5, 5), 7.0), np.zeros((1, 1), np.uint16)):
        labels = nuclei(image)
        assert labels.dtype == np.int32
        assert labels.shape == image.shape
        assert labels.max() <= 1
    image = picture("images", 1)
    sizes = np.bincount(nuclei(image, sigma=1, min_size=100).ravel())[1:]
    assert sizes.min() >= 100
    stack = np.stack([image[:64, :64]] * 5)
    assert nuclei(stack).shape == stack.shape


def test_smooth() -> None:
    module = load("gaussian")
    image = picture("images", 1)
    smooth = module.smooth(image, 3, module.Edge.MIRROR)
    assert np.array_equal(
        smooth, ndimage.gaussian_filter(image.astype(np.float32), 3, mode="mirror")
    )
    detail = module.smooth(image, 3, module.Edge.MIRROR, result="detail")
    assert np.allclose(smooth + detail, image, atol=1e-3)
    assert module.smooth(image, keep_type=True).dtype == image.dtype
    metadata = Metadata(("y", "x"), (0.5, 0.25), (0.0, 0.0), ("micrometer", "micrometer"))
    in_world = module.smooth_in_world(image, metadata, width=0.5)
    assert np.array_equal(in_world, ndimage.gaussian_filter(image.astype(np.float32), (1, 2)))


def test_measure() -> None:
    measure = load("count").measure
    labels = np.zeros((10, 10), np.int32)
    labels[2:4, 3:6] = 5
    table = measure(labels, np.full((10, 10), 1 / 3), round_to=2)
    assert {name: list(column) for name, column in table.items()} == {
        "label": [5], "size": [6], "y": [2.5], "x": [4], "brightness": [0.33],
    }  # fmt: skip
    assert set(measure(labels)) == {"label", "size", "y", "x"}


def test_a_package_of_napari_runs_here_and_is_one_for_napari(tmp_path: Path) -> None:
    site = tmp_path / "site"
    words = (find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    package = EXAMPLES / "napari-edges"
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1", "PYTHONPATH": str(site)}
    for command in (
        (*words, "--python", sys.executable, "--target", site, package),
        ("npe2", "validate", "napari-edges"),
        ("opsin", "run", "napari:napari-edges:squares", "-o", tmp_path / "squares.ome.zarr"),
        ("opsin", "run", "napari:napari-edges:edges", tmp_path / "squares.ome.zarr",
         "-o", tmp_path / "edges.ome.zarr", "sigma=2", "kind=strength"),
    ):  # fmt: skip
        subprocess.run(command, check=True, env=environment)
    squares = opsin.open_image(tmp_path / "squares.ome.zarr").read()
    assert squares.max() == 5
    expected = ndimage.gaussian_gradient_magnitude(squares, 2)
    edges = opsin.open_image(tmp_path / "edges.ome.zarr").read()
    np.testing.assert_allclose(edges, expected, rtol=1e-6)
