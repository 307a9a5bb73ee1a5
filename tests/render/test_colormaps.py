"""Colour maps: names, shapes, ends, and how they are rounded."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from cmap import Colormap

from opsin.errors import UsageError
from opsin.render.colormaps import NAMES, lut


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_that_of_the_cmap_package(name: str) -> None:
    table = lut(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert not table.flags.writeable
    expected = np.floor(Colormap(name).lut(256)[:, :3] * 255 + 0.5)
    np.testing.assert_array_equal(table, expected)


def test_any_colour() -> None:
    table = lut("#FF8000")
    np.testing.assert_array_equal(table[[0, 128, 255]], [[0, 0, 0], [128, 64, 0], [255, 128, 0]])
    np.testing.assert_array_equal(lut("#ff0000"), lut("red"))


@pytest.mark.parametrize("name", ["jet2", "", "#12345", "#12345g", "ff0000", "../viridis"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(UsageError, match="There is no colour map"):
        lut(name)


def test_cmap_is_imported_only_when_needed() -> None:
    code = (
        "import sys; from opsin.render.colormaps import lut; lut('gray'); lut('#00ff00');"
        "assert 'cmap' not in sys.modules; lut('viridis'); assert 'cmap' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
