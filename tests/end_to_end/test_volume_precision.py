"""Values that a float32 can hardly tell apart, NaN, and the far end of an exabyte, in 3D."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import opsin
from opsin.chunks.volume_camera import looking
from opsin.images.memory import image_from_array
from opsin.images.source import Array
from opsin.images.write import write_image
from opsin.render.volume import Mode
from tests.end_to_end.app import App
from tests.end_to_end.volumes import assert_same_picture, layers, show
from tests.server.running import opsin_view


def ball(side: int = 72) -> Array:
    """0 at the border of a ball to 1 in its middle, a little bumpy."""
    z, y, x = np.indices((side, side, side)) / (side / 2) - 1
    bumps = 0.06 * np.sin(9 * z) * np.sin(8 * y) * np.sin(7 * x)
    values: Array = (1 - np.sqrt(z**2 + y**2 + x**2) + bumps).clip(0, 1)
    return values


def with_holes() -> Array:
    values = ball().astype(np.float32)
    values[:30, 30:45, 20:50] = np.nan
    values[np.random.default_rng(3).random(values.shape) < 0.002] = np.nan
    values[50, 50, 50] = np.inf
    return values


FAR = 4_000_000_000
CASES: dict[str, tuple[Callable[[], Array], tuple[float, float], float | None]] = {
    "NaN": (with_holes, (0.0, 1.0), 0.3),
    "uint32": (
        lambda: (FAR + 1000 * ball()).astype(np.uint32),
        (FAR + 50.0, FAR + 900.0),
        FAR + 300,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_values_are_as_exact_as_they_come(app: App, tmp_path: Path, case: str) -> None:
    make, contrast, threshold = CASES[case]
    place = tmp_path / "ball.zarr"
    write_image(image_from_array(make(), axes="zyx", name="ball"), place)
    with opsin_view([place]) as server:
        app.open(server, bare="")
        app.set_layer(0, contrast=contrast, colormap="viridis")
        modes: tuple[Mode, ...] = ("iso", "translucent", "mip")
        for mode in modes:
            camera = show(app, mode=mode, orientation=looking(35, 25), threshold=threshold)
            expected = opsin.snapshot(
                str(place), camera, layers=layers(app, place), mode=mode, threshold=threshold
            )
            assert_same_picture(app.capture(), expected)


DEEP = (294_570.0, 780_555.0, 434_995.0)
"""On the surface of the Mandelbulb, where eight bricks of level 0 meet."""


def test_deep_in_the_mandelbulb_at_level_0(app: App) -> None:
    """Of 2^20 voxels along each side: float32 has 1/16 of one there, and 1/8 from 2^20 on."""
    address = "synthetic:mandelbulb"
    clip = [[at - 40 for at in DEEP], [at + 40 for at in DEEP]]
    with opsin_view([address]) as server:
        app.open(server, bare="")
        app.set_layer(0, contrast=(0, 200), colormap="magma")
        looks: tuple[tuple[Mode, float], ...] = (("iso", 0), ("mip", 50))
        for mode, perspective in looks:
            how = {"orientation": looking(35, 25), "perspective": perspective}
            camera = show(app, mode=mode, clip=clip, center=DEEP, zoom=2.0, fit=False, **how)
            assert camera.zoom == 2
            expected = opsin.snapshot(address, camera, layers=layers(app, address), mode=mode)
            got = app.capture()
            assert_same_picture(got, expected)
            assert np.percentile(np.abs(got.astype(int) - expected), 99) < 20, "no stripes"
        app.page.evaluate(
            """const {viewer} = window.opsin;
            viewer.setCamera({volume: {...viewer.camera.volume, perspective: 0}})"""
        )
        app.settle()
        before = app.capture()
        app.page.evaluate("window.opsin.viewer.panBy(8, 0)")
        app.settle()
        moved = np.abs(app.capture()[:, 8:].astype(int) - before[:, :-8])
        assert np.percentile(moved, 99) <= 1, "nothing shakes"
