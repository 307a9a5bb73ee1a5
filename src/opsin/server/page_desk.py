"""Page desk: the desk of a page, which can hand images that it shows to ImJoy's plugins."""

from __future__ import annotations

import asyncio
import math
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from opsin.errors import UsageError
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.desk_service import DeskService
from opsin.host.inputs import lazy_part, metadata_of, read_part
from opsin.host.selection import Given, Where, select
from opsin.plugins.manifest import Input, Operation

LARGEST = 2**25
"""Bytes of an image that is handed over whole; of a larger one parts are read as needed."""
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
        """Run a plugin. `image` in its context is a layer; its pixels are in the plugin's data."""
        self._check(source)
        given = dict(context) if isinstance(context, dict) else {}
        wanted = given.pop(IMAGE, None)
        if wanted is not None:
            given["data"] = {**(given.get("data") or {}), **await self._image(wanted)}
        return await super().run(source, given)

    def _check(self, source: Any) -> None:
        if not self._own:
            self._desk.shelf.refuse_file(str(source))

    async def _image(self, wanted: Any) -> dict[str, Any]:
        """What a plugin gets of an image: its pixels, and where they lie."""
        try:
            asked = msgspec.convert(wanted, Wanted)
        except msgspec.ValidationError as error:
            raise UsageError(f"That is no image to hand over: {error}.") from None
        layer = self._layer(asked.layer)
        taken = Operation(
            name="run",
            title="The plugin",
            inputs=(Input(name=IMAGE, kind="image", title="Image", axes=asked.axes or None),),
        )
        selection = select(taken, {IMAGE: layer}, self._where(asked.where))
        if selection.calls > 1:
            raise UsageError("A plugin of ImJoy gets one plane or volume: choose what is shown.")
        box = selection.box(IMAGE, (0,) * len(selection.loops))
        axes = selection.axes
        metadata = metadata_of(box, axes)
        pixels = math.prod(box.shape[box.names.index(name)] for name in axes)
        is_large = pixels * box.layer.image.dtype.itemsize > LARGEST
        array = lazy_part(box, axes) if is_large else await read_part(box, axes)
        return {
            asked.name: array,
            "name": metadata["name"],
            "axes": "".join(axes),
            "scale": list(metadata["scale"]),
            "translation": list(metadata["translation"]),
            "units": list(metadata["units"]),
        }


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
