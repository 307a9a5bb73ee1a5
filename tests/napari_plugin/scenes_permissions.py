"""Scenes with a plugin that asks for something, for the stage."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.host.agreements import Agreements
from opsin.host.host_thread import HostThread
from opsin.host.registry import read_registered
from opsin.napari.permission_dialog import PermissionDialog
from tests.napari_plugin.scenes_plugins import form_of, run, tidy, until

FETCHER = """# /// script
# [tool.opsin]
# name = "Fetcher"
# version = "1.0"
# permissions = { network = "downloads", files = "reads models", processes = "converts" }
# ///
import socket
from pathlib import Path
from opsin.types import Image


def fetch(image: Image, port: int = 0, model: str = "") -> Image:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        pass
    try:
        print("read", Path(model).read_text())
    except OSError:
        print("read nothing")
    return image
"""


def allowed(viewer: Any, folder: str) -> dict[str, Any]:
    """What is asked, and what runs can do after each answer."""
    plugin, models = Path(folder, "plugin", "fetcher.py"), Path(folder, "models")
    for one in (plugin.parent, models):
        one.mkdir()
    plugin.write_text(FETCHER)
    (models / "model").write_text("a model")
    viewer.add_image(np.ones((8, 8), np.uint8), name="one")
    found: dict[str, Any] = {"came": [], "read": []}
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setblocking(False)

        def somebody_came() -> bool:
            try:
                door.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        def note(job: Any) -> None:
            found["came"].append(somebody_came())
            found["read"].append(any("read a model" in line for line in job.job.log))

        form = form_of(viewer, plugin, "fetch")
        form.fields["port"].control.value = door.getsockname()[1]
        form.fields["model"].control.value = str(models / "model")
        texts = form.permissions.texts
        found["texts"] = {name: text.text() for name, text in texts.items()}
        form.run_button.native.click()
        found["cards"] = len(form.cards)
        dialog = form.permissions.dialog
        assert isinstance(dialog, PermissionDialog)
        found["boxes"] = {name: box.isChecked() for name, box in dialog.boxes.items()}
        found["enabled"] = [dialog.allow.isEnabled()]
        dialog.boxes["files"].click()
        found["enabled"].append(dialog.allow.isEnabled())  # no folder yet
        dialog.place.setText(str(models))
        found["enabled"].append(dialog.allow.isEnabled())
        dialog.allow.click()
        until(lambda: form.cards)  # it runs by itself now
        job = form.cards[0].job
        until(lambda: job.has_ended)
        note(job)
        found["after"] = {name: text.text() for name, text in texts.items()}
        form.permissions.buttons["network"].click()
        note(run(form))
        found["said"] = form.cards[0].said.text()
        # It is taken back on the command line: the form hears of it.
        other = Agreements(HostThread.shared().host.workspace)
        other.answer(read_registered(plugin), {"network": False, "files": False})
        until(lambda: "not allowed" in texts["network"].text(), 10)
        note(run(form))
    tidy(viewer)
    return found


def dropped(viewer: Any, file: str) -> dict[str, Any]:
    """A plugin that is dropped is asked about at once; who closes that has not answered."""
    Path(file).write_text(FETCHER)
    panel = opsin.napari.plugin_menu.keep_plugin(viewer, Path(file))
    QApplication.processEvents()
    assert panel is not None
    assert panel.form is not None
    dialog = panel.form.permissions.dialog
    assert dialog is not None
    dialog.reject()
    QApplication.processEvents()
    agreements = HostThread.shared().host.agreements
    registered = HostThread.shared().host.registry.get(panel.form.id)
    states = [one.state for one in agreements.asked(registered)]
    tidy(viewer)
    return {"states": states}
