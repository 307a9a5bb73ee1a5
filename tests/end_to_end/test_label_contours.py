"""Outlines of labels go on over the borders of bricks: those of what `opsin.snapshot` draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import opsin
from opsin.chunks.camera import Camera
from tests.end_to_end.app import App
from tests.server.running import opsin_view

CELLS = "synthetic:cells,size=3000"
BORDER = 512
"""Rows and columns of a brick."""


def outlined(camera: Camera, contour: int) -> NDArray[np.uint8]:
    """The picture of filled labels, without the pixels that are far from every other label."""
    width, height = camera.size
    wide = Camera(camera.center, camera.zoom, (width + 2 * contour, height + 2 * contour))
    filled = opsin.snapshot(CELLS, wide)
    rows, columns = slice(contour, contour + height), slice(contour, contour + width)
    middle = filled[rows, columns]
    edge = np.zeros((height, width), bool)
    for axis in (0, 1):
        for distance in (-contour, contour):
            edge |= (np.roll(filled, distance, axis)[rows, columns] != middle).any(axis=2)
    return np.where(edge[..., None], middle, 0).astype(np.uint8)


def test_outlines_go_on_over_borders(app: App) -> None:
    with opsin_view([CELLS]) as server:
        app.open(server, bare="")
        levels = app.scene["layers"][0]["levels"]
        for level, zoom in ((0, 1.0), (0, 7.3), (1, 0.3)):
            scale, first = levels[level]["scale"][0], levels[level]["translation"][0]
            border = first + (2 * BORDER - 0.5) * scale
            app.look(center=[border + 2.237 / zoom, border - 1.713 / zoom], zoom=zoom)
            camera = Camera(tuple(app.camera["center"]), zoom, app.size)
            for contour in (1, 3, 8):
                app.set_layer(0, contour=contour)
                expected, got = outlined(camera, contour), app.capture()
                assert 0.01 < expected.any(axis=2).mean() < 0.9, "too much or too little"
                wrong = np.abs(got.astype(int) - expected).max(axis=2) > 2
                # Where data pixels meet in the middle of a device pixel, both are right.
                assert wrong.sum() <= 4, f"{wrong.sum()} pixels are wrong at {zoom}, {contour} wide"
