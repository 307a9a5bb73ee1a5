"""Visible tree: the part of a layer's octree that a camera sees, found step by step. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import cache
from itertools import repeat
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from opsin.chunks.brick import display_dtype, samples
from opsin.chunks.camera import LEVEL_TOLERANCE, slice_index
from opsin.chunks.octree import Floats, Ints, octree
from opsin.chunks.plan import WHOLE_BASE
from opsin.chunks.volume_brick import SIDE, VolumeBrick
from opsin.chunks.volume_camera import VolumeCamera, frustum, pixels_per_unit
from opsin.images.layer import Layer

Number = TypeVar("Number", bound=np.generic)

STICKY = 1.5
"""A refined brick is merged when its voxels are so many times smaller than they need to be."""


class VisibleTree:
    """Bricks that a camera sees, as *nodes*: numbers, by which the lists are read.

    It begins without any; `roots` and `look` add some. Many are looked at together, so that the
    cost of a node is that of a few numbers in an array. Inside, arrays have one column per node,
    and positions in the world are relative to the camera's centre.
    """

    def __init__(
        self,
        number: int,
        layer: Layer,
        camera: VolumeCamera,
        quality: float,
        refined: Collection[VolumeBrick],
        finest: int = 0,
    ) -> None:
        """The tree of a layer of this number, down to the level `finest`.

        `refined` are bricks that were refined before.
        """
        tree = octree(layer, camera.displayed)
        self.base = tree.base
        self.number = number
        self._tree = tree
        self._finest = finest
        self._slices = [slice_index(layer, level, camera) or () for level in range(tree.base + 1)]
        self._before = {brick[1:] for brick in refined if brick.layer == number}
        self._shapes = np.ascontiguousarray(tree.shape.T)
        self._voxel_bytes = samples(layer) * display_dtype(layer).itemsize
        self._camera = camera
        self._frustum = frustum(camera)
        self._center = np.array(camera.center)
        width, height = camera.size
        self._canvas = float(width * height)
        self._focus = math.hypot(width, height) / 2 / camera.zoom
        # The size of voxels along each axis, where finer levels have smaller ones.
        smallest = np.minimum.accumulate(tree.scale, axis=0)
        finer = np.vstack([tree.scale[:1], smallest[:-1]])
        pitch = np.where(tree.scale > finer * (1 + LEVEL_TOLERANCE), tree.scale, 0) * quality
        edge = tree.edge - self._center
        table = np.array([edge, tree.scale * SIDE, tree.reach, pitch])
        self._table = np.ascontiguousarray(table.transpose(0, 2, 1))
        self._corners: Floats = np.empty((6, 0))
        self._places: Ints = np.empty((3, 0), np.int64)
        self._levels: Ints = np.empty(0, np.int64)
        self._count = 0
        self.bytes: list[int] = []
        self.gains: list[float] = []
        """What it improves to refine a node, 0 if it is fine enough."""
        self.sticky: list[bool] = []
        """Whether it was refined before."""
        self.children: dict[int, range] = {}
        """The visible ones of a node, once they have been looked at; the nearest first."""

    def bricks(self) -> list[VolumeBrick]:
        """The bricks of all nodes."""
        number, slices = self.number, self._slices
        levels = self._levels[: self._count].tolist()
        places = self._places[:, : self._count].tolist()
        where = map(slices.__getitem__, levels)
        return list(map(VolumeBrick, repeat(number), levels, where, *places))

    def roots(self, most: int) -> range:
        """Add all roots if they are few, else the visible ones; at most the nearest `most`."""
        counts = self._tree.bricks[self.base]
        whole = bool(np.prod(counts.astype(float)) <= WHOLE_BASE)
        first, stop = np.zeros((1, 3), np.int64), counts[np.newaxis]
        while True:  # blocks of roots, which are halved and thrown away
            low, high = self._tree.root_regions(first, stop)
            low, high = low - self._center, high - self._center
            if not whole:
                reach = self._tree.reach[self.base]
                seen = self._frustum.touches(low - reach, high + reach)
                first, stop, low, high = first[seen], stop[seen], low[seen], high[seen]
            corners = np.vstack([low.T, high.T])
            distance = _distances(corners)
            done = not (stop - first > 1).any()
            nearest = np.argsort(distance, kind="stable")[: most if done else 8 * most]
            first, stop = first[nearest], stop[nearest]
            if done:
                levels = np.full(len(first), self.base)
                return self._add(levels, first.T, corners[:, nearest], distance[nearest])
            middle = ((first + stop) // 2)[:, np.newaxis]
            upper = _offsets(2, 2, 2).T == 1
            first, stop = (
                np.where(upper, middle, first[:, np.newaxis]).reshape(-1, 3),
                np.where(upper, stop[:, np.newaxis], middle).reshape(-1, 3),
            )
            some = (stop > first).all(axis=1)
            first, stop = first[some], stop[some]

    def look(self, nodes: Sequence[int]) -> None:
        """Add the visible children of nodes, none of which is of level 0."""
        which = np.array(nodes)
        levels = self._levels.take(which)
        first, stop = self._tree.children(levels, self._places.take(which, axis=1))
        count = (stop - first)[..., np.newaxis]
        offsets = _offsets(*count.max(axis=(1, 2)).tolist())[:, np.newaxis]
        finer = levels - 1
        edge, side, reach = self._table[:3].take(finer, axis=2)[..., np.newaxis]
        place = first[..., np.newaxis] + offsets
        low = edge + side * place
        high = low + side
        outer = self._corners.take(which, axis=1)[..., np.newaxis]
        low = np.where(offsets == 0, outer[:3], np.maximum(low, outer[:3]))
        high = np.where(offsets == count - 1, outer[3:], np.minimum(high, outer[3:]))
        around = np.concatenate([low - reach, high + reach]).reshape(6, -1).T
        seen = self._frustum.touches(around[:, :3], around[:, 3:])
        exists = ((offsets < count) & (high > low)).all(axis=0)
        found = np.flatnonzero(seen & exists.ravel())
        parents = found // exists.shape[1]
        corners = np.concatenate([low, high]).reshape(6, -1).take(found, axis=1)
        distance = _distances(corners)
        order = np.lexsort((distance, parents))
        added = self._add(
            finer.take(parents),
            place.reshape(3, -1).take(found.take(order), axis=1),
            corners.take(order, axis=1),
            distance.take(order),
        )
        counts = np.bincount(parents, minlength=len(nodes))
        ends = (added.start + np.cumsum(counts)).tolist()
        for node, start, end in zip(nodes, [added.start, *ends[:-1]], ends, strict=True):
            self.children[node] = range(start, end)

    def _add(self, levels: Ints, places: Ints, corners: Floats, distance: Floats) -> range:
        """Make nodes of bricks.

        Args:
            levels: of shape (n,).
            places: of shape (3, n).
            corners: low and high ones of regions, of shape (6, n).
            distance: squared, from the camera's centre, of shape (n,).
        """
        half = (corners[3:] - corners[:3]) / 2
        forward = self._camera.axes[2]
        nearest = (corners[:3] + half).T - (np.abs(forward) @ half)[:, np.newaxis] * forward
        pixels = pixels_per_unit(self._camera, nearest).T
        sizes = (self._table[3].take(levels, axis=1) * pixels).max(axis=0)
        area = (half * half).sum(axis=0) * pixels.max(axis=0) ** 2 * math.pi
        far = 1 + distance / self._focus**2
        gains = np.minimum(area, self._canvas) * sizes / (far * np.sqrt(far))
        sticky = [False] * len(levels)
        if self._before:
            names = zip(levels.tolist(), places.T.tolist(), strict=True)
            sticky = [(level, self._slices[level], *at) in self._before for level, at in names]
            advantage = np.where(sticky, STICKY, 1.0)
            sizes, gains = sizes * advantage, gains * advantage
        gains[(sizes <= 1 + LEVEL_TOLERANCE) | (levels <= self._finest)] = 0
        depths, rows, columns = np.minimum(self._shapes.take(levels, axis=1) - SIDE * places, SIDE)
        self.bytes += (depths * rows * columns * self._voxel_bytes).tolist()
        self.gains += gains.tolist()
        self.sticky += sticky
        return self._keep(levels, places, corners)

    def _keep(self, levels: Ints, places: Ints, corners: Floats) -> range:
        first, stop = self._count, self._count + len(levels)
        if stop > len(self._levels):
            room = max(stop, 2 * len(self._levels), 512)
            self._corners = _longer(self._corners, room)
            self._places = _longer(self._places, room)
            self._levels = _longer(self._levels, room)
        self._corners[:, first:stop] = corners
        self._places[:, first:stop] = places
        self._levels[first:stop] = levels
        self._count = stop
        return range(first, stop)


def _longer(array: npt.NDArray[Number], room: int) -> npt.NDArray[Number]:
    longer = np.empty((*array.shape[:-1], room), array.dtype)
    longer[..., : array.shape[-1]] = array
    return longer


def _distances(corners: Floats) -> Floats:
    """Squared distance from 0 of boxes: low and high corners, of shape (6, n)."""
    outside = np.maximum(np.maximum(corners[:3], -corners[3:]), 0)
    squared: Floats = (outside * outside).sum(axis=0)
    return squared


@cache
def _offsets(*counts: int) -> Ints:
    """All places of a box of so many bricks: of shape (3, n)."""
    return np.indices(counts).reshape(3, -1).astype(np.int64)
