"""Image planner: what slices and volumes of images have in common. Pure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from opsin.chunks.brick import Brick, ChunkKey
from opsin.chunks.volume_brick import VolumeBrick
from opsin.images.layer import Layer
from opsin.images.source import Array, Index
from opsin.views.messages import BrickMessage, wire_key
from opsin.views.planner import Payload, Planner

ImageBrickT = TypeVar("ImageBrickT", Brick, VolumeBrick)


class ImagePlanner(Planner[ImageBrickT, Layer]):
    """Plans for bricks that are all pixels of a box, and are sent as a whole."""

    def __init__(self, layers: Mapping[int, Layer], image_numbers: Mapping[int, int]) -> None:
        """Plan for these layers by id, whose images have these numbers in the loader."""
        super().__init__(layers)
        self._images = image_numbers

    def chunks(self, brick: ImageBrickT) -> Iterator[ChunkKey]:
        image = self._images[brick.layer]
        for index in self._grid(self.layers[brick.layer], brick):
            yield ChunkKey(image, brick.level, index)

    def message(
        self,
        generation: int,
        brick: ImageBrickT,
        chunks: Mapping[ChunkKey, Array],
        held: int,
        from_memory: bool,
    ) -> tuple[BrickMessage, Payload]:
        layer = self.layers[brick.layer]
        here = {key.grid: chunk for key, chunk in chunks.items()}
        values, shape, ranged = self._values(layer, brick, here.__getitem__)
        header = BrickMessage(
            generation=generation,
            key=wire_key(brick),
            shape=shape,
            bytes=values.nbytes,
            range=value_range(values) if ranged else None,
            provenance="memory" if from_memory else layer.image.source.provenance,
        )
        return header, values.reshape(-1).data.cast("B")

    @abstractmethod
    def _grid(self, layer: Layer, brick: ImageBrickT) -> Iterator[Index]:
        """Grid indices of the chunks that a brick is made of."""

    @abstractmethod
    def _values(
        self, layer: Layer, brick: ImageBrickT, chunk: Callable[[Index], Array]
    ) -> tuple[Array, tuple[int, ...], bool]:
        """A brick as it is sent, its shape, and whether it is told from where to where it goes."""


def value_range(values: Array) -> tuple[float, float] | None:
    """Smallest and largest value, NaN left out; None if there is none."""
    if values.dtype.kind == "f":
        low = float(np.fmin.reduce(values, axis=None))
        high = float(np.fmax.reduce(values, axis=None))
        if not (np.isfinite(low) and np.isfinite(high)):
            return None
        return low, high
    return float(values.min()), float(values.max())
