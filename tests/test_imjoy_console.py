"""`opsin run` with a plugin of ImJoy: its form, its questions, its files, its errors."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from opsin.images.readers import open_image
from tests.host.imjoy_desks import plugin
from tests.workers.processes import workers_of

OPSIN = str(Path(sys.executable).with_name("opsin"))
CODE = """
from imjoy import api

class ImJoyPlugin:
    def setup(self):
        api.log("variant", api.TAG)

    async def run(self, ctx):
        name = await api.prompt("Your name?")
        if name == "wrong":
            raise KeyError(name)
        await api.exportFile(f"Hello {name}", "hello.txt")
        return {"sigma": ctx.config.sigma, "name": name}

api.export(ImJoyPlugin())
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Asks.imjoy.html"
    ui = "Sigma {id: 'sigma', type: 'number', placeholder: 2, min: 0}"
    path.write_text(plugin("Asks", CODE, ui=ui, tags=["one", "two"]))
    return path


def opsin(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [OPSIN, "run", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    )


def test_a_run_with_values_and_an_answer_prints_what_it_gives(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = opsin(f"{file}@two", "sigma=3.5", "-o", out, "--answer", "name=Ada")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == '{\n  "sigma": 3.5,\n  "name": "Ada"\n}\n'
    assert "variant two" in ran.stderr
    assert (out / "hello.txt").read_text() == "Hello Ada"
    assert not workers_of()


def test_what_goes_wrong_is_said_in_the_last_line(file: Path) -> None:
    unanswered = opsin(file)
    assert unanswered.returncode == 1
    assert "nobody is there to answer: give the answer with --answer." in unanswered.stderr
    failed = opsin(file, "--answer", "wrong")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "opsin: Asks failed with KeyError: 'wrong'"
    assert "raise KeyError(name)" in failed.stderr
    for words, message in (
        (["sigma=-1"], "sigma"),
        (["omega=1"], "omega"),
        (["--level", "1"], "--level, --channel and --axes are about images"),
    ):
        refused = opsin(file, *words)
        assert refused.returncode == 2
        assert message in refused.stderr.splitlines()[-1]
    assert "no tag 'three'" in opsin(f"{file}@three").stderr


def test_a_window_needs_a_browser_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "Shows.imjoy.html"
    path.write_text(plugin("Shows", "api.export({})", "window"))
    ran = opsin(path)
    assert ran.returncode == 1
    assert "Shows is a window and runs in a browser" in ran.stderr


def test_at_a_terminal_it_asks(file: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [OPSIN, "run", str(file), "-o", str(tmp_path)]
    with subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        seen = b""
        while b"Your name?" not in seen:
            seen += os.read(ours, 1000)
        os.write(ours, b"Grace\n")
        assert process.stdout is not None
        given = process.stdout.read().decode()
        assert process.wait(30) == 0
    os.close(ours)
    assert '"name": "Grace"' in given


BRIGHT = """
import numpy as np
from imjoy import api

class ImJoyPlugin:
    def setup(self):
        pass

    def run(self, ctx):
        image = np.asarray(ctx.data.image)
        words = ctx.data.notes.read() if "notes" in ctx.data else b""
        text = words if isinstance(words, str) else words.decode()
        return {"image": image + 1, "mask": (image > 200).astype("u1"), "notes": text,
                "axes": ctx.data.axes}

api.export(ImJoyPlugin())
"""
STACK = Path("tests/data/volume/img3d.tif")


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    path = tmp_path / "Bright.imjoy.html"
    inputs = {"image": {"ndarray": {}}, "notes": {"file": {"ext": "txt"}}}
    path.write_text(plugin("Bright", BRIGHT, inputs=inputs))
    return path


def test_images_and_files_are_given_and_what_comes_back_is_written(
    bright: Path, tmp_path: Path
) -> None:
    out, notes = tmp_path / "out", tmp_path / "notes.txt"
    notes.write_text("hello")
    ran = opsin(bright, STACK, f"notes={notes}", "--axes", "zyx", "-o", out)
    assert ran.returncode == 0, ran.stderr
    assert [line for line in ran.stdout.splitlines() if line.startswith(str(out))] == [
        str(out / "Bright.ome.zarr"),
        str(out / "Bright_mask.ome.zarr"),
    ]
    assert '"notes": "hello"' in ran.stdout
    with open_image(STACK) as given, open_image(out / "Bright.ome.zarr") as made:
        np.testing.assert_array_equal(made.read(), given.read() + 1)
        assert made.levels[0].scale == given.levels[0].scale
    with open_image(out / "Bright_mask.ome.zarr") as mask:
        assert mask.kind == "labels"
    again = opsin(bright, f"image={STACK}", "--axes", "zyx", "-o", out)
    assert str(out / "Bright-2.ome.zarr") in again.stdout
    untold = opsin(bright, f"image={STACK}", "--axes", "zyx")
    assert "-o FOLDER" in untold.stderr


def test_what_it_cannot_be_given_is_said(bright: Path, file: Path, tmp_path: Path) -> None:
    planes = opsin(bright, STACK)
    assert planes.returncode == 2
    assert "gets one plane or volume" in planes.stderr
    assert opsin(file, "--level", "1").stderr.startswith("opsin: --level")
    assert "cannot be read" in opsin(bright, f"notes={tmp_path / 'none'}").stderr
    assert opsin(file, STACK).returncode == 2
