"""Bell: redraws a layer of napari when there is more to see, on the thread of its window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def make_bell(
    redraw: Callable[[], None], tell: Callable[[str], None], milliseconds: int = 0
) -> Any:
    """What calls `redraw` so long after `ring`, and `tell` with what `say` is given.

    Both may be called on any thread; calls that come together count as one. None where there is
    no window.
    """
    from qtpy.QtCore import QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is None:
        return None

    class Bell(QObject):
        """Signals cross threads; the timer takes what comes in one turn of the loop together."""

        rung = Signal()
        said = Signal(str)

        def __init__(self) -> None:
            super().__init__()
            self._timer = QTimer(self)
            self._timer.setSingleShot(True)
            self._timer.timeout.connect(redraw)
            self.rung.connect(self._begin, Qt.ConnectionType.QueuedConnection)
            self.said.connect(tell, Qt.ConnectionType.QueuedConnection)

        def _begin(self) -> None:
            if not self._timer.isActive():
                self._timer.start(milliseconds)

        def ring(self) -> None:
            """There is more to see."""
            self.rung.emit()

        def say(self, sentence: str) -> None:
            """There is something to tell the user."""
            self.said.emit(sentence)

        def close(self) -> None:
            """Be silent from now on."""
            self._timer.stop()
            self.rung.disconnect()
            self.said.disconnect()
            self.deleteLater()

    return Bell()
