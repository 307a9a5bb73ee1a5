"""Visible tree: the part of a layer's octree that a camera sees, found step by step. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import repeat
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from opsin.chunks.brick import display_dtype, samples
from opsin.chunks.camera import LEVEL_TOLERANCE, slice_index
from opsin.chunks.octree import Floats, Ints, Octree, octree
from opsin.chunks.plan import WHOLE_BASE
from opsin.chunks.volume_brick import SIDE, VolumeBrick
from opsin.chunks.volume_camera import VolumeCamera, frustum, pixels_per_unit
from opsin.images.layer import Layer
from opsin.images.source import Index

Number = TypeVar("Number", bound=np.generic)

STICKY = 1.5
"""A refined brick is merged when its voxels are so many times smaller than they need to be."""


class Cut(NamedTuple):
    """The bricks that were refined in a plan, to begin the next one with."""

    tree: Octree
    levels: Ints
    """Of shape (n,)."""
    places: Ints
    """Of shape (3, n)."""
    corners: Floats
    """Low and high ones of their regions in the world, of shape (6, n)."""


class _Found(NamedTuple):
    """Bricks, in the columns of arrays."""

    levels: Ints
    places: Ints
    """Of shape (3, n)."""
    corners: Floats
    """Low and high ones of their regions, of shape (6, n)."""
    parents: Ints


class VisibleTree:
    """Bricks that a camera sees, as *nodes*: numbers, by which the lists are read.

    It begins without any; `roots`, `recall` and `look` add some. Many are looked at together, so
    that the cost of a node is that of a few numbers in an array. Inside, arrays have one column per
    node, and positions in the world are relative to the camera's centre.
    """

    def __init__(
        self,
        number: int,
        layer: Layer,
        camera: VolumeCamera,
        quality: float,
        before: Cut | None = None,
        finest: int = 0,
    ) -> None:
        """The tree of a layer of this number, down to the level `finest`.

        `before` are bricks that were refined before; those of another octree do not count.
        """
        tree = octree(layer, camera.displayed)
        self.base = tree.base
        self.number = number
        self._tree = tree
        self._finest = finest
        self._slices: list[Index] = [()] * (tree.base + 1)
        if len(layer.axes) > len(camera.displayed):
            self._slices = [slice_index(layer, k, camera) or () for k in range(tree.base + 1)]
        self._before = before if before and before.tree is tree else None
        self._entries: dict[tuple[int, ...], int] = {}
        """Of each brick that was refined before (level, z, y, x), where it is in there."""
        self._known: list[int] = []
        """The node of each of them, -1 as long as it has none."""
        if self._before:
            names = zip(self._before.levels.tolist(), *self._before.places.tolist(), strict=True)
            self._entries = {name: entry for entry, name in enumerate(names)}
            self._known = [-1] * len(self._entries)
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
        levels = self._levels[: self._count].tolist()
        places = self._places[:, : self._count].tolist()
        slices = map(self._slices.__getitem__, levels)
        return list(map(VolumeBrick, repeat(self.number), levels, slices, *places))

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
                return self._add(levels, first.T, corners[:, nearest], distance[nearest], True)
            middle = ((first + stop) // 2)[:, np.newaxis]
            upper = _offsets(2, 2, 2).T == 1
            first, stop = (
                np.where(upper, middle, first[:, np.newaxis]).reshape(-1, 3),
                np.where(upper, stop[:, np.newaxis], middle).reshape(-1, 3),
            )
            some = (stop > first).all(axis=1)
            first, stop = first[some], stop[some]

    def recall(self) -> None:
        """After the roots: add the visible children of all bricks that were refined before.

        From one plan to the next little changes, so this is nearly all that is needed, at once.
        """
        if not self._before:
            return
        deep = np.flatnonzero(self._before.levels > self._finest)
        if not deep.size:
            return
        center = np.concatenate([self._center, self._center])[:, np.newaxis]
        found = self._children(
            self._before.levels.take(deep),
            self._before.places.take(deep, axis=1),
            self._before.corners.take(deep, axis=1) - center,
        )
        visible, distance = self._visible(found.levels, found.corners, found.parents)
        added = self._add(
            found.levels.take(visible),
            found.places.take(visible, axis=1),
            found.corners.take(visible, axis=1),
            distance,
            True,
        )
        known = map(self._known.__getitem__, deep.tolist())
        self._own([*known], added, found.parents.take(visible))

    def cut(self, nodes: Sequence[int]) -> Cut:
        """Nodes that were refined, parents before children, for the next plan."""
        which = np.array(nodes, np.int64)
        center = np.concatenate([self._center, self._center])[:, np.newaxis]
        return Cut(
            self._tree,
            self._levels.take(which),
            self._places.take(which, axis=1),
            self._corners.take(which, axis=1) + center,
        )

    def look(self, nodes: Sequence[int], follow: int = 0) -> None:
        """Add the visible children of nodes, none of which is of level 0.

        Args:
            nodes: which.
            follow: of so many of the children, those nearest to the camera's centre, add the
                children, too, and so on down the levels: it costs less at once than step by step.
        """
        which = np.array(nodes)
        found = self._children(
            self._levels.take(which),
            self._places.take(which, axis=1),
            self._corners.take(which, axis=1),
        )
        every, followed = [found], []
        while follow and len(found.levels) and self._is_coarse(int(found.levels[0])):
            near = np.argsort(_distances(found.corners))[:follow]
            followed.append(near)
            found = self._children(
                found.levels.take(near),
                found.places.take(near, axis=1),
                found.corners.take(near, axis=1),
            )
            every.append(found)
        self._add_children(nodes, every, followed)

    def _is_coarse(self, level: int) -> bool:
        """Whether a brick of a level would be refined at the camera's centre."""
        return bool(self._table[3, :, level].max() * self._camera.zoom * STICKY > 1)

    def _children(self, levels: Ints, places: Ints, corners: Floats) -> _Found:
        """The children of bricks, visible or not. Parents are columns of the arguments."""
        first, stop = self._tree.children(levels, places)
        count = (stop - first)[..., np.newaxis]
        offsets = _offsets(*count.max(axis=(1, 2)).tolist())[:, np.newaxis]
        finer = levels - 1
        edge, side = self._table[:2].take(finer, axis=2)[..., np.newaxis]
        place = first[..., np.newaxis] + offsets
        begin = edge + side * place
        outer = corners[..., np.newaxis]
        low = np.maximum(begin, outer[:3])
        high = np.minimum(begin + side, outer[3:])
        if not self._tree.halves:
            low = np.where(offsets == 0, outer[:3], low)
            high = np.where(offsets == count - 1, outer[3:], high)
        there = np.flatnonzero(((offsets < count) & (high > low)).all(axis=0))
        parents = there // offsets.shape[-1]
        return _Found(
            finer.take(parents),
            place.reshape(3, -1).take(there, axis=1),
            np.concatenate([low, high]).reshape(6, -1).take(there, axis=1),
            parents,
        )

    def _add_children(
        self, nodes: Sequence[int], every: Sequence[_Found], followed: Sequence[Ints]
    ) -> None:
        """Add what is visible of the children of nodes and of some of themselves.

        Args:
            nodes: the parents of the first generation.
            every: the generations.
            followed: of each generation but the last, the parents of the next one.
        """
        levels, places, corners, _ = (
            np.concatenate(parts, axis=-1) for parts in zip(*every, strict=True)
        )
        owners: list[Ints] = [every[0].parents]
        rows: list[Ints] = []
        start, parents = 0, len(nodes)
        for before, near, found in zip(every[:-1], followed, every[1:], strict=True):
            rows.append(start + near)
            owners.append(parents + found.parents)
            start += len(before.levels)
            parents += len(near)
        owner = np.concatenate(owners)
        visible, distance = self._visible(levels, corners, owner)
        added = self._add(
            levels.take(visible),
            places.take(visible, axis=1),
            corners.take(visible, axis=1),
            distance,
        )
        numbers = np.full(len(levels), -1)
        numbers[visible] = added
        names = [*nodes, *(numbers[np.concatenate(rows)].tolist() if rows else ())]
        self._own(names, added, owner.take(visible))

    def _visible(self, levels: Ints, corners: Floats, owner: Ints) -> tuple[Ints, Floats]:
        """Which bricks are seen, by owner and then the nearest first, and their distances."""
        reach = self._table[2].take(levels, axis=1)
        seen = self._frustum.touches((corners[:3] - reach).T, (corners[3:] + reach).T)
        visible = np.flatnonzero(seen)
        distance = _distances(corners.take(visible, axis=1))
        order = np.lexsort((distance, owner.take(visible)))
        return visible.take(order), distance.take(order)

    def _own(self, names: Sequence[int], added: range, owner: Ints) -> None:
        """Give nodes that were added to their parents: names[owner], if it is not -1."""
        counts = np.bincount(owner, minlength=len(names))
        ends = (added.start + np.cumsum(counts)).tolist()
        for node, first, end in zip(names, [added.start, *ends[:-1]], ends, strict=True):
            if node >= 0:
                self.children[node] = range(first, end)

    def _add(
        self, levels: Ints, places: Ints, corners: Floats, distance: Floats, known: bool = False
    ) -> range:
        """Make nodes of bricks.

        Args:
            levels: of shape (n,).
            places: of shape (3, n).
            corners: low and high ones of regions, of shape (6, n).
            distance: squared, from the camera's centre, of shape (n,).
            known: whether some of them may have been refined before.
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
        if known and self._entries:
            names = zip(levels.tolist(), *places.tolist(), strict=True)
            for node, name in enumerate(names, self._count):
                if (entry := self._entries.get(name)) is not None:
                    self._known[entry] = node
                    sticky[node - self._count] = True
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
