"""Scenes that take the pictures of the guide, for the stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.images.readers import open_image
from opsin.images.source import Array
from tests.napari_plugin.pyramids import Slow, by_mean, image_of
from tests.napari_plugin.scenes_loader import dock, seen
from tests.napari_plugin.scenes_plugins import CELLS, NUCLEI, form_of, run, said, tidy, until

SIZE = (1280, 800)


@contextmanager
def window(viewer: Any) -> Iterator[Any]:
    """The window in the size of a picture."""
    before = viewer.window.geometry()
    viewer.window.resize(*SIZE)
    QApplication.processEvents()
    try:
        yield viewer
    finally:
        viewer.window.resize(*before[2:])
        QApplication.processEvents()


def take(viewer: Any, path: str) -> None:
    """The whole window, once nothing moves in it."""
    assert opsin.napari.settle(viewer)
    end = time.monotonic() + 1.0
    until(lambda: time.monotonic() > end)
    viewer.screenshot(path, canvas_only=False, flash=False)


def form(viewer: Any, path: str) -> None:
    """The form of a plugin, and the nuclei that it found."""
    with window(viewer):
        (layer,) = opsin.napari.add(viewer, str(CELLS))
        layer.name, layer.contrast_limits = "cells", (0, 120)
        filled = form_of(viewer, NUCLEI, "nuclei")
        (labels,) = run(filled).layers
        labels.opacity = 0.6
        said(filled, "from earlier runs")
        viewer.layers.selection.active = layer
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 330, 290), 2.2
        take(viewer, path)
        tidy(viewer)


def points(viewer: Any, path: str) -> None:
    """A sample of many points, sized and coloured by what is known of each."""
    with window(viewer):
        (layer,) = opsin.napari.add(viewer, "synthetic:points")
        viewer.scene.camera.zoom *= 3
        layer.name = "points"
        take(viewer, path)


class Broken(Slow):
    """An array of which a part cannot be read."""

    def __getitem__(self, key: Any) -> Array:
        if (key[0].start, key[1].start) == (768, 768):
            raise OSError("The disk is on fire.")
        return super().__getitem__(key)


def debugger(viewer: Any, path: str, manifest: str) -> None:
    """Chunks of an array: some are here, some are not since loading is frozen, one is broken."""
    with open_image("synthetic:mandelbrot") as image:
        level = next(n for n, one in enumerate(image.levels) if one.shape[0] <= 1 << 13)
        pixels = image.read(level, (slice(4000, 6048), slice(1800, 3848)))
    fine, *coarser = by_mean(pixels, 4)
    levels = [Broken(fine, 0.0, 128), *(Slow(one, 0.0, 128) for one in coarser)]
    with window(viewer), dock(viewer, manifest) as panel:
        panel.jobs.clear.click()
        (layer,) = opsin.napari.add(viewer, image_of(levels))
        layer.colormap, layer.name = "magma", "mandelbrot"
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 800, 760), 0.9
        assert opsin.napari.settle(viewer)
        panel.frozen.setChecked(True)
        panel.outlined.setChecked(True)
        viewer.scene.camera.center = (0, 900, 1080)
        assert opsin.napari.settle(viewer)
        seen(panel)
        for widget in QApplication.allWidgets():
            if type(widget).__name__ == "NapariQtNotification":
                widget.close()
        take(viewer, path)
