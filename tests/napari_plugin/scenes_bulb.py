"""The scene that takes the picture of a volume for the guide, for the stage."""

from __future__ import annotations

from typing import Any

import opsin.napari
from tests.napari_plugin.scenes_pictures import take, window
from tests.napari_plugin.scenes_volumes import askew


def volume(viewer: Any, path: str) -> int:
    """The Mandelbulb as a surface. The level that is drawn."""
    (layer,) = opsin.napari.add(viewer, "synthetic:mandelbulb", voxels=2**21)
    layer.colormap, layer.rendering, layer.iso_threshold = "gist_earth", "iso", 90
    with window(viewer), askew(viewer):
        camera = viewer.scene.camera
        camera.angles, camera.center = (25, 40, 110), (2**19,) * 3
        camera.zoom = 560 / 2**20
        assert opsin.napari.settle(viewer, 120)
        take(viewer, path)
        return int(layer.data[0].member.detail.block.level)
