"""Scenes with plugins, for the stage: forms that are filled, jobs, and what becomes of them."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari  # type: ignore[import-untyped]
import numpy as np
import tifffile
from napari.utils import progress  # type: ignore[import-untyped]
from npe2 import PluginManager
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QMessageBox

import opsin.napari
from opsin.host.host_thread import HostThread
from opsin.images.source import Array
from opsin.napari.job_script import save_script
from opsin.napari.jobs import jobs_of
from opsin.napari.operation_form import OperationForm
from opsin.napari.region_choosers import ALL, PLANES, VOLUMES, WHOLE
from opsin.napari.scroll_area import ScrollArea
from opsin.napari.table_panel import TablePanel
from tests.napari_plugin.pyramids import by_mean, image_of, kept, picture
from tests.napari_plugin.scenes_manifest import known
from tests.workers.processes import workers_of

NUCLEI = Path("examples/plugins/nuclei.py")
CELLS = Path("tests/data/cells/AS_09125_050116030001_D03f00d0.tif")


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Let the window go on until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "that took too long"
        QApplication.processEvents()
        time.sleep(0.005)


def form_of(viewer: Any, plugin: str | Path, operation: str) -> OperationForm:
    panel = opsin.napari.add_plugin(viewer, plugin)
    form: OperationForm = panel.choose(operation)
    QApplication.processEvents()
    return form


def run(form: OperationForm, *, whole: bool = True) -> Any:
    """The job, once its results are there. It is started with the button."""
    if whole:
        form.regions.region.value = WHOLE
    before = len(form.cards)
    form.run_button.native.click()
    assert len(form.cards) == before + 1, form.needs.text()
    job = form.cards[0].job
    until(lambda: job.has_ended)
    return job


def said(form: OperationForm, what: str) -> bool:
    """Whether the form says something, or is about to."""
    until(lambda: what in form.needs.text(), 10)
    return True


def tidy(viewer: Any) -> None:
    """Close all docks that scenes have opened, as one does with their crosses."""
    panels = list(viewer.window.dock_widgets.values())
    viewer.window.remove_dock_widget("all")
    for panel in panels:
        getattr(panel, "native", panel).deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()


def nuclei(viewer: Any) -> dict[str, Any]:
    """A real plugin with packages of its own, on an image that napari itself holds."""
    cells = tifffile.imread(CELLS)
    viewer.add_image(cells, name="cells", scale=(0.5, 0.5), translate=(7, 3), units="micrometer")
    form = form_of(viewer, NUCLEI, "nuclei")
    menu = [action.text() for action in viewer.window.plugins_menu.actions()]
    form.fields["sigma"].control.value = 1.5
    form.fields["min_size"].control.value = 60
    said(form, "Works on")
    form.regions.region.value = WHOLE
    said(form, "Works on 512 × 512 px of level 0")
    bars: list[str] = []
    form.run_button.native.click()
    job = form.cards[0].job
    assert job is not None
    while not job.has_ended:
        bars += [one.desc for one in progress._all_instances]
        QApplication.processEvents()
        time.sleep(0.005)
    (layer,) = job.layers
    assert opsin.napari.settle(viewer)
    module = importlib.util.spec_from_file_location("nuclei", NUCLEI)
    assert module is not None
    assert module.loader is not None
    plugin = importlib.util.module_from_spec(module)
    module.loader.exec_module(plugin)
    true = plugin.nuclei(cells, sigma=1.5, min_size=60)
    found = {
        "kind": type(layer).__name__,
        "name": layer.name,
        "equal": bool(np.array_equal(np.asarray(layer.data), true)),
        "count": int(true.max()),
        "scale": list(layer.scale),
        "translate": list(layer.translate),
        "units": [str(unit) for unit in layer.units],
        "menu": menu,
        "bars": sorted(set(bars)),
        "left": len(progress._all_instances),
        "estimate": said(form, "from earlier runs"),
        "said": form.cards[0].said.text(),
    }
    tidy(viewer)
    return found


def visible(viewer: Any, plugin: str, ours: bool) -> dict[str, Any]:
    """What is visible, at the level that is drawn: of a pyramid of ours, and of one of napari's."""
    levels = by_mean(picture(1024, 1536), 3)
    if ours:
        (layer,) = opsin.napari.add(viewer, image_of(levels))
    else:
        layer = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 40000))
    form = form_of(viewer, plugin, "doubled")
    found: dict[str, Any] = {"levels": [], "equal": [], "off": []}
    for zoom in (0.9, 0.48):
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 430, 700), zoom
        assert opsin.napari.settle(viewer)
        job = run(form, whole=False)
        part, level = job.selection.first, layer.data_level
        found["levels"].append([part.level, level])
        (result,) = job.layers
        box = tuple(slice(a, b) for a, b in zip(part.start, part.stop, strict=True))
        pixels = np.asarray(result.data[0])
        found["equal"].append(bool(np.array_equal(pixels, levels[level][box] * 2.0)))
        half = np.array(viewer.canvas.size) / 2 / zoom
        low = np.maximum(np.array((430, 700)) - half, -0.5)
        high = np.minimum(np.array((430, 700)) + half, np.array(levels[0].shape) - 0.5)
        extent = result.extent.world + np.array([[-0.5], [0.5]]) * 2**level
        found["off"].append(np.abs(extent - (low, high)).max() / 2**level)
    found["share"] = float(np.prod(part.shape) / np.prod(levels[part.level].shape))
    tidy(viewer)
    return found


def stack(viewer: Any, plugin: str, ours: bool) -> dict[str, Any]:
    """Axes in an order that OME-Zarr does not have: one slice, all slices, and along z."""
    pixels: Array = np.arange(3 * 2 * 20 * 30, dtype=np.uint16).reshape(3, 2, 20, 30)
    where: dict[str, Any] = {"scale": (2.0, 1, 0.5, 0.5), "units": ("um", "s", "um", "um")}
    if ours:
        image = kept(
            pixels,
            axes="ztyx",
            scale=where["scale"],
            units=("micrometer", "second", "micrometer", "micrometer"),
        )
        (layer,) = opsin.napari.add(viewer, image)
    else:
        layer = viewer.add_image(pixels, axis_labels=("z", "t", "y", "x"), **where)
    viewer.dims.set_point((0, 1), (4.0, 1.0))
    form = form_of(viewer, plugin, "doubled")
    found: dict[str, Any] = {}
    job = run(form)
    (one,) = job.layers
    found["one"] = bool(np.array_equal(np.asarray(one.data[0]).squeeze(), pixels[2, 1] * 2.0))
    found["one_at"] = [list(one.translate), list(one.data[0].shape)]
    form.regions.slices.value = ALL
    job = run(form)
    (all_of_it,) = job.layers
    found["all"] = bool(np.array_equal(np.asarray(all_of_it.data[0]), pixels * 2.0))
    found["place"] = [list(all_of_it.scale), list(layer.scale)]
    form = form_of(viewer, plugin, "highest")
    form.regions.slices.reset_choices()
    form.regions.region.value = WHOLE
    form.regions.look()
    form.regions.slices.value = ALL
    form.inputs.choose("stack", layer)
    job = run(form)
    (highest,) = job.layers
    found["highest"] = bool(np.array_equal(np.asarray(highest.data[0]), pixels.max(0)))
    found["sides"] = []
    form = form_of(viewer, plugin, "sides")
    form.inputs.choose("image", layer)
    for how in (PLANES, VOLUMES):
        form.regions.work.value = how
        form.regions.region.value = WHOLE
        form.regions.look()
        form.regions.slices.value = ALL
        (made,) = run(form).layers
        found["sides"].append([list(made.data[0].shape), int(np.asarray(made.data[0]).min())])
    tidy(viewer)
    return found


def failing(viewer: Any, plugin: str) -> dict[str, Any]:
    """A plugin that raises, and then one that works; both at once, too."""
    told: list[str] = []
    manager = napari.utils.notifications.notification_manager
    manager.notification_ready.connect(lambda event: told.append(str(event)))
    viewer.add_image(picture(40, 50), name="one")
    form = form_of(viewer, plugin, "fails")
    job = run(form)
    card = form.cards[0]
    found = {
        "state": job.state,
        "said": card.said.text(),
        "traceback": job.traceback,
        "readable": card.traceback.isVisibleTo(form.native),
        "told": [one for one in told if "no model" in one],
        "layers": len(viewer.layers),
    }
    form = form_of(viewer, plugin, "doubled")
    form.regions.region.value = WHOLE
    jobs = [form.run(), form.run()]
    until(lambda: all(one is not None and one.has_ended for one in jobs))
    found["after"] = [one.state for one in jobs if one is not None]
    tidy(viewer)
    return found


def cancelled(viewer: Any, plugin: str) -> dict[str, Any]:
    """A job that is cancelled with the button of its card while it makes progress."""
    viewer.add_image(picture(40, 50), name="one")
    form = form_of(viewer, plugin, "slow")
    form.regions.region.value = WHOLE
    form.run_button.native.click()
    card = form.cards[0]
    until(lambda: (card.job.share or 0) > 0.01)
    shown = card.bar.value(), card.said.text(), [one.n for one in progress._all_instances]
    before = time.monotonic()
    card.cancel.click()
    until(lambda: card.job.has_ended)
    took = time.monotonic() - before
    found = {
        "shown": shown,
        "state": card.job.state,
        "took": took,
        "said": card.said.text(),
        "layers": len(viewer.layers),
        "bars": len(progress._all_instances),
    }
    tidy(viewer)
    HostThread.end_shared()
    found["workers"] = len(workers_of())
    return found


def refused(viewer: Any, plugin: str) -> dict[str, str]:
    """What cannot be run, and the sentence that the form has for it."""
    found = {}
    form = form_of(viewer, plugin, "inside")

    def tell(name: str, *, whole: bool = False) -> None:
        if whole:
            form.regions.region.value = WHOLE
        assert form.run() is None
        found[name] = form.needs.text()

    tell("nothing")
    image = viewer.add_image(picture(40, 50), name="one")
    tell("no labels")
    viewer.add_labels(np.ones((40, 50), np.int32), name="mask")
    image.rotate = 30
    tell("turned", whole=True)
    image.rotate = 0
    image.scale = (-1, 1)
    tell("mirrored")
    image.scale = (1, 1)
    form.regions.region.value = "Visible region"
    viewer.scene.camera.center = (0, 4000, 4000)
    tell("away")
    viewer.reset_view()
    viewer.canvas.grid.enabled = True
    tell("grid")
    viewer.canvas.grid.enabled = False
    tidy(viewer)
    return found


def painted(viewer: Any, plugin: str) -> dict[str, Any]:
    """Labels that are painted by hand; what is painted later changes nothing."""
    pixels = picture(40, 50)
    viewer.add_image(pixels, name="one")
    labels = viewer.add_labels(np.zeros((40, 50), np.int32), name="mask")
    labels.paint((10, 12), 3)
    painted = labels.data.copy()
    form = form_of(viewer, plugin, "inside")
    form.regions.region.value = WHOLE
    job = form.run()
    assert job is not None
    labels.fill((0, 0), 5)
    until(lambda: job.has_ended)
    (layer,) = job.layers
    true = np.where(painted > 0, pixels, 0)
    found = {
        "painted": int((painted > 0).sum()),
        "equal": bool(np.array_equal(np.asarray(layer.data[0]), true)),
    }
    tidy(viewer)
    return found


def fields(viewer: Any, plugin: str) -> dict[str, Any]:
    """Every kind of parameter: what the form begins with, and what the plugin gets."""
    viewer.add_image(picture(8, 9), name="one")
    form = form_of(viewer, plugin, "told")
    begins = {name: field.value for name, field in form.fields.items()}
    controls = {name: type(field.control).__name__ for name, field in form.fields.items()}
    sigma = form.fields["sigma"].control
    form.fields["sigma"].control.value = 2.75
    form.fields["tiny"].control.value = 3e-6
    form.fields["count"].control.value = 12
    form.fields["tidy"].control.value = True
    form.fields["note"].control.value = "two words"
    form.fields["file"].control.line_edit.value = "some/where.txt"
    form.fields["method"].control.value = 1
    form.fields["edge"].control.value = 0
    form.fields["limit"].widget[1].value = False
    form.fields["limit"].control.value = 4
    job = run(form)
    (dock,) = (one for one in viewer.window.dock_widgets.values() if isinstance(one, TablePanel))
    rows = dock.table
    columns = [rows.index(0, column) for column in range(rows.columnCount())]
    found = {
        "begins": begins,
        "controls": controls,
        "bounds": [sigma.min, sigma.max, sigma.step],
        "label": form.fields["sigma"].widget.label,
        "tooltip": form.fields["sigma"].control.tooltip,
        "state": job.state,
        "got": [rows.data(index) for index in columns],
    }
    tidy(viewer)
    return found


def rows(viewer: Any, plugin: str) -> dict[str, Any]:
    """Points lie where they were found; a table is told to the labels that it is about."""
    pixels: Array = np.zeros((3, 40, 50), np.uint8)
    for z in range(3):
        pixels[z, 10 + z, 20 + z] = 200
    viewer.add_image(pixels, name="one", scale=(3, 0.5, 0.5), translate=(0, 5, 0))
    form = form_of(viewer, plugin, "spots")
    form.regions.region.value = WHOLE
    form.regions.look()
    form.regions.slices.value = ALL
    (points,) = run(form).layers
    world = [list(points.data_to_world(point)) for point in points.data]
    form = form_of(viewer, plugin, "measured")
    form.regions.region.value = WHOLE
    form.regions.look()
    (labels,) = run(form).layers
    found = {
        "world": world,
        "features": {name: list(labels.features[name]) for name in labels.features},
        "tables": sum(isinstance(one, TablePanel) for one in viewer.window.dock_widgets.values()),
    }
    tidy(viewer)
    return found


def dropped(viewer: Any, manifest: str, path: str) -> dict[str, Any]:
    """A plugin's file that is opened with napari is kept, and in the menus."""
    known(manifest)
    before = set(viewer.window.dock_widgets)
    layers = viewer.open(path, plugin="opsin")
    kept_files = [one.name for one in HostThread.shared().host.workspace.plugin_files()]
    (name,) = set(viewer.window.dock_widgets) - before
    shown = viewer.window.dock_widgets[name].form.operation.name
    tidy(viewer)
    HostThread.end_shared()
    # The next time it is there, as soon as Opsin is used.
    panel_of(viewer)
    names = {one.display_name for one in PluginManager.instance().iter_manifests()}
    tidy(viewer)
    return {
        "layers": len(layers),
        "kept": kept_files,
        "dock": name,
        "shown": shown,
        "listed": "Trial" in names,
    }


def recorded(viewer: Any, plugin: str, script: str, kept: str) -> dict[str, Any]:
    """Two runs, the second on what the first gave and on labels painted by hand, as a script."""
    (layer,) = opsin.napari.add(viewer, str(CELLS.resolve()))
    mask = viewer.add_labels(np.zeros(layer.data[0].shape, np.int32), name="mask")
    mask.paint((200, 210), 3)
    form = form_of(viewer, plugin, "doubled")
    form.inputs.choose("image", layer)
    first = run(form)
    form = form_of(viewer, plugin, "inside")
    form.inputs.choose("image", first.layers[0])
    form.inputs.choose("mask", mask)
    job = run(form)
    (result,) = job.layers
    np.save(kept, np.asarray(result.data[0]))
    save_script(jobs_of(viewer).jobs[-2:], Path(script))
    steps = HostThread.shared().host.recorder.steps()
    found = {"front_ends": sorted({step.front_end for step in steps[-2:]})}
    tidy(viewer)
    return found


def panel_of(viewer: Any) -> Any:
    """The panel of all plugins, through napari's own door."""
    return viewer.window.add_plugin_dock_widget("opsin", "Plugins")[1]


def followed(viewer: Any, plugin: str) -> dict[str, Any]:
    """A form follows its file, and keeps what was entered; what is wrong with it is said."""
    path = Path(plugin)
    viewer.add_image(picture(8, 9), name="one")
    text = path.read_text()
    form = form_of(viewer, plugin, "bounded")
    form.fields["most"].control.value = 5
    path.write_text(text.replace("name: str", "size: float = 1.0, name: str"))
    until(lambda: "size" in form.fields, 10)
    found = {"fields": list(form.fields), "most": form.fields["most"].value}
    path.write_text("def bounded(:\n")
    assert said(form, "trial.py, line 1")
    path.write_text(text)
    until(lambda: "size" not in form.fields, 10)
    tidy(viewer)
    return found


def long_form(viewer: Any, plugin: str) -> dict[str, Any]:
    """A form with thirty parameters in a window 700 pixels high: it scrolls, and Run stays."""
    before = viewer.window.geometry()
    viewer.window.resize(1100, 700)
    viewer.add_image(picture(40, 50), name="one")
    form = form_of(viewer, plugin, "long")
    run(form, whole=False)
    said(form, "Works on")
    window = form.native.window()
    last = form.fields["parameter_29"].control.native
    (area,) = (one for one in form.native.findChildren(ScrollArea) if one.isAncestorOf(last))
    found = {
        "window": window.height(),
        "scrolls": area.verticalScrollBar().maximum() > 300,
        "first": seen_of(form.fields["parameter_0"].control.native),
        "run": seen_of(form.run_button.native),
        "card": seen_of(form.cards[0].title),
        "last": [seen_of(last)],
        "labels": len({left_of(field.control.native, form) for field in form.fields.values()}),
    }
    area.ensureWidgetVisible(last)
    QApplication.processEvents()
    found["last"].append(seen_of(last))
    viewer.window.resize(*before[2:])
    tidy(viewer)
    return found


def seen_of(widget: Any) -> bool:
    """Whether all of it is to be seen."""
    return bool(widget.isVisible() and widget.visibleRegion().boundingRect() == widget.rect())


def left_of(widget: Any, form: OperationForm) -> int:
    """Where it begins."""
    return int(widget.mapTo(form.native, widget.rect().topLeft()).x())


def removed(viewer: Any, manifest: str, path: str) -> dict[str, Any]:
    """A plugin that was dropped, one that is shown where it is: both in the list, and removed."""
    known(manifest)
    viewer.open(path, plugin="opsin")
    beside = Path(path).with_name("beside.py")
    beside.write_text(Path(path).read_text().replace('name = "Trial"', 'name = "Beside"'))
    opsin.napari.add_plugin(viewer, beside)
    panel = panel_of(viewer)
    workspace = HostThread.shared().host.workspace
    (kept_file,) = workspace.plugin_files()
    dialog = panel.show_list()
    rows = {row.title.text(): row for row in dialog.rows.values()}
    found: dict[str, Any] = {"rows": [[name, row.source.text()] for name, row in rows.items()]}
    docks, names = set(viewer.window.dock_widgets), menu_names()
    rows["<b>Trial 1.2</b>"].remove.click()
    (box,) = dialog.findChildren(QMessageBox)
    found["asked"] = box.text()
    box.button(QMessageBox.StandardButton.Yes).click()
    QApplication.processEvents()
    found["kept"] = [kept_file.exists(), Path(path).exists()]
    found["gone"] = [sorted(docks - set(viewer.window.dock_widgets)), sorted(names - menu_names())]
    rows["<b>Beside 1.2</b>"].remove.click()
    QApplication.processEvents()
    found["beside"] = [beside.exists(), len(dialog.rows), dialog.nothing.isVisibleTo(dialog)]
    found["left"] = [len(panel.chooser.choices), panel.hint.value]
    dialog.close()
    tidy(viewer)
    return found


def trusted(viewer: Any, plugin: str) -> dict[str, Any]:
    """A plugin that runs in this process by choice: while it does, the window goes on."""
    viewer.add_image(picture(40, 50), name="one")
    form = form_of(viewer, plugin, "doubled")
    registry = HostThread.shared().host.registry
    jobs = [run(form)]
    dialog = panel_of(viewer).show_list()
    (row,) = dialog.rows.values()
    checks = [row.here.isChecked()]
    row.here.click()
    checks.append(row.here.isChecked())
    jobs.append(run(form))
    pixels = [np.asarray(job.layers[0].data[0]) for job in jobs]
    found: dict[str, Any] = {"equal": bool(np.array_equal(pixels[0], pixels[1]))}
    found["said"] = form.cards[0].said.text()
    form = form_of(viewer, plugin, "slow")
    form.regions.region.value = WHOLE
    slow = form.run()
    assert slow is not None
    until(lambda: (slow.share or 0) > 0.001)
    for _ in range(50):
        QApplication.processEvents()
    found["goes on"] = not slow.has_ended
    slow.cancel()
    until(lambda: slow.has_ended)
    jobs.append(slow)
    row.here.click()
    checks.append(row.here.isChecked())
    jobs.append(run(form_of(viewer, plugin, "doubled")))
    row.here.click()
    path = Path(plugin)
    path.write_text(path.read_text().replace("numpy>=2", "numpy>=2,<2.0.1"))
    registry.refresh()
    (row,) = dialog.rows.values()
    checks.append(row.here.isChecked())
    row.here.click()
    checks.append(row.here.isChecked())
    found["why"] = dialog.said.text()
    found["checks"] = checks
    found["jobs"] = [[job.state, job.job.step.isolation.partition(" ")[0]] for job in jobs]
    dialog.close()
    tidy(viewer)
    return found


def menu_names() -> set[str]:
    return {one.display_name for one in PluginManager.instance().iter_manifests()}


def lost(viewer: Any, plugin: str) -> dict[str, Any]:
    """What cannot be installed, and an input that is deleted while the job runs."""
    bars = len(progress._all_instances)
    layer = viewer.add_image(picture(40, 50), name="one")
    path = Path(plugin).with_name("impossible.py")
    path.write_text(Path(plugin).read_text().replace("numpy>=2", "six==99.0"))
    results = HostThread.shared().host.workspace.results
    before = set(results.iterdir())
    form = form_of(viewer, path, "doubled")
    job = run(form)
    found = {
        "state": job.state,
        "said": form.cards[0].said.text(),
        "log": bool(job.log),
        "left": [len(set(results.iterdir()) - before), len(viewer.layers)],
    }
    form = form_of(viewer, plugin, "steady")
    form.regions.region.value = WHOLE
    running = form.run()
    assert running is not None
    until(lambda: (running.share or 0) > 0.05)
    true = np.asarray(layer.data) * 2.0
    viewer.layers.remove(layer)
    until(lambda: running.has_ended)
    (made,) = running.layers
    found["right"] = [running.state, bool(np.array_equal(np.asarray(made.data[0]), true))]
    # And it can be run again, with what it took.
    again = jobs_of(viewer).change(running, {"factor": 3.0}, form.native)
    until(lambda: again.has_ended)
    (made,) = again.layers
    found["again"] = bool(np.array_equal(np.asarray(made.data[0]), true * 1.5))
    found["bars"] = len(progress._all_instances) - bars
    jobs_of(viewer).forget_ended()
    tidy(viewer)
    return found
