"""Files: the TIFF files that an image lies in: mostly one, of an OME-TIFF perhaps hundreds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from opsin.errors import ReadError, Unreachable
from opsin.images.local_file import LocalFile
from opsin.images.text import shown

OPEN_LIMIT = 64
"""Files that are kept open. A process may open about a thousand in all."""


class Files:
    """Files of one folder by their number, opened when they are needed. Safe on any thread."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open the first file.

        Raises:
            OSError: it cannot be opened.
        """
        self._paths = tuple(paths)
        self._lock = threading.Lock()
        self._closed = False
        self._open: OrderedDict[int, LocalFile] = OrderedDict({0: LocalFile(paths[0])})

    def name(self, number: int) -> str:
        """Name of a file, for messages."""
        return shown(self._paths[number].name)

    def size(self, number: int) -> int:
        """Bytes of a file. Raises as `read` does."""
        return self._file(number).size

    def read(self, number: int, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` of a file, or fewer where it ends.

        Raises:
            Unreachable: it cannot be read.
            ReadError: it was closed.
        """
        try:
            return self._file(number).read(offset, count)
        except OSError as error:
            raise self._unreadable(number, error) from error

    def close(self) -> None:
        """Let go of all files. Idempotent."""
        with self._lock:
            self._closed = True
            while self._open:
                self._open.popitem()[1].close()

    def _file(self, number: int) -> LocalFile:
        with self._lock:
            if self._closed:
                raise ReadError(f"{self.name(number)} cannot be read: the file is closed.")
            file = self._open.get(number)
            if file is None:
                try:
                    file = self._open[number] = LocalFile(self._paths[number])
                except OSError as error:
                    raise self._unreadable(number, error) from error
                while len(self._open) > OPEN_LIMIT:
                    self._open.popitem(last=False)  # it closes once nobody reads it any more
            self._open.move_to_end(number)
            return file

    def _unreadable(self, number: int, error: OSError) -> Unreachable:
        return Unreachable(f"{self.name(number)} cannot be read: {error.strerror or error}.")
