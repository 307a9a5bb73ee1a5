"""Scenes with operations that take points, shapes and tables of napari."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import opsin.napari
from opsin.images.points.rows import read_rows
from opsin.napari.job_script import save_script
from opsin.napari.jobs import jobs_of
from tests.napari_plugin.scenes_plugins import form_of, run, said, tidy


def steps(viewer: Any, plugin: str, script: str, picture: str) -> dict[str, Any]:
    """Points drawn by hand are moved, then counted, then summed up; then a script of that."""
    points = viewer.add_points(
        [[1.0, 2.0], [1.5, 2.0], [8.0, 9.0], [4.0, 4.0]],
        name="drawn",
        scale=(2, 3),
        translate=(10, 0),
        features={"weight": [1.5, 2.5, 3.5, 9.0]},
        shown=[True, True, True, False],
    )
    form = form_of(viewer, plugin, "moved")
    form.inputs.choose("points", points)
    form.fields["by"].value = 0.5
    works_on = said(form, "Works on 3 points")
    shown = {name: bool(one.visible) for name, one in _choosers(form).items()}
    moved = run(form, whole=False)
    (layer,) = moved.layers
    world = [list(layer.data_to_world(point)) for point in layer.data]
    form = form_of(viewer, plugin, "count_near")
    form.inputs.choose("points", layer)
    form.fields["radius"].value = 1.5
    near = run(form, whole=False)
    viewer.screenshot(picture, canvas_only=False)
    form = form_of(viewer, plugin, "means")
    choices = (
        [name for name, _ in form.inputs.by_name["table"].get_choices_with_names()]
        if (hasattr(form.inputs.by_name["table"], "get_choices_with_names"))
        else [str(one) for one in form.inputs.by_name["table"].choices]
    )
    means = run(form, whole=False)
    of_features = _means_of(viewer, plugin, points)
    save_script(jobs_of(viewer).jobs[:3], Path(script))
    results = [job.job.results[0].path for job in (moved, near, means)]
    found = {
        "works_on": works_on,
        "shown": shown,
        "world": world,
        "choices": len(choices),
        "near": read_rows(results[1])["near"].tolist(),
        "features": of_features,
        "paths": [str(path) for path in results],
    }
    tidy(viewer)
    return found


def _choosers(form: Any) -> dict[str, Any]:
    regions = form.regions
    names = ("work", "region", "level", "slices")
    return dict(zip(names, regions.all, strict=True))


def _means_of(viewer: Any, plugin: str, layer: Any) -> dict[str, Any]:
    form = form_of(viewer, plugin, "means")
    form.inputs.choose("table", layer)
    columns = read_rows(run(form, whole=False).job.results[0].path)
    return dict(zip(columns["column"], columns["mean"].tolist(), strict=True))


def others(viewer: Any, plugin: str, table: str) -> dict[str, Any]:
    """Shapes; points on an image; points of Opsin's that are a sample; what cannot be given."""
    pixels = np.arange(200, dtype=np.uint16).reshape(10, 20)
    viewer.add_image(pixels, name="image", scale=(0.5, 0.5))
    shapes = viewer.add_shapes(
        [np.array([[0, 0], [0, 4], [2, 4], [2, 0]]), np.array([[1, 1], [1, 4], [4, 1]])],
        shape_type=["rectangle", "polygon"],
        name="shapes",
        scale=(2, 1),
    )
    form = form_of(viewer, plugin, "areas")
    areas = read_rows(run(form, whole=False).job.results[0].path)["area"].tolist()
    points = viewer.add_points([[1.0, 2.0], [3.0, 4.0], [30.0, 4.0]], name="points", scale=(1, 1))
    form = form_of(viewer, plugin, "below")
    form.inputs.choose("points", points)
    below = run(form)
    found = {
        "areas": areas,
        "below": read_rows(below.job.results[0].path)["value"].tolist(),
    }
    (ours,) = opsin.napari.add(viewer, table)
    form = form_of(viewer, plugin, "moved")
    form.inputs.choose("points", ours)
    job = run(form, whole=False)
    found["ours"] = job.job.results[0].rows
    found["origin"] = job.job.step.inputs["points"].address
    ours.translate = (5, 0)
    form = form_of(viewer, plugin, "moved")
    form.inputs.choose("points", ours)
    job = run(form, whole=False)
    found["shifted"] = read_rows(job.job.results[0].path)["y"].min()
    points.rotate = 20
    form = form_of(viewer, plugin, "moved")
    form.inputs.choose("points", points)
    form.run()
    found["turned"] = form.needs.text()
    for layer in (points, ours, *job.layers, *below.layers):
        if layer in viewer.layers:
            viewer.layers.remove(layer)
    for layer in list(viewer.layers):
        if type(layer).__name__ == "Points":
            viewer.layers.remove(layer)
    form.run()
    found["none"] = form.needs.text()
    shapes.visible = False
    tidy(viewer)
    return found
