"""Operation form: inputs, parameters, what to run on, what that needs, Run, and what runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from html import escape
from typing import Any

from magicgui import widgets
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from opsin.errors import OpsinError, UsageError
from opsin.host.calls import Program
from opsin.host.estimate import Estimate, size_text
from opsin.host.history import check_changeable
from opsin.host.host_thread import HostThread
from opsin.host.registry import Registered
from opsin.host.selection import Where, Whole
from opsin.napari.field import Field
from opsin.napari.given import Given
from opsin.napari.given_rows import RowsGiven
from opsin.napari.input_choosers import InputChoosers
from opsin.napari.job_card import JobCard
from opsin.napari.jobs import jobs_of
from opsin.napari.jobs_panel import JobsPanel
from opsin.napari.permission_rows import PermissionRows
from opsin.napari.region_choosers import RegionChoosers
from opsin.napari.scroll_area import ScrollArea
from opsin.napari.trusted import is_trusted
from opsin.napari.viewer_job import ViewerJob
from opsin.plugins.manifest import Operation, Plugin, Scalar

CALM = 200
"""Milliseconds without a change after which a run is estimated."""
POLL = 40
"""Milliseconds between two looks for an estimate."""
WATCH = 1000
"""Milliseconds between two looks at the file of the plugin."""
WARNING = "color: #f2b84b;"
NARROWEST = 300
"""Pixels on the screen."""
SEEN = 6.0
"""Rows that can be seen at least, if there are so many."""


class OperationForm(widgets.Container[Any]):
    """A form made from a manifest. It follows the plugin's file.

    Args:
        viewer: a `napari.Viewer`.
        registered: the plugin.
        operation: name of one of its operations.
        jobs: where the jobs are shown that are started here.

    Raises:
        PluginError: there is no such operation, or the plugin cannot be used.
    """

    def __init__(
        self, viewer: Any, registered: Registered, operation: str, jobs: JobsPanel
    ) -> None:
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        self._viewer = viewer
        self._registered = registered
        self._registry = HostThread.shared().host.registry
        self.plugin: Plugin
        self.operation: Operation
        self.plugin, self.operation = registered.operation(operation)
        self.fields: dict[str, Field] = {}
        """By the name of the parameter."""
        self.about = _text()
        self.permissions = PermissionRows(lambda text: self._say(text, wrong=True))
        self.needs = _text()
        """What a run will need, or why there can be none."""
        self.rows: widgets.Container[Any] = widgets.Container(labels=True)
        self.rows.margins = (0, 0, 0, 0)
        self.run_button: Any = widgets.PushButton(text="Run", tooltip="Ctrl+Enter")
        self.keep_button: Any = widgets.PushButton(text="Keep as it is", tooltip="Escape")
        self.changing: ViewerJob | None = None
        """The step whose parameters are being changed."""
        self._jobs_panel = jobs
        self._mine: list[ViewerJob] = []
        self._estimate: Future[Estimate] | None = None
        self._lent: list[Given | RowsGiven] = []
        self._ended = 0
        self._due = False
        self._stops: list[Callable[[], None]] = []
        native: Any = self.native
        self._calm = _timer(native, CALM, self._ask, single=True)
        self._poll = _timer(native, POLL, self._answered)
        self._watch = _timer(native, WATCH, self._look)
        self._build()
        buttons: Any = widgets.Container(
            widgets=[self.run_button, self.keep_button], layout="horizontal", labels=False
        )
        buttons.margins = (0, 0, 0, 0)
        self.append(buttons)
        native.setMinimumWidth(NARROWEST)
        native.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        layout: Any = native.layout()
        layout.insertWidget(0, self.about)
        rows: Any = self.rows.native
        layout.insertWidget(1, self.permissions)
        layout.insertWidget(2, ScrollArea(rows, SEEN))
        layout.insertWidget(3, self.needs)
        self._keys = [_shortcut(native, keys, self.run) for keys in ("Ctrl+Return", "Ctrl+Enter")]
        self._keys.append(_shortcut(native, "Escape", self.end_change))
        self.run_button.changed.connect(lambda *_: self.run())
        self.keep_button.changed.connect(lambda *_: self.end_change())
        self._look_at_change()
        self._listen()
        native.destroyed.connect(self._gone)
        self._watch.start()

    @property
    def id(self) -> str:
        """Of the plugin."""
        return self._registered.id

    @property
    def cards(self) -> list[JobCard]:
        """Of the jobs that were started here, newest first."""
        return [card for card in self._jobs_panel.newest_first if card.job in self._mine]

    def begin_change(self, job: ViewerJob) -> None:
        """Show the parameters of a step, so that they can be changed and it is run again.

        Raises:
            UsageError: it cannot be changed.
        """
        if job.job is None or job.job.step is None:
            raise UsageError(f"{job.title} is not done, so there is nothing to change.")
        check_changeable(job.job)
        self._fill(job.job.step.parameters)
        self.changing = job
        self._look_at_change()
        self._changed()

    def end_change(self) -> None:
        """Leave the step as it is."""
        self.changing = None
        self._look_at_change()
        self._changed()

    def run(self) -> ViewerJob | None:
        """Start a job with what the form says; None if it cannot be run so, which it then says.

        While a step is being changed, that is what is run. What the plugin asks for is asked
        before, and the job begins after the answer.
        """
        if self._asks_first():
            return None
        if self.changing is not None:
            return self._run_change(self.changing)
        givens: dict[str, Given | RowsGiven] = {}
        native: Any = self.native
        try:
            self._look_at_file()
            program = self._program()
            givens = self.inputs.givens()
            job = jobs_of(self._viewer).run(program, givens, self._where(givens), native)
        except OpsinError as error:
            _close(givens.values())
            self._say(str(error), wrong=True)
            return None
        return self._is_mine(job)

    def _asks_first(self) -> bool:
        """Whether the user has to be asked before a run, which begins after the answer."""
        self._look_at_file()
        if is_trusted(self._registered):
            return False
        return self.permissions.ask_first(self._registered, self.run)

    def _run_change(self, changing: ViewerJob) -> ViewerJob | None:
        native: Any = self.native
        try:
            self._look_at_file()
            values = {name: field.value for name, field in self.fields.items()}
            job = jobs_of(self._viewer).change(changing, values, native)
        except OpsinError as error:
            self._say(str(error), wrong=True)
            return None
        self.end_change()
        return self._is_mine(job)

    def _is_mine(self, job: ViewerJob) -> ViewerJob:
        self._mine.append(job)
        self._jobs_panel.look()
        return job

    def _look_at_change(self) -> None:
        """Show what belongs to a change, or to a run."""
        is_change = self.changing is not None
        self.run_button.text = "Run again" if is_change else "Run"
        self.keep_button.visible = is_change
        for chooser in self.inputs.by_name.values():
            chooser.visible = not is_change
        if is_change:
            for chooser in self.regions.all:
                chooser.visible = False
        else:
            self.regions.look()

    def reset_choices(self, *_: Any) -> None:
        """Layers have come or gone."""
        self.rows.reset_choices()
        self.inputs.propose()
        self._changed()

    def _build(self) -> None:
        """Make the controls that the manifest asks for. What was entered stays."""
        entered = {name: field.value for name, field in self.fields.items()}
        self.changing = None
        self.about.setText(_about(self.plugin, self.operation))
        self.about.setToolTip(self._registered.address)
        self.permissions.look(self._registered)
        gone: list[Any] = [row.native for row in self.rows]
        self.rows.clear()
        for native in gone:
            native.deleteLater()
        self.inputs = InputChoosers(self._viewer, self.operation)
        self.regions = RegionChoosers(self._viewer, self.operation, self.inputs)
        self.fields = {one.name: Field(one) for one in self.operation.parameters}
        self._fill(entered)
        for field in self.fields.values():
            field.listen(self._changed)
        choosers = [*self.inputs.by_name.values(), *self.regions.all]
        for chooser in choosers:
            chooser.changed.connect(self._changed)
        fields = [field.widget for field in self.fields.values()]
        self.rows.extend([*self.inputs.by_name.values(), *fields, *self.regions.all])
        self.rows.reset_choices()
        self.inputs.propose()
        self._changed()

    def _fill(self, values: Mapping[str, Scalar]) -> None:
        for name in values.keys() & self.fields.keys():
            try:
                self.fields[name].value = values[name]
            except (TypeError, ValueError):
                continue  # it does not fit any more

    # What it asks for

    def _program(self) -> Program:
        values = {name: field.value for name, field in self.fields.items()}
        host, axes = HostThread.shared().host, self.regions.axes
        here = is_trusted(self._registered)
        return host.program(self._registered, self.operation.name, values, axes, in_process=here)

    def _where(self, givens: dict[str, Given | RowsGiven]) -> Where:
        if not givens:
            raise UsageError(f"{self.operation.title} takes no image: run it from Python.")
        leading = next((one for one in givens.values() if isinstance(one, Given)), None)
        return Whole() if leading is None else self.regions.where(leading)

    def _ask(self) -> None:
        """Ask the host what a run would need, if anybody sees the answer."""
        self._due = not self._is_seen()
        if self._due:
            return
        if self.changing is not None:
            self._say(_change_text(self.changing, jobs_of(self._viewer).dependents(self.changing)))
            return
        self.regions.look()
        self._align()
        self._calm.stop()  # what that changed is part of the question
        if self._estimate is not None:
            self._calm.start()  # one after the other
            return
        givens: dict[str, Given | RowsGiven] = {}
        try:
            program = self._program()
            givens = self.inputs.givens(frozen=False)
            place = self._where(givens)
        except OpsinError as error:
            _close(givens.values())
            self._say(str(error), wrong=True)
            return
        layers = {name: one.layer for name, one in givens.items()}
        thread = HostThread.shared()

        async def estimate() -> Estimate:
            return thread.host.estimate(program, layers, place)

        self._lent = list(givens.values())
        self._estimate = thread.begin(estimate())
        self._poll.start()

    def _answered(self) -> None:
        asked = self._estimate
        if asked is None or not asked.done():
            return
        self._poll.stop()
        self._estimate = None
        _close(self._lent)
        self._lent = []
        if asked.cancelled():
            return
        error = asked.exception()
        if error is not None:
            self._say(str(error), wrong=True)
        else:
            found = asked.result()
            is_table = all(one.kind == "table" for one in self.operation.inputs)
            text = _needs_text(found, "rows" if is_table else "points")
            self._say(text, wrong=bool(found.warning))

    def _align(self) -> None:
        """Give the labels of the rows one width: that which they need in the look of napari."""
        rows: Any = self.rows.native
        labels = [row.layout().itemAt(0).widget() for row in rows.children() if _is_row(row)]
        widest = max((label.sizeHint().width() for label in labels), default=0)
        for label in labels:
            label.setMinimumWidth(widest)

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.needs.setStyleSheet(WARNING if wrong else "")
        self.needs.setText(text)

    # What it follows

    def _changed(self, *_: Any) -> None:
        self._calm.start()

    def _listen(self) -> None:
        camera, dims = self._viewer.scene.camera.events, self._viewer.dims.events
        for event in (camera.center, camera.zoom, dims.ndisplay, dims.order, dims.point):
            event.connect(self._changed)
            self._stops.append(partial(event.disconnect, self._changed))
        self._stops.append(jobs_of(self._viewer).listen(self._jobs_changed))

    def _jobs_changed(self) -> None:
        if self.changing is not None and not self.changing.is_step:
            self.end_change()  # it was undone meanwhile
        ended = sum(job.has_ended for job in self._mine)
        if ended > self._ended:
            self._ended = ended
            self.reset_choices()  # there may be a table; and now it is known what a run needs

    def _is_seen(self) -> bool:
        native: Any = self.native
        return bool(native.isVisible())

    def _look(self) -> None:
        if self._is_seen():
            self._look_at_file()
            self.permissions.look(self._registered)
            if self._due:
                self._changed()

    def _look_at_file(self) -> None:
        """Follow a change of the plugin's file."""
        try:
            now = self._registry.get(self.id)
        except UsageError:
            return  # it was removed; what is here still runs
        if now == self._registered:
            return
        self._registered = now
        try:
            self.plugin, self.operation = now.operation(self.operation.name)
        except OpsinError as error:
            self._say(str(error), wrong=True)
            return
        self._build()

    def _gone(self) -> None:
        """The form is closed; its jobs go on."""
        for stop in self._stops:
            stop()
        self._stops.clear()
        self._mine.clear()


def _text() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    return label


def _timer(
    parent: QWidget, interval: int, function: Callable[[], None], *, single: bool = False
) -> QTimer:
    timer = QTimer(parent)
    timer.setInterval(interval)
    timer.setSingleShot(single)
    timer.timeout.connect(function)
    return timer


def _shortcut(parent: QWidget, keys: str, function: Callable[[], object]) -> QShortcut:
    """For as long as something in the form has the focus."""
    shortcut = QShortcut(QKeySequence(keys), parent)
    shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    shortcut.activated.connect(function)
    return shortcut


def _is_row(widget: Any) -> bool:
    """Whether it is a control with a label before it."""
    layout = widget.layout() if isinstance(widget, QWidget) else None
    first = layout.itemAt(0) if layout is not None and layout.count() == 2 else None
    return first is not None and isinstance(first.widget(), QLabel)


def _close(givens: Iterable[Given | RowsGiven]) -> None:
    for one in givens:
        one.close()


def _about(plugin: Plugin, operation: Operation) -> str:
    version = f" {plugin.version}" if plugin.version != "0" else ""
    lines = [f"<b>{escape(operation.title)}</b> · {escape(plugin.name + version)}"]
    lines += [escape(operation.description)] * bool(operation.description)
    return "<br>".join(lines)


def _change_text(job: ViewerJob, later: Sequence[ViewerJob]) -> str:
    step = job.job.step if job.job is not None else None
    names = [one.layer for one in step.inputs.values()] if step is not None else []
    on = f" of {' and '.join(dict.fromkeys(names))}, as it was then" if names else ""
    lines = [f"Changes a step that was run: the result{on}."]
    if later:
        lines.append(f"Made anew with it: {', '.join(dict.fromkeys(one.title for one in later))}")
    return "\n".join(lines)


def _needs_text(found: Estimate, rows: str) -> str:
    times = "" if found.calls == 1 else f", {found.calls} times"
    shape = " × ".join(map(str, found.shape))
    on = f"{shape} px of level {found.level}{times}" if shape else f"{found.rows:,} {rows}"
    free = f" of {size_text(found.available_bytes)} free" if found.available_bytes else ""
    lines = [
        f"Works on {on}",
        f"Memory ≈ {size_text(found.worker_bytes)}{free}",
    ]
    if found.seconds is None:
        lines.append("Time: not known before the first run")
    else:
        taken = "a moment" if found.seconds < 0.1 else f"≈ {found.seconds:.2g} s"
        lines.append(f"Time: {taken} ({'from earlier runs' if found.measured else 'a guess'})")
    if found.warning:
        lines.append(found.warning)
    return "\n".join(lines)
