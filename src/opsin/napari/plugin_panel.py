"""Plugin panel: choose an operation of a plugin, and run it with a form."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from magicgui import widgets
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from opsin.errors import OpsinError, UsageError
from opsin.host.again import plugin_of
from opsin.host.host_thread import HostThread
from opsin.host.registry import Registered
from opsin.host.step import Step
from opsin.napari.imjoy_form import ImjoyForm
from opsin.napari.jobs_panel import JobsPanel
from opsin.napari.operation_form import OperationForm
from opsin.napari.plugin_files import keep, usable
from opsin.napari.plugin_list import PluginList
from opsin.napari.viewer_job import ViewerJob
from opsin.plugins.imjoy_uri import SUFFIX

FORM = 2
"""Place of the form among the controls."""
HOW = "Plugins are files of Python or ImJoy. Drop one on napari, or add one here."
AnyForm = OperationForm | ImjoyForm


class PluginPanel(widgets.Container[Any]):
    """A chooser of operations, and the form of the one that is chosen.

    Args:
        viewer: a `napari.Viewer`.
        only: id of the only plugin to choose from; by default all that are known.
        operation: name of the operation to begin with.
    """

    def __init__(self, viewer: Any, only: str | None = None, operation: str | None = None) -> None:
        super().__init__(labels=False)
        self._viewer = viewer
        self._registry = HostThread.shared().host.registry
        self.only = only
        self.form: AnyForm | None = None
        """Of the operation that is chosen; None: there is none."""
        self.chooser: Any = widgets.ComboBox(choices=self._choices)
        self.chooser.tooltip = "Operations of the plugins that are known"
        self.hint = widgets.Label(value="")
        hint: Any = self.hint.native
        hint.setWordWrap(True)
        self.add_button = widgets.PushButton(text="Add a plugin…")
        self.add_button.changed.connect(lambda *_: self._browse())
        self.list_button = widgets.PushButton(text="All plugins…")
        self.list_button.tooltip = "Their versions, where they came from, and to remove them"
        self.list_button.changed.connect(lambda *_: self.show_list())
        buttons: Any = widgets.Container(
            widgets=[*[self.add_button] * (only is None), self.list_button],
            layout="horizontal",
            labels=False,
        )
        buttons.margins = (0, 0, 0, 0)
        self.extend([self.chooser, self.hint, buttons])
        self.jobs = JobsPanel(viewer, self._change)
        native: Any = self.native
        native.layout().addWidget(self.jobs)
        native.layout().addStretch()
        stop = self._registry.listen(self._plugins_changed)
        native.destroyed.connect(lambda *_: stop())
        self.chooser.changed.connect(lambda *_: self._show())
        if operation is not None:
            self.choose(operation)
        self._show()

    def choose(self, operation: str, plugin: str | None = None) -> AnyForm:
        """Show the form of an operation, by its name.

        Raises:
            PluginError: there is no such operation.
        """
        self.chooser.reset_choices()
        wanted = plugin or self.only
        for id, name in self.chooser.choices:
            if name == operation and wanted in (None, id):
                self.chooser.value = (id, name)
                break
        else:
            known = self._registry
            (known.get(wanted) if wanted else known.all()[0]).operation(operation)
        self._show()
        assert self.form is not None
        return self.form

    @classmethod
    def docked(cls, viewer: Any, registered: Registered) -> PluginPanel:
        """The panel of a plugin in a viewer: that which is there, or a new one."""
        name, docks = usable(registered).name, viewer.window.dock_widgets
        if name in docks:
            there = docks[name]
            if isinstance(there, PluginPanel) and there.only == registered.id:
                there.reset_choices()
                native: Any = there.native
                dock = native.parentWidget()
                dock.show()
                dock.raise_()
                return there
            name = f"{name} ({registered.path.name})"
        panel = cls(viewer, registered.id)
        viewer.window.add_dock_widget(panel, name=name, area="right", tabify=True)
        return panel

    def reset_choices(self, *_: Any) -> None:
        """Layers or plugins have come or gone."""
        super().reset_choices()
        self._show()

    def _choices(self, _: Any) -> list[tuple[str, tuple[str, str]]]:
        found = []
        for one in self._registry.all():
            if one.plugin is None or self.only not in (None, one.id):
                continue
            for operation in one.plugin.operations:
                beside = f" ({one.plugin.name})" if self.only is None else ""
                found.append((f"{operation.title}{beside}", (one.id, operation.name)))
        return found

    def _show(self) -> None:
        chosen = self.chooser.value
        self.chooser.visible = len(self.chooser.choices) > 1
        problems = [one.error for one in self._registered() if one.error]
        self.hint.value = "\n".join(problems) or ("" if chosen else HOW)
        self.hint.visible = bool(self.hint.value)
        shown = self.form
        if chosen is None:
            return
        id, name = chosen
        if shown is not None and (shown.id, shown.operation.name) == (id, name):
            return
        if shown is not None:
            self.remove(shown)
            gone: Any = shown.native
            gone.deleteLater()
        registered = self._registry.get(id)
        is_imjoy = registered.path.name.lower().endswith(SUFFIX)
        make = ImjoyForm if is_imjoy else OperationForm
        self.form = make(self._viewer, registered, name, self.jobs)
        self.insert(FORM, self.form)

    def _plugins_changed(self) -> None:
        """Plugins have come, gone or changed."""
        if self.only is not None and not self._registered():
            self._leave()
            return
        self.chooser.reset_choices()
        self._show()

    def _leave(self) -> None:
        """The only plugin was removed, so the dock goes; its jobs go on."""
        native: Any = self.native
        self.hint.value = "This plugin was removed."
        self.hint.visible = True
        with suppress(LookupError, RuntimeError):
            self._viewer.window.remove_dock_widget(native)
            native.deleteLater()

    def _change(self, job: ViewerJob) -> None:
        """Show the form with which a step is changed: here, if it is of a plugin of this panel."""
        step = _step_of(job)
        registered = plugin_of(HostThread.shared().host, step)
        if self.only in (None, registered.id):
            self.choose(step.operation, registered.id).begin_change(job)
        else:
            show_change(self._viewer, job)

    def show_list(self) -> PluginList:
        """Show all plugins, and where they came from."""
        native: Any = self.native
        dialog = PluginList(native)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
        return dialog

    def _registered(self) -> list[Registered]:
        return [one for one in self._registry.all() if self.only in (None, one.id)]

    def _browse(self) -> None:
        native: Any = self.native
        path, _ = QFileDialog.getOpenFileName(
            native, "Add a plugin", "", "Plugins (*.py *.imjoy.html)"
        )
        if path:
            self.add(Path(path))

    def add(self, path: Path) -> None:
        """Keep a plugin's file in the user's workspace, and show its first operation."""
        try:
            registered = keep(path)
            form = self.choose(usable(registered).operations[0].name, registered.id)
            form.permissions.ask_first(registered, lambda: None)
        except OpsinError as error:
            self.hint.value = str(error)
            self.hint.visible = True


def show_change(viewer: Any, job: ViewerJob) -> AnyForm:
    """Show the form with which the parameters of a step are changed.

    Raises:
        UsageError: it cannot be changed.
        PluginError: its plugin cannot be used any more.
    """
    step, host = _step_of(job), HostThread.shared().host
    panel = PluginPanel.docked(viewer, host.registry.put(plugin_of(host, step)))
    form = panel.choose(step.operation)
    form.begin_change(job)
    return form


def _step_of(job: ViewerJob) -> Step:
    if job.job is None or job.job.step is None:
        raise UsageError(f"{job.title} is not done, so there is nothing to change.")
    return job.job.step
