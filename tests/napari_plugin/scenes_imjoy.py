"""Scenes with plugins of ImJoy, for the stage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import tifffile
from qtpy.QtWidgets import QDialogButtonBox, QLineEdit

from opsin.napari.imjoy_desk import desk_of
from opsin.napari.jobs import jobs_of
from opsin.napari.plugin_panel import PluginPanel
from tests.host.imjoy_desks import plugin
from tests.napari_plugin.scenes_plugins import CELLS, tidy, until

CODE = """
import asyncio
import numpy as np
from imjoy_rpc import api

class P:
    async def setup(self):
        pass
    async def run(self, ctx):
        mode = ctx.config.mode
        if mode == "fail":
            raise ValueError("no such thing")
        if mode == "wait":
            await api.prompt("still there?")
        if mode == "window":
            await api.createWindow(type="imjoy/chart", data={})
        if mode == "form":
            ui = "Count {id: 'n', type: 'number', min: 1, placeholder: 4}"
            given = await api.showDialog(name="More", ui=ui)
            seen = np.full((2, 2), given["n"])
            return {"type": "imjoy/image", "name": "seen", "data": {"src": seen}}
        if mode == "whole":
            return np.array([[int(ctx.data.image.sum()), *ctx.data.image.shape]])
        name = await api.prompt("Which name?", "nobody")
        await api.alert("It is " + name)
        image = np.asarray(ctx.data.image) if "image" in ctx.data else np.zeros((3, 4))
        return image * float(ctx.config.factor)

api.export(P())
"""
UI = (
    "Mode {id: 'mode', type: 'string', placeholder: 'ask'} "
    "by {id: 'factor', type: 'number', placeholder: 2}"
)
IMAGE = {"type": "object", "properties": {"image": {"ndarray": {}}}}


def _drop(viewer: Any, file: str, **config: Any) -> Any:
    code = config.pop("code", CODE)
    kind = config.pop("type", "native-python")
    needs = ["pip: numpy"] if kind == "native-python" else []
    Path(file).write_text(plugin("Asks", code, kind, ui=UI, requirements=needs, **config))
    viewer.open(file, plugin="opsin")
    (panel,) = [one for one in viewer.window.dock_widgets.values() if isinstance(one, PluginPanel)]
    form: Any = panel.form
    if form.permissions.dialog is not None:
        form.permissions.dialog.refuse.click()
    return form


def _dialog(viewer: Any) -> Any:
    dialogs = desk_of(viewer).face.dialogs
    until(lambda: dialogs or all(job.has_ended for job in jobs_of(viewer).jobs))
    assert dialogs, [(job.error, job.log) for job in jobs_of(viewer).jobs]
    return dialogs[0]


def _press(dialog: Any) -> None:
    dialog.findChild(QDialogButtonBox).buttons()[0].click()


def _ended(job: Any) -> None:
    until(lambda: job.has_ended)


def asks(viewer: Any, file: str) -> dict[str, Any]:
    """A dropped plugin asks and tells; what it gives back is a layer."""
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    viewer.add_image(pixels, name="small", scale=(2, 3))
    form = _drop(viewer, file, inputs=IMAGE)
    form.fields["factor"].value = 3
    form.inputs.choose("image", viewer.layers["small"])
    job = form.run()
    assert job is not None
    dialog = _dialog(viewer)
    found: dict[str, Any] = {"inputs": list(form.inputs.by_name), "asked": dialog.text.text()}
    dialog.findChild(QLineEdit).setText("Ada")
    _press(dialog)
    until(lambda: _dialog(viewer) is not dialog)
    told = _dialog(viewer)
    found["told"] = told.text.text()
    _press(told)
    until(lambda: job.has_ended and len(viewer.layers) > 1)
    layer = viewer.layers["Asks"]
    found |= {"layer": np.asarray(layer.data).tolist(), "scale": list(layer.scale)}
    tidy(viewer)
    return found


def ends(viewer: Any, file: str) -> dict[str, Any]:
    """One run fails, one wants a window, and one is cancelled while it asks."""
    form = _drop(viewer, file)
    found: dict[str, Any] = {}
    for mode in ("fail", "window"):
        form.fields["mode"].value = mode
        job = form.run()
        _ended(job)
        found[mode] = [job.state, job.error, job.traceback]
    form.fields["mode"].value = "wait"
    job = form.run()
    _dialog(viewer)
    job.cancel()
    until(lambda: job.has_ended)
    until(lambda: not desk_of(viewer).face.dialogs)
    found["wait"] = job.state
    tidy(viewer)
    return found


def variants(viewer: Any, file: str) -> dict[str, Any]:
    """One variant after the other, which say what they are."""
    code = """
import numpy as np
from imjoy_rpc import api

class P:
    def setup(self):
        pass
    def run(self, ctx):
        return np.full((2, 2), {"small": 1, "large": 7}[api.config.tag])

api.export(P())
"""
    form = _drop(viewer, file, code=code, tags=["small", "large"])
    found: dict[str, Any] = {"tags": list(form.tag.choices), "seen": []}
    for tag in (None, "large", "small"):
        if tag is not None:
            form.tag.value = tag
        _ended(form.run())
        until(lambda: len(viewer.layers) > 0, 20)
        found["seen"].append(int(np.max(viewer.layers[0].data)))
        viewer.layers.clear()
    tidy(viewer)
    return found


def page(viewer: Any, file: str, browser: str) -> dict[str, Any]:
    """A window plugin, opened in a browser that keeps the page that it is told to open."""
    form = _drop(viewer, file, code="api.export({setup() {}, run() {}})", type="window")
    found: dict[str, Any] = {"button": form.run_button.text}
    assert form.run() is None
    found["without"] = form.said.text()
    viewer.add_image(np.arange(12, dtype=np.float32).reshape(3, 4), name="small / one")
    before = os.environ.get("BROWSER")
    os.environ["BROWSER"] = browser
    assert form.run() is None
    opened = Path(browser).with_suffix(".html")
    until(lambda: opened.exists() and "url=" in opened.read_text(), 40)
    address = opened.read_text().partition("url=")[2].partition('"')[0]
    with urlopen(address, timeout=10) as answer:
        found["title"] = "Opsin" in answer.read().decode()
    until(lambda: "is in the browser" in form.said.text(), 20)
    found["said"] = form.said.text()
    form.page.close()
    os.environ.pop("BROWSER")
    if before is not None:
        os.environ["BROWSER"] = before
    try:
        urlopen(address, timeout=5).close()
    except OSError:
        found["ended"] = True
    tidy(viewer)
    return found


def shows(viewer: Any, file: str) -> dict[str, Any]:
    """A form in a dialog, an image in a window, and an image of a file as a plugin gets it."""
    viewer.open(str(CELLS), plugin="opsin")
    cells = viewer.layers[0]
    form = _drop(viewer, file, inputs=IMAGE)
    form.fields["mode"].value = "form"
    form.run()
    _press(_dialog(viewer))
    until(lambda: "seen" in viewer.layers, 20)
    found = {"seen": np.asarray(viewer.layers["seen"].data).tolist()}
    form.inputs.choose("image", cells)
    form.fields["mode"].value = "whole"
    job = form.run()
    until(lambda: job.has_ended and (job.error or "Asks" in viewer.layers), 20)
    assert not job.error, job.error
    found["whole"] = np.asarray(viewer.layers["Asks"].data).tolist()
    pixels = tifffile.imread(CELLS)
    found["true"] = [[int(pixels.sum()), *pixels.shape]]
    tidy(viewer)
    return found
