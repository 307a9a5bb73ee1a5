"""Simulate: one viewer, one path, one link, from the first moment until all is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.sim.canvas import Frame, Holdings, look
from harness.sim.link import Conditions, Link
from harness.sim.measures import Drawing, Measures, Result
from harness.sim.paths import FRAME, Path, Shape
from harness.sim.pyramid import pyramid
from harness.sim.virtual_loop import run

from opsin.chunks.camera import Camera
from opsin.images.image import Image
from opsin.images.layer import Layer, layers_of

LONGEST_SETTLING = 10.0
"""Seconds after the end of a path that a run is followed at most."""
REST = 0.15
"""Seconds after a move when the canvas tells that the camera stands still."""


class Viewer(Holdings, Protocol):
    """Something that loads what a camera sees."""

    revision: int
    """Rises whenever what can be drawn changes."""

    def look(self, camera: Camera, moving: bool) -> None:
        """The camera is here now."""

    def drew(self, frame: Frame) -> None:
        """Such a frame was shown."""

    async def close(self) -> None:
        """Stop."""


@dataclass(frozen=True, slots=True)
class World:
    """What a viewer is given."""

    image: Image
    layer: Layer
    link: Link


Maker = Callable[[World], Viewer]


def simulate(path: Path, conditions: Conditions, make: Maker) -> Result:
    """What a viewer shows along a path over a link."""
    return run(_simulate(path, conditions, make))


def world(shape: Shape, link: Link) -> World:
    image = pyramid(
        shape.size, shape.chunks, link, axes=shape.axes, levels=shape.levels, dtype=shape.dtype
    )
    return World(image, layers_of(image)[0], link)


async def _simulate(path: Path, conditions: Conditions, make: Maker) -> Result:
    drawing = Drawing()
    there = world(path.shape, Link(conditions, drawing.came))
    viewer = make(there)
    loop = asyncio.get_running_loop()
    for number, moment in enumerate(path.moments):
        loop.call_at(moment.time, viewer.look, moment.camera, number > 0)
        following = path.moments[number + 1].time if number + 1 < len(path.moments) else path.end
        if following > moment.time + REST:
            loop.call_at(moment.time + REST, viewer.look, moment.camera, False)
    screen = _Screen(there.layer, viewer, drawing)
    measures = Measures()
    moments = iter(path.moments)
    coming = next(moments, None)
    camera = path.moments[0].camera
    frames = round(path.end / FRAME)
    for number in range(frames):
        await _until(number * FRAME)
        while coming is not None and coming.time <= number * FRAME + 1e-9:
            if coming.camera != camera:
                measures.moved()
            camera, coming = coming.camera, next(moments, None)
        measures.add(screen.show(camera), FRAME)
    camera = path.moments[-1].camera
    settled = 0.0
    while not screen.show(camera).at_target and settled < LONGEST_SETTLING:
        settled += FRAME
        await _until(path.end + settled)
    result = measures.result(drawing, settled, len(there.link.log), there.link.bytes)
    await viewer.close()
    return result


async def _until(time: float) -> None:
    now = asyncio.get_running_loop().time()
    await asyncio.sleep(max(0.0, time - now))


class _Screen:
    """Looks at the canvas again only when something has changed."""

    def __init__(self, layer: Layer, viewer: Viewer, drawing: Drawing) -> None:
        self._layer = layer
        self._drawing = drawing
        self._viewer = viewer
        self._seen: tuple[Camera, int] | None = None
        self._frame: Frame | None = None

    def show(self, camera: Camera) -> Frame:
        seen = (camera, self._viewer.revision)
        if self._frame is None or seen != self._seen:
            self._frame, self._seen = look(self._layer, camera, self._viewer), seen
            self._drawing.drew(self._frame.drawn)
            self._viewer.drew(self._frame)
        return self._frame
