"""ImJoy desk: the plugins of ImJoy that one viewer of napari has loaded."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from opsin.host.host_thread import HostThread
from opsin.host.imjoy.desk import Desk
from opsin.napari.imjoy_face import ImjoyFace

_OF_VIEWERS: WeakKeyDictionary[Any, ViewerDesk] = WeakKeyDictionary()


class ViewerDesk:
    """A desk in front of which the user of a viewer sits. It ends with the window, or the host.

    Attributes:
        face: made on the thread of the window.
        thread: of its host.
    """

    def __init__(self, viewer: Any) -> None:
        self.thread = HostThread.shared()
        self.face = ImjoyFace(viewer)
        self._desk: Desk | None = None
        viewer.window._qt_window.destroyed.connect(self._gone)

    async def desk(self) -> Desk:
        """The desk, on the loop of its host."""
        if self._desk is None:
            self._desk = Desk(self.thread.host, self.face, front_end="napari")
            await self.thread.along(self._desk)
        return self._desk

    def _gone(self) -> None:
        if self._desk is not None:
            self.thread.begin(self._desk.close())


def desk_of(viewer: Any) -> ViewerDesk:
    """The desk of a viewer."""
    found = _OF_VIEWERS.get(viewer)
    if found is None or found.thread is not HostThread.shared():
        found = _OF_VIEWERS[viewer] = ViewerDesk(viewer)
    return found
