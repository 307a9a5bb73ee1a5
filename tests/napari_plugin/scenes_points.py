"""Scenes with points, for the stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.images.points.write import write_points
from opsin.images.source import Array

RANDOM = np.random.default_rng(5)


def table(count: int) -> dict[str, Any]:
    """Points in a box, dense in one corner, with a number and a word each."""
    place = RANDOM.random((count, 3)) ** [1, 1, 2] * [40, 800, 1000]
    words = np.array(["round", "long", "flat"])[RANDOM.integers(0, 3, count)]
    return {
        **dict(zip("zyx", place.T, strict=True)),
        "intensity": RANDOM.random(count),
        "shape": words,
    }


def shot(viewer: Any) -> Array:
    """What the canvas shows at rest."""
    assert opsin.napari.settle(viewer)
    picture: Array = viewer.screenshot(canvas_only=True, flash=False)
    return picture


def looks(viewer: Any) -> list[Array]:
    """A few views: all of it, a part, another slice, and 3D."""
    camera, found = viewer.scene.camera, []
    for zoom, y, x, z in ((0.3, 400, 500, 20), (1.5, 300, 250, 20), (1.5, 300, 250, 33.1)):
        viewer.dims.set_point(0, z)
        camera.zoom, camera.center = zoom, (0, y, x)
        found.append(shot(viewer))
    viewer.dims.ndisplay = 3
    camera.zoom, camera.center, camera.angles = 0.6, (20, 400, 500), (10, 30, 60)
    found.append(shot(viewer))
    viewer.dims.ndisplay = 2
    return found


def eager(viewer: Any, folder: str) -> dict[str, Any]:
    """Where there are few, all of them are drawn, as if they had been opened eagerly."""
    rows = table(3000)
    write_points(rows, Path(folder) / "few")
    (layer,) = viewer.open(str(Path(folder) / "few"), plugin="opsin")
    own = looks(viewer)
    told = {
        "kind": type(layer).__name__,
        "features": sorted(layer.features.columns),
        "extent": layer.extent.world.tolist(),
        "by": str(layer.face_color_mode),
    }
    scale, disc, size = layer.scale, layer.canvas_size_limits, float(layer.size[0])
    viewer.layers.clear()
    place = np.array([rows[name] for name in "zyx"]).T
    viewer.add_points(
        place / scale,
        scale=scale,
        features={"intensity": rows["intensity"]},
        face_color="intensity",
        face_contrast_limits=(rows["intensity"].min(), rows["intensity"].max()),
        face_colormap="viridis",
        border_width=0,
        border_color="intensity",
        border_contrast_limits=(rows["intensity"].min(), rows["intensity"].max()),
        border_colormap="viridis",
        canvas_size_limits=disc,
        size=size,
    )
    off = []
    for one, other in zip(own, looks(viewer), strict=True):
        differ = np.abs(one.astype(int) - other).max(-1) > 40
        off.append([float(differ.mean()), float((other[..., :3].max(-1) > 20).mean())])
    return {"off": off, **told}


def many(viewer: Any, folder: str) -> dict[str, Any]:
    """Of very many a sample is drawn, denser where one zooms in; all of them in the end."""
    rows = table(450_000)
    write_points(rows, Path(folder) / "many")
    (layer,) = opsin.napari.add(viewer, Path(folder) / "many", memory=64 << 20)
    from opsin.napari.loading import Loading

    place = np.array([rows[name] for name in "zyx"]).T
    seen: dict[str, Any] = {"counts": [], "true": [], "foreign": 0}
    camera = viewer.scene.camera
    for zoom in (0.3, 1, 4, 16):
        camera.zoom, camera.center = zoom, (0, 300, 250)
        viewer.dims.set_point(0, 20)
        assert opsin.napari.settle(viewer)
        data = np.asarray(layer.data)[2:] * layer.scale
        height, width = viewer.canvas.size
        within = np.abs(place - [20, 300, 250]) <= [
            layer.scale[0] / 2,
            height / 2 / zoom,
            width / 2 / zoom,
        ]
        there = place[within.all(1)]
        drawn = np.abs(data - [20, 300, 250]) <= [99, height / 2 / zoom, width / 2 / zoom]
        shown = {tuple(one) for one in data[drawn.all(1)].round(6).tolist()}
        real = {tuple(one) for one in there.round(6).tolist()}
        seen["foreign"] += len(shown - real)
        seen["counts"].append(len(shown))
        seen["true"].append(len(real))
    seen["dims"] = [float(end) for end in viewer.dims.range[1][:2]]
    viewer.dims.ndisplay = 3
    assert opsin.napari.settle(viewer)
    seen["in_3d"] = len(layer.data)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.ndisplay = 2
    viewer.dims.set_point(1, 300.2)
    assert opsin.napari.settle(viewer)
    data = np.asarray(layer.data)[2:] * layer.scale
    seen["rolled"] = [len(data), float(np.abs(data[:, 1] - viewer.dims.point[1]).max())]
    layer.visible = False
    camera.zoom = 3
    assert opsin.napari.settle(viewer)
    layer.visible = True
    QApplication.processEvents()  # napari itself crashes if this is not drawn before it goes
    viewer.layers.remove(layer)
    viewer.layers.append(layer)
    assert opsin.napari.settle(viewer)
    seen["again"] = len(layer.data)
    loader = Loading._only.loader  # type: ignore[union-attr]
    seen["peak"] = loader.cache.peak
    opsin.napari.add(viewer, np.zeros((8, 8)))
    viewer.layers.remove(layer)
    for _ in range(20):
        QApplication.processEvents()
        viewer.screenshot(canvas_only=True, flash=False)
    seen["known"] = [type(one).__name__ for one in loader.images.values()]
    return seen


def dressed(viewer: Any, folder: str) -> dict[str, Any]:
    """A table, words as colours, and a property that is a size."""
    import pyarrow
    import pyarrow.parquet

    rows = table(500)
    del rows["intensity"]
    rows["radius"] = np.linspace(1, 9, 500)
    path = str(Path(folder) / "cells.parquet")
    pyarrow.parquet.write_table(pyarrow.table(rows), path)
    (layer,) = opsin.napari.add(viewer, path)
    shot(viewer)
    sizes = np.asarray(layer.size)[2:] * viewer.scene.camera.zoom
    face = np.asarray(layer.face_color)[2:]
    words = np.asarray(layer.features["shape"])[2:]
    colours = {
        word: np.unique(face[words == word].round(3), axis=0).tolist() for word in set(words)
    }
    return {
        "name": layer.name,
        "sizes": [float(sizes.min()), float(sizes.max())],
        "colours": [len(one) for one in colours.values()],
        "different": len({str(one) for one in colours.values()}),
    }
