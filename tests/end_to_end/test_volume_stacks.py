"""Stacks without coarser levels along z get them in 3D, and look on slices as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from opsin.chunks.volume_camera import looking
from tests.end_to_end.app import App
from tests.end_to_end.volumes import assert_same_picture, drawn, layers, show
from tests.server.running import opsin_view

DEPTH, ROWS, COLUMNS = 1000, 96, 160


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand slices, one page each: a helix in a dim cloud, at one end brighter."""
    place = tmp_path_factory.mktemp("stacks") / "helix.tif"
    z, y, x = np.ogrid[:DEPTH, :ROWS, :COLUMNS]
    angle = z / 60
    far = (y - 48 - 30 * np.sin(angle)) ** 2 + (x - 80 - 50 * np.cos(angle)) ** 2
    values = 3000 * np.exp(-far / 60) + 200 + z / 10 + 40 * np.sin(y / 5) * np.cos(x / 7)
    metadata = {"axes": "ZYX", "spacing": 0.25, "unit": "um"}
    tifffile.imwrite(
        place, values.astype(np.uint16), imagej=True, resolution=(1, 1), metadata=metadata
    )
    return place


@pytest.mark.parametrize("mode", ["mip", pytest.param("translucent", marks=pytest.mark.slow)])
def test_the_whole_stack_is_seen(app: App, stack: Path, mode: str) -> None:
    with opsin_view([stack]) as server:
        app.open(server, bare="")
        assert len(app.scene["layers"][0]["levels"]) == 1
        app.watch()
        app.set_layer(0, contrast=(150, 2500))
        before = app.capture()
        camera = show(app, mode=mode, orientation=looking(60, 20), quality=0.5)
        stats = app.page.evaluate("window.stats")
        assert stats["targets"]["0"] > 0
        assert stats["wanted"] < 60, "of level 0 alone it were 96 bricks"
        assert_same_picture(app.capture(), drawn(layers(app, stack), camera, 0.5, mode=mode))
        app.page.evaluate("window.opsin.viewer.setCamera({volume: null})")
        app.page.set_viewport_size({"width": 480, "height": 400})
        app.settle()
        app.page.evaluate("window.opsin.viewer.fit()")
        app.settle()
        np.testing.assert_array_equal(app.capture(), before)
