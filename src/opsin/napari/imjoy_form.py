"""ImJoy form: the form of a plugin of ImJoy, which image it gets, and Run."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import Future
from html import escape
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
from magicgui import widgets
from qtpy.QtWidgets import QLabel

from opsin.errors import OpsinError, UsageError
from opsin.host.host_thread import HostThread
from opsin.host.imjoy.imjoy_file import ImjoyFile
from opsin.host.job import Job
from opsin.host.registry import Registered
from opsin.napari.browser_page import BrowserPage
from opsin.napari.field import Field
from opsin.napari.given import axes_of, place_of
from opsin.napari.imjoy_desk import desk_of
from opsin.napari.input_choosers import InputChoosers
from opsin.napari.jobs import jobs_of
from opsin.napari.jobs_panel import JobsPanel
from opsin.napari.permission_rows import PermissionRows
from opsin.napari.viewer_job import ViewerJob

IN_BROWSER = "Open in the browser"
LARGEST = 2**28
"""Bytes of an array that a plugin is given: of larger images it gets a coarser level."""


class ImjoyForm(widgets.Container[Any]):
    """What a plugin of ImJoy is run with.

    Args:
        viewer: a `napari.Viewer`.
        registered: the plugin.
        operation: name of its operation.
        jobs: where the jobs are shown that are started here.

    Raises:
        PluginError: the plugin cannot be used.
    """

    def __init__(
        self, viewer: Any, registered: Registered, operation: str, jobs: JobsPanel
    ) -> None:
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        self._viewer = viewer
        self._registered = registered
        self._jobs_panel = jobs
        self.plugin, self.operation = registered.operation(operation)
        self.inputs = InputChoosers(viewer, self.operation)
        self.fields = {one.name: Field(one) for one in self.operation.parameters}
        self.permissions = PermissionRows(self._say)
        self.page: BrowserPage | None = None
        is_native = self.plugin.kind == "native-python"
        self.run_button: Any = widgets.PushButton(text="Run" if is_native else IN_BROWSER)
        self.run_button.changed.connect(lambda *_: self.run())
        self.tag: Any = widgets.ComboBox(label="Variant", choices=_tags(registered.path))
        self.tag.visible = len(self.tag.choices) > 1
        choosers = [*self.inputs.by_name.values(), *([self.tag] if self.tag.visible else [])]
        rows = [*choosers, *(field.widget for field in self.fields.values())]
        self.rows: Any = widgets.Container(widgets=rows, labels=True)
        self.rows.margins = (0, 0, 0, 0)
        self.extend([self.rows, self.run_button])
        self.about, self.said = QLabel(), QLabel()
        lines = [f"<b>{escape(self.plugin.name)}</b>", escape(self.operation.description)]
        self.about.setText("<br>".join(filter(None, lines)))
        for label in (self.about, self.said):
            label.setWordWrap(True)
        native: Any = self.native
        native.layout().insertWidget(0, self.about)
        native.layout().insertWidget(1, self.permissions)
        native.layout().addWidget(self.said)
        self.permissions.look(registered)
        self.reset_choices()

    @property
    def id(self) -> str:
        """Of the plugin."""
        return self._registered.id

    def reset_choices(self, *_: Any) -> None:
        """Layers have come or gone."""
        self.rows.reset_choices()
        self.inputs.propose()

    def begin_change(self, job: ViewerJob) -> None:
        """What a plugin of ImJoy did is no step.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{job.title} is a plugin of ImJoy: run it anew instead.")

    def run(self) -> ViewerJob | None:
        """Start a job; None if the user is asked first, or it cannot be run so."""
        self._say("")
        if self.plugin.kind != "native-python":
            self._open_page()
            return None
        if self.permissions.ask_first(self._registered, self.run):
            return None
        config = {name: field.value for name, field in self.fields.items()}
        try:
            images = {name: self.inputs.layer(name) for name in self.inputs.by_name}
            taken = {name: _taken(one) for name, one in images.items() if one is not None}
        except OpsinError as error:
            self._say(str(error))
            return None
        desk, asked, id = desk_of(self._viewer), Future[Job](), self.id
        tag = str(self.tag.value or "")
        title, face = self.plugin.name, desk.face

        async def run() -> None:
            try:
                data: dict[str, Any] = {}
                place: dict[str, Any] = {}
                for name, (level, about, where) in taken.items():
                    data |= {name: await asyncio.to_thread(np.asarray, level), **about}
                    place = place or {"shape": level.shape, **where}
                given = {"config": config, "data": data}
                result = await (await desk.desk()).run(id, given, tag, asked.set_result)
            except Exception as error:
                if not asked.done():
                    asked.set_exception(error)
                elif asked.result().error is None and asked.result().state == "done":
                    await face.show_message({"name": title}, str(error), 10)
                return
            if isinstance(result, np.ndarray) and result.ndim > 1:
                is_same = place.pop("shape", None) == result.shape
                face.show_layer(np.array(result), title, **(place if is_same else {}))
            if not asked.done():
                asked.set_exception(UsageError(f"{title} has nothing to show in napari."))

        native: Any = self.native
        HostThread.shared().begin(run())
        job = jobs_of(self._viewer).show(title, asked, native)
        self._jobs_panel.look()
        return job

    def _open_page(self) -> None:
        """Show the plugin, and the layers that were chosen or are selected, in a browser."""
        chosen = [self.inputs.layer(name) for name in self.inputs.by_name]
        layers = [one for one in chosen if one is not None]
        face = desk_of(self._viewer).face
        if self.page is not None:
            self.page.close()
        else:
            self._viewer.window._qt_window.destroyed.connect(self._close_page)
        said = ref(self)

        def told(text: str) -> None:
            face.post(lambda: form._say(text) if (form := said()) is not None else None)

        self.page = BrowserPage(self._registered.path, told)
        try:
            self.page.open(layers or list(self._viewer.layers.selection))
            self._say("The browser opens …")
        except OpsinError as error:
            self._close_page()
            self._say(str(error))

    def _close_page(self, *_: Any) -> None:
        if self.page is not None:
            self.page.close()

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))


def _tags(path: Path) -> tuple[str, ...]:
    """The variants that a plugin has: its `tags`, the one that runs by default first."""
    try:
        return ImjoyFile.of(path.read_text("utf-8-sig"), str(path)).config.tags
    except (OSError, UnicodeDecodeError, OpsinError):
        return ()


def _taken(source: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The finest level of a layer that is not too large, what is told of it, and where it lies.

    Raises:
        UsageError: the layer is turned, sheared or mirrored.
    """
    levels = list(source.data) if source.multiscale else [source.data]
    fitting = [one for one in levels if _size(one) <= LARGEST]
    level = fitting[0] if fitting else levels[-1]
    scale, translation = place_of(source)
    ratios = [a / b for a, b in zip(levels[0].shape, level.shape, strict=True)]
    pairs = list(zip(scale, translation, ratios, strict=False))
    where = {
        "scale": [one * ratio for one, _, ratio in pairs],
        "translate": [start + one * (ratio - 1) / 2 for one, start, ratio in pairs],
    }
    rgb = "c" if getattr(source, "rgb", False) else ""
    about = {
        "name": source.name,
        "axes": "".join(axes_of(source)) + rgb,
        "scale": where["scale"],
        "translation": where["translate"],
    }
    return level, about, where


def _size(level: Any) -> int:
    return math.prod(map(int, level.shape)) * int(np.dtype(level.dtype).itemsize)
