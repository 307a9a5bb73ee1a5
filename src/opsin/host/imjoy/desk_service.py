"""Desk service: a desk, as a page calls it (protocol/IMJOY.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.loaded import Line
from opsin.host.imjoy.sources import obtain_repository
from opsin.rpc.objects import by_reference


@by_reference
class DeskService:
    """A desk, as a page calls it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def load(self, source: Any, tag: Any = "") -> dict[str, Any]:
        """Load a plugin; one that is not in the list is kept there from now on."""
        source, tag = str(source), str(tag or "")
        if self._desk.shelf.is_known(source):
            return (await self._desk.load(source, tag)).entry()
        return (await self._desk.add(source, tag)).entry()

    async def open_link(self, address: Any) -> None:
        """Do what an address of ImJoy's app asks for: add a plugin, if the user agrees; run one."""
        await self._desk.open_link(str(address))

    async def repository(self, name: Any) -> list[dict[str, Any]]:
        """The plugins of a repository: `USER/REPO`, or the address of its manifest."""
        found = await obtain_repository(str(name), self._desk.host.workspace.fetched)
        return [
            {"name": one.name, "description": one.description, "uri": f"{name}:{one.name}"}
            for one in found.plugins
        ]

    async def update(self, plugin: Any) -> bool:
        """Fetch a plugin of the list anew from where it came; it is loaded anew if it was.

        False: there is nothing newer.
        """
        return await self._desk.update(str(plugin))

    async def run(self, source: Any, context: Any = None) -> Any:
        """Run one."""
        return await self._desk.run(str(source), context if isinstance(context, dict) else None)

    async def stop(self, id: Any) -> None:
        """End one."""
        await self._desk.stop(str(id))

    async def reload(self, id: Any) -> dict[str, Any]:
        """End one, and load it as its file is now."""
        return (await self._desk.reload(str(id))).entry()

    def watch(self) -> AsyncIterator[list[dict[str, Any]]]:
        """All that are loaded, now and after every change."""
        return self._desk.watch()

    async def log(self, id: Any) -> AsyncIterator[dict[str, Any]]:
        """The lines of one's log: those that are kept, and all that come."""
        loaded = self._desk.get(str(id))
        queue: asyncio.Queue[Line] = asyncio.Queue()
        for line in loaded.lines:
            queue.put_nowait(line)
        loaded.listeners.append(queue.put_nowait)
        try:
            while True:
                line = await queue.get()
                yield {
                    "time": line.time,
                    "level": line.level,
                    "text": line.text,
                    "image": line.image,
                }
        finally:
            loaded.listeners.remove(queue.put_nowait)

    async def open_window(self, name: Any, data: Any = None) -> str:
        """Open a window of a plugin."""
        config = {"type": str(name), "data": data}
        return str((await self._desk.create_window(config, None))["config"]["window_id"])
