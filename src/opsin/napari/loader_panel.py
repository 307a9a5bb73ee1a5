"""Loader panel: the loader's numbers, its knobs, the debugger, and the jobs of a viewer."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import Any

from napari import current_viewer  # type: ignore[import-untyped]
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from opsin.host.estimate import size_text
from opsin.napari.debugger import COLOURS, Debugger
from opsin.napari.feed import Feed
from opsin.napari.jobs_panel import JobsPanel
from opsin.napari.layers import shown_in
from opsin.napari.loader_look import LoaderLook, LoaderWatch
from opsin.napari.loading import Loading
from opsin.napari.member import Member
from opsin.napari.plugin_panel import show_change
from opsin.napari.quality import MOST, QUALITY

INTERVAL = 200
"""Milliseconds between two looks."""
LEAST_MEMORY, MOST_MEMORY = 16, 1 << 20
"""MiB that can be set."""
ROWS = {
    "memory": ("Memory", "Bytes of chunks that are held, and how many may be"),
    "flight": ("In flight", "Chunks that are on their way, and the memory set aside for them"),
    "waiting": ("Waiting", "Wanted chunks that have not been asked for yet"),
    "read": ("Read", "Bytes that were read from files and the network"),
    "hits": ("Hits", "Of the chunks of all that was looked at: those that were in memory then"),
    "wasted": ("For nothing", "Bytes that were loaded and let go of before they were looked at"),
    "delay": ("Answer", "How long the source takes to answer"),
    "levels": ("Level", "At which each visible layer of Opsin's is drawn, 0 being the finest"),
}
QUALITIES = {-1: "finer", 0: "as the screen asks", 1: "coarser"}


class LoaderPanel(QWidget):
    """What the loader of all layers of ours does. It looks only while that can be seen.

    Args:
        viewer: a `napari.Viewer`.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._watch = LoaderWatch()
        self._asked: Future[LoaderLook] | None = None
        self._shown: list[tuple[Any, Member]] = []
        self.last: LoaderLook | None = None
        """What was seen at the last look."""
        self.debugger = Debugger(viewer)
        self.state = QLabel(self)
        self.rows = {name: QLabel("–", self) for name in ROWS}
        self.failed = QLabel(self)
        self.failed.setWordWrap(True)
        self.retry = QPushButton("Retry", self)
        self.retry.clicked.connect(self._retry)
        self.memory = QSpinBox(self)
        self.memory.setRange(LEAST_MEMORY, MOST_MEMORY)
        self.memory.setSuffix(" MiB")
        self.memory.setSingleStep(64)
        self.memory.setKeyboardTracking(False)
        self.memory.setToolTip("Budget of the chunks of all layers")
        self.memory.setValue(Loading.memory() >> 20)
        self.memory.valueChanged.connect(lambda count: Loading.set_memory(count << 20))
        self.quality = QSlider(Qt.Orientation.Horizontal, self)
        self.quality.setRange(-MOST, 2)
        self.quality.setInvertedAppearance(True)
        self.quality.setValue(QUALITY.coarser)
        self.quality.setToolTip(
            "How finely layers are drawn. Finer than the screen asks for shows in 3D only."
        )
        self.quality.valueChanged.connect(self._set_quality)
        self.quality_said = QLabel(self)
        self.outlined = QCheckBox("Outline chunks", self)
        self.outlined.setToolTip("By level, and by where they came from")
        self.outlined.toggled.connect(self._outline)
        self.frozen = QCheckBox("Freeze", self)
        self.frozen.setToolTip("Load nothing more, and look around what is here")
        self.frozen.setChecked(Loading.frozen)
        self.frozen.toggled.connect(self._freeze)
        self.jobs = JobsPanel(viewer, partial(show_change, viewer))
        self._lay_out()
        self._say_quality()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self.look)
        self._timer.start()
        self.destroyed.connect(_Goodbye(viewer, self.debugger))

    def look(self) -> None:
        """Ask the loader, and show its answer to the last question."""
        if not self.isVisible() and not self.outlined.isChecked():
            return
        asked, loading = self._asked, Loading.current()
        if asked is not None and asked.done():
            self._asked = None
            if not asked.cancelled() and asked.exception() is None:
                self._show(asked.result())
        if loading is None:
            self._asked = None
            self._show(None)
        elif self._asked is None:
            self._shown = shown_in(self._viewer)
            feeds = [_feed_of(self._viewer, member) for _, member in self._shown]
            self._asked = Future()
            outlined = self.outlined.isChecked()
            try:
                loading.soon(self._look_on_loop, loading, feeds, outlined, self._asked)
            except RuntimeError:  # it has ended meanwhile
                self._asked = None

    def _look_on_loop(
        self, loading: Loading, feeds: list[Feed], outlined: bool, answer: Future[LoaderLook]
    ) -> None:
        try:
            answer.set_result(self._watch.look(loading, feeds, outlined=outlined))
        except Exception as error:
            answer.set_exception(error)

    def _show(self, look: LoaderLook | None) -> None:
        self.last = look
        if look is None:
            self.state.setText("<b>No layer of Opsin's is open</b>")
            for label in self.rows.values():
                label.setText("–")
            self.failed.setVisible(False)
            self.retry.setVisible(False)
            self.debugger.close()
            return
        settled = all(member.settled for _, member in self._shown)
        state = "Frozen" if Loading.frozen else "Settled" if settled else "Loading"
        self.state.setText(f"<b>{state}</b>")
        looked = look.hits + look.misses
        texts = {
            "memory": f"{size_text(look.used)} of {size_text(look.budget)}",
            "flight": f"{look.requests}, {size_text(look.in_flight)}",
            "waiting": str(look.waiting),
            "read": size_text(look.read),
            "hits": f"{look.hits} of {looked}" + (f" ({look.hits / looked:.0%})" if looked else ""),
            "wasted": f"{look.wasted / max(look.loaded, 1):.0%}",
            "delay": f"{look.delay * 1000:.0f} ms" if look.delay > 0.001 else "at once",
            "levels": ", ".join(str(level) for level in look.levels if level is not None) or "–",
        }
        for name, text in texts.items():
            self.rows[name].setText(text)
        one = look.failed == 1
        self.failed.setText(f"{look.failed} chunk{'' if one else 's'} failed. {look.reason}")
        self.failed.setVisible(look.failed > 0)
        self.retry.setVisible(look.failed > 0)
        if self.outlined.isChecked():
            self.debugger.show(self._shown, look.outlines)

    def _retry(self) -> None:
        if (loading := Loading.current()) is not None:
            loading.soon(loading.loader.retry)

    def _set_quality(self, coarser: int) -> None:
        QUALITY.coarser = coarser
        self._say_quality()
        self._redraw()

    def _say_quality(self) -> None:
        coarser = QUALITY.coarser
        sign = (coarser > 0) - (coarser < 0)
        levels = f"{abs(coarser)} level{'s' * (abs(coarser) > 1)} " if coarser else ""
        self.quality_said.setText(levels + QUALITIES[sign])

    def _freeze(self, frozen: bool) -> None:
        Loading.frozen = frozen
        for _, member in shown_in(self._viewer):
            member.feed.hold()
            if member.detail is not None:
                member.detail.hold()

    def _outline(self, outlined: bool) -> None:
        if not outlined:
            self.debugger.close()

    def _redraw(self) -> None:
        """Have all layers ask anew for what they show."""
        for layer, _ in shown_in(self._viewer):
            layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _lay_out(self) -> None:
        rows = QFormLayout()
        rows.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        rows.setVerticalSpacing(2)
        for name, (title, help_text) in ROWS.items():
            label = QLabel(title, self)
            for one in (label, self.rows[name]):
                one.setToolTip(help_text)
            rows.addRow(label, self.rows[name])
        knobs = QFormLayout()
        knobs.addRow("Memory", self.memory)
        quality = QHBoxLayout()
        quality.addWidget(self.quality)
        quality.addWidget(self.quality_said)
        knobs.addRow("Quality", quality)
        debugger = QHBoxLayout()
        debugger.addWidget(self.outlined)
        debugger.addWidget(self.frozen)
        debugger.addStretch()
        legend = QLabel(
            " &nbsp;".join(
                f'<span style="color: {colour}">■</span>&nbsp;{name}'
                for name, colour in COLOURS.items()
            ),
            self,
        )
        legend.setWordWrap(True)
        layout = QVBoxLayout(self)
        for part in (self.state, rows, self.failed, self.retry, knobs, _heading("Debugger", self)):
            layout.addLayout(part) if isinstance(part, QFormLayout) else layout.addWidget(part)
        layout.addLayout(debugger)
        layout.addWidget(legend)
        layout.addWidget(self.jobs)
        layout.addStretch()


class _Goodbye:
    """What is done when a panel is gone, which cannot be asked any more."""

    def __init__(self, viewer: Any, debugger: Debugger) -> None:
        self._viewer, self._debugger = viewer, debugger

    def __call__(self, *_: object) -> None:
        Loading.frozen = False
        QTimer.singleShot(0, self._clear)

    def _clear(self) -> None:
        """If only the panel was closed, and not the window."""
        if current_viewer() is self._viewer:
            self._debugger.close()
            for _, member in shown_in(self._viewer):
                member.feed.hold()


def _feed_of(viewer: Any, member: Member) -> Feed:
    """What feeds that which is drawn of a layer: in 3D the block, if there is one."""
    detail = member.detail.feed if member.detail is not None else None
    return member.feed if detail is None or viewer.dims.ndisplay != 3 else detail


def _heading(text: str, parent: QWidget) -> QLabel:
    return QLabel(f"<b>{text}</b>", parent)
