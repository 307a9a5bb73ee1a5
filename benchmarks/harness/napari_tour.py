"""A napari with one image, led along views. What it showed, and when, is printed as JSON.

The program reads its task as the first line of stdin. At every mark of the tour it prints a line
and waits for one: then whoever counts what was read looks at the count.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import sys
import time
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

TICK_MS = 10
PULSE_MS = 4
"""Between two beats of a timer; what it is late by, the loop of the window was busy."""
QUIET = 0.4
"""Seconds without a picture that differs, after which a view is taken to be at its end."""
SLOW_READS = 6
"""Reads, one after the other, for which that is longer."""
LEAST = 0.02
"""The share of the canvas with something on it from which on there is content."""
DARK = 12
"""A value that counts as nothing on it, of 255."""
KEPT = 4
"""Of a final picture every fourth pixel is kept."""
REDRAWS = 15
SIZE = (1000, 700)
LONGEST = 120.0
"""Seconds after which a view is given up."""

Steps = Generator[Callable[[], bool], None, None]


@dataclass
class View:
    """What happened from the start of one view to its end, in milliseconds from its start."""

    started: float
    first: float | None = None
    final: float = 0.0
    paints: int = 0
    picture: str = ""


@dataclass
class Tour:
    """One tour of one image in one napari."""

    task: dict[str, Any]
    viewer: Any
    views: list[View] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    _last: int = 0
    _changed: float = 0.0
    _shown: Any = None
    _beaten: float | None = None
    _pulse: Any = None

    def steps(self) -> Steps:
        """The tour: what has to hold before it goes on, again and again."""
        viewer, task = self.viewer, self.task
        # Whatever is imported or compiled once, is so now.
        opened(viewer, {**task, "place": task["warm"], "levels": task["warm_levels"]})
        self._begin()
        yield self._at_end
        viewer.layers.clear()
        yield self._at_end
        self.views.clear()
        self.turns.clear()
        mark("ready")
        self._begin()
        opened(viewer, task)
        yield self._at_end
        mark("open")
        opening = max(self.turns, default=0.0)
        self.turns.clear()
        for kind, value in task["moves"]:
            self._begin()
            if kind == "view":
                *center, zoom = value
                viewer.camera.center = (0.0, *center)
                viewer.camera.zoom = zoom
            elif kind == "slice":
                viewer.dims.set_point(0, float(value))
            elif kind == "volume":
                viewer.dims.ndisplay = 3
                viewer.camera.angles = tuple(value)
            elif kind == "zoom":
                viewer.camera.zoom *= value
            elif kind == "mark":
                self.views.pop()
                mark(value)
                continue
            yield self._at_end
        longest = max(self.turns, default=0.0)
        self.turns.clear()
        for _ in range(REDRAWS):
            count = len(self.turns)
            self.views[-1].paints = 0
            viewer.window._qt_viewer.canvas.native.update()
            yield lambda count=count: self.views[-1].paints > 0 and len(self.turns) > count + 1  # type: ignore[misc]
        usage = resource.getrusage(resource.RUSAGE_SELF)
        redraw = median(sorted(self.turns)[-REDRAWS:])
        tell(
            {
                "views": [vars(view) for view in self.views],
                "opening_turn": opening,
                "longest_turn": longest,
                "redraw": redraw,
                "cpu": usage.ru_utime + usage.ru_stime,
                "rss": usage.ru_maxrss / 1024,
            }
        )

    def watch(self) -> None:
        """Look at every picture and every turn of the loop from now on."""
        from qtpy.QtCore import Qt, QTimer

        self._pulse = QTimer()
        canvas = self.viewer.window._qt_viewer.canvas._scene_canvas
        canvas.events.draw.connect(self._drawn, position="last")
        self._pulse.setTimerType(Qt.TimerType.PreciseTimer)
        self._pulse.timeout.connect(self._beat)
        self._pulse.start(PULSE_MS)

    def _begin(self) -> None:
        self.views.append(View(time.perf_counter()))
        self._changed = time.perf_counter()

    def _at_end(self) -> bool:
        now = time.perf_counter()
        view = self.views[-1]
        quiet = QUIET + SLOW_READS * self.task["latency"]
        if now - view.started < LONGEST and (now - self._changed < quiet or not self._settled()):
            return False
        if self._shown is not None:
            kept = np.ascontiguousarray(self._shown[::KEPT, ::KEPT, 0])
            view.picture = base64.b64encode(zlib.compress(kept.tobytes())).decode()
        return True

    def _settled(self) -> bool:
        if self.task["tool"] == "opsin":
            from opsin.napari.layers import settled

            return settled(self.viewer)
        return all(layer.loaded for layer in self.viewer.layers)

    def _drawn(self, _event: Any) -> None:
        from vispy import gloo  # type: ignore[import-untyped]

        picture = gloo.read_pixels()[..., :3]
        now = time.perf_counter()
        view = self.views[-1] if self.views else View(now)
        view.paints += 1
        if view.first is None and (picture.max(axis=2) > DARK).mean() > LEAST:
            view.first = (now - view.started) * 1000
        check = zlib.crc32(picture.tobytes())
        if check != self._last:
            self._last, self._changed, self._shown = check, now, picture
            view.final = (now - view.started) * 1000

    def _beat(self) -> None:
        now = time.perf_counter()
        if self._beaten is not None:
            self.turns.append(max((now - self._beaten) * 1000 - PULSE_MS, 0.0))
        self._beaten = now


def opened(viewer: Any, task: dict[str, Any]) -> Any:
    """The layer, as one of the ways of opening an image makes it."""
    place, tool = task["place"], task["tool"]
    if tool == "opsin":
        import opsin.napari

        # One image: beside the demo image on the disk there are labels.
        (layer,) = opsin.napari.add(viewer, opsin.open_image(place))
        layer.contrast_limits = task["contrast"]
        return layer
    import zarr
    from zarr.storage import LocalStore, ObjectStore

    if place.startswith("http"):
        from obstore.store import HTTPStore

        remote = HTTPStore.from_url(place, client_options={"allow_http": True})
        store: Any = ObjectStore(remote, read_only=True)
    else:
        store = LocalStore(place, read_only=True)
    levels: list[Any] = [
        zarr.open_array(store, path=str(number), mode="r") for number in range(task["levels"])
    ]
    if tool == "dask":
        import dask.array

        levels = [dask.array.from_zarr(level) for level in levels]
    return viewer.add_image(levels, multiscale=True, contrast_limits=task["contrast"])


def mark(name: str) -> None:
    """Say that a part of the tour is over, and wait until that was noted."""
    tell({"mark": name})
    sys.stdin.readline()


def tell(what: Any) -> None:
    """Print a line."""
    ANSWERS.write(json.dumps(what) + "\n")
    ANSWERS.flush()


def main() -> None:
    """Play the tour that stdin names."""
    task = json.loads(sys.stdin.readline())
    import napari  # type: ignore[import-untyped]
    from napari.settings import get_settings  # type: ignore[import-untyped]
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    get_settings().experimental.async_ = task["tool"] == "napari_async"
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    QApplication.processEvents()
    tour = Tour(task, viewer)
    tour.watch()
    steps = tour.steps()
    waits: list[Callable[[], bool]] = [lambda: True]
    timer = QTimer()

    def tick() -> None:
        try:
            if waits[0]():
                waits[0] = next(steps)
        except StopIteration:
            timer.stop()
            viewer.close()
            QApplication.quit()
        except BaseException:
            timer.stop()
            QApplication.exit(1)
            raise

    timer.timeout.connect(tick)
    timer.start(TICK_MS)
    sys.exit(QApplication.exec())


if __name__ == "__main__":
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints
    main()
