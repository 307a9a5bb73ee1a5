"""Held slices: the bricks of a canvas in 2D."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from opsin.chunks.brick import (
    Assembly,
    Brick,
    brick_box,
    brick_chunks,
    brick_side,
    display_dtype,
)
from opsin.chunks.camera import Camera, slice_index
from opsin.chunks.plan import Plan, Tier, plan
from opsin.chunks.policy import Policy
from opsin.images.image import Image, Level
from opsin.images.layer import Layer
from opsin.images.points.layer import PointsLayer
from opsin.images.source import Array, Index
from opsin.render.canvas import Picture
from opsin.render.slices import render


class HeldSlices:
    """Bricks under a bound of bytes. Each pixel is drawn from the finest one that is here."""

    def __init__(self, layers: Sequence[Layer | PointsLayer], room: int, policy: Policy) -> None:
        """No brick yet; `layers` are bottom first, `room` is in bytes, which a plan may fill."""
        self._layers = dict(enumerate(layers))
        self._planes: Mapping[int, Layer] = {
            number: layer
            for number, layer in self._layers.items()
            if isinstance(layer, Layer) and layer.visible
        }
        self._room = room
        self._policy = replace(policy, slot_share=1.0)
        self._camera: Camera | None = None
        self._plan = Plan()
        self.here: dict[Brick, Array] = {}

    def want(self, camera: Camera) -> Sequence[Brick]:
        """See `canvas.Held`."""
        self._camera = camera
        self._plan = plan(self._planes, camera, self.here.keys(), self._policy, self._room)
        wanted = {want.brick: want.bytes for want in self._plan.wants}
        spent = sum(wanted.values())
        kept: dict[Brick, Array] = {}
        for brick, values in reversed(self.here.items()):  # the newest first
            if brick not in wanted:
                if spent + values.nbytes > self._room:
                    continue
                spent += values.nbytes
            kept[brick] = values
        self.here = dict(reversed(kept.items()))
        return list(wanted)

    def first(self) -> int:
        """See `canvas.Held`."""
        return sum(want.tier == Tier.BASE for want in self._plan.wants)

    def image(self, brick: Brick) -> Image:
        """See `canvas.Held`."""
        return self._planes[brick.layer].image

    def level(self, brick: Brick) -> int:
        """See `canvas.Held`."""
        return brick.level

    def chunks(self, brick: Brick) -> Iterable[Index]:
        """See `canvas.Held`."""
        return brick_chunks(self._planes[brick.layer], brick, self._displayed)

    def assembly(self, brick: Brick) -> Assembly:
        """See `canvas.Held`."""
        layer = self._planes[brick.layer]
        start, stop = brick_box(layer, brick, self._displayed)
        return Assembly(layer, brick.level, start, stop, self._displayed)

    def put(self, brick: Brick, values: Array) -> None:
        """See `canvas.Held`."""
        self.here[brick] = values

    def frame(self) -> Callable[[], Picture]:
        """See `canvas.Held`."""
        assert self._camera is not None, "a canvas looks somewhere first"
        camera, bricks = self._camera, self.here.copy()
        numbers = {(id(one.image), one.channel): n for n, one in self._planes.items()}

        def read(layer: Layer, level: int, start: Index, stop: Index) -> Array:
            number = numbers[id(layer.image), layer.channel]
            own = {brick: values for brick, values in bricks.items() if brick.layer == number}
            return _best(layer, camera, own, level, start, stop)

        return lambda: render(self._layers.values(), camera, read)

    @property
    def _displayed(self) -> tuple[str, str]:
        assert self._camera is not None
        return self._camera.displayed


def _best(
    layer: Layer,
    camera: Camera,
    bricks: Mapping[Brick, Array],
    level: int,
    start: Index,
    stop: Index,
) -> Array:
    """A box of one level, with all axes of the image, where need be enlarged from coarser levels.

    What no brick holds is 0.
    """
    image = layer.image
    axes = [image.axis(name) for name in camera.displayed]
    kept = axes if not image.rgb or image.channel_axis is None else [*axes, image.channel_axis]
    others = [axis for axis in range(len(start)) if axis not in kept]
    dtype, side = display_dtype(layer), brick_side(layer)
    box = np.zeros([b - a for a, b in zip(start, stop, strict=True)], dtype)
    plane = box.transpose(others + kept)[(0,) * len(others)]
    for number in reversed(range(level, len(image.levels))):
        where = slice_index(layer, number, camera)
        for brick, values in bricks.items():
            if brick.level != number or brick.slice != where:
                continue
            rows, columns = (
                _Enlarged(
                    image.levels, level, number, axis, start[axis], stop[axis], place * side, size
                )
                for axis, place, size in zip(axes, brick[3:], values.shape[:2], strict=True)
            )
            target = plane[rows.pixels, columns.pixels]
            if target.size:
                target[...] = _enlarged(values, rows, columns, image.kind == "labels")
    if image.kind == "labels" and image.dtype.itemsize == dtype.itemsize:
        return box.view(image.dtype.newbyteorder("="))
    return box


class _Enlarged:
    """Which pixels of a level a brick of a coarser one covers along an axis, and where they lie."""

    def __init__(
        self,
        levels: Sequence[Level],
        level: int,
        number: int,
        axis: int,
        start: int,
        stop: int,
        origin: int,
        size: int,
    ) -> None:
        fine, coarse = levels[level], levels[number]
        world = fine.translation[axis] + fine.scale[axis] * np.arange(start, stop)
        where = (world - coarse.translation[axis]) / coarse.scale[axis]
        if level == number:
            where = np.arange(start, stop, dtype=np.float64)  # exactly
        own = np.floor(where + 0.5).clip(0, coarse.shape[axis] - 1) - origin
        first, last = np.searchsorted(own, [0, size])
        self.pixels = slice(int(first), int(last))
        where = where[first:last] - origin
        low = np.floor(where)
        self.nearest = own[first:last].astype(np.int64)
        self.low = low.clip(0, size - 1).astype(np.int64)
        self.high = (low + 1).clip(0, size - 1).astype(np.int64)
        self.weight = (where - low).astype(np.float32)


def _enlarged(values: Array, rows: _Enlarged, columns: _Enlarged, nearest: bool) -> Array:
    """Pixels of a brick at places between them: linear, but for labels."""
    whole = not rows.weight.any() and not columns.weight.any()
    if nearest or whole:
        picked: Array = values[rows.nearest[:, np.newaxis], columns.nearest]
        return picked
    across = columns.weight if values.ndim == 2 else columns.weight[:, np.newaxis]
    down = rows.weight.reshape(-1, *[1] * (values.ndim - 1))
    upper, lower = values[rows.low].astype(np.float32), values[rows.high].astype(np.float32)
    upper = upper[:, columns.low] * (1 - across) + upper[:, columns.high] * across
    lower = lower[:, columns.low] * (1 - across) + lower[:, columns.high] * across
    mixed: Array = upper * (1 - down) + lower * down
    return np.round(mixed) if values.dtype.kind in "iu" else mixed
