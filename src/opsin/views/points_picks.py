"""Points picks: all about the point that a canvas asks for, the latest one only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsin.chunks.brick import ChunkKey
from opsin.chunks.loader import Loader
from opsin.images.points.layer import PointsLayer
from opsin.views.points_messages import Pick, Picked, picked
from opsin.views.points_planner import NumberOf


class PointsPicks:
    """Answers picks, as soon as the chunk with all properties is there.

    Args:
        loader: brings it.
        layers: all layers of points of the scene by id.
        number_of: gives numbers in the loader.
        wake: is called when there may be an answer.
    """

    def __init__(
        self,
        loader: Loader,
        layers: Mapping[int, PointsLayer],
        number_of: NumberOf,
        wake: Callable[[], None],
    ) -> None:
        self._loader = loader
        self._layers = layers
        self._number_of = number_of
        self._client = loader.client(lambda _key: wake())
        self._pick: Pick | None = None
        self._chunk: ChunkKey | None = None

    def ask(self, pick: Pick) -> None:
        """Ask for a point of a cell that there is, instead of the one before."""
        brick = pick.brick
        properties = self._layers[brick.layer].points.properties
        number = self._number_of(brick.layer, tuple(one.name for one in properties))
        self._pick, self._chunk = pick, ChunkKey(number, brick.level, brick.grid)
        self._client.want([[self._chunk]])

    def answer(self) -> Picked | None:
        """What was asked for, once; None: it is not here, or cannot be had."""
        pick, key = self._pick, self._chunk
        if pick is None or key is None:
            return None
        chunk, layer = self._loader.get(key), self._layers.get(pick.brick.layer)
        if chunk is None and self._loader.failure(key) is None:
            return None
        self._pick = self._chunk = None
        self._client.want(())
        if chunk is None or layer is None or pick.index >= len(chunk):
            return None
        return picked(pick, layer.points, chunk[pick.index])

    def close(self) -> None:
        """Want nothing any more."""
        self._client.close()
