"""Job card: how far a job is, how to end it, and what there is to read about it."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt, QUrl
from qtpy.QtGui import QDesktopServices, QFontDatabase, QResizeEvent
from qtpy.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from opsin.napari.jobs import STEPS
from opsin.napari.viewer_job import ViewerJob
from opsin.plugins.manifest import Scalar

MOST_VALUES, LONGEST = 4, 24
"""Parameters that are told, and letters of a value."""
LOOK = "JobCard { background: rgba(128, 128, 128, 40); border-radius: 4px; }"
"""Told apart from what is around it on dark and on light."""


class JobCard(QFrame):
    """One job. `look` brings it up to date."""

    def __init__(self, job: ViewerJob, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.job = job
        self.setStyleSheet(LOOK)
        self.title = _ElidedLabel(job.title, self)
        self.said = QLabel(self)
        self.said.setWordWrap(True)
        self.said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        self.cancel = QPushButton("Cancel", self)
        self.cancel.clicked.connect(self._cancel)
        self.undo = _button("Undo", "Its layers go, and no script repeats it", self)
        self.redo = _button("Redo", "Its layers come back, and it counts again", self)
        self.change = _button(
            "Change…", "Run it with other parameters, and what depends on it", self
        )
        self.open = _button("Open folder", "Where the results are", self)
        self.open.clicked.connect(self._open)
        self.log = _button("Log", "What it printed", self)
        self.log.clicked.connect(lambda: self._read("Log", job.log))
        self.traceback = _button("Traceback", "Where in the plugin it failed", self)
        self.traceback.clicked.connect(lambda: self._read("Traceback", job.traceback))
        above = QHBoxLayout()
        above.addWidget(self.title, 1)
        above.addWidget(self.cancel)
        below = QHBoxLayout()
        below.setSpacing(4)
        for button in (self.undo, self.redo, self.change, self.open, self.log, self.traceback):
            below.addWidget(button)
        below.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setSpacing(3)
        layout.addLayout(above)
        layout.addWidget(self.bar)
        layout.addWidget(self.said)
        layout.addLayout(below)
        self.look()

    def look(self) -> None:
        """Show the job as it is now."""
        job = self.job
        self.said.setText(_said(job))
        share = job.share
        self.bar.setVisible(not job.has_ended)
        if share is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, STEPS)
            self.bar.setValue(round(share * STEPS))
        self.cancel.setVisible(not job.has_ended)
        self.cancel.setEnabled(not job.was_cancelled)
        self.title.setEnabled(not job.is_undone)
        is_step = job.is_step and not job.is_on_folder
        self.undo.setVisible(is_step)
        self.change.setVisible(is_step and job.is_changeable)
        self.redo.setVisible(job.has_ended and job.is_undone)
        self.open.setVisible(job.has_ended and job.folder is not None)
        self.log.setVisible(bool(job.log))
        self.traceback.setVisible(bool(job.traceback))

    def _cancel(self) -> None:
        self.job.cancel()
        self.look()

    def _open(self) -> None:
        if self.job.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.job.folder)))

    def _read(self, what: str, text: str) -> None:
        dialog = QDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(f"{what} of {self.job.title}")
        page = QPlainTextEdit(text, dialog)
        page.setReadOnly(True)
        page.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        page.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        page.moveCursor(page.textCursor().MoveOperation.End)
        layout = QVBoxLayout(dialog)
        layout.addWidget(page)
        dialog.resize(760, 420)
        dialog.show()


class _ElidedLabel(QLabel):
    """A line in bold letters that is cut where there is no room; all of it is its tooltip."""

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(text, parent)
        self._whole = text
        self.setToolTip(text)
        bold = self.font()
        bold.setBold(True)
        self.setFont(bold)
        self.setMinimumWidth(40)

    def minimumSizeHint(self) -> QSize:
        return QSize(40, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.setText(
            self.fontMetrics().elidedText(
                self._whole, Qt.TextElideMode.ElideRight, max(self.width(), 40)
            )
        )


def _button(text: str, tooltip: str, parent: QWidget) -> QPushButton:
    button = QPushButton(text, parent)
    button.setToolTip(tooltip)
    return button


def _said(job: ViewerJob) -> str:
    if job.error:
        return f"Failed: {job.error}"
    words = [job.state]
    if job.job is not None:
        if job.was_cancelled and not job.has_ended:
            words = ["cancelling"]
        elif job.job.text:
            words.append(job.job.text)
        if job.job.total and job.job.done is not None and not job.has_ended:
            words.append(f"{job.job.done:g} of {job.job.total:g}")
        words.append(f"{job.job.seconds:.1f} s")
        if job.has_ended and job.job.isolation:
            words.append(job.job.isolation.partition(" (")[0])
            words += [f"allowed: {', '.join(job.job.permissions)}"] * bool(job.job.permissions)
    if job.folder is not None:
        words.append(str(job.folder))
    said = " · ".join(words)
    return "\n".join(filter(None, (said[:1].upper() + said[1:], _changed(job))))


def _changed(job: ViewerJob) -> str:
    """The parameters that are not as they are by default, so that jobs are told apart."""
    step = job.job.step if job.job is not None else None
    if step is None:
        return ""
    values = [f"{name} = {_short(step.parameters[name])}" for name in step.changed]
    beyond = [f"{len(values) - MOST_VALUES} more"] * (len(values) > MOST_VALUES)
    return ", ".join([*values[:MOST_VALUES], *beyond])


def _short(value: Scalar) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
