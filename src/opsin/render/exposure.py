"""Exposure: the pictures of one view while it loads, from the first blurred one to the last."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from opsin.chunks.camera import Camera
from opsin.chunks.loader import Loader, bare
from opsin.chunks.policy import Policy
from opsin.chunks.volume_camera import VolumeCamera
from opsin.images.layer import Layer
from opsin.images.points.layer import PointsLayer
from opsin.render.canvas import Canvas, Picture
from opsin.render.held_slices import HeldSlices
from opsin.render.held_volumes import HeldVolumes
from opsin.render.volume import Projection

T = TypeVar("T")

FOR_BRICKS = 0.75
"""Share of the memory that the canvas may fill with bricks; the others is for chunks."""


def exposure(
    layers: Sequence[Layer | PointsLayer],
    view: Camera | VolumeCamera,
    memory: int,
    policy: Policy,
    projection: Projection,
    *,
    finest: int = 0,
    every: float = math.inf,
) -> Iterator[Picture]:
    """Load a view, and draw it again and again.

    A view of images that are too large for the memory becomes as sharp as that allows.

    Args:
        layers: what to draw, bottom first, with contrast limits. The images stay open.
        view: where to look.
        memory: bytes for chunks and bricks, at most.
        policy: what to load first, and how much.
        projection: how volumes become pictures.
        finest: the finest level of volumes to load.
        every: seconds between two pictures, at least. The first comes when all of the view is
            covered, the last when all is loaded: without a number of seconds it is the only one.

    Raises:
        ReadError: something could not be read; all else has been drawn before.
        BudgetExceeded: the memory is too little for a chunk.
    """
    loop = _Loop()
    try:
        frames = _frames(layers, view, memory, policy, projection, finest, every)
        try:
            while (frame := loop.wait_for(_next(frames))) is not None:
                yield frame()
        finally:
            loop.wait_for(_close(frames))
    finally:
        loop.close()


async def _frames(
    layers: Sequence[Layer | PointsLayer],
    view: Camera | VolumeCamera,
    memory: int,
    policy: Policy,
    projection: Projection,
    finest: int,
    every: float,
) -> AsyncGenerator[Callable[[], Picture], None]:
    """What draws each picture."""
    room = int(memory * FOR_BRICKS)
    loader = Loader(memory - room, fetches=policy.fetches)
    canvas: Canvas[Any, Any]
    if isinstance(view, Camera):
        canvas = Canvas(loader, HeldSlices(layers, room, policy))
    else:
        canvas = Canvas(loader, HeldVolumes(layers, room, projection, policy, finest))
    try:
        canvas.look(view)
        due = -math.inf
        now = asyncio.get_running_loop().time
        while not canvas.settled:
            if canvas.covered and now() >= due and every < math.inf:
                yield canvas.frame()
                due = now() + every
            await canvas.changed()
        yield canvas.frame()
        for error in canvas.failures.values():
            raise bare(error)
    finally:
        canvas.close()
        await loader.close()


async def _next(frames: AsyncGenerator[T, None]) -> T | None:
    return await anext(frames, None)


async def _close(frames: AsyncGenerator[T, None]) -> None:
    await frames.aclose()


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="opsin-exposure", daemon=True
        )
        self._thread.start()

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of some work; it is cancelled if the waiting is interrupted."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
