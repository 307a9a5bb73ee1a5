"""Points feed: which points of a layer napari gets to draw. A sample, at once of what is here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from opsin.chunks.brick import ChunkKey
from opsin.chunks.camera import Camera
from opsin.chunks.loader import Client
from opsin.chunks.points_plan import LEAST_ROOM, OVERHEAD, PointsBrick, PointsPlan, plan_points
from opsin.chunks.points_sample import points_sample
from opsin.chunks.volume_camera import VolumeCamera
from opsin.errors import OpsinError
from opsin.images.points.layer import PointsLayer
from opsin.images.source import Array
from opsin.napari.loading import Loading

INTERVAL = 0.15
"""Seconds between two samples of what is not complete yet."""
BOOST = 16
"""So many times as many points are planned for at most, where fewer were seen than estimated."""
SHARE = 0.5
"""Of the memory budget, that the chunks of one layer may fill."""


class PointsFeed:
    """The chunks of one layer of points, for as long as it is in a viewer."""

    def __init__(self, layer: PointsLayer) -> None:
        """A feed that is closed."""
        self.layer = layer
        self.sample: Array | None = None
        """The last one."""
        self.complete = True
        """Whether nothing more comes to what is looked at."""
        self._loading: Loading | None = None
        self._client: Client | None = None
        self._number = -1
        self._changed: Callable[[], None] = _nobody
        self._failed: Callable[[str], None] = _told_nobody
        self._told = self._ringing = False
        self._view: PointsLayer = layer
        self._camera: Camera | VolumeCamera | None = None
        self._plan = PointsPlan()
        self._most, self._boost = 0, 1
        self._missing: set[ChunkKey] = set()

    # On any thread

    @property
    def open(self) -> bool:
        """Whether there is somebody to tell."""
        return self._loading is not None

    def start(
        self, loading: Loading, changed: Callable[[], None], failed: Callable[[str], None]
    ) -> None:
        """Begin to load; the feed leaves `loading` when it stops.

        Args:
            loading: the loader.
            changed: called on the loop when there is a better sample.
            failed: called on the loop, once, with a sentence, when a chunk cannot be read.
        """
        self._changed, self._failed, self._loading = changed, failed, loading
        loading.result(self._start(loading))

    def stop(self) -> None:
        """Load nothing any more, and keep nothing. Idempotent."""
        loading, self._loading = self._loading, None
        if loading is None:
            return
        loading.soon(self._stop, loading)
        self.sample, self.complete = None, True
        loading.leave()

    def look(self, camera: Camera | VolumeCamera, thickness: dict[str, float], most: int) -> None:
        """Load what a camera sees, at most so many points, and give samples of it."""
        if self._loading is not None:
            self.complete = False
            self._loading.soon(self._look, camera, thickness, most)

    def rest(self) -> None:
        """Nothing of the layer is looked at now."""
        if self._loading is not None:
            self.complete = True
            self._loading.soon(self._rest)

    # On the loop

    async def _start(self, loading: Loading) -> None:
        self._number = loading.number(self.layer.points)
        self._client = loading.loader.client(self._came)

    def _stop(self, loading: Loading) -> None:
        self._rest()
        if self._client is not None:
            self._client.close()
            loading.forget(self.layer.points)
        self._client = None

    def _rest(self) -> None:
        self._camera = None
        self._missing.clear()
        if self._client is not None:
            self._client.want(())

    def _look(self, camera: Camera | VolumeCamera, thickness: dict[str, float], most: int) -> None:
        loading, client = self._loading, self._client
        if loading is None or client is None:
            return
        self._camera, self._most, self._boost = camera, most, 1
        self._view = replace(self.layer, thickness={**self.layer.thickness, **thickness})
        self._want(loading, client)

    def _want(self, loading: Loading, client: Client) -> None:
        """Ask for the chunks that the points are in."""
        layer, camera, most = self._view, self._camera, self._most * self._boost
        assert camera is not None
        usual = max(OVERHEAD * most, LEAST_ROOM) * layer.points.dtype.itemsize
        room = min(usual, int(loading.loader.cache.budget * SHARE))
        self._plan = plan_points(layer, camera, most=most, room=room)
        keys = [self._key(want.brick) for want in self._plan.wants]
        loader = loading.loader
        self._missing = {k for k in keys if loader.get(k) is None and not self._has_failed(k)}
        client.want([key] for key in keys)
        if self._missing:
            self._ring_soon()
        else:
            self._publish()

    def _came(self, key: ChunkKey) -> None:
        """A wanted chunk has come or failed."""
        self._has_failed(key)
        if key not in self._missing:
            return
        self._missing.discard(key)
        if self._missing:
            self._ring_soon()
        else:
            self._publish()

    def _has_failed(self, key: ChunkKey) -> bool:
        loading = self._loading
        error = None if loading is None else loading.loader.failure(key)
        if error is not None:
            self._tell(error)
        return error is not None

    def _ring_soon(self) -> None:
        if not self._ringing and self._loading is not None:
            self._ringing = True
            self._loading.later(INTERVAL, self._ring)

    def _ring(self) -> None:
        self._ringing = False
        if self._missing:
            self._publish()

    def _publish(self) -> None:
        """Take a sample of what is here, and tell."""
        loading, camera = self._loading, self._camera
        if loading is None or camera is None:
            return
        loader = loading.loader

        def chunk(brick: PointsBrick) -> Array | None:
            return loader.get(self._key(brick))

        self.sample = points_sample(self._view, camera, self._plan, chunk, self._most)
        few = len(self.sample) < self._most / 2 and self._plan.rate < math.inf
        again = few and not self._missing and self._boost < BOOST and self._client is not None
        self.complete = not self._missing and not again
        self._changed()
        if again and self._client is not None:
            self._boost *= 2
            self._want(loading, self._client)

    def _key(self, brick: PointsBrick) -> ChunkKey:
        return ChunkKey(self._number, brick.level, brick.grid)

    def _tell(self, error: OpsinError) -> None:
        if not self._told:
            self._told = True
            self._failed(f"{self.layer.name}: {error}")


def _nobody() -> None:
    """Told of changes, by default."""


def _told_nobody(_: str) -> None:
    """Told of failures, by default."""
