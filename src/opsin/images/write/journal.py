"""Journal: which files of a written image are complete, so that an interrupted write can go on.

A file per level, with one number of 64 bits for every chunk file (or shard) of that level: 0 while
it is not done, then its size + 1; so 1 stands for one that is not stored since all of it is zero.
The number is written after the file, so a process that is killed leaves nothing in the journal that
is not so. After a power cut the sizes tell: a file that is not as long as it was said to be is not
done.
"""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from opsin.images.source import Array, Index

NUMBER = np.dtype("<u8")
PIECE = 1 << 18
"""Numbers that are looked at at once."""


class Journal:
    """Of one image. Safe on several threads.

    Args:
        folder: where it lies; it is made.
        grids: chunk files of each level along each axis.
        path: the file of an index of a level.
    """

    def __init__(
        self,
        folder: Path,
        grids: Sequence[tuple[int, ...]],
        path: Callable[[int, Index], str],
    ) -> None:
        self._grids = grids
        folder.mkdir(parents=True, exist_ok=True)
        self.done: tuple[Array, ...] = tuple(
            _done(folder / str(level), level, grid, path) for level, grid in enumerate(grids)
        )
        """Per level, whether each file was done when the journal was opened: booleans in the shape
        of the grid."""
        self._lock = threading.Lock()
        self._files: list[io.FileIO] = []
        try:
            for level in range(len(grids)):
                (folder / str(level)).touch()
                self._files.append(io.FileIO(folder / str(level), "r+"))
        except BaseException:
            self.close()
            raise

    def record(self, level: int, index: Index, size: int) -> None:
        """A file is done, and has so many bytes; 0 if it is not there since all of it is zero."""
        place = 0
        for i, n in zip(index, self._grids[level], strict=True):
            place = place * n + i
        with self._lock:
            file = self._files[level]
            file.seek(place * NUMBER.itemsize)
            file.write((size + 1).to_bytes(NUMBER.itemsize, "little"))

    def close(self) -> None:
        """Let go of the files. Idempotent."""
        for file in self._files:
            file.close()


def began(folder: Path) -> bool:
    """Whether any journal below a folder knows of something done."""
    return any(file.is_file() and file.stat().st_size for file in folder.rglob("*"))


def _done(
    file: Path, level: int, grid: tuple[int, ...], path: Callable[[int, Index], str]
) -> Array:
    done: Array = np.zeros(math.prod(grid), np.bool_)
    if not file.exists():
        return done.reshape(grid)
    with file.open("rb") as numbers:
        for start in range(0, done.size, PIECE):
            known = np.fromfile(numbers, NUMBER, min(PIECE, done.size - start))
            for place in np.flatnonzero(known > 1):
                index = np.unravel_index(start + place, grid)
                try:
                    size = Path(path(level, tuple(map(int, index)))).stat().st_size
                except OSError:
                    size = -1
                if size + 1 != known[place]:
                    known[place] = 0
            done[start : start + len(known)] = known > 0
    return done.reshape(grid)
