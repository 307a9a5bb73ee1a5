"""Volume cells: which held brick each place of a volume is drawn from, laid out for the kernels.

A *cell* is a piece of the layer's box that is drawn from one brick: the finest that is held there.
Cells are the leaves of a tree, whose nodes are the bricks that are held or that finer held ones lie
in. A node's region is where its brick lies in the region of its parent, up to half a voxel: so a
brick may be several nodes, if the bricks of two levels do not lie in each other. All positions are
relative to the camera's centre, in float64.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from opsin.chunks.camera import slice_index
from opsin.chunks.octree import Floats, Ints, Octree, octree
from opsin.chunks.volume_brick import SIDE
from opsin.chunks.volume_camera import VolumeCamera
from opsin.images.layer import Layer
from opsin.render.volume_slots import SIDES, WHOLE, VolumeSlots

Small = npt.NDArray[np.int32]
Place = tuple[int, ...]
Held = Sequence[Mapping[Place, int]]
"""Slots of bricks by place, for each level."""


OVERLAP = 0.51 / SIDE
"""Bricks: one that reaches so far into the region of a coarser one is not drawn there."""


class Cells(NamedTuple):
    """What the kernels know of a layer, in few arrays.

    Of nodes, the first is the whole layer, the parent of the base's bricks.
    """

    boxes: Floats
    """(nodes, 6): low and high corner of the region."""
    nodes: Ints
    """(nodes, 10): level; parent; slot of the brick, or of the nearest one that it lies in, -1
    without one; where its children begin in `table`, -1 if there are none: the node is a cell; the
    place of the first child along each axis, and their number along each."""
    table: Small
    """Node of each child; -1: it is a cell that is drawn from the parent's brick."""
    levels: Floats
    """(levels, 9): outer edge of the first voxel, size of voxels, and their number."""
    bricks: Ints
    """(slots, 7): level of the brick, -1 if the slot is free; first voxel; voxels. Up to the last
    slot that is filled."""
    beside: Small
    """(slots, 27): the slots of neighbours (`SIDES`). If one is not held, -2 minus the slot of the
    brick that its place is drawn from; -1 if there is none either."""
    ranges: npt.NDArray[np.float32]
    """(slots, samples, 2): smallest and largest value that is drawn from a slot, its neighbours'
    voxels beside the border included."""


def lay_out(layer: Layer, slots: VolumeSlots, camera: VolumeCamera) -> Cells | None:
    """The cells of a layer, from the bricks of it that are held; None if it is not visible.

    They fill what the camera's clipping box leaves of the layer.
    """
    tree = octree(layer, camera.displayed)
    low, high = tree.low, tree.high
    if camera.clip is not None:
        low, high = np.maximum(low, camera.clip[0]), np.minimum(high, camera.clip[1])
        if not (low < high).all():
            return None
    held: list[Mapping[Place, int]] = []
    for level in range(tree.base + 1):
        index = slice_index(layer, level, camera)
        if index is None:
            return None
        held.append(
            {
                brick[3:]: slot
                for brick, slot in slots.places.items()
                if brick.level == level and brick.slice == index
            }
        )
    center = np.array(camera.center)
    boxes, nodes, table = _nodes(tree, held, center, low, high)
    bricks = _bricks(tree, held)
    beside = _beside(tree, held, len(bricks))
    return Cells(
        boxes=boxes,
        nodes=nodes,
        table=table,
        levels=np.hstack([tree.edge - center, tree.scale, tree.shape]),
        bricks=bricks,
        beside=beside,
        ranges=_ranges(tree, slots, bricks[:, 0], beside),
    )


def _nodes(
    tree: Octree, held: Held, center: Floats, bottom: Floats, top: Floats
) -> tuple[Floats, Ints, Small]:
    """Regions, rows and children of the nodes, of the bricks that are held by level.

    `bottom` and `top` are the corners of what is drawn.
    """
    present = _present(tree, held)
    edge, side = (tree.edge - center).tolist(), (tree.scale * SIDE).tolist()
    boxes = [[*(bottom - center).tolist(), *(top - center).tolist()]]
    nodes = [[tree.base + 1, -1, -1]]
    table: list[int] = []
    for node, box in enumerate(boxes):  # which grow behind it
        level, _, slot = nodes[node]
        finer = level - 1
        inner: list[Place] = []
        if finer >= 0:
            begin, end = _span(edge[finer], side[finer], tree.bricks[finer].tolist(), box)
            places = itertools.product(*map(range, begin, end))
            inner = [place for place in places if place in present[finer]]
        if not inner:
            nodes[node] += [-1] * 7
            continue
        counts = [b - a for a, b in zip(begin, end, strict=True)]
        start = len(table)
        nodes[node] += [start, *begin, *counts]
        table += [-1] * math.prod(counts)
        for place in inner:
            offset = 0
            region = box.copy()
            for axis in range(3):
                offset = offset * counts[axis] + place[axis] - begin[axis]
                border = edge[finer][axis] + side[finer][axis] * place[axis]
                low, high = box[axis], box[3 + axis]
                if place[axis] > begin[axis]:
                    region[axis] = min(max(border, low), high)
                if place[axis] < end[axis] - 1:
                    region[3 + axis] = max(min(border + side[finer][axis], high), low)
            table[start + offset] = len(nodes)
            boxes.append(region)
            nodes.append([finer, node, held[finer].get(place, slot)])
    return np.array(boxes), np.array(nodes, np.int64), np.array(table, np.int32)


def _present(tree: Octree, held: Held) -> list[Set[Place]]:
    """Of each level: the places that are held or that held ones of finer levels lie in."""
    present: list[Set[Place]] = [held[0].keys()]
    edge, side = tree.edge.tolist(), (tree.scale * SIDE).tolist()
    for level in range(tree.base):
        around: set[Place] = set(held[level + 1])
        most = tree.bricks[level + 1].tolist()
        for place in present[level]:
            low = [e + s * at for e, s, at in zip(edge[level], side[level], place, strict=True)]
            # Less by as much as a brick may reach into another one without lying in it.
            less = [s * OVERLAP for s in side[level]]
            box = [a + b for a, b in zip(low, less, strict=True)]
            box += [a + s - b for a, s, b in zip(low, side[level], less, strict=True)]
            begin, end = _span(edge[level + 1], side[level + 1], most, box, 0)
            around.update(itertools.product(*map(range, begin, end)))
        present.append(around)
    return present


def _span(
    edge: list[float],
    side: list[float],
    most: list[int],
    box: list[float],
    overlap: float = OVERLAP,
) -> tuple[list[int], list[int]]:
    """First and last-plus-one place of the bricks of a level in a box, at least one."""
    begin, end = [], []
    for axis in range(3):
        low, high = ((box[at] - edge[axis]) / side[axis] for at in (axis, 3 + axis))
        first = min(max(math.floor(low + overlap), 0), most[axis] - 1)
        begin.append(first)
        end.append(max(min(math.ceil(high - overlap), most[axis]), first + 1))
    return begin, end


def _bricks(tree: Octree, held: Held) -> Ints:
    """See `Cells.bricks`."""
    count = 1 + max((slot for bricks in held for slot in bricks.values()), default=-1)
    rows = np.full((count, 7), -1, np.int64)
    for level, bricks in enumerate(held):
        if bricks:
            slots = list(bricks.values())
            origin = np.array(list(bricks)) * SIDE
            rows[slots, 0] = level
            rows[slots, 1:4] = origin
            rows[slots, 4:] = np.minimum(tree.shape[level] - origin, SIDE)
    return rows


def _beside(tree: Octree, held: Held, count: int) -> Small:
    """See `Cells.beside`."""
    beside = np.full((count, len(SIDES)), -1, np.int32)
    for level, bricks in enumerate(held):
        own = np.array(list(bricks), np.int64).reshape(-1, 3)
        slots = np.array(list(bricks.values()), np.int64)
        for number, side in enumerate(SIDES):
            there = own + np.array(side)
            left = np.flatnonzero(((there >= 0) & (there < tree.bricks[level])).all(axis=1))
            for above in range(level, tree.base + 1):
                if above > level:  # what is drawn half a voxel behind the middle of the border
                    voxel = own * SIDE + SIDE / 2 + np.array(side) * (SIDE + 1) / 2
                    world = tree.edge[level] + tree.scale[level] * voxel
                    places = np.floor((world - tree.edge[above]) / tree.scale[above] / SIDE)
                    there = places.clip(0, tree.bricks[above] - 1).astype(np.int64)
                names = map(tuple, there[left].tolist())
                found = np.array([held[above].get(name, -1) for name in names], np.int64)
                which = left[found >= 0]
                beside[slots[which], number] = np.where(above > level, -2 - found, found)[
                    found >= 0
                ]
                left = left[found < 0]
    return beside


def _ranges(
    tree: Octree, slots: VolumeSlots, brick_level: Ints, beside: Small
) -> npt.NDArray[np.float32]:
    """See `Cells.ranges`."""
    count = len(brick_level)
    pieces = slots.ranges[: count * slots.samples].reshape(count, slots.samples, len(SIDES), 2)
    ranges = pieces[:, :, WHOLE].copy()
    for number, side in enumerate(SIDES):
        facing = SIDES.index((-side[0], -side[1], -side[2]))
        other = beside[:, number]
        for which, neighbour, piece in (
            (other >= 0, other, facing),
            (other < -1, -2 - other, WHOLE),
        ):
            theirs = pieces[neighbour[which], :, piece]
            ranges[which, :, 0] = np.minimum(ranges[which, :, 0], theirs[..., 0])
            ranges[which, :, 1] = np.maximum(ranges[which, :, 1], theirs[..., 1])
    return ranges
