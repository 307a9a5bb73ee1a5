"""LocalFile: a file that any thread reads at any position."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

_LARGEST_READ = 1 << 30  # Linux hands out at most 2 GiB - 4 KiB at once


class LocalFile:
    """A read-only file for positional reads from many threads.

    Closing waits for nobody: the descriptor itself goes when the last running read is over. A
    number that was closed under a read could by then belong to another file.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`.

        Raises:
            OSError: the file cannot be opened.
        """
        binary = getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, os.O_RDONLY | binary)
        self._lock = threading.Lock()
        self._readers = 0
        self._closed = False
        self.size = os.fstat(self._descriptor).st_size

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset`, or fewer where the file ends.

        Raises:
            OSError: the file cannot be read, or is closed.
        """
        with self._lock:
            if self._closed:
                raise OSError("the file is closed")
            self._readers += 1
        try:
            parts: list[bytes] = []
            while count > 0:
                part = self._read_once(offset, min(count, _LARGEST_READ))
                if not part:
                    break
                parts.append(part)
                offset += len(part)
                count -= len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            with self._lock:
                self._readers -= 1
                self._release()

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()

    def __del__(self) -> None:
        if hasattr(self, "_closed"):
            self.close()

    def _read_once(self, offset: int, count: int) -> bytes:
        if sys.platform == "win32":  # has no pread; untested
            with self._lock:
                os.lseek(self._descriptor, offset, os.SEEK_SET)
                return os.read(self._descriptor, count)
        return os.pread(self._descriptor, count, offset)

    def _release(self) -> None:
        if self._closed and self._readers == 0 and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
