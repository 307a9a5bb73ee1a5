"""Private folder: where a worker may write, if it has no file system of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

NAME = "opsin-worker-"
YOUNG = 60.0
"""Seconds in which whoever made one has locked it."""


class PrivateFolder:
    """A folder that is there as long as this process keeps it. See `sweep`.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=NAME))
        self._descriptor = -1
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            _lock(self._descriptor)
            (self.path / "home").mkdir()
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove it, with all that is in it. Idempotent."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _lock(descriptor: int) -> None:
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def sweep() -> None:
    """Remove the folders of hosts that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{NAME}*"):
        try:
            descriptor = os.open(left, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            about = os.fstat(descriptor)
            if about.st_uid == os.geteuid() and about.st_mtime < time.time() - YOUNG:
                with suppress(BlockingIOError):
                    _lock(descriptor)
                    shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(descriptor)
