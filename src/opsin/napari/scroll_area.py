"""Scroll area: what is shown as a whole where there is room, and scrolls where there is not."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget

LEAST = 3.5
"""Lines of text that can be seen at least, if there are so many."""
LINE = 2.0
"""Heights of letters that a line with a control takes."""


class ScrollArea(QScrollArea):
    """As high as its content, if there is room for that, and always as wide as there is room.

    Args:
        content: what is shown; it belongs to this then.
        least: lines that can be seen at least.
    """

    def __init__(self, content: QWidget, least: float = LEAST) -> None:
        super().__init__()
        self._content = content
        self._least = least
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.setWidget(content)
        content.installEventFilter(self)

    def sizeHint(self) -> QSize:
        """That of the content."""
        return QSize(self._width(self._content.sizeHint().width()), self._height)

    def minimumSizeHint(self) -> QSize:
        """A few lines, as wide as the content must be."""
        low = round(self._least * LINE * self.fontMetrics().height())
        return QSize(self._width(self._content.minimumSizeHint().width()), min(low, self._height))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the content as it grows."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    @property
    def _height(self) -> int:
        content, seen, frame = self._content, self.viewport(), self.contentsMargins()
        if content.hasHeightForWidth():
            high = content.heightForWidth(max(seen.width() if seen is not None else 0, 1))
        else:
            high = content.sizeHint().height()
        return int(high + frame.top() + frame.bottom())

    def _width(self, content: int) -> int:
        bar, frame = self.verticalScrollBar(), self.contentsMargins()
        beside = bar.sizeHint().width() if bar is not None else 0
        return int(content + beside + frame.left() + frame.right())
