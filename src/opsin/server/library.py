"""Library: images below the roots of a server, opened when somebody asks for them by name."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TypeAlias

from opsin.chunks.loader import Loader
from opsin.chunks.volume_levels import for_volumes
from opsin.errors import BudgetExceeded, NotFound
from opsin.images.image import Image
from opsin.images.readers import open_images
from opsin.server.roots import Roots

MOST = 500
"""Images that may be open at once. They stay open."""

Group: TypeAlias = list[tuple[Image, int]]
"""Images that were opened together, and their numbers in the loader."""


class Library:
    """Opens each image once, and again when its file has changed.

    Args:
        roots: where images may lie.
        loader: what they are added to, which closes them.
    """

    def __init__(self, roots: Roots, loader: Loader) -> None:
        self.roots = roots
        self._loader = loader
        self._opening: dict[tuple[object, ...], asyncio.Task[Group]] = {}
        self._count = 0

    async def find(self, name: str) -> tuple[Group, str] | None:
        """The images that a name leads into, and the rest of it; None if there are none.

        Raises:
            OpenError, ReadError: there is something, but it cannot be opened.
            BudgetExceeded: too many images are open.
        """
        if not self.roots.folders:
            return None
        found = await asyncio.to_thread(self.roots.split, name)
        return None if found is None else (await self._open(found[1]), found[2])

    async def open(self, name: str) -> Group:
        """The images of exactly this name.

        Raises:
            NotFound: there are none below the roots.
            OpenError, ReadError, BudgetExceeded: as `find` does.
        """
        path = await asyncio.to_thread(self.roots.path, name)
        if path is None:
            raise NotFound(f"There is nothing called {name!r} below the roots of this server.")
        return await self._open(path)

    async def close(self) -> None:
        """Open nothing any more. Idempotent."""
        tasks = list(self._opening.values())
        self._opening.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, path: Path) -> Group:
        try:
            status = await asyncio.to_thread(os.stat, path)
        except OSError:
            raise NotFound(f"{path.name} is not there any more.") from None
        key = (path, status.st_ino, status.st_mtime_ns, status.st_size)
        task = self._opening.get(key)
        if task is None:
            if self._count >= MOST:
                raise BudgetExceeded(
                    f"{MOST} images below the roots are open, which is as many as there may be: "
                    "start the server anew."
                )
            self._count += 1
            task = self._opening[key] = asyncio.create_task(self._opened(path))
            task.add_done_callback(lambda task: self._ended(key, task))
        return await asyncio.shield(task)

    async def _opened(self, path: Path) -> Group:
        images = await asyncio.to_thread(open_images, path)
        return [(image, load(self._loader, image)) for image in images]

    def _ended(self, key: tuple[object, ...], task: asyncio.Task[Group]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._opening.pop(key, None)
            self._count -= 1


def load(loader: Loader, image: Image) -> int:
    """Make an image loadable, with the levels that it has in 3D; its number in the loader."""
    return loader.add(for_volumes(image), bases=(len(image.levels) - 1,))
