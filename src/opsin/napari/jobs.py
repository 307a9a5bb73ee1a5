"""Jobs: what was run from one viewer of napari, from the click to the layers that came of it.

The host has a thread of its own. Jobs are looked at from that of the window, ten times a second as
long as there are any that have not ended.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, ref

from napari.utils import cancelable_progress  # type: ignore[import-untyped]
from napari.utils.notifications import show_error, show_warning  # type: ignore[import-untyped]
from qtpy.QtCore import QTimer
from qtpy.QtGui import QKeySequence, QShortcut  # type: ignore[attr-defined]
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from opsin.errors import OpsinError, UsageError
from opsin.host.again import plugin_of
from opsin.host.calls import Program
from opsin.host.history import check_changeable, check_undoable, dependents, run_on_folder
from opsin.host.host_thread import HostThread
from opsin.host.job import ENDED, Job, Result, explained
from opsin.host.selection import Where, select
from opsin.napari.given import Given
from opsin.napari.given_rows import RowsGiven
from opsin.napari.ground import Ground
from opsin.napari.paintable import paintable
from opsin.napari.remaking import remake
from opsin.napari.viewer_job import Change, Read, ViewerJob

INTERVAL = 100
"""Milliseconds between two looks."""
STEPS = 1000
"""Of a progress bar."""

UNDO, REDO = "Ctrl+Alt+Z", "Ctrl+Alt+Shift+Z"
"""Keys. Not Ctrl+Z, with which napari undoes what was painted."""

_OF_VIEWERS: WeakKeyDictionary[Any, ViewerJobs] = WeakKeyDictionary()


class ViewerJobs:
    """The jobs of one viewer. They are cancelled when its window closes."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self.jobs: list[ViewerJob] = []
        """Oldest first."""
        self._listeners: list[Callable[[], None]] = []
        self._windows: list[QMainWindow] = []
        self._undone: list[ViewerJob] = []
        """Those that were undone, the last one last."""
        application = QApplication.instance()
        assert application is not None
        self._timer = QTimer(application)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._look)
        application.aboutToQuit.connect(self.cancel_all)

    def run(
        self,
        program: Program,
        givens: Mapping[str, Given | RowsGiven],
        where: Where,
        window: QWidget,
    ) -> ViewerJob:
        """Start a job.

        Args:
            program: what to run.
            givens: its inputs, by their names. They are closed when it has ended; if this raises,
                they are the caller's.
            where: on which part of them.
            window: a widget in the window of the viewer.

        Raises:
            UsageError: it cannot be run so.
        """
        layers = {name: given.layer for name, given in givens.items()}
        selection = select(program.operation, layers, where)
        thread = HostThread.shared()

        async def start() -> Job:
            return thread.host.run(program, layers, where, front_end="napari")

        return self._started(
            ViewerJob(
                program.operation.title,
                thread.begin(start()),
                selection,
                Ground.of(givens, selection),
                givens,
                [ref(given.source) for given in givens.values()],
            ),
            window,
        )

    def run_on_folder(self, folder: Path, out: Path, window: QWidget) -> ViewerJob:
        """Run the steps that count on every image in a folder.

        Args:
            folder: with the images.
            out: a folder for the results, made if need be. What is done there is passed over.
            window: a widget in the window of the viewer.

        Raises:
            UsageError: there is no step.
        """
        ids = [job.job.id for job in self.steps if job.job is not None]
        if not ids:
            raise UsageError("Nothing has been run to its end: there is nothing to repeat.")
        thread = HostThread.shared()
        asked = thread.begin(run_on_folder(thread.host, ids, folder, out))
        started = ViewerJob(f"Images in {folder.name}", asked, is_on_folder=True)
        return self._started(started, window)

    def show(self, title: str, asked: Future[Job], window: QWidget) -> ViewerJob:
        """Show a job that was begun elsewhere, and is no operation on layers."""
        return self._started(ViewerJob(title, asked), window)

    # ------------------------------------------------------------------ what was done

    @property
    def steps(self) -> list[ViewerJob]:
        """The jobs that count, the oldest first."""
        return [job for job in self.jobs if job.is_step and not job.is_on_folder]

    @property
    def undone(self) -> ViewerJob | None:
        """What was undone last, and would be done again."""
        return next((job for job in reversed(self._undone) if job.is_undone), None)

    def undo(self) -> None:
        """Undo the last step. Does nothing if there is none.

        Raises:
            UsageError: it cannot be undone now.
        """
        if self.steps:
            self.set_undone(self.steps[-1], True)

    def redo(self) -> None:
        """Do the last step again that was undone. Does nothing if there is none.

        Raises:
            UsageError: it cannot be done now.
        """
        if self.undone is not None:
            self.set_undone(self.undone, False)

    def set_undone(self, job: ViewerJob, undone: bool) -> None:
        """Let a step not count, and take its layers away; or the other way round.

        Where it is a change of others, these come back: all of one change together.

        Raises:
            UsageError: it is not done.
        """
        viewer = self._viewer()
        if job.job is None or not job.has_ended:
            raise UsageError(f"{job.title} is not done, so there is nothing to undo.")
        check_undoable(job.job)
        if viewer is None or job.is_undone == undone:
            return
        pairs = job.change.pairs if job.change is not None else []
        if not all(new.has_ended for _, new in pairs):
            raise UsageError("What depends on it is being made anew: wait for that, or cancel it.")
        if not pairs:
            (job.shown.take_away if undone else job.shown.bring_back)(viewer)
            _count(job, undone)
        for old, new in pairs if not undone else reversed(pairs):
            if new.job is None or new.job.state != "done" or new.is_undone == undone:
                continue
            comes, goes = (old, new) if undone else (new, old)
            goes.shown.close_tables(viewer)
            comes.shown.bring_back(viewer)
            comes.shown.take_place_of(viewer, goes.shown, dressed=False)
            _count(comes, False)
            _count(goes, True)
            old.replaced_by = None if undone else new
        self._undone = [one for one in self._undone if one is not job] + [job] * undone
        self._tell()

    def dependents(self, job: ViewerJob) -> list[ViewerJob]:
        """The steps that took a result of this one, or of one that did."""
        if job.job is None:
            return []
        known = {one.job.id: one for one in self.steps if one.job is not None}
        found = dependents([one.job for one in known.values() if one.job is not None], job.job)
        return [known[one.id] for one in found]

    def change(self, job: ViewerJob, parameters: Mapping[str, Any], window: QWidget) -> ViewerJob:
        """Run a step again with other parameters, then what depends on it.

        Layers of what is made anew take the places of those before.

        Args:
            parameters: all of them.
            window: a widget in the window of the viewer.

        Raises:
            UsageError, PluginError: it cannot be run so; nothing was started then.
        """
        old = job.job
        if old is None or not job.has_ended:
            raise UsageError(f"{job.title} does not count: run it anew instead.")
        check_changeable(old)
        assert old.step is not None
        thread, later = HostThread.shared(), self.dependents(job)
        step = old.step
        thread.host.program(plugin_of(thread.host, step), step.operation, parameters, step.axes)
        asked: dict[str, Future[Job]] = {}
        change = Change()
        for one in [job, *later]:
            assert one.job is not None
            asked[one.job.id] = Future()
            anew = ViewerJob(
                one.title,
                asked[one.job.id],
                ground=one.ground,
                inputs=one.inputs,
                change=change,
            )
            change.pairs.append((one, anew))
            self._started(anew, window)
        jobs = [one.job for one in later if one.job is not None]
        thread.begin(remake(thread.host, old, dict(parameters), jobs, asked))
        return change.pairs[0][1]

    # ------------------------------------------------------------------ inside

    def _started(self, job: ViewerJob, window: QWidget) -> ViewerJob:
        self._watch(window)
        job.bar = cancelable_progress(total=0, desc=job.title, file=io.StringIO())
        self.jobs.append(job)
        if not job.is_on_folder:
            self._undone.clear()  # what was undone would come on top of something else
        self._timer.start()
        self._tell()
        return job

    def forget_ended(self) -> None:
        """Take those that have ended from the list; what was undone is gone then."""
        self.jobs = [job for job in self.jobs if not job.has_ended]
        self._undone.clear()
        self._tell()

    def cancel_all(self) -> None:
        """End all that have not ended."""
        for job in self.jobs:
            if not job.has_ended:
                job.cancel()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every look, until the returned function is called."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def _look(self) -> None:
        for job in self.jobs:
            if not job.has_ended:
                try:
                    self._look_at(job)
                except Exception as error:  # whatever it is, the window goes on
                    self._fail(job, error)
        if all(job.has_ended for job in self.jobs):
            self._timer.stop()
        self._tell()

    def _look_at(self, job: ViewerJob) -> None:
        if job.job is None and job.asked.done():
            try:
                job.job = job.asked.result()
                if job.was_cancelled:
                    job.cancel()
            except CancelledError:
                self._end(job)
            except Exception as error:
                self._fail(job, error)
        if job.job is None or job.has_ended:
            return
        _show_progress(job)
        if job.job.state not in ENDED:
            return
        if job.job.error is not None:
            told = job.job.error
            # What Opsin itself says is a sentence; of a plugin's error the type tells most.
            job.error = f"{told.type}: {told.message}" if told.traceback else told.message
            job.traceback = told.traceback
            show_error(f"{job.title}: {job.error}")
        elif job.job.state == "done" and job.ground is not None:
            if job.job.step is None or not self._are_read(job):
                return
            self._show_results(job, job.ground)
        self._end(job)

    def _are_read(self, job: ViewerJob) -> bool:
        """Whether the labels are at hand that can be painted on."""
        results, ground = job.job.results if job.job is not None else [], job.ground
        if job.reading is None and ground is not None:
            job.reading = HostThread.shared().begin(asyncio.to_thread(_read, results, ground))
        return job.reading is None or job.reading.done()

    def _show_results(self, job: ViewerJob, ground: Ground) -> None:
        viewer = self._viewer()
        if job.job is None or viewer is None:
            return
        read: Read = {}
        with suppress(OpsinError, CancelledError):
            read = job.reading.result() if job.reading is not None else {}
        job.reading = None
        before = job.before
        if before is not None:
            before.shown.close_tables(viewer)
        job.shown.show(viewer, job.job.results, ground, job.title, job.sources(), read)
        if before is not None:
            job.shown.take_place_of(viewer, before.shown, dressed=True)
            before.replaced_by = job

    def _fail(self, job: ViewerJob, error: Exception) -> None:
        told = explained(error)
        job.error, job.traceback = told.message, told.traceback
        show_error(f"{job.title}: {told.message}")
        self._end(job)

    def _end(self, job: ViewerJob) -> None:
        job.has_ended = True
        for given in job.givens.values():
            given.close()
        job.givens = {}
        if job.bar is not None:
            job.bar.close()
            job.bar = None

    def _watch(self, widget: QWidget) -> None:
        """Cancel all when the window goes that the widget is in."""
        window = main_window(widget)
        if window is not None and window not in self._windows:
            self._windows.append(window)
            window.destroyed.connect(self._gone)
            for keys, function in ((UNDO, self.undo), (REDO, self.redo)):
                shortcut = QShortcut(QKeySequence(keys), window)
                shortcut.activated.connect(partial(_try, function))

    def _gone(self) -> None:
        self._windows.clear()
        self._listeners.clear()
        self.cancel_all()
        self.forget_ended()  # with the layers that could come back
        with suppress(RuntimeError):  # the program ends
            self._timer.stop()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


def jobs_of(viewer: Any) -> ViewerJobs:
    """The jobs of a viewer."""
    if viewer not in _OF_VIEWERS:
        _OF_VIEWERS[viewer] = ViewerJobs(viewer)
    return _OF_VIEWERS[viewer]


def main_window(widget: QWidget) -> QMainWindow | None:
    """The window that a widget is in, also if that is in a floating dock."""
    parent: Any = widget
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent


def _try(function: Callable[[], None]) -> None:
    """Do it, or say why it cannot be done."""
    try:
        function()
    except OpsinError as error:
        show_warning(str(error))


def _count(job: ViewerJob, undone: bool) -> None:
    """Let a job count, or not, for itself and in the record."""
    assert job.job is not None
    job.job.undone = undone
    HostThread.shared().host.recorder.set_undone(job.job.id, undone)


def _read(results: Sequence[Result], ground: Ground) -> Read:
    """The labels that can be painted on."""
    found = {str(result.path): paintable(result, ground.axes, ground.places) for result in results}
    return {path: one for path, one in found.items() if one is not None}


def _show_progress(job: ViewerJob) -> None:
    bar, share = job.bar, job.share
    if bar is None or job.job is None:
        return
    if bar.is_canceled and not job.was_cancelled:
        job.cancel()
    text = job.job.text or job.job.state
    described = f"{job.title}: {text}"
    if bar.desc.removesuffix(": ") != described:
        bar.set_description(described)
    if share is None:
        if bar.total:
            bar.total = 0
        return
    if not bar.total:
        bar.total = STEPS
        bar.n = 0
    if (count := round(share * STEPS) - bar.n) > 0:
        bar.update(count)
    elif count < 0:
        bar.n = 0
        bar.update(round(share * STEPS))
