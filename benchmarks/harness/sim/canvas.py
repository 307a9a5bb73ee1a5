"""Canvas: what can be seen at a grid of points of it, and how far that is from what should be."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from harness.sim.link import Chunk

from opsin.chunks.camera import Camera, base_level, slice_index, target_level
from opsin.images.image import Level
from opsin.images.layer import Layer
from opsin.images.source import Index

COLUMNS, ROWS = 64, 48
"""Points along a canvas's width and height; the outermost lie in its outermost pixels."""
FINER = 3
"""How many levels below the target are looked at where the target is not there."""

Cell = tuple[int, int]
"""Row and column."""


class Holdings(Protocol):
    """What can be drawn, in cells: bricks or chunks."""

    def cell(self, level: int) -> tuple[int, int]:
        """Rows and columns of a cell."""

    def held(self, level: int, where: Index) -> Collection[Cell]:
        """Rows and columns of the cells of one slice of a level that can be drawn.

        `where` is one pixel of the level per axis that is not displayed.
        """


@dataclass(frozen=True, slots=True)
class Frame:
    """One look at the canvas, over the points that lie inside the image.

    Attributes:
        at_target: whether every point shows the target level or a finer one.
        sharp: share of the points that do.
        blank: share of the points that show nothing of this slice.
        blur: mean of log2(size of the pixels that are shown / of the target level), 0 where they
            are finer; a blank point counts as one level coarser than the coarsest.
        drawn: the chunks that some point shows.
    """

    at_target: bool
    sharp: float
    blank: float
    blur: float
    drawn: frozenset[Chunk]


NOTHING = Frame(at_target=True, sharp=1.0, blank=0.0, blur=0.0, drawn=frozenset())
"""Of a camera that sees nothing of the image."""


def look(layer: Layer, camera: Camera, holdings: Holdings) -> Frame:
    """What the canvas shows.

    Of the levels that are there, the target, else the nearest finer one, else the nearest coarser.
    """
    places = _Places(layer, camera)
    if not places.inside.any():
        return NOTHING
    target, base = target_level(layer, camera), base_level(layer, camera.displayed)
    shown = np.full(places.inside.shape, -1, np.int64)
    drawn: set[Chunk] = set()
    finer = range(target - 1, max(-1, target - 1 - FINER), -1)
    for level in (target, *finer, *range(target + 1, len(layer.image.levels))):
        missing = places.inside & (shown < 0)
        if not missing.any():
            break
        where = slice_index(layer, level, camera)
        if where is None or not (held := holdings.held(level, where)):
            continue
        here = places.covered(level, holdings.cell(level), held) & missing
        if here.any():
            shown[here] = level
            drawn.update(places.chunks(level, where, here))
    found = shown[places.inside]
    scales = [math.log2(places.pixel(level)) for level in range(len(layer.image.levels))]
    blurs = np.array([max(0.0, scale - scales[target]) for scale in scales] + [0.0])
    blurs[-1] = blurs[base] + 1  # at -1: nothing shown
    sharp = float(((found >= 0) & (blurs[found] == 0)).mean())
    return Frame(
        at_target=sharp == 1.0,
        sharp=sharp,
        blank=float((found < 0).mean()),
        blur=float(blurs[found].mean()),
        drawn=frozenset(drawn),
    )


class _Places:
    """The points of a canvas in pixels of each level. Rows and columns are independent."""

    def __init__(self, layer: Layer, camera: Camera) -> None:
        self._layer = layer
        self._names = [axis.name for axis in layer.axes]
        self._displayed = camera.displayed
        self._axes = [self._names.index(name) for name in camera.displayed]
        self._world = []
        for center, size, count in (
            (camera.center[0], camera.size[1], ROWS),
            (camera.center[1], camera.size[0], COLUMNS),
        ):
            offsets = np.linspace(0.5, size - 0.5, count) - size / 2
            self._world.append(center + offsets / camera.zoom)
        if slice_index(layer, 0, camera) is None:
            self.inside = np.zeros((ROWS, COLUMNS), bool)
            return
        level = layer.level(0)
        rows, columns = (
            (pixels >= 0) & (pixels < level.shape[axis])
            for pixels, axis in zip(self._pixels(level), self._axes, strict=True)
        )
        self.inside = rows[:, None] & columns[None, :]

    def pixel(self, level: int) -> float:
        """The longer side of a pixel of a level along the displayed axes, in world units."""
        scale = self._layer.level(level).scale
        return max(scale[axis] for axis in self._axes)

    def covered(
        self, level: int, cell: tuple[int, int], held: Collection[Cell]
    ) -> npt.NDArray[np.bool_]:
        """Which points lie in a cell that is held."""
        (rows, row_of), (columns, column_of) = (
            np.unique(pixels // size, return_inverse=True)
            for pixels, size in zip(self._clipped(level), cell, strict=True)
        )
        if len(held) < len(rows) * len(columns):
            row_number = {int(row): i for i, row in enumerate(rows)}
            column_number = {int(column): j for j, column in enumerate(columns)}
            there = np.zeros((len(rows), len(columns)), bool)
            for row, column in held:
                if row in row_number and column in column_number:
                    there[row_number[row], column_number[column]] = True
        else:
            there = np.array(
                [[(row, column) in held for column in columns.tolist()] for row in rows.tolist()]
            )
        return there[row_of][:, column_of]

    def chunks(self, level: int, where: Index, chosen: npt.NDArray[np.bool_]) -> Iterable[Chunk]:
        """The chunks in which some of the chosen points lie."""
        geometry = self._layer.level(level)
        rows, columns = (
            pixels // geometry.chunks[axis]
            for pixels, axis in zip(self._clipped(level), self._axes, strict=True)
        )
        place = grid_place(self._layer, level, where, self._displayed)
        i, j = np.nonzero(chosen)
        for row, column in set(zip(rows[i].tolist(), columns[j].tolist(), strict=True)):
            yield level, place(row, column)

    def _pixels(self, level: Level) -> list[npt.NDArray[np.int64]]:
        """Pixel of the level at each row, and at each column of points."""
        found = []
        for world, axis in zip(self._world, self._axes, strict=True):
            pixels = np.floor((world - level.translation[axis]) / level.scale[axis] + 0.5)
            found.append(pixels.clip(-1, level.shape[axis]).astype(np.int64))
        return found

    def _clipped(self, level: int) -> list[npt.NDArray[np.int64]]:
        geometry = self._layer.level(level)
        return [
            pixels.clip(0, geometry.shape[axis] - 1)
            for pixels, axis in zip(self._pixels(geometry), self._axes, strict=True)
        ]


def grid_place(
    layer: Layer, level: int, where: Index, displayed: tuple[str, str]
) -> Callable[[int, int], Index]:
    """The grid index of the chunk in a row and column of one slice of a level."""
    geometry = layer.level(level)
    rest = iter(where)
    index: list[int] = []
    axes: list[int] = []
    for name, chunk in zip([axis.name for axis in layer.axes], geometry.chunks, strict=True):
        axes.append(displayed.index(name) if name in displayed else -1)
        index.append(0 if name in displayed else next(rest) // chunk)

    def place(row: int, column: int) -> Index:
        return tuple(
            at if axis < 0 else (row, column)[axis] for at, axis in zip(index, axes, strict=True)
        )

    return place
