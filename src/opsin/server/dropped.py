"""Dropped: files that a page hands over, kept as long as the session."""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from opsin.errors import UsageError, WriteError
from opsin.images.draft import draft_name

LARGEST = 2**32
"""Bytes of one file."""
LEFT = 2**28
"""Bytes that stay free on the disk."""
LONGEST_NAME = 200
PIECE = 2**22
"""Bytes that are written at once."""


class Dropped:
    """A folder with what was handed over. What a killed process leaves, goes with the next start.

    Args:
        beside: the folder that it is made in, when there is something to keep.
    """

    def __init__(self, beside: Path) -> None:
        self._folder = beside / draft_name("dropped")
        self._numbers = itertools.count(1)

    async def take(self, name: str, size: int | None, content: AsyncIterator[bytes]) -> Path:
        """Keep a file.

        Args:
            name: how it is called where it comes from.
            size: in bytes, if that is known.

        Raises:
            UsageError: its name is none, or it is too large.
            WriteError: the disk does not take it.
        """
        plain = _plain(name)
        if size is not None and size > LARGEST:
            raise _too_large(plain)
        place = self._folder / str(next(self._numbers))
        path = place / plain
        try:
            await asyncio.to_thread(place.mkdir, 0o700, parents=True)
            await self._write(path, size or 0, content)
        except OSError as error:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
            raise WriteError(f"{plain} cannot be kept: {error.strerror or error}.") from error
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
            raise
        return path

    async def forget(self, path: Path) -> None:
        """Remove a file that was taken."""
        await asyncio.to_thread(shutil.rmtree, path.parent, ignore_errors=True)

    def close(self) -> None:
        """Remove all of it. Idempotent."""
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _write(self, path: Path, size: int, content: AsyncIterator[bytes]) -> None:
        free = (await asyncio.to_thread(shutil.disk_usage, path.parent)).free
        if size + LEFT > free:
            raise WriteError(f"{path.name} does not fit on the disk of {path.parent.parent}.")
        taken, waiting = 0, bytearray()
        with await asyncio.to_thread(path.open, "xb") as file:
            async for piece in content:
                taken += len(piece)
                if taken > LARGEST:
                    raise _too_large(path.name)
                waiting += piece
                if len(waiting) >= PIECE:
                    await asyncio.to_thread(file.write, bytes(waiting))
                    waiting.clear()
            await asyncio.to_thread(file.write, bytes(waiting))


def _plain(name: str) -> str:
    """The name as one that a file may have here: endings say how it is read."""
    plain = re.split(r"[/\\]", name)[-1].strip().lstrip(".")
    plain = re.sub(r"[\x00-\x1f\x7f:*?\"<>|]", "_", plain)
    if not plain:
        raise UsageError("A file that is handed over has a name.")
    stem, dot, ending = plain.partition(".")
    return plain if len(plain) <= LONGEST_NAME else f"{stem[:100]}{dot}{ending[-100:]}"


def _too_large(name: str) -> UsageError:
    most = LARGEST >> 30
    return UsageError(
        f"{name} is too large to be handed over ({most} GiB at most): opsin view {name}"
    )
