"""Jobs panel: what was run from a viewer, newest first, and what can be done with all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_warning  # type: ignore[import-untyped]
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from opsin.errors import OpsinError
from opsin.napari.folder_dialog import FolderDialog
from opsin.napari.job_card import JobCard
from opsin.napari.job_script import save_script
from opsin.napari.jobs import REDO, UNDO, jobs_of
from opsin.napari.scroll_area import ScrollArea
from opsin.napari.viewer_job import ViewerJob


class JobsPanel(QWidget):
    """The jobs of a viewer. Nothing of it is seen as long as there are none.

    Args:
        viewer: a `napari.Viewer`.
        change: shows the form with which the parameters of a job are changed.
    """

    def __init__(self, viewer: Any, change: Callable[[ViewerJob], object]) -> None:
        super().__init__()
        self._viewer = viewer
        self._change = change
        self.cards: dict[int, JobCard] = {}
        """By the `id` of the job."""
        self.undo = _button("Undo", f"Undo the last step ({UNDO}): its layers go", self._undo)
        self.redo = _button("Redo", f"Do it again ({REDO})", self._redo)
        self.clear = _button(
            "Clear", "Take jobs that have ended from the list; results stay", self._clear
        )
        self.script = _button(
            "Save as script…", "A Python program that repeats what was run here", self._save_script
        )
        self.folder = _button(
            "Run on folder…", "Repeat it on every image in a folder", self._run_on_folder
        )
        self._list = QWidget()
        self._cards = QVBoxLayout(self._list)
        self._cards.setContentsMargins(0, 0, 0, 0)
        self._cards.setSpacing(4)
        self._cards.addStretch()
        first = QHBoxLayout()
        first.addWidget(QLabel("<b>Jobs</b>"), 1)
        for button in (self.undo, self.redo, self.clear):
            first.addWidget(button)
        second = QHBoxLayout()
        second.addWidget(self.script, 1)
        second.addWidget(self.folder, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(first)
        layout.addLayout(second)
        layout.addWidget(ScrollArea(self._list))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        stop = jobs_of(viewer).listen(self.look)
        self.destroyed.connect(lambda *_: stop())
        self.look()

    @property
    def newest_first(self) -> list[JobCard]:
        """The cards of all jobs."""
        return [self.cards[id(job)] for job in reversed(jobs_of(self._viewer).jobs)]

    def look(self) -> None:
        """Show all jobs as they are now."""
        all_of_it = jobs_of(self._viewer)
        known = {id(job) for job in all_of_it.jobs}
        for number in [number for number in self.cards if number not in known]:
            card = self.cards.pop(number)
            self._cards.removeWidget(card)
            card.hide()
            card.deleteLater()
        for job in all_of_it.jobs:
            card = self._card(job)
            card.look()
            card.setVisible(job.replaced_by is None)
        steps, undone = all_of_it.steps, all_of_it.undone
        self.undo.setEnabled(bool(steps))
        self.redo.setEnabled(undone is not None)
        self.undo.setVisible(bool(steps) or undone is not None)
        self.redo.setVisible(bool(steps) or undone is not None)
        self.clear.setVisible(any(job.has_ended for job in all_of_it.jobs))
        self.script.setVisible(bool(steps))
        self.folder.setVisible(bool(steps))
        self.setVisible(bool(all_of_it.jobs))

    def _card(self, job: ViewerJob) -> JobCard:
        if id(job) not in self.cards:
            card = self.cards[id(job)] = JobCard(job, self._list)
            card.undo.clicked.connect(lambda: self._try(self._set_undone, job, True))
            card.redo.clicked.connect(lambda: self._try(self._set_undone, job, False))
            card.change.clicked.connect(lambda: self._try(self._change, job))
            self._cards.insertWidget(0, card)
        return self.cards[id(job)]

    def _set_undone(self, job: ViewerJob, undone: bool) -> None:
        jobs_of(self._viewer).set_undone(job, undone)

    def _undo(self) -> None:
        self._try(jobs_of(self._viewer).undo)

    def _redo(self) -> None:
        self._try(jobs_of(self._viewer).redo)

    def _clear(self) -> None:
        jobs_of(self._viewer).forget_ended()

    def _save_script(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save as script", "script.py", "Python (*.py)")
        if path:
            self._try(save_script, jobs_of(self._viewer).jobs, Path(path))

    def _run_on_folder(self) -> None:
        dialog = FolderDialog(len(jobs_of(self._viewer).steps), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(
            lambda: self._try(jobs_of(self._viewer).run_on_folder, dialog.folder, dialog.out, self)
        )
        dialog.open()

    def _try(self, function: Callable[..., object], *arguments: Any) -> None:
        """Do it, or say why it cannot be done."""
        try:
            function(*arguments)
        except OpsinError as error:
            show_warning(str(error))


def _button(text: str, tooltip: str, function: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda *_: function())
    return button
