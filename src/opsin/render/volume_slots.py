"""Volume slots: the bricks of one layer that a canvas in memory holds."""

from __future__ import annotations

import heapq
import itertools
import math
from copy import copy

import numpy as np
import numpy.typing as npt

from opsin.chunks.brick import display_dtype, samples
from opsin.chunks.volume_brick import SIDE, VolumeBrick
from opsin.images.layer import Layer
from opsin.images.source import Array

SIDES = tuple(itertools.product((-1, 0, 1), repeat=3))
"""The 27 pieces of a brick: its first voxels along an axis (-1), all (0) or its last ones (1)."""

WHOLE = SIDES.index((0, 0, 0))


class VolumeSlots:
    """Bricks by address, each in a slot of one array.

    Attributes:
        voxels: of shape (slots · samples, 64, 64, 64), in `slot_dtype`; a brick at the end of a
            level fills the first part of its slots.
        ranges: of shape (slots · samples, 27, 2): the smallest and largest value of each piece
            (`SIDES`), NaN left out; inf and -inf where there is none.
        places: the slot of each brick.
        origin: what is taken from integers of 32 bits before they become floats, which have 24:
            about the lower contrast limit. 0 of others.
    """

    def __init__(self, layer: Layer, capacity: int) -> None:
        """Room for so many bricks, which takes memory as it is filled for the first time."""
        self.samples = samples(layer)
        self.origin = _origin(layer)
        count = capacity * self.samples
        self.voxels: Array = np.empty((count, SIDE, SIDE, SIDE), slot_dtype(layer))
        self.ranges: npt.NDArray[np.float32] = np.empty((count, len(SIDES), 2), np.float32)
        self.places: dict[VolumeBrick, int] = {}
        self._free = list(range(capacity))
        self._touched = 0

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot."""
        return self.samples * SIDE**3 * self.voxels.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of memory taken, by free slots that have been used, too."""
        return self._touched * self.slot_bytes

    def frozen(self) -> VolumeSlots:
        """The bricks that are held now; what comes later is put into other slots."""
        twin = copy(self)
        twin.places = self.places.copy()
        return twin

    def put(self, brick: VolumeBrick, values: Array) -> None:
        """Hold a brick: (depth, rows, columns), and samples for RGB."""
        slot = self.places.get(brick)
        if slot is None:
            slot = self.places[brick] = heapq.heappop(self._free)
            self._touched = max(self._touched, slot + 1)
        depth, rows, columns = values.shape[:3]
        for sample in range(self.samples):
            index = slot * self.samples + sample
            own = values[..., sample] if values.ndim > 3 else values
            if self.origin:
                own = own.astype(np.int64) - self.origin
            self.voxels[index, :depth, :rows, :columns] = own
            self.ranges[index] = _ranges(self.voxels[index, :depth, :rows, :columns])

    def drop(self, brick: VolumeBrick) -> None:
        """Let go of a brick."""
        heapq.heappush(self._free, self.places.pop(brick))

    def shrink(self) -> None:
        """Give the memory of free slots back."""
        kept = sorted(self.places.items(), key=lambda item: item[1])
        rows = [slot * self.samples + n for _, slot in kept for n in range(self.samples)]
        voxels, ranges = np.empty_like(self.voxels), np.empty_like(self.ranges)
        voxels[: len(rows)], ranges[: len(rows)] = self.voxels[rows], self.ranges[rows]
        self.voxels, self.ranges = voxels, ranges
        self.places = {brick: place for place, (brick, _) in enumerate(kept)}
        self._free = list(range(len(kept), len(voxels) // self.samples))
        self._touched = len(kept)


def slot_dtype(layer: Layer) -> np.dtype[np.generic]:
    """The dtype in which bricks are drawn: uint8 and uint16 as they are, else float32 or uint64."""
    dtype = display_dtype(layer)
    if dtype in (np.uint8, np.uint16):
        return dtype
    return np.dtype(np.uint64 if layer.image.kind == "labels" else np.float32)


def _origin(layer: Layer) -> int:
    dtype = display_dtype(layer)
    if layer.image.kind == "labels" or layer.contrast is None:
        return 0
    if dtype.kind not in "iu" or dtype.itemsize < 4:
        return 0
    info = np.iinfo(dtype.name)
    return min(max(math.floor(layer.contrast[0]), int(info.min)), int(info.max))


def _ranges(values: Array) -> npt.NDArray[np.float32]:
    parts = {-1: slice(0, 1), 0: slice(None), 1: slice(-1, None)}
    found = np.empty((len(SIDES), 2), np.float32)
    for number, sides in enumerate(SIDES):
        piece = values[tuple(parts[side] for side in sides)]
        if values.dtype.kind == "f":
            found[number] = np.fmin.reduce(piece, axis=None), np.fmax.reduce(piece, axis=None)
        else:
            found[number] = piece.min(), piece.max()
    empty = np.isnan(found)
    found[empty[:, 0], 0], found[empty[:, 1], 1] = np.inf, -np.inf
    return found
