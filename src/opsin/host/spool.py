"""Spool: arrays of one shape on the disk, for outputs that have to wait for their turn.

An operation may give several images for every plane. One is written while the calls are made; the
others are kept here, and written afterwards.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from opsin.errors import WriteError
from opsin.host.calls import check_alike
from opsin.images.source import Array


class Spool:
    """A file of arrays, in the order in which they came. It is gone when this is closed.

    Args:
        path: of the file, which does not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._like: tuple[tuple[int, ...], np.dtype[np.generic]] | None = None
        try:
            self._file = path.open("x+b")
        except OSError as error:
            raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error

    def add(self, array: Array) -> None:
        """Keep an array.

        Raises:
            PluginError: it differs from those before in shape or type.
            WriteError: the disk does not take it.
        """
        if self._like is None:
            self._like = (array.shape, array.dtype)
        check_alike(*self._like, array)
        try:
            self._file.write(np.ascontiguousarray(array).data)
            self._file.flush()
        except OSError as error:
            reason = error.strerror or error
            raise WriteError(f"{self._path} cannot be written: {reason}.") from error

    def get(self, number: int) -> Array:
        """The array that came as that number, from 0; read as it is looked at."""
        assert self._like is not None
        shape, dtype = self._like
        size = dtype.itemsize
        for side in shape:
            size *= side
        return np.memmap(self._path, dtype, "r", number * size, shape)

    def close(self) -> None:
        """Remove the file. Arrays that were got keep what they show. Idempotent."""
        self._file.close()
        self._path.unlink(missing_ok=True)
