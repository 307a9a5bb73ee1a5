"""Points: positions in the world with properties, of any number; the sibling of an image.

They are kept in a tree of boxes, the *cells*, as `opsin.images.points.tree` tells. The points of
one cell are one chunk, the unit of loading: a one-dimensional array of records, those with the
lowest rank first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from opsin.errors import UsageError
from opsin.images.image import Axis, Origin
from opsin.images.points.tree import Tree
from opsin.images.source import Array, Index, Source
from opsin.images.waiting import wait_for

POSITION = "position"
"""The field of a chunk that holds positions; the others are called like the properties."""


@dataclass(frozen=True, slots=True)
class Property:
    """A number or a word that every point has."""

    name: str
    dtype: np.dtype[np.generic]
    """Of its values in chunks."""
    range: tuple[float, float] | None = None
    """The lowest and the highest number; None if there is none, or if it is a word."""
    categories: tuple[str, ...] = ()
    """The words, in alphabetical order; the values in chunks are their numbers. Empty: numbers."""


class PointsSource(Source, Protocol):
    """Where the chunks of points come from."""

    def with_properties(self, names: tuple[str, ...]) -> PointsSource:
        """The same, but chunks have these properties only."""


@dataclass(frozen=True)
class Points:
    """Points in space, and perhaps in time, from any source.

    `axes` are in the order of an image's: t, z, y, x. The levels go from fine to coarse: the last
    one holds the root of the tree.
    """

    name: str
    axes: tuple[Axis, ...]
    extent: tuple[tuple[float, float], ...]
    """World positions of the first and the last point along each axis."""
    count: int
    properties: tuple[Property, ...]
    tree: Tree = field(repr=False, compare=False)
    source: PointsSource = field(repr=False, compare=False)
    steps: tuple[float, ...] = ()
    """World distance of two neighbouring positions along each axis; 0: there are any between."""
    warnings: tuple[str, ...] = ()
    """What is worth telling the user, one sentence each."""
    origin: Origin | None = None
    """Where they were opened; None: they were made, and can be opened nowhere again."""

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes, in their order."""
        return tuple(axis.name for axis in self.axes)

    @property
    def levels(self) -> range:
        """The numbers of the levels."""
        return range(self.tree.levels)

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """Of a chunk: `position` (float64 world position along each axis), and the properties."""
        fields = [(one.name, one.dtype) for one in self.properties]
        return np.dtype([(POSITION, np.float64, (len(self.axes),)), *fields])

    def axis(self, name: str) -> int:
        """Position of the axis called `name`.

        Raises:
            UsageError: the points have no such axis.
        """
        if name not in self.axis_names:
            raise UsageError(f"{self.name} has no axis {name!r}: its axes are {self.axis_names}.")
        return self.axis_names.index(name)

    def property(self, name: str) -> Property:
        """The property called `name`.

        Raises:
            UsageError: the points have no such property.
        """
        for one in self.properties:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.properties) or "none"
        raise UsageError(f"{self.name} has no property {name!r}: its properties are {known}.")

    def with_properties(self, *names: str) -> Points:
        """The same points with these properties only, which makes their chunks smaller.

        It shares the source: closing one closes both.

        Raises:
            UsageError: the points have no such property.
        """
        kept = tuple(self.property(name) for name in names)
        return replace(self, properties=kept, source=self.source.with_properties(names))

    def chunk_bytes(self, level: int, index: Index) -> int:
        """Bytes of one decoded chunk."""
        return self.tree.count(level, index) * self.dtype.itemsize

    def read(self, level: int, index: Index) -> Array:
        """One chunk, bypassing every cache.

        Raises:
            ReadError: it could not be read.
        """
        direct = self.source.direct(level)
        if direct is not None:
            return direct(index)[0]
        return self.source.decode(level, index, wait_for(self.source.fetch(level, index)))

    def close(self) -> None:
        """Let go of files."""
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
