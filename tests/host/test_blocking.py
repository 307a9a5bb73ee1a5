"""opsin.run and opsin.load, in a program of their own: it must end with its workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.plugins import write_plugin
from tests.test_console import running_in

ROOT = Path(__file__).parents[2]

BEGIN = f"""
import sys, numpy as np, opsin, imagecodecs
sys.path.insert(0, {str(ROOT / "examples/plugins")!r})
picture = {str(ROOT / "tests/data/nuclei/test/images/003.png")!r}
pixels = imagecodecs.imread(picture)
plugin = {str(ROOT / "examples/plugins/nuclei.py")!r}
trial = sys.argv[1]
types = sys.argv[2]
"""
TYPES = """
import numpy as np
from opsin.types import Image
def types(image: Image) -> Image:
    return image.astype(np.int16 if image.min() == 0 else np.float64)
"""


def program(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    path = folder / "program.py"
    path.write_text(BEGIN + script)
    types = write_plugin(folder, TYPES, "types_of_planes.py")
    # Its own workspace: in another the example may be verified, and its results be kept.
    own = {**os.environ, "OPSIN_DATA": str(folder / "data")}
    done = subprocess.run(
        [sys.executable, "-W", "error", path, write_plugin(folder), types],
        cwd=folder, env=own, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert running_in(folder) == [], "something lives on"
    return done


def test_run_load_and_the_function_itself_give_equal_arrays(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
import nuclei
direct = nuclei.nuclei(pixels, sigma=2.0)
assert direct.max() > 10
for made in (
    opsin.run(f"{plugin}:nuclei", pixels, sigma=2),
    opsin.run(plugin, picture, sigma=2),
    opsin.run(plugin, opsin.open_image(picture), sigma=2),
    opsin.run(plugin, image=pixels, sigma=2),
    opsin.load(plugin).nuclei(pixels, sigma=2),
):
    assert made.dtype == direct.dtype
    np.testing.assert_array_equal(made, direct)
assert dir(opsin.load(plugin)) == ["nuclei"]
assert opsin.load(plugin).nuclei.__doc__.startswith("Find bright nuclei")
assert "min_size: what is smaller" in opsin.load(plugin).nuclei.__doc__
import inspect
assert str(inspect.signature(opsin.load(plugin).nuclei)) == "(image, *, sigma=2.0, min_size=30)"
made[0, 0] = 7  # it is the caller's own
""",
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_images_are_taken_plane_by_plane(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
trial = opsin.load(trial)
stack = np.arange(2 * 3 * 40 * 50).reshape(2, 3, 40, 50).astype(np.uint16)
image = opsin.image_from_array(stack, axes="tzyx")
np.testing.assert_array_equal(trial.bright(image, threshold=7), stack > 7)
np.testing.assert_array_equal(trial.middle(image), stack[:, 1])
np.testing.assert_array_equal(trial.middle(stack[0]), stack[0, 1])
labels, doubled, table = trial.parts(stack[0, 0])
np.testing.assert_array_equal(doubled, stack[0, 0] * 2)
assert table["sum"].tolist() == [stack[0, 0].sum()]
masked = trial.inside(stack[0, 0], mask=(stack[0, 0] > 5).astype(int))
assert masked.min() == 0 and masked.max() == stack[0, 0].max()
np.testing.assert_array_equal(trial.bright(stack[0, 0].tolist(), threshold=7), stack[0, 0] > 7)
np.testing.assert_array_equal(trial.bright([[1, 9]], threshold=7), [[0, 1]])
print(opsin.run(sys.argv[1] + ":placed", stack[0, 0]))
""",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "'scale': array([1.])" in done.stdout


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("opsin.run('nothere.py', pixels)", "PluginError: There is no plugin at"),
        ("opsin.run(trial + ':dark', pixels)", "PluginError"),
        ("opsin.run(trial + ':bright', pixels, thresh=1)", "UsageError: bright has no parameter"),
        (
            "opsin.run(trial + ':bright', pixels, threshold='x')",
            "UsageError: threshold: 'x' is not",
        ),
        ("opsin.run(trial + ':bright')", "UsageError: bright needs image"),
        ("opsin.run(trial + ':bright', pixels, pixels)", "UsageError: bright takes 1 inputs"),
        ("opsin.run(trial + ':bright', 'nothere.tif')", "NotFound: There is nothing at"),
        ("opsin.run(trial + ':fails', pixels)", "FileNotFoundError: no model"),
        ("opsin.run(trial + ':bright', [[1], [2, 3]])", "UsageError: image is no array: "),
        (
            "opsin.run(trial + ':bright', ['a.tif', 'b.tif'])",
            "UsageError: image is no array of numbers, but list.",
        ),
        (
            "opsin.run(trial + ':bright', {'x': 1})",
            "UsageError: image is no array of numbers, but dict.",
        ),
        (
            "opsin.run(trial + ':inside', picture, pixels[1:])",
            "UsageError: mask is an array of shape (255, 256), but 003 has (256, 256): give it as",
        ),
        (
            "opsin.run(types, opsin.image_from_array(np.arange(8).reshape(2, 2, 2), axes='zyx'))",
            "PluginError: One call gave int16 of shape (2, 2), another float64 of shape (2, 2)",
        ),
        ("opsin.load('nothere.py')", "PluginError: There is no plugin at"),
        ("opsin.load(trial).dark", "PluginError"),
    ],
)
def test_what_is_wrong_is_raised(tmp_path: Path, call: str, error: str) -> None:
    done = program(tmp_path, f"try:\n    {call}\nexcept Exception as error:\n"
                             "    print(f'{type(error).__name__}: {error}')\n")  # fmt: skip
    assert done.stdout.startswith(error), done.stderr


def test_limits_of_one_call(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
for image in (pixels, picture):
    try:
        opsin.run(trial + ":slow", image, time_limit=0.5)
    except opsin.errors.LimitExceeded as error:
        print(error)
    assert opsin.run(trial + ":bright", image, time_limit=60, memory_limit="1G") is not None
try:
    opsin.run(trial + ":bright", pixels, memory_limit="much")
except opsin.errors.UsageError as error:
    print(error)
""",
    )
    assert (done.returncode, done.stderr) == (0, "")
    *ended, refused = done.stdout.splitlines()
    assert len(ended) == 2
    for line in ended:
        assert line.startswith("It was ended, because it took longer than 0.5 seconds, its time")
    assert refused == "'much' is not a size: write it like 512M or 2G."


def test_ctrl_c_ends_the_job_and_the_program(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
import os, signal, threading
threading.Timer(2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    opsin.run(trial + ":slow", pixels)
except KeyboardInterrupt:
    print("stopped")
""",
    )
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
