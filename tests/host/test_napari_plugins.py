"""Installed plugins of napari, run as operations by real workers: no Qt, napari's own layers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from skimage.filters import threshold_li
from uv import find_uv_bin

from opsin.cli import main
from opsin.errors import PluginError, RemoteError, UsageError
from opsin.host.blocking import load
from opsin.host.host_thread import HostThread
from opsin.images.image import Image
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from tests.plugins import napari_trial

CELLS = Path(__file__).parents[1] / "data/cells/AS_09125_050116030001_D03f00d0.tif"
THIRD = "napari-skimage==0.7.1"
"""Somebody else's plugin, as it is on PyPI. Its modules import Qt."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with both plugins."""
    folder = tmp_path_factory.mktemp("packages")
    napari_trial.write(folder)
    command = (find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--target", str(folder))
    subprocess.run((*command, THIRD), check=True, env={**os.environ, "UV_SYSTEM_CERTS": "1"})
    return folder


@pytest.fixture(scope="module", autouse=True)
def installed(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Both are installed, for this process and its workers, and the workspace is new."""
    with pytest.MonkeyPatch.context() as patch:
        HostThread.end_shared()
        patch.syspath_prepend(str(packages))
        patch.setenv("PYTHONPATH", str(packages))
        patch.setenv("OPSIN_DATA", str(tmp_path_factory.mktemp("data") / "opsin"))
        yield
        HostThread.end_shared()


@pytest.fixture
def trial() -> Any:
    return load("napari:napari-trial")


def test_a_typed_command(trial: Any) -> None:
    image = np.array([[50, 150], [200, 10]])
    np.testing.assert_array_equal(trial.bright(image), [[0, 1], [1, 0]])
    found = trial.bright(image, threshold=20, side="below")
    np.testing.assert_array_equal(found, [[0, 0], [0, 1]])


def test_widgets_of_magicgui_are_functions_again(trial: Any) -> None:
    image = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(trial.make_widget(image, threshold=5), image > 5)
    np.testing.assert_array_equal(trial.ready(image), image + 1)


def test_what_wants_a_window_says_so(trial: Any) -> None:
    with pytest.raises(UsageError, match=r"a window \(QPushButton of Qt\).*in napari\."):
        trial.opens_a_window(np.zeros((3, 3)))
    with pytest.raises(PluginError, match=r"Panel cannot be run by Opsin. .* in napari\.$"):
        trial.Panel()


def placed(array: np.ndarray[Any, Any]) -> Image:
    return image_from_array(
        array,
        axes="zyx",
        name="hm",
        scale=(3.0, 0.5, 0.25),
        translation=(7.0, 10.0, 20.0),
        units=["micrometer"] * 3,
    )


def test_layers_are_given_and_taken(trial: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """A real layer of napari, with name and place; what comes back lies where it says."""
    from scipy.ndimage import gaussian_filter

    stack = np.random.default_rng(5).integers(0, 99, (2, 16, 12)).astype("u2")
    smooth = trial.smooth(placed(stack), sigma=1.5, mode="mirror")
    assert (smooth.kind, smooth.axis_names) == ("image", ("z", "y", "x"))
    for plane, expected in zip(smooth.read(), stack, strict=True):
        np.testing.assert_allclose(
            plane, gaussian_filter(expected.astype("f4"), 1.5, mode="mirror"), rtol=1e-6
        )
    level = smooth.levels[0]
    assert (level.scale, level.translation) == ((3.0, 0.5, 0.25), (7.0, 10.0, 20.0))
    assert [axis.unit for axis in smooth.axes] == ["micrometer"] * 3
    assert "smooth hm" in capfd.readouterr().err, "what it tells the user of napari is printed"
    whole = trial.smooth(placed(stack), sigma=1.5, mode="mirror", axes="zyx")
    expected = gaussian_filter(stack.astype("f4"), 1.5, mode="mirror")
    np.testing.assert_allclose(whole.read(), expected, rtol=1e-6)
    assert whole.levels[0].scale == (3.0, 0.5, 0.25)
    moved = trial.shift(placed(stack))
    assert moved.kind == "labels"
    assert moved.levels[0].translation == (7.0, 10.5, 20.25)


def test_one_call_gives_several_layers(trial: Any, capfd: pytest.CaptureFixture[str]) -> None:
    array = np.arange(64).reshape(8, 8).astype("u2")
    coarse, spot = trial.layers(image_from_array(array, name="a", scale=(2.0, 3.0)))
    np.testing.assert_array_equal(coarse.read(), array[::2, ::2])
    assert coarse.levels[0].scale == (4.0, 6.0)
    assert {name: list(column) for name, column in spot.items()} == {
        "y": [2.0], "x": [6.0], "area": [7],
    }  # fmt: skip
    assert "Left out, as Opsin does not show it yet: surface skin." in capfd.readouterr().err
    arrays = trial.layers(array)
    np.testing.assert_array_equal(arrays[0], array[::2, ::2])


def test_progress_of_napari_is_the_job_s(trial: Any) -> None:
    array = np.arange(64).reshape(8, 8)
    np.testing.assert_array_equal(trial.stack(array), array + array.sum())
    from opsin.worker_napari import _Progress

    with _Progress(total=3, desc="by hand") as steps:
        for _ in range(3):
            steps.update(1)
    assert steps.n == 3


def test_a_reader_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.trial").write_text("6")
    out = tmp_path / "out.ome.zarr"
    operation = "napari:napari-trial:get_reader"
    assert main(["run", operation, str(tmp_path / "a.trial"), "-o", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out), str(tmp_path / "out-2.ome.zarr")]
    expected = np.arange(36, dtype="u2").reshape(6, 6)
    image, labels = open_image(out), open_image(tmp_path / "out-2.ome.zarr")
    with image, labels:
        np.testing.assert_array_equal(image.read(), expected)
        assert image.levels[0].scale == (0.5, 0.25)
        assert labels.kind == "labels"
        np.testing.assert_array_equal(labels.read(), expected > 9)
    (tmp_path / "b.other").write_text("6")
    assert main(["run", operation, str(tmp_path / "b.other"), "-o", str(tmp_path / "x.zarr")]) == 1
    assert "says that it does not read" in capsys.readouterr().err


def test_sample_data(trial: Any, tmp_path: Path) -> None:
    blobs = trial.two_blobs()
    assert (blobs.shape, int(blobs.read().sum())) == ((6, 16, 16), 200 * 72)
    out = tmp_path / "blobs.ome.zarr"
    assert main(["run", "napari:napari-trial:two_blobs", "-o", str(out)]) == 0
    with open_image(out) as image:
        np.testing.assert_array_equal(image.read(), blobs.read())
        assert (image.axis_names, image.levels[0].translation) == (("z", "y", "x"), (5.0, 0, 0))
    assert main(["run", "napari:napari-trial:two_blobs", "-o", str(out)]) == 1
    script = tmp_path / "again.py"
    assert main(["script", "-o", str(script)]) == 0
    subprocess.run([sys.executable, script.name], cwd=tmp_path, check=True)
    (made,) = (tmp_path / "results").glob("*.ome.zarr")
    with open_image(made) as image:
        np.testing.assert_array_equal(image.read(), blobs.read())


def test_somebody_else_s_plugin() -> None:
    image = tifffile.imread(CELLS)
    skimage = load("napari:napari-skimage")
    found = skimage.threshold_widget(image, method="li")
    np.testing.assert_array_equal(found, image > threshold_li(image))
    labels = skimage.threshold_widget(CELLS, method="li")
    assert labels.kind == "labels"
    np.testing.assert_array_equal(labels.read(), found)
    assert "RankFilterWidget" in dir(skimage)
    with pytest.raises(PluginError, match=r"It needs a viewer: open it in napari\.$"):
        skimage.RankFilterWidget(image)
    with pytest.raises((RemoteError, ValueError), match="should be a 3D"):
        skimage.marching_cubes_widget(image)
