"""Window: a window of a plugin, or of Opsin's own, and what others can do with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from opsin.errors import OpsinError

CLOSING = 0.8
"""Seconds that those who listen to `close` are given, as in ImJoy."""
CONTROLS = ("focus", "resize", "refresh", "show", "hide")
TOLD = ("show", "hide")
"""What those who listen hear of; of the others the face tells."""
UNIT_KEYS = ("w", "h", "x", "y")
log = logging.getLogger("opsin")


class Window:
    """One window.

    Attributes:
        id: of this desk, and for plugins its `window_id`.
        type: by which it was asked for: the name of a plugin, or `imjoy/image`.
        interface: what its plugin exports, carried.
        is_passive: it exports nothing.
    """

    def __init__(self, id: str, name: str, type: str, owner: str) -> None:
        self.id = id
        self.name = name
        self.type = type
        self.owner = owner
        self.interface: dict[str, Any] = {}
        self.is_open = True
        self.is_passive = False
        self.config: dict[str, Any] = {}
        self._started: dict[str, Any] = {}
        self._listeners: dict[str, list[tuple[Callable[..., Awaitable[Any]], bool]]] = {}
        self._closed = asyncio.Event()
        self._ended: list[Callable[[Window], None]] = []

    def begun(self, started: dict[str, Any]) -> None:
        """The face has it."""
        self._started = started
        self.interface = dict(started.get("interface") or {})

    def when_closed(self, listener: Callable[[Window], None]) -> None:
        """Call `listener` when it is closed, by whomever."""
        self._ended.append(listener)

    def api(self) -> dict[str, Any]:
        """What others get of it: what its plugin exports, and what all windows have."""
        own = {name: self._control(name) for name in CONTROLS}
        common = {"on": self.on, "off": self.off, "emit": self.emit, "close": self.close}
        passive = {"passive": True, "setup": _nothing} if self.is_passive else {}
        kept = {**self.interface, **passive, **own, **common}
        return {**kept, "config": self.config, "_rintf": True}

    async def on(self, event: str, callback: Any = None, options: Any = None) -> None:
        """Call `callback` with what an event brings, every time, or once (`{once: true}`)."""
        if callable(callback):
            once = bool(options.get("once") if isinstance(options, dict) else options)
            self._listeners.setdefault(str(event), []).append((callback, once))

    async def off(self, event: str, callback: Any = None) -> None:
        """Call `callback` no more; without one, nobody."""
        if callback is None:
            self._listeners.pop(str(event), None)
            return
        known = self._listeners.get(str(event), [])
        self._listeners[str(event)] = [one for one in known if one[0] != callback]

    async def emit(self, event: str, *details: Any) -> None:
        """Tell those who listen."""
        listeners = self._listeners.get(str(event), [])
        self._listeners[str(event)] = [one for one in listeners if not one[1]]
        found = await asyncio.gather(
            *(_called(callback, details) for callback, _ in listeners), return_exceptions=True
        )
        for one in found:
            if isinstance(one, Exception):
                log.info("A listener to %s of %s failed: %s", event, self.name, one)

    async def close(self, *_: Any) -> None:
        """Tell those who listen, and take it away. Idempotent."""
        if not self.is_open:
            await self._closed.wait()
            return
        self.is_open = False
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self.emit("close")
        stop = self._started.get("stop")
        if stop is not None:
            with suppress(OpsinError):  # the face is gone, and the window with it
                await stop()
        self._listeners.clear()
        for listener in self._ended:
            listener(self)
        self._closed.set()

    async def told(self, event: str, details: dict[str, Any]) -> None:
        """The face says that something has happened to it."""
        if event == "closed":  # it is not seen any more; what runs in it still hears of that
            await self.close()
        elif event == "exported":
            self.interface = dict(details.get("interface") or {})
        elif event in ("resized", "focused"):
            await self.emit({"resized": "resize", "focused": "focus"}[event], details)

    def _control(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def control(*args: Any) -> Any:
            given = await self._started["control"](name, list(args))
            if name in TOLD:
                await self.emit(name)
            return given

        control.__name__ = name
        return control


async def _nothing(*_: Any) -> None:
    """What a plugin has that exports nothing."""


async def _called(callback: Callable[..., Awaitable[Any]], details: tuple[Any, ...]) -> Any:
    return await callback(*details)
