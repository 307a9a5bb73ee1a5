"""`synthetic:` as an address: settings, mistakes, and the commands that take it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.cli import main
from opsin.errors import NotFound, OpenError, Unsupported
from opsin.images.readers import open_image
from opsin.images.readers.address import Address
from opsin.images.readers.synthetic import open as open_formula


def test_settings() -> None:
    with open_image("synthetic:mandelbrot") as image:
        assert (image.name, image.shape) == ("mandelbrot", (2**27, 2**27))
    address = "synthetic:julia,size=4x3x64x96,axes=tcyx,dtype=uint8,levels=2,chunk=1x3x16x32"
    with open_image(address) as image:
        assert (image.name, image.shape) == ("julia", (4, 3, 64, 96))
        assert image.dtype == np.uint8
        assert [level.chunks for level in image.levels] == [(1, 3, 16, 32)] * 2
    with open_image("synthetic:julia,axes=yxc,size=256,chunk=64") as image:
        assert image.rgb
        assert (image.shape, image.levels[0].chunks) == ((256, 256, 3), (64, 64, 3))


THERE = (
    "there are synthetic:cells, synthetic:checkerboard, synthetic:julia, synthetic:mandelbrot, "
    "synthetic:mandelbulb and synthetic:points."
)
SETTINGS = (
    "settings are axes, chunk, dtype, levels and size, as in "
    "synthetic:mandelbrot,size=4096,dtype=uint8."
)


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("mandelbort", f"There is no synthetic:mandelbort (do you mean mandelbrot?): {THERE}"),
        ("", THERE),
        (" julia", THERE),
        ("julia,sise=3", f"has the setting sise (do you mean size?): {SETTINGS}"),
        ("julia,", f"has a setting without a name: {SETTINGS}"),
        ("julia,size", f"has size without a value: {SETTINGS}"),
        ("julia,size=", f"has size without a value: {SETTINGS}"),
        ("julia,size=5,size=5", "sets size twice"),
        ("julia,size=1e9", "size is a number, or one for each axis, as in size=512 or size=3x"),
        ("julia,size=²", "size is a number"),
        ("julia,size=3x", "size is a number"),
        ("julia,levels=-1", "levels is a whole number, as in levels=5"),
        ("julia,size=" + "9" * 5000, "size is a number"),
        ("julia,dtype=uint64", "cannot be made. Synthetic julia cannot be of type 'uint64'"),
    ],
)
def test_mistakes(formula: str, sentence: str) -> None:
    with pytest.raises(OpenError) as caught:
        open_image(f"synthetic:{formula}")
    message = str(caught.value)
    assert sentence in message
    assert message.endswith(".")
    assert isinstance(caught.value, NotFound) == message.startswith("There is no ")


def test_only_formulas_are_opened(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="is no formula"):
        open_formula(Address.parse(tmp_path))


WORDS = [
    "mandelbrot",
    "julia",
    "cells",
    ",",
    "=",
    "x",
    "9",
    "tyx",
    *["size", "axes", "levels", "chunk"],
]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
def test_whatever_is_written_behind_it_opens_or_gives_a_sentence(text: str) -> None:
    message = "."
    try:
        open_image(f"synthetic:{text}").close()
    except OpenError as error:
        message = str(error)
    assert message.endswith(".")


def test_info_computes_nothing_and_loads_no_numba(capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import sys; from opsin.cli import main; "
        "sys.exit(main(['info', '--json', 'synthetic:cells']) or 'numba' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    (said,) = json.loads(done.stdout)
    assert (said["kind"], said["dtype"], len(said["levels"])) == ("labels", "uint64", 19)
    assert main(["info", "synthetic:nothing"]) == 1
    assert "there are synthetic:cells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "colours"),
    [
        ("synthetic:mandelbrot", 100),
        ("synthetic:julia,axes=yxc", 1000),
        ("synthetic:checkerboard", 3),
        ("synthetic:cells", 1000),
        ("synthetic:mandelbulb", 50),
    ],
)
def test_snapshots_use_the_whole_range(tmp_path: Path, address: str, colours: int) -> None:
    out = tmp_path / "out.png"
    assert main(["snapshot", address, str(out), "--size", "96x96"]) == 0
    picture = imagecodecs.png_decode(out.read_bytes())
    assert picture.shape == (96, 96, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) >= colours
    assert picture.max() > 150
    assert picture.min() < 100


def test_a_zoom_by_a_million_shows_the_finest_level(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    where = ["--center", "62052926.5,67313411.5", "--zoom", "1", "--size", "64x64"]
    assert main(["snapshot", "synthetic:mandelbrot", str(out), *where]) == 0
    picture = imagecodecs.png_decode(out.read_bytes())[..., 0]
    with open_image("synthetic:mandelbrot") as image:
        there = image.read(0, [slice(62052895, 62052959), slice(67313380, 67313444)])
    assert np.abs(picture - np.floor(there / 65535 * 255 + 0.5)).max() <= 1
    assert picture.std() > 50
