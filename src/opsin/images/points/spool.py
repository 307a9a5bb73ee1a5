"""Spool: records on the disk while they are sorted into leaves, of which there are a few hundred.

As many records as fit into the memory are put in order and written one after the other, as a *run*;
a leaf is then one piece of every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from opsin.images.points.records import joined
from opsin.images.source import Array


class Spool:
    """A file of records by leaf. It is gone when this is closed.

    Args:
        path: of the file, which does not exist yet.
        dtype: of the records.
        leaves: how many leaves there are.

    Raises:
        OSError: the disk does not take it; so do the methods.
    """

    def __init__(self, path: Path, dtype: np.dtype[np.void], leaves: int) -> None:
        self._path = path
        self._dtype = dtype
        self._file = path.open("x+b", buffering=0)
        self._runs: list[tuple[int, Array]] = []
        self._length = 0
        self.counts = np.zeros(leaves, np.int64)
        """Records of every leaf."""

    def add(self, records: Array, leaves: Sequence[Array]) -> None:
        """Write a run: which of some records belong to each leaf, in their order."""
        counts = np.array([len(rows) for rows in leaves])
        ordered = records.take(np.concatenate(leaves))
        left: Array = ordered.view(np.uint8)
        while left.size:
            left = left[self._file.write(left.data) :]
        self._runs.append((self._length, np.concatenate([[0], np.cumsum(counts)])))
        self._length += len(ordered)
        self.counts += counts

    def leaf(self, number: int) -> Array:
        """The records of a leaf, in the order in which they came."""
        parts = []
        for first, bounds in self._runs:
            part = np.empty(bounds[number + 1] - bounds[number], self._dtype)
            self._file.seek((first + int(bounds[number])) * self._dtype.itemsize)
            left: Array = part.view(np.uint8)
            while left.size:
                got = self._file.readinto(left.data)
                if not got:
                    raise OSError("the file of sorted points has become shorter")
                left = left[got:]
            parts.append(part)
        return joined(parts, self._dtype)

    def close(self) -> None:
        """Remove the file. Idempotent."""
        self._file.close()
        self._path.unlink(missing_ok=True)
