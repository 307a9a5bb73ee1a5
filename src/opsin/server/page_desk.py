"""Page desk: the desk of a page, which can hand images that it shows to ImJoy's plugins."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import UsageError
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.desk_service import DeskService
from opsin.host.imjoy.given_images import give_images
from opsin.host.imjoy.pictures import Place, pictures, write_pictures
from opsin.host.job import Job
from opsin.host.selection import Given, Where

IMAGE = "image"
MOST = 5000
"""Entries of a folder that are listed."""


class Wanted(msgspec.Struct, frozen=True):
    """An image that a page has a plugin be given, as `Request` of protocol/HOST.md has it."""

    layer: int
    where: Any
    axes: str = ""
    name: str = IMAGE


class PageDesk(DeskService):
    """A desk, as a page calls it.

    Args:
        layer: gives the layer of an id, or raises UsageError.
        where: understands a `Where`, or raises UsageError.
        own: the page is of the user who started the server.
    """

    def __init__(
        self, desk: Desk, layer: Callable[[int], Given], where: Callable[[Any], Where], own: bool
    ) -> None:
        super().__init__(desk)
        self._layer = layer
        self._where = where
        self._own = own

    async def load(self, source: Any, tag: Any = "") -> dict[str, Any]:
        """Load a plugin; see `DeskService`. Pages of others name no files of this computer."""
        self._check(source)
        return await super().load(source, tag)

    async def list_files(self, path: Any = "") -> dict[str, Any]:
        """What is in a folder of the host's computer: `{path, parent, entries}`.

        Args:
            path: of the folder; '' for that of the user.
        """
        if not self._own:
            raise UsageError("Files of this computer are not shown to pages of others.")
        return await asyncio.to_thread(_listed, str(path))

    async def run(self, source: Any, context: Any = None) -> Any:
        """Run a plugin, with images of the page in its data, and show the images that it gives.

        Args:
            context: `{config, data, image}`; `image` are a layer, or a list of layers.

        Gives what the plugin gives, without the images.
        """
        self._check(source)
        given = dict(context) if isinstance(context, dict) else {}
        wanted = given.pop(IMAGE, None)
        place: Place | None = None
        if wanted is not None:
            data, place = await self._images(wanted)
            given["data"] = {**(given.get("data") or {}), **data}

        async def keep(job: Job, result: Any) -> Any:
            images, rest = pictures(result, job.title, place)
            await write_pictures(job, images, self._desk.host.workspace.results / job.id)
            return rest

        return await self._desk.run(str(source), given, keep=keep)

    def _check(self, source: Any) -> None:
        if not self._own:
            self._desk.shelf.refuse_file(str(source))

    async def _images(self, wanted: Any) -> tuple[dict[str, Any], Place]:
        """What a plugin gets of layers: their pixels, and where they lie, which is that of one."""
        try:
            asked = msgspec.convert(wanted if isinstance(wanted, list) else [wanted], list[Wanted])
        except msgspec.ValidationError as error:
            raise UsageError(f"That is no image to hand over: {error}.") from None
        if not asked:
            raise UsageError("That is no image to hand over: name a layer.")
        first = asked[0]
        layers = {one.name: self._layer(one.layer) for one in asked}
        return await give_images(layers, self._where(first.where), first.axes)


def _listed(text: str) -> dict[str, Any]:
    """A folder's entries, folders first; what is hidden is left out.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        folder = (Path(text).expanduser() if text else Path.home()).absolute()
        entries = [_entry(one) for one in folder.iterdir() if not one.name.startswith(".")][:MOST]
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{text[:200] or 'The home folder'} cannot be listed: {reason}.") from None
    entries.sort(key=lambda one: (not one["is_folder"], one["name"].lower()))
    parent = "" if folder.parent == folder else str(folder.parent)
    return {"path": str(folder), "parent": parent, "entries": entries}


def _entry(path: Path) -> dict[str, Any]:
    is_folder, size = False, 0
    with suppress(OSError):
        status = path.stat()
        is_folder = stat.S_ISDIR(status.st_mode)
        size = 0 if is_folder else status.st_size
    return {"name": path.name, "path": str(path), "is_folder": is_folder, "size": size}
