"""Quality: how finely layers of ours are drawn, compared to what the screen asks for."""

from __future__ import annotations

from collections.abc import Callable

MOST = 4
"""Levels by which it can differ from what the screen asks for."""


class Quality:
    """One number for all layers of this process. To be used on the thread of the window."""

    def __init__(self) -> None:
        self._coarser = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def coarser(self) -> int:
        """Levels coarser than the screen asks for; less than 0: finer, where that can be seen."""
        return self._coarser

    @coarser.setter
    def coarser(self, levels: int) -> None:
        levels = min(max(int(levels), -MOST), MOST)
        if levels != self._coarser:
            self._coarser = levels
            for listener in list(self._listeners):
                listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every change, until the returned function is called."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop


QUALITY = Quality()
"""That of this process."""
