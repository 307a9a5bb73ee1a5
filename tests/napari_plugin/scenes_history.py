"""Scenes with steps that are undone, done again, changed, and done to a whole folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.host.host_thread import HostThread
from opsin.host.job import Result
from opsin.images.source import Array
from opsin.napari.folder_dialog import FolderDialog
from opsin.napari.job_script import save_script, script_of
from opsin.napari.jobs import jobs_of
from opsin.napari.jobs_panel import JobsPanel
from opsin.napari.table_panel import TablePanel
from opsin.napari.viewer_job import ViewerJob
from tests.napari_plugin.pyramids import picture
from tests.napari_plugin.scenes_plugins import CELLS, form_of, run, tidy, until


def pixels(layer: Any) -> Array:
    """All of a layer, whether it has levels or not."""
    return np.asarray(layer.data[0] if layer.multiscale else layer.data)


def names(viewer: Any) -> list[str]:
    return [layer.name for layer in viewer.layers]


def results(job: ViewerJob) -> list[Result]:
    """Of a job that is done."""
    assert job.job is not None
    return job.job.results


def panel_of(form: Any) -> JobsPanel:
    found: JobsPanel = form._jobs_panel
    return found


def counting(viewer: Any) -> list[bool]:
    """Of each job of the viewer, the oldest first, whether it counts in the record."""
    recorder = HostThread.shared().host.recorder
    jobs = [one.job for one in jobs_of(viewer).jobs if one.job is not None]
    return [recorder.step(job.id).counts for job in jobs]


def press(widget: Any, keys: Any) -> None:
    """Z, with other keys."""
    QTest.keyClick(widget, Qt.Key.Key_Z, keys)  # type: ignore[call-overload]
    QApplication.processEvents()


def begin(viewer: Any) -> None:
    """Without the jobs of earlier scenes."""
    jobs_of(viewer).forget_ended()


def end(viewer: Any) -> None:
    """As it was, and nothing kept that could be done again."""
    jobs_of(viewer).forget_ended()
    tidy(viewer)


def undone(viewer: Any, plugin: str) -> dict[str, Any]:
    """Two steps that are undone with the button and the keys, and done again."""
    begin(viewer)
    base = viewer.add_image(picture(40, 50), name="one")
    form = form_of(viewer, plugin, "doubled")
    first = run(form)
    (double,) = first.layers
    double.colormap = "magma"
    form = form_of(viewer, plugin, "measured")
    form.inputs.choose("image", base)
    second = run(form)
    panel = panel_of(form)
    docks = len(viewer.window.dock_widgets)
    found: dict[str, Any] = {"all": names(viewer), "counts": [counting(viewer)]}
    # Ctrl+Z in the canvas is napari's: it undoes what was painted, and no step.
    (labels,) = second.layers
    viewer.layers.selection.active = labels
    labels.paint((3, 4), 7)
    native = viewer.window._qt_viewer.canvas.native
    viewer.window.activate()
    native.setFocus()
    until(lambda: native.window().isActiveWindow(), 10)
    press(native, Qt.KeyboardModifier.ControlModifier)
    found["painted"] = [bool((pixels(labels) == 7).any()), names(viewer)]
    labels.paint((3, 4), 7)
    card = next(one for one in panel.cards.values() if one.job is second)
    alt = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    press(native, alt)
    found["after one"] = names(viewer)
    found["tables"] = [len(viewer.window.dock_widgets) - docks]
    found["said"] = card.said.text().partition(" ·")[0]
    found["buttons"] = [card.undo.isVisibleTo(panel), card.redo.isVisibleTo(panel)]
    found["counts"].append(counting(viewer))
    panel.undo.click()
    found["after two"] = names(viewer)
    found["none left"] = [panel.undo.isEnabled(), panel.script.isVisibleTo(panel)]
    found["states"] = [first.state, second.state]
    panel.redo.click()
    found["redone"] = [names(viewer), viewer.layers["Doubled"] is double, double.colormap.name]
    script = script_of(jobs_of(viewer).jobs)
    found["script"] = ["doubled(" in script, "measured(" in script]
    press(native, alt | Qt.KeyboardModifier.ShiftModifier)
    found["both"] = names(viewer)
    found["still painted"] = bool((pixels(labels) == 7).any())
    found["tables"].append(sum(isinstance(one, TablePanel) for one in docks_of(viewer)))
    found["counts"].append(counting(viewer))
    found["drawn"] = opsin.napari.settle(viewer)
    end(viewer)
    return found


def docks_of(viewer: Any) -> list[Any]:
    return list(viewer.window.dock_widgets.values())


def changed(viewer: Any, plugin: str, script: str, kept: str) -> dict[str, Any]:
    """A chain of which the first step is changed, in the form that its card opens."""
    begin(viewer)
    (cells,) = opsin.napari.add(viewer, str(CELLS.resolve()))
    form = form_of(viewer, plugin, "brighter")
    form.fields["threshold"].value = 40.0
    form.inputs.choose("image", cells)
    first = run(form)
    form = form_of(viewer, plugin, "inside")
    form.inputs.choose("image", cells)
    form.inputs.choose("mask", first.layers[0])
    second = run(form)
    form = form_of(viewer, plugin, "doubled")
    form.inputs.choose("image", cells)
    other = run(form)
    before = first.layers + second.layers + other.layers
    (mask,), (inside,) = first.layers, second.layers
    mask.opacity, mask.name = 0.4, "my mask"
    inside.colormap, inside.visible, inside.gamma = "viridis", False, 1.5
    viewer.layers.move(viewer.layers.index(inside), 1)
    viewer.layers.selection.active = inside
    order = names(viewer)
    panel = panel_of(form)
    panel.cards[id(first)].change.click()
    QApplication.processEvents()
    form = viewer.window.dock_widgets["Trial"].form
    found: dict[str, Any] = {"form": [form.operation.name, form.fields["threshold"].value]}
    until(lambda: "Made anew with it: Inside" in form.needs.text(), 10)
    found["needs"] = form.needs.text()
    found["buttons"] = [form.run_button.text, form.keep_button.visible, form.regions.level.visible]
    form.fields["threshold"].value = 60.0
    form.run_button.native.click()
    found["button"] = form.run_button.text
    jobs = jobs_of(viewer).jobs[-2:]
    until(lambda: all(job.has_ended for job in jobs))
    assert opsin.napari.settle(viewer)
    (new_mask,), (new_inside,) = (job.layers for job in jobs)
    image = np.asarray(cells.data[0])
    found["right"] = [
        bool(np.array_equal(pixels(new_mask) > 0, image > 60)),
        bool(np.array_equal(pixels(new_inside), np.where(image > 60, image, 0))),
    ]
    found["others"] = [other.layers[0] is before[2], len(jobs_of(viewer).jobs)]
    found["order"] = [order, names(viewer)]
    found["look"] = [
        new_mask.opacity,
        new_inside.colormap.name,
        new_inside.visible,
        new_inside.gamma,
        viewer.layers.selection.active is new_inside,
    ]
    found["shown"] = [
        card.isVisibleTo(panel) for card in (panel.cards[id(job)] for job in jobs_of(viewer).jobs)
    ]
    found["said"] = panel.cards[id(jobs[0])].said.text().partition("\n")[2]
    found["counts"] = [counting(viewer)]
    save_script(jobs_of(viewer).jobs, Path(script))
    np.save(kept, pixels(new_inside))
    # It is one step: undone, all is as it was, and the other way round.
    jobs_of(viewer).undo()
    found["undone"] = [
        names(viewer),
        [one in viewer.layers for one in (mask, inside, new_mask, new_inside)],
        counting(viewer),
    ]
    jobs_of(viewer).redo()
    found["redone"] = [
        names(viewer),
        [one in viewer.layers for one in (mask, inside, new_mask, new_inside)],
        counting(viewer),
    ]
    end(viewer)
    return found


def painted(viewer: Any, plugin: str, script: str, kept: str) -> dict[str, Any]:
    """A result that is painted on: an input of the next step, and kept when it is made anew."""
    begin(viewer)
    (cells,) = opsin.napari.add(viewer, str(CELLS.resolve()))
    form = form_of(viewer, plugin, "brighter")
    form.inputs.choose("image", cells)
    first = run(form)
    (mask,) = first.layers
    plain = run_inside(viewer, plugin, cells, mask)
    steps = HostThread.shared().host.recorder.steps()
    found: dict[str, Any] = {
        "editable": mask.editable,
        "of the file": steps[-1].inputs["mask"].address == str(results(first)[0].path),
    }
    assert jobs_of(viewer).dependents(first) == [plain]
    viewer.layers.selection.active = mask
    mask.mode, mask.selected_label, mask.brush_size = "paint", 9, 30
    mask.paint((100, 120), 9)
    mask.mode = "pan_zoom"  # the brush's circle can end software GL once there is no layer
    second = run_inside(viewer, plugin, cells, mask)
    image, edited = np.asarray(cells.data[0]), pixels(mask).copy()
    found["painted"] = int((edited == 9).sum())
    found["right"] = bool(np.array_equal(pixels(second.layers[0]), np.where(edited, image, 0)))
    found["depends"] = [one is plain for one in jobs_of(viewer).dependents(first)]
    save_script([second], Path(script))
    np.save(kept, pixels(second.layers[0]))
    # What was painted stays when the step is changed.
    jobs_of(viewer).change(first, {"threshold": 70.0}, form.native)
    jobs = jobs_of(viewer).jobs[-2:]
    until(lambda: all(job.has_ended for job in jobs))
    found["stays"] = [mask in viewer.layers, bool(np.array_equal(pixels(mask), edited))]
    found["names"] = names(viewer)
    found["anew"] = bool(np.array_equal(pixels(jobs[0].layers[0]) > 0, image > 70))
    end(viewer)
    return found


def run_inside(viewer: Any, plugin: str, image: Any, mask: Any) -> ViewerJob:
    form = form_of(viewer, plugin, "inside")
    form.inputs.choose("image", image)
    form.inputs.choose("mask", mask)
    job: ViewerJob = run(form)
    return job


def on_folder(viewer: Any, plugin: str, images: str, out: str) -> dict[str, Any]:
    """The steps on a folder, from the dialog: with a broken image, without it, and cancelled."""
    begin(viewer)
    (cells,) = opsin.napari.add(viewer, str(CELLS.resolve()))
    form = form_of(viewer, plugin, "brighter")
    form.inputs.choose("image", cells)
    first = run(form)
    panel = panel_of(form)
    panel.folder.click()
    dialog = the_dialog(panel)
    found: dict[str, Any] = {"begins": [dialog.run.text(), dialog.run.isEnabled()]}
    dialog.images.setText(f"{images} not")
    found["wrong"] = [dialog.said.text(), dialog.run.isEnabled()]
    dialog.images.setText(images)
    found["proposed"] = dialog.results.placeholderText()
    dialog.results.setText(out)
    dialog.run.click()
    job = jobs_of(viewer).jobs[-1]
    card = panel.cards[id(job)]
    seen = set()
    while not job.has_ended:
        seen.add(card.said.text().partition("\n")[0])
        QApplication.processEvents()
    found["progress"] = [any("of 3" in one for one in seen), card.bar.isVisibleTo(panel)]
    found["failed"] = [job.state, job.error, "broken" in job.log]
    found["layers"] = names(viewer)
    found["step"] = [jobs_of(viewer).steps == [first], card.undo.isVisibleTo(panel)]
    Path(images, "broken.tif").unlink()
    again = jobs_of(viewer).run_on_folder(Path(images), Path(out), panel)
    until(lambda: again.has_ended)
    done = panel.cards[id(again)]
    found["done"] = [again.state, done.open.isVisibleTo(panel), out in done.said.text()]
    slow = jobs_of(viewer).run_on_folder(Path(images), Path(out, "slow"), panel)
    until(lambda: slow.job is not None and slow.job.state == "running")
    panel.cards[id(slow)].cancel.click()
    until(lambda: slow.has_ended)
    found["cancelled"] = [slow.state, slow.error]
    end(viewer)
    return found


def the_dialog(panel: JobsPanel) -> FolderDialog:
    (dialog,) = (one for one in panel.findChildren(FolderDialog) if one.isVisible())
    found: FolderDialog = dialog
    return found


def change_fails(viewer: Any, plugin: str) -> dict[str, Any]:
    """A table that is made anew, then one that cannot be; and layers that the user deletes."""
    begin(viewer)
    image = picture(40, 50)
    viewer.add_image(image, name="one")
    form = form_of(viewer, plugin, "brighter")
    form.fields["threshold"].value = 30000.0
    first = run(form)
    form = form_of(viewer, plugin, "counted")
    second = run(form)
    panel = panel_of(form)

    def told() -> list[Any]:
        (table,) = (one for one in docks_of(viewer) if isinstance(one, TablePanel))
        (labels,) = (one for one in viewer.layers if one.name == "Brighter")
        model = table.table
        return [model.data(model.index(0, 1)), list(labels.features.get("pixels", []))]

    def change(job: ViewerJob, threshold: float) -> list[ViewerJob]:
        jobs_of(viewer).change(job, {"threshold": threshold}, form.native)
        made = jobs_of(viewer).jobs[-2:]
        until(lambda: all(one.has_ended for one in made))
        return made

    counts = [int((image > threshold).sum()) for threshold in (30000, 34000)]
    found: dict[str, Any] = {"begins": [told(), [str(counts[0]), [counts[0]]]]}
    good = change(first, 34000.0)
    until(lambda: bool(told()[1]))  # the table is joined to its labels after the job has ended
    found["anew"] = [told(), [str(counts[1]), [counts[1]]]]
    bad = change(good[0], 1e9)
    found["states"] = [one.state for one in bad]
    found["error"] = bad[1].error
    found["kept"] = [good[1].is_step, bad[0].is_step, names(viewer)]
    found["empty"] = int(pixels(bad[0].layers[0]).max())
    jobs_of(viewer).undo()
    found["back"] = [told(), good[0].is_step, good[1].is_step]
    jobs_of(viewer).undo()
    found["first"] = [told(), first.is_step, second.is_step, good[0].is_undone]
    # A layer that the user has deleted is none that is undone.
    viewer.layers.remove("Brighter")
    jobs_of(viewer).set_undone(first, True)
    jobs_of(viewer).redo()
    found["deleted"] = [names(viewer), first.is_step]
    found["cards"] = sum(card.isVisibleTo(panel) for card in panel.cards.values())
    # What is cancelled ends the chain, and what was to be made anew stays.
    form = form_of(viewer, plugin, "steady")
    slow = run(form)
    form = form_of(viewer, plugin, "doubled")
    form.inputs.choose("image", slow.layers[0])
    later = run(form)
    stopped = [jobs_of(viewer).change(slow, {"factor": 5.0}, form.native)]
    stopped.append(jobs_of(viewer).jobs[-1])
    until(lambda: (stopped[0].share or 0) > 0.05)
    stopped[0].cancel()
    until(lambda: all(one.has_ended for one in stopped))
    found["stopped"] = [[one.state for one in stopped], slow.is_step, later.is_step]
    end(viewer)
    found["cleared"] = [len(panel.cards), len(jobs_of(viewer).jobs)]
    return found
