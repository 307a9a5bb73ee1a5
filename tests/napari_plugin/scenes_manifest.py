"""Scenes with what the manifest offers, for the stage."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import tifffile
from npe2 import PluginManager, PluginManifest
from qtpy.QtWidgets import QApplication

import opsin.napari


def known(manifest: str) -> None:
    """Make the manifest known to napari, as its entry point does."""
    manager = PluginManager.instance()
    if "opsin" not in manager:
        manager.register(PluginManifest.from_file(manifest))


def opened(viewer: Any, manifest: str, path: str) -> dict[str, Any]:
    """A file, opened through napari."""
    known(manifest)
    (layer,) = viewer.open(path, plugin="opsin")
    assert opsin.napari.settle(viewer)
    return {
        "kind": type(layer).__name__,
        "equal": bool(np.array_equal(np.asarray(layer.data[0]), tifffile.imread(path))),
        "std": float(viewer.screenshot(canvas_only=True, flash=False).std()),
    }


def refused(viewer: Any, manifest: str, path: str) -> str:
    """What is said about a file that cannot be opened."""
    known(manifest)
    try:
        viewer.open(path, plugin="opsin")
    except Exception as error:
        return str(error)
    return ""


def sample(viewer: Any, manifest: str, key: str) -> dict[str, Any]:
    """A sample, far away and close: the levels drawn, and the longest turn of the window."""
    known(manifest)
    (layer,) = viewer.open_sample("opsin", key)
    side = layer.level_shapes[0][-1]
    assert opsin.napari.settle(viewer)
    levels, spread, turns = [], [], []
    for zoom in (1.0, 3.0):
        viewer.scene.camera.center = (0, 0.5 * side, 0.3 * side)
        viewer.scene.camera.zoom = zoom * 400 / side
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            turn = time.monotonic()
            QApplication.processEvents()
            turns.append(time.monotonic() - turn)
            time.sleep(0.005)
        assert opsin.napari.settle(viewer)
        levels.append(layer.data_level)
        spread.append(float(viewer.screenshot(canvas_only=True, flash=False)[..., :3].std()))
    return {"levels": levels, "spread": spread, "longest": max(turns)}
